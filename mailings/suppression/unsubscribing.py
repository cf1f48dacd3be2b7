"""What the unsubscribe link of a letter does, and how whoever pressed it by mistake takes it back.

A link outlives the rows it speaks of: the client, the mailing and the delivery may be gone, the
address erased, the secret changed. What is still known is shown; what is needed, the link carries.
"""

import logging
from datetime import datetime
from typing import Any, Self

from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit
from mailings.addressing import addresses, senders
from mailings.models import Delivery, Event, Suppression
from mailings.models.suppression import BY_THE_PERSON, SuppressionReason, SuppressionSource
from mailings.states import EventKind
from mailings.suppression import fingerprints, stop_list, unsubscribe_links
from mailings.suppression.unsubscribe_links import Link
from mailings.timing import clock

log = logging.getLogger(__name__)

REGRET_SECONDS = 3600
"""How long a person may take back what they did by the page's button."""

_SALT = "mailings.suppression.unsubscribing.regret"


class Reader:
    """Whoever holds the link of one letter."""

    def __init__(self, link: Link) -> None:
        self.link = link

    @classmethod
    def of(cls, token: str) -> Self | None:
        """Return who holds the link; None for one that was not made here."""
        link = unsubscribe_links.read(token)
        return cls(link) if link else None

    # ------------------------------------------------------------ what is known about them

    @cached_property
    def owner(self) -> User | None:
        return User.objects.filter(pk=self.link.owner_id).first()

    @cached_property
    def delivery(self) -> Delivery | None:
        """Return the delivery while it is kept, and while it still holds the address."""
        rows = Delivery.objects.select_related("run", "client").defer("run__html", "run__text")
        row = rows.filter(pk=self.link.delivery_id, run__mailing__owner=self.link.owner_id).first()
        if row is None:
            return None
        known = fingerprints.address_hash(row.address, self.link.secret) == self.link.address_hash
        return row if known else None

    @property
    def address(self) -> str:
        return self.delivery.address if self.delivery else ""

    @property
    def _is_address_of_now(self) -> bool:
        """Whether the client has the very mailbox that was written to. One that is written
        otherwise since IDNA 2008 must be recognised by the entry, too."""
        client = self.delivery.client if self.delivery else None
        return client is not None and client.email_normalised == addresses.mailbox(self.address)

    @property
    def masked_address(self) -> str:
        """Return what its owner recognises and a stranger cannot use: `m•••@mail.example`."""
        local, _at, domain = self.address.rpartition("@")
        return f"{local[:1]}•••@{domain}" if domain else ""

    @property
    def sender_name(self) -> str:
        """Return who wrote, as the letter said."""
        if self.delivery and self.delivery.run.sender_name:
            return self.delivery.run.sender_name
        return senders.name_of("", self.owner) if self.owner else ""

    # ------------------------------------------------------------ what they do

    def has_unsubscribed(self) -> bool:
        """Return whether the person has said already that this owner must not write."""
        return self._entries().filter(reason__in=BY_THE_PERSON).exists()

    @transaction.atomic
    def unsubscribe(self, source: SuppressionSource) -> Suppression | None:
        """Put the address on the owner's suppression list; return the entry if it is new.

        An entry for a reason that may be lifted one day becomes the person's own wish.
        """
        if self.owner is None:
            return None  # nobody is left who could write
        wish: dict[str, Any] = {
            "reason": SuppressionReason.UNSUBSCRIBED,
            "source": source.value,
            "run_id": self.delivery.run_id if self.delivery else None,
            "is_imported": False,
            "happened_on": None,
        }
        if self._says_again(wish):
            return None
        known_by = fingerprints.address_hash(self.address) if self.address else None
        try:
            with transaction.atomic():
                entry = Suppression.objects.create(
                    owner=self.owner,
                    address_hash=known_by or self.link.address_hash,
                    address=addresses.mailbox(self.address),
                    is_by_idna_2003=not self._is_address_of_now,
                    **wish,
                )
        except IntegrityError:  # put there a moment ago, for whatever reason
            self._says_again(wish)
            return None
        self._record(source, entry.created_at)
        log.info("unsubscribed", extra={"owner_id": self.owner.pk, "suppression_id": entry.pk})
        return entry

    def _says_again(self, wish: dict[str, Any]) -> bool:
        """Let an entry that is there already be the person's own wish; False: there is none."""
        # Held: an owner who takes it off at this moment is waited for, and it is made anew.
        held = list(self._entries().filter(owner=self.owner).select_for_update().order_by("pk"))
        milder = [entry.pk for entry in held if not entry.is_own_wish]
        if milder:
            Suppression.objects.filter(pk__in=milder).update(**wish)
            self._record(SuppressionSource(wish["source"]), clock.now())
        for entry in held:
            if entry.is_own_wish:  # whoever has looked at it before must look again
                audit.record_again(audit.Action.UNSUBSCRIBE_AGAIN, entry)
        return bool(held)

    def _record(self, source: SuppressionSource, at: datetime) -> None:
        """Write that they left by this letter: an event stays when the entry is taken off one day.
        Who is off already leaves nobody by another letter, or by this one once more."""
        if self.delivery is None:
            return
        event = Event(
            delivery=self.delivery,
            run_id=self.delivery.run_id,
            kind=EventKind.UNSUBSCRIBED,
            happened_at=at,
            recorded_at=at,
            source=source.value,
            source_id=str(self.delivery.pk),
        )
        Event.objects.bulk_create([event], ignore_conflicts=True)

    def regret_code(self, entry: Suppression) -> str:
        """Return what lets whoever has just made the entry take it back.

        Nobody else gets it: a mail scanner that presses every button finds the person
        unsubscribed, makes no entry, and so can undo nothing that the person did.
        """
        return signing.dumps([entry.pk, entry.owner_id, entry.address_hash], salt=_SALT)

    @transaction.atomic
    def take_back(self, code: str) -> bool:
        """Remove the entry that the code was given for; False when it is too late or not theirs."""
        try:
            entry_id, owner_id, digest = signing.loads(code, salt=_SALT, max_age=REGRET_SECONDS)
        except signing.BadSignature:
            return False
        made = self._entries().filter(
            pk=entry_id,
            owner_id=owner_id,
            address_hash=digest,
            reason=SuppressionReason.UNSUBSCRIBED,
        )
        entry = made.filter(owner=self.owner).first()
        if entry is None or self.owner is None:
            return False
        with translation.override(self.owner.language):
            audit.record(audit.Action.DELETE, entry, None, _("The recipient took it back at once."))
        if self.delivery is not None:  # they have not left: only what this entry came with goes
            Event.objects.filter(
                delivery=self.delivery,
                kind=EventKind.UNSUBSCRIBED,
                recorded_at=entry.created_at,
            ).delete()
        entry.delete()
        return True

    def _entries(self) -> QuerySet[Suppression]:
        """Return the entries that keep this owner from writing to the address."""
        found = stop_list.entries(self.link.owner_id).filter(address_hash=self.link.address_hash)
        if self.address:
            found |= stop_list.entries_about(self.link.owner_id, self.address)
        return found

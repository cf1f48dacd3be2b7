"""What a person changes of themselves by the link of a letter: which lists they are on, their name,
and whether they get anything at all.

Two links lead here: that of every letter (`/u/<token>/choices/`) and that of a letter of a
subscribe form. Whoever holds one reads that mailbox; nothing but it is shown or changed.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import cached_property
from typing import Self

from django.db import transaction

from accounts.models import User
from mailings.addressing import addresses, senders, unseen
from mailings.clients import services as clients
from mailings.models import Client, ClientList, SubscribeRequest, staying
from mailings.models.client import MAX_NAME
from mailings.models.suppression import BY_THE_PERSON, SuppressionReason, SuppressionSource
from mailings.subscribing import tokens
from mailings.suppression import stop_list, unsubscribing

log = logging.getLogger(__name__)

MAX_SAID = 200
"""Characters of why somebody leaves."""


class Person(ABC):
    """Whoever holds a link: of one sender, with one mailbox."""

    owner: User | None
    mailbox: str
    """Empty: the link no longer tells it."""
    language: str
    """Of the letter that held the link; empty: the sender is gone."""

    @cached_property
    def client(self) -> Client | None:
        if self.owner is None or not self.mailbox:
            return None
        return Client.objects.filter(owner=self.owner, email_normalised=self.mailbox).first()

    @property
    def sender_name(self) -> str:
        return senders.name_of("", self.owner) if self.owner else ""

    @property
    def masked_address(self) -> str:
        """Return what its owner recognises and a stranger cannot use: `m•••@mail.example`."""
        local, _at, domain = self.mailbox.rpartition("@")
        return f"{local[:1]}•••@{domain}" if domain else ""

    def lists(self) -> list[ClientList]:
        """Return the lists that the person is on."""
        return list(self.client.lists.order_by("name")) if self.client else []

    def has_left(self) -> bool:
        """Return whether the person has said that this sender must not write."""
        if self.owner is None:
            return True
        entries = stop_list.entries_about(self.owner.pk, self.mailbox)
        return entries.filter(reason__in=BY_THE_PERSON).exists()

    @transaction.atomic
    def choose(
        self, *, stay_on: Collection[int], full_name: str, among: Collection[int] | None = None
    ) -> None:
        """Stay on those of the lists that the page showed, `among` (None: all), and be called so;
        an empty name leaves it as it is. Raises `Invalid`."""
        if self.owner is None:
            return
        staying.keep_all_of(self.owner.pk)
        self.__dict__.pop("client", None)  # before that, they may have been deleted
        if self.client is None:
            return
        now_on = [row for row in self.lists() if among is None or row.pk in among]
        kept = [row for row in now_on if row.pk in stay_on]
        clients.choose_lists(client=self.client, lists=kept, among=now_on)
        name = unseen.tidy(full_name).strip()
        if name and name != self.client.full_name:
            clients.rename(client=self.client, full_name=name[:MAX_NAME])
        log.info("choices_made", extra={"client_id": self.client.pk, "lists": len(kept)})

    @transaction.atomic
    def leave(self, said: str = "") -> None:
        """Get nothing from this sender any more. `said`: why, if they want to say it."""
        self._unsubscribe()
        words = " ".join(unseen.tidy(said).split())[:MAX_SAID]
        if words and self.owner is not None:
            about = stop_list.entries_about(self.owner.pk, self.mailbox)
            about.filter(owner=self.owner, reason=SuppressionReason.UNSUBSCRIBED).update(
                words=words
            )

    @abstractmethod
    def _unsubscribe(self) -> None: ...


class LetterReader(Person):
    """Whoever holds the unsubscribe link of a letter."""

    def __init__(self, reader: unsubscribing.Reader) -> None:
        self.reader = reader
        self.owner = reader.owner
        self.language = reader.owner.language if reader.owner else ""
        self.mailbox = addresses.mailbox(reader.address) if reader.address else ""

    @classmethod
    def of(cls, token: str) -> Self | None:
        """Return who holds the link; None for one that was not made here."""
        reader = unsubscribing.Reader.of(token)
        return cls(reader) if reader else None

    @property
    def sender_name(self) -> str:
        return self.reader.sender_name

    def _unsubscribe(self) -> None:
        self.reader.unsubscribe(SuppressionSource.LINK)


class FormVisitor(Person):
    """Whoever holds the link of a subscribe form's letter."""

    def __init__(self, request: SubscribeRequest) -> None:
        self.owner: User | None = request.form.owner
        self.mailbox = request.mailbox
        self.language = request.form.language

    @classmethod
    def of(cls, token: str) -> Self | None:
        """Return who holds the link; None for one that was not made here, or is too old."""
        rows = SubscribeRequest.objects.select_related("form__owner").exclude(letter="")
        number = tokens.read(token)
        row = rows.filter(pk=number).first() if number is not None else None
        return cls(row) if row else None

    def _unsubscribe(self) -> None:
        assert self.owner is not None
        stop_list.suppress(
            self.mailbox,
            reason=SuppressionReason.UNSUBSCRIBED,
            owner_id=self.owner.pk,
            source=SuppressionSource.LINK,
        )

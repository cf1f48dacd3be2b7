"""What people do with the stop-list: put addresses on it by hand, and take entries off again.

An owner does it with their own entries, a manager with those for everybody (`owner` is None).
Services refuse with `Refused` or with Django's `PermissionDenied` (it is not theirs to do):

    Refused
    ├── Invalid           an address, the note or the reason breaks the rules of its field
    ├── NothingLeft       what was to be taken off is not on the list any more
    ├── ChangedMeanwhile  the entry is not what was looked at: the person has spoken since
    └── NotConfirmed      the person's own wish is lifted only by whoever says they know it

What the service itself writes, for whom it writes mail, stands in `stop_list` and `unsubscribing`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from mailings import audit, permissions
from mailings.addressing import unseen
from mailings.audit import Action
from mailings.errors import Refused
from mailings.inputs import Faults
from mailings.models import Client, Suppression
from mailings.models.suppression import BY_THE_PERSON, SuppressionReason
from mailings.spreadsheets import tables
from mailings.suppression import from_file, stop_list, typed
from mailings.suppression.fingerprints import address_hash

MOST_TYPED = 1_000
"""Addresses added by hand at once; more are a file to import."""
MOST_IN_FILE = 20_000
"""Addresses of one file: a request waits for them."""
MOST_TAKEN = 100
"""Entries taken off at once: each of them is looked at before."""
NOTE_LENGTH = 200  # characters: `Suppression.source`
REASON_LENGTH = 500  # characters; it stays in the log
FAULTS_SHOWN = 20  # lines

BY_HAND = (SuppressionReason.MANUAL, SuppressionReason.COMPLAINED)
"""What somebody may say by hand: their own decision, or what a person told them of spam."""


class NothingLeft(Refused):
    """None of the entries is on the list any more: a second click, or another tab."""


class ChangedMeanwhile(Refused):
    """An entry is not what was looked at; nothing is taken off."""


class NotConfirmed(Refused):
    """A person's own wish is among the entries, and nobody has said that they know it."""


# ---------------------------------------------------------------- onto the list


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesInput:
    """What is to go onto the list."""

    addresses: str
    """As typed: one a line, or several."""
    reason: SuppressionReason = SuppressionReason.MANUAL
    note: str = ""


class Added(NamedTuple):
    """What became of the addresses; one that is typed twice counts once."""

    new: int
    raised: int
    """Were on the list for a reason that may be lifted one day; now it is the person's own wish."""
    there: int
    """Were on the list, and stay as they were."""


@transaction.atomic
def add(*, data: EntriesInput, owner: User | None, by: User) -> Added:
    """Put addresses on the owner's list, on everybody's without an owner. Raises `Invalid`: then
    none is on it. A person's own wish stays what it is."""
    _require_right(owner, by)
    note = " ".join(unseen.tidy(data.note).split())
    mailboxes = _checked(data, note, is_for_everybody=owner is None)
    if owner is not None:
        _hold(owner)
    return _put(owner, mailboxes, data.reason, note, by)


class FromFile(NamedTuple):
    """What became of a file: its addresses, and how many rows hold none."""

    added: Added
    rows_without: int


@transaction.atomic
def add_file(
    *, content: bytes, reason: SuppressionReason, note: str, by: User, owner: User | None = None
) -> FromFile:
    """Put the addresses of a file (CSV, TXT, XLSX, VCF) on everybody's list, or on an owner's.
    Raises `Invalid`: then none is on it.

    Those of the column that holds most of them count: another one may say who has written the row.
    Rows without an address there are passed over, and counted but for the head.
    """
    _require_right(owner, by)
    note = " ".join(unseen.tidy(note).split())
    faults = Faults()
    _check_words(faults, reason, note, is_for_everybody=owner is None)
    found = from_file.Found([], 0)
    try:
        found = from_file.read(content)
    except tables.Unreadable as error:
        faults.add("file", str(error), "unreadable")
    else:
        if not found.mailboxes:
            faults.add("file", _("There is no address in the file."), "required")
        if len(found.mailboxes) > MOST_IN_FILE:
            said = _("No more than %(most)d addresses at once. Divide the file.")
            faults.add("file", said % {"most": MOST_IN_FILE}, "many")
    faults.refuse()
    if owner is not None:
        _hold(owner)
    total = Added(0, 0, 0)
    mailboxes = sorted(found.mailboxes)  # see `suppress_all`
    for begin in range(0, len(mailboxes), MOST_TYPED):
        some = mailboxes[begin : begin + MOST_TYPED]
        total = Added(*map(sum, zip(total, _put(owner, some, reason, note, by), strict=True)))
    return FromFile(total, found.rows_without)


def _put(
    owner: User | None, mailboxes: list[str], reason: SuppressionReason, note: str, by: User
) -> Added:
    """Put them on the list; each entry is in the log."""
    own = Suppression.objects.filter(owner=owner)
    known = stop_list.among(own, mailboxes)
    new = sorted(mailbox for mailbox in mailboxes if mailbox not in known)  # see `suppress_all`
    digests = [address_hash(mailbox) for mailbox in new]
    Suppression.objects.bulk_create(
        [
            Suppression(
                owner=owner, address_hash=digest, address=mailbox, reason=reason, source=note
            )
            for digest, mailbox in zip(digests, new, strict=True)
        ],
        ignore_conflicts=True,  # whoever unsubscribed a moment ago has said it better
    )
    made = own.filter(stop_list.has_one_of(digests), reason=reason, source=note)
    audit.record_each(Action.CREATE, list(made), by, note)
    raised = _raise(own, mailboxes, reason, note, by)
    return Added(len(new), raised, len(known) - raised)


def _checked(data: EntriesInput, note: str, *, is_for_everybody: bool) -> list[str]:
    """Return the mailboxes, each once. Raises `Invalid` with a message for each faulty line."""
    faults = Faults()
    parts = typed.read(data.addresses)
    wrong = [part for part in parts if part.fault]
    for part in wrong[:FAULTS_SHOWN]:
        faults.add(
            "addresses",
            _("Line %(number)d, “%(text)s”: %(fault)s")
            % {"number": part.line, "text": part.text, "fault": part.fault},
            "address",
        )
    if more := len(wrong[FAULTS_SHOWN:]):
        said = ngettext(
            "And %(count)d more is no address.", "And %(count)d more are no addresses.", more
        )
        faults.add("addresses", said % {"count": more}, "address")
    if not parts:
        faults.add("addresses", _("Write at least one address."), "required")
    if len(parts) > MOST_TYPED:
        said = _("No more than %(most)d addresses at once. Import them as a file instead.")
        faults.add("addresses", said % {"most": MOST_TYPED}, "many")
    _check_words(faults, data.reason, note, is_for_everybody=is_for_everybody)
    faults.refuse()
    return list(dict.fromkeys(part.mailbox for part in parts))


def _check_words(
    faults: Faults, reason: SuppressionReason, note: str, *, is_for_everybody: bool
) -> None:
    if reason not in BY_HAND:
        faults.add("reason", _("Choose one of the reasons."), "reason")
    if is_for_everybody and not note:
        faults.add("note", _("Write why nobody may write to them."), "required")
    if len(note) > NOTE_LENGTH:
        faults.add("note", _too_long(NOTE_LENGTH), "max_length")


def _hold(owner: User) -> None:
    """Keep the owner until the end: a deletion waits, or has been and leaves nobody."""
    held = User.objects.select_for_update(no_key=True).filter(pk=owner.pk, is_active=True)
    if held.first() is None:
        raise PermissionDenied


def _raise(
    own: QuerySet[Suppression],
    mailboxes: Collection[str],
    reason: SuppressionReason,
    note: str,
    by: User,
) -> int:
    """Let what a person wished take the place of reasons that may be lifted one day."""
    if reason not in BY_THE_PERSON:
        return 0
    ids = {entry.pk for entry in stop_list.among(own, mailboxes).values()}
    milder = own.filter(pk__in=ids).exclude(reason__in=BY_THE_PERSON)
    raised = list(milder.select_for_update(no_key=True).order_by("pk"))
    Suppression.objects.filter(pk__in=[entry.pk for entry in raised]).update(
        reason=reason, source=note, run=None, is_imported=False, happened_on=None
    )
    audit.record_each(Action.CHANGE, raised, by, note)
    return len(raised)


# ---------------------------------------------------------------- off the list


class Seen(NamedTuple):
    """An entry as somebody looked at it."""

    pk: int
    stamp: str
    """Of what it said: `stamps`."""


class TakenOut(NamedTuple):
    """What came of it."""

    number: int
    still: list[str]
    """Addresses that get no mail all the same: there is another entry, or one for everybody."""


def stamps(entries: Sequence[Suppression]) -> dict[int, str]:
    """Return by number what tells whether an entry still says what it says now, and whether the
    person has repeated their wish since; one query for all."""
    again = audit.times_of(Action.UNSUBSCRIBE_AGAIN, entries)
    return {
        entry.pk: blake2b(
            repr(
                (entry.reason, entry.source, entry.run_id, entry.created_at, again.get(entry.pk))
            ).encode(),
            digest_size=8,
        ).hexdigest()
        for entry in entries
    }


@transaction.atomic
def take_out(
    *,
    seen: Collection[Seen],
    owner: User | None,
    by: User,
    reason: str,
    confirmed: bool = False,
) -> TakenOut:
    """Take entries off the owner's list, off everybody's without an owner, as they were looked at.

    All or none; those that are gone already are passed over. What the person said after they were
    looked at stands: `ChangedMeanwhile`. Runs that are frozen stay as they are.
    """
    _require_right(owner, by)
    reason = unseen.tidy(reason).strip()
    _require_reason(reason)
    own = Suppression.objects.filter(owner=owner)
    wanted = dict(list(seen)[:MOST_TAKEN])
    # Held: a person who unsubscribes at this moment waits, and then finds no entry and makes one.
    rows = list(own.filter(pk__in=wanted).select_for_update().order_by("pk"))
    if not rows:
        raise NothingLeft(_("They are not on the suppression list any more."))
    now = stamps(rows)
    if any(now[row.pk] != wanted[row.pk] for row in rows):
        raise ChangedMeanwhile(
            _("The entry has changed meanwhile: the person may have unsubscribed. Look again.")
        )
    if not confirmed and any(row.is_own_wish for row in rows):
        raise NotConfirmed(
            _("Confirm that the person themselves asked to get mail again, or leave them out.")
        )
    audit.record_each(Action.DELETE, rows, by, reason)
    if owner is not None:
        audit.record_each(Action.TAKE_OFF_STOP_LIST, _clients_of(owner, rows), by, reason)
    own.filter(pk__in=[row.pk for row in rows]).delete()
    return TakenOut(len(rows), _still_held(owner, rows))


def let_in(*, owner: User, mailbox: str, reason: str) -> bool:
    """Take a person off the owner's list who has proved that the mailbox is theirs and asked for
    mail; within the caller's transaction. `reason`: for the log, in the owner's language.

    What they said of spam stays, and what is for everybody: that is lifted by people. False: such
    an entry still keeps mail from them.
    """
    about = stop_list.entries_about(owner.pk, mailbox)
    held = list(about.select_for_update().order_by("pk"))
    gone = [e for e in held if e.owner_id and e.reason != SuppressionReason.COMPLAINED]
    for entry in gone:
        audit.record(Action.DELETE, entry, None, reason)
    for client in _clients_of(owner, gone):
        audit.record(Action.TAKE_OFF_STOP_LIST, client, None, reason)
    Suppression.objects.filter(pk__in=[entry.pk for entry in gone]).delete()
    return len(gone) == len(held)


def _clients_of(owner: User, rows: Iterable[Suppression]) -> list[Client]:
    """Return the clients whose history is to tell it."""
    mailboxes = {row.address for row in rows if row.address}
    return list(Client.objects.filter(owner=owner, email_normalised__in=mailboxes).only("pk"))


def _still_held(owner: User | None, rows: Iterable[Suppression]) -> list[str]:
    if owner is None:
        return []
    known = [row.address for row in rows if row.address]
    return sorted(stop_list.suppressed_among(owner.pk, known))


def _require_reason(reason: str) -> None:
    faults = Faults()
    if not reason:
        faults.add("reason", _("Write why: it stays in the log."), "required")
    if len(reason) > REASON_LENGTH:
        faults.add("reason", _too_long(REASON_LENGTH), "max_length")
    faults.refuse()


def _require_right(owner: User | None, by: User) -> None:
    if owner is None:
        if not permissions.is_manager(by):
            raise PermissionDenied
    else:
        permissions.require_owner(Suppression(owner=owner), by)


def _too_long(most: int) -> str:
    return _("No more than %(most)d characters.") % {"most": most}


def seen_in(values: Iterable[str]) -> list[Seen]:
    """Return what a form says was looked at: `number-stamp` each; nonsense is passed over."""
    parts = (value.partition("-") for value in values)
    return [
        Seen(int(number), stamp)
        for number, _dash, stamp in parts
        if number.isascii() and number.isdecimal() and len(number) <= PK_DIGITS
    ]


PK_DIGITS = 18
"""Of a number that a database takes for an id."""


def as_seen(entries: Sequence[Suppression]) -> Mapping[int, str]:
    """Return by number what a form repeats of an entry that it shows."""
    return {pk: f"{pk}-{stamp}" for pk, stamp in stamps(entries).items()}

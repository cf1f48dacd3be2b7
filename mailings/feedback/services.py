"""What a report of a mail server changes: an event of the delivery it is about, and what follows.

Anybody can write a mail that looks like a report. So it must prove which letter it is about: by the
address it came to (`bounce_addresses`), by the same token that an HTTP API gives back with its
events, or by the unsubscribe link in the headers it returns. A
Message-ID proves nothing. What proves nothing, is in no known form or comes too late changes
nothing and is kept as it came, for managers (docs/decisions/0066).
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import Manager, Q

from mailings.addressing import addresses
from mailings.delivery import bounce_addresses
from mailings.delivery.bounce_addresses import Token
from mailings.feedback import consequences
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.understanding import understand
from mailings.models import Attempt, Delivery, Event, UnmatchedNotice, WorkerLease
from mailings.models.feedback import (
    DIAGNOSTIC_LIMIT,
    EVIDENCE_LIMIT,
    RAW_LIMIT,
    EventSource,
    UnmatchedReason,
)
from mailings.refusals import RefusalKind
from mailings.states import HANDED_OVER, RETURNED, EventKind
from mailings.suppression import fingerprints, unsubscribe_links
from mailings.suppression.unsubscribe_links import Link
from mailings.timing import clock

log = logging.getLogger(__name__)

RETURNS_WITHIN = timedelta(days=30)
"""Servers give up after five days (RFC 5321 4.5.4.1), and some take weeks to say so. A bounce that
comes later changes nothing: an address that leaked is of no use then. A complaint always counts."""
KEPT = timedelta(days=60)
KEPT_MOST = 10_000
"""Reports that changed nothing: so long, and so many, are kept; a flood costs 640 MB at most."""
AT_ONCE = 1_000
"""Notices that are recorded in one transaction: it holds their deliveries for some tenths of a
second."""
LOOK_EVERY = 100  # of them, so that a flood is bounded between two hours as well

NOT_FOR_GOOD = frozenset(
    {RefusalKind.FULL_MAILBOX, RefusalKind.RATE, RefusalKind.QUOTA, RefusalKind.TRANSIENT}
)
"""Said as if for good by some servers, and over one day."""


class Taken(StrEnum):
    """What became of a report."""

    RECORDED = "recorded"
    KNOWN = "known already"
    IGNORED = "nothing follows"
    KEPT = "kept for managers"


@dataclass(frozen=True, slots=True)
class Report:
    """A mail or an API's event that came in, by which way, and the source's own name of it."""

    raw: bytes
    source: EventSource
    source_id: str


def take(raw: bytes, *, source: EventSource, envelope_to: str = "") -> list[Taken]:
    """Take in a mail as it came to `envelope_to`; return what became of each thing it says.

    A mail that is handed in twice changes nothing the second time.
    """
    name = sha256(envelope_to.lower().encode() + b"\0" + raw).hexdigest()
    return record_all(
        [
            (notice, Report(raw, source, f"{name}.{number}"))
            for number, notice in enumerate(understand(raw, envelope_to=envelope_to))
        ]
    )


def record(notice: Notice, report: Report) -> Taken:
    """Write the event that a notice proves, once, and do what follows from it; else keep it."""
    return record_all([(notice, report)])[0]


def record_all(told: Sequence[tuple[Notice, Report]]) -> list[Taken]:
    """Record many: what one request of a service tells is a thousand of them. `AT_ONCE` take as
    many queries as a few, but that SQLite writes a hundred rows by one. Return what became of
    each."""
    taken: list[Taken] = []
    for begin in range(0, len(told), AT_ONCE):
        taken += _record(told[begin : begin + AT_ONCE])
    return taken


def _record(told: Sequence[tuple[Notice, Report]]) -> list[Taken]:
    now = clock.now()
    taken: dict[int, Taken] = {}
    kept: dict[int, UnmatchedReason] = {}
    speaking: dict[int, Notice] = {}
    for number, (notice, _report) in enumerate(told):
        match notice.kind:
            case NoticeKind.AUTO_REPLY | NoticeKind.DELAY:
                # The server goes on trying, or a machine says thank you.
                taken[number] = Taken.IGNORED
            case NoticeKind.UNKNOWN:
                kept[number] = UnmatchedReason.NOT_UNDERSTOOD
            case _:
                speaking[number] = notice
    proved: dict[int, int] = {}
    for number, found in _proved(speaking).items():
        if isinstance(found, UnmatchedReason):
            kept[number] = found
        else:
            proved[number] = found
    runs: set[tuple[int, EventKind]] = set()
    with transaction.atomic():
        deliveries = _held(proved.values())
        handed = _handed_over(deliveries)
        right: dict[int, Delivery] = {}
        for number, delivery_id in proved.items():
            delivery = deliveries.get(delivery_id)
            fault = _why_not(delivery, handed, told[number][0], now)
            if delivery is None or fault is not None:
                kept[number] = fault or UnmatchedReason.NO_DELIVERY
            else:
                right[number] = delivery
                runs.add((delivery.run_id, kind_of(told[number][0], delivery.address)))
        written = _write(right, told, now)
        consequences.suppress(
            [(event, right[number], told[number][0]) for number, event in written.items()], now
        )
    for number in right:
        taken[number] = Taken.RECORDED if number in written else Taken.KNOWN
    # In transactions of their own: whoever deletes a mailing holds it, and waits for ours. Also
    # for what is known: whoever heard it first may have died at this very point.
    consequences.pause(runs)
    for event in written.values():
        log.info("event_recorded", extra={"kind": event.kind, "delivery_id": event.delivery_id})
    taken |= _keep(kept, told)
    return [taken[number] for number in range(len(told))]


def prune(now: datetime) -> int:
    """Forget reports that changed nothing and are old, or too many; return how many."""
    newest = UnmatchedNotice.objects.order_by("-pk").values_list("pk", flat=True)
    last = next(iter(newest[KEPT_MOST : KEPT_MOST + 1]), 0)  # the first that is too much
    doomed = UnmatchedNotice.objects.filter(Q(received_at__lt=now - KEPT) | Q(pk__lte=last))
    return doomed._raw_delete(doomed.db)


# ---------------------------------------------------------------- which letter it is about


def _proved(notices: Mapping[int, Notice]) -> dict[int, int | UnmatchedReason]:
    """Return the number of the delivery that each notice proves to be about, or what it lacks."""
    tokens = {number: list(_tokens(notice)) for number, notice in notices.items()}
    links = {number: list(_links(notice)) for number, notice in notices.items()}
    claimed = {token.delivery_id for found in tokens.values() for token in found}
    claimed |= {link.delivery_id for found in links.values() for link in found}
    rows = Delivery.objects.filter(pk__in=claimed) if claimed else Delivery.objects.none()
    known = {
        pk: (address, owner)
        for pk, address, owner in rows.values_list("pk", "address", "run__mailing__owner")
    }
    return {number: _whose(tokens[number], links[number], known) for number in notices}


def _whose(
    tokens: Iterable[Token], links: Sequence[Link], known: Mapping[int, tuple[str, int | None]]
) -> int | UnmatchedReason:
    for token in tokens:
        if token.delivery_id in known and token.is_of(known[token.delivery_id][0]):
            return token.delivery_id
    for link in links:
        address, owner = known.get(link.delivery_id, ("", None))
        if owner == link.owner_id and link.address_hash == fingerprints.address_hash(
            address, link.secret
        ):
            return link.delivery_id
    return UnmatchedReason.NO_DELIVERY if links else UnmatchedReason.UNPROVEN


def _tokens(notice: Notice) -> Iterator[Token]:
    named = bounce_addresses.PREFIX + notice.token
    for place in (named, notice.envelope_to, notice.original_headers.get("return-path", "")):
        yield from bounce_addresses.tokens_in(place)


def _links(notice: Notice) -> Iterator[Link]:
    # Without the spaces at which servers on the way have folded it.
    header = "".join(notice.original_headers.get("list-unsubscribe", "").split())
    return unsubscribe_links.links_in(header)


def _held(numbers: Iterable[int]) -> dict[int, Delivery]:
    """Return the deliveries, which nobody deletes until the transaction ends."""
    if not (wanted := set(numbers)):
        return {}
    rows = Delivery.objects.select_related("run__mailing").defer("run__html", "run__text")
    held = rows.select_for_update(of=("self",)).filter(pk__in=wanted).order_by("pk")
    return {delivery.pk: delivery for delivery in held}


def _handed_over(deliveries: Collection[int]) -> dict[int, datetime | None]:
    """Return when each delivery was handed over last; None: it is in flight for the first time.
    One that never was is missing."""
    if not deliveries:
        return {}
    # In this order: what was in flight has its attempt as soon as it is no longer.
    flying = WorkerLease.objects.values_list("in_flight", flat=True)
    found: dict[int, datetime | None] = {
        pk: None for ids in flying for pk in ids if pk in deliveries
    }
    rows = Attempt.objects.filter(delivery__in=list(deliveries), outcome__in=HANDED_OVER)
    found |= dict(rows.order_by("number").values_list("delivery", "started_at"))
    return found


def _why_not(
    delivery: Delivery | None,
    handed: Mapping[int, datetime | None],
    notice: Notice,
    now: datetime,
) -> UnmatchedReason | None:
    """Return why the notice may change nothing about the delivery."""
    if delivery is None:
        return UnmatchedReason.NO_DELIVERY
    if delivery.pk not in handed:
        return UnmatchedReason.NOT_SENT
    at = handed[delivery.pk]
    is_late = at is not None and now - at > RETURNS_WITHIN
    return UnmatchedReason.TOO_LATE if is_late and notice.kind is NoticeKind.BOUNCE else None


# ---------------------------------------------------------------- what is written


def kind_of(notice: Notice, address: str) -> EventKind:
    """Return what a bounce or complaint about a letter to `address` is called as an event."""
    if notice.kind is NoticeKind.COMPLAINT:
        return EventKind.COMPLAINED
    for_good = notice.is_permanent and notice.refusal.kind not in NOT_FOR_GOOD
    # Where they have their mail sent on to failed, or one of many behind the address: not they.
    elsewhere = notice.final_recipient or (
        notice.recipient and addresses.mailbox(notice.recipient) != address
    )
    return EventKind.BOUNCED_HARD if for_good and not elsewhere else EventKind.BOUNCED_SOFT


def _write(
    right: Mapping[int, Delivery], told: Sequence[tuple[Notice, Report]], now: datetime
) -> dict[int, Event]:
    """Write the events, and return those that were not told before. A letter comes back once, hard
    or soft."""
    if not right:
        return {}
    events = {number: _event(delivery, *told[number], now) for number, delivery in right.items()}
    theirs = Event.objects.filter(delivery__in={delivery.pk for delivery in right.values()})
    seen = {(pk, _alike(kind)) for pk, kind in theirs.values_list("delivery", "kind")}
    reports = _known(Event.objects, (told[number][1] for number in right))
    new: dict[int, Event] = {}
    for number, event in events.items():
        said, report = (event.delivery_id, _alike(event.kind)), (event.source, event.source_id)
        if said not in seen and report not in reports:
            new[number] = event
            seen.add(said)
            reports.add(report)
    if not new:
        return {}
    Event.objects.bulk_create(new.values(), ignore_conflicts=True)
    # The same report about another delivery may have come at the same moment.
    there = set(theirs.values_list("delivery", "source_id"))
    return {n: e for n, e in new.items() if (e.delivery_id, e.source_id) in there}


def _alike(kind: str) -> str:
    return "returned" if kind in RETURNED else kind


def _known(rows: Manager[Any], reports: Iterable[Report]) -> set[tuple[str, str]]:
    """Return which of the reports are there already."""
    by_source: dict[str, set[str]] = {}
    for report in reports:
        by_source.setdefault(report.source, set()).add(report.source_id)
    found: set[tuple[str, str]] = set()
    for source, names in by_source.items():
        there = rows.filter(source=source, source_id__in=names)
        found.update(there.values_list("source", "source_id"))
    return found


def _event(delivery: Delivery, notice: Notice, report: Report, now: datetime) -> Event:
    return Event(
        delivery=delivery,
        run_id=delivery.run_id,
        kind=kind_of(notice, delivery.address),
        happened_at=now,
        recorded_at=now,
        source=report.source,
        source_id=report.source_id,
        code=notice.code,
        enhanced_code=notice.enhanced_code[:12],
        diagnostic=notice.diagnostic[:DIAGNOSTIC_LIMIT],
        evidence=notice.evidence[:EVIDENCE_LIMIT],
    )


def _keep(
    kept: Mapping[int, UnmatchedReason], told: Sequence[tuple[Notice, Report]]
) -> dict[int, Taken]:
    """Keep reports as they came; one that comes again is kept once."""
    if not kept:
        return {}
    now = clock.now()
    known = _known(UnmatchedNotice.objects, (told[number][1] for number in kept))
    taken: dict[int, Taken] = {}
    new: list[UnmatchedNotice] = []
    for number, reason in kept.items():
        notice, report = told[number]
        if (report.source, report.source_id) in known:
            taken[number] = Taken.KNOWN
            continue
        known.add((report.source, report.source_id))
        taken[number] = Taken.KEPT
        new.append(_unmatched(notice, report, reason, now))
    if new:
        UnmatchedNotice.objects.bulk_create(new, ignore_conflicts=True)
        reasons = sorted({row.reason for row in new})
        log.info("reports_changed_nothing", extra={"reasons": reasons, "number": len(new)})
        last = UnmatchedNotice.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        if last % LOOK_EVERY < len(new):
            prune(now)
    return taken


def _unmatched(
    notice: Notice, report: Report, reason: UnmatchedReason, now: datetime
) -> UnmatchedNotice:
    speaks = notice.kind in (NoticeKind.BOUNCE, NoticeKind.COMPLAINT)
    return UnmatchedNotice(
        source=report.source,
        source_id=report.source_id,
        received_at=now,
        reason=reason,
        address=notice.recipient[:254],
        kind=kind_of(notice, addresses.mailbox(notice.recipient)).value if speaks else "",
        diagnostic=notice.diagnostic[:DIAGNOSTIC_LIMIT],
        raw=report.raw[:RAW_LIMIT],
    )

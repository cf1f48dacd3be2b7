"""What a report of a mail server changes: an event of the delivery it is about, and what follows.

Anybody can write a mail that looks like a report. So it must prove which letter it is about: by the
address it came to (`bounce_addresses`), by the same token that an HTTP API gives back with its
events, or by the unsubscribe link in the headers it returns. A
Message-ID proves nothing. What proves nothing, is in no known form or comes too late changes
nothing and is kept as it came, for managers (docs/decisions/0066).
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import Q

from mailings.addressing import addresses
from mailings.delivery import bounce_addresses
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
from mailings.timing import clock

log = logging.getLogger(__name__)

RETURNS_WITHIN = timedelta(days=30)
"""Servers give up after five days (RFC 5321 4.5.4.1), and some take weeks to say so. A bounce that
comes later changes nothing: an address that leaked is of no use then. A complaint always counts."""
KEPT = timedelta(days=60)
KEPT_MOST = 10_000
"""Reports that changed nothing: so long, and so many, are kept; a flood costs 640 MB at most."""
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
    return [
        record(notice, Report(raw, source, f"{name}.{number}"))
        for number, notice in enumerate(understand(raw, envelope_to=envelope_to))
    ]


def record(notice: Notice, report: Report) -> Taken:
    """Write the event that a notice proves, once, and do what follows from it; else keep it."""
    match notice.kind:
        case NoticeKind.AUTO_REPLY | NoticeKind.DELAY:
            return Taken.IGNORED  # the server goes on trying, or a machine says thank you
        case NoticeKind.UNKNOWN:
            return _keep(notice, report, UnmatchedReason.NOT_UNDERSTOOD)
    now = clock.now()
    found = _proved(notice)
    if isinstance(found, UnmatchedReason):
        return _keep(notice, report, found)
    with transaction.atomic():
        delivery = _held(found)
        fault = _why_not(delivery, notice, now)
        if delivery is None or fault is not None:
            return _keep(notice, report, fault or UnmatchedReason.NO_DELIVERY)
        event = _write(delivery, notice, report, now)
        if event is not None:
            consequences.suppress(event, delivery, notice, now)
    # In a transaction of its own: whoever deletes the mailing holds it, and waits for ours. Also
    # for what is known: whoever heard it first may have died at this very point.
    consequences.pause(delivery.run_id, kind_of(notice, delivery.address))
    if event is None:
        return Taken.KNOWN
    log.info("event_recorded", extra={"kind": event.kind, "delivery_id": delivery.pk})
    return Taken.RECORDED


def prune(now: datetime) -> int:
    """Forget reports that changed nothing and are old, or too many; return how many."""
    newest = UnmatchedNotice.objects.order_by("-pk").values_list("pk", flat=True)
    last = next(iter(newest[KEPT_MOST : KEPT_MOST + 1]), 0)  # the first that is too much
    doomed = UnmatchedNotice.objects.filter(Q(received_at__lt=now - KEPT) | Q(pk__lte=last))
    return doomed._raw_delete(doomed.db)


# ---------------------------------------------------------------- which letter it is about


def _proved(notice: Notice) -> int | UnmatchedReason:
    """Return the number of the delivery that the notice proves to be about, or what it lacks."""
    headers = notice.original_headers
    named = bounce_addresses.PREFIX + notice.token
    for place in (named, notice.envelope_to, headers.get("return-path", "")):
        for token in bounce_addresses.tokens_in(place):
            rows = Delivery.objects.filter(pk=token.delivery_id)
            if any(map(token.is_of, rows.values_list("address", flat=True))):
                return token.delivery_id
    missing = UnmatchedReason.UNPROVEN
    # Without the spaces at which servers on the way have folded it.
    for link in unsubscribe_links.links_in("".join(headers.get("list-unsubscribe", "").split())):
        rows = Delivery.objects.filter(pk=link.delivery_id, run__mailing__owner=link.owner_id)
        for address in rows.values_list("address", flat=True):
            if fingerprints.address_hash(address, link.secret) == link.address_hash:
                return link.delivery_id
        missing = UnmatchedReason.NO_DELIVERY
    return missing


def _held(number: int) -> Delivery | None:
    """Return the delivery, which nobody deletes until the transaction ends."""
    rows = Delivery.objects.select_related("run__mailing").defer("run__html", "run__text")
    return rows.select_for_update(of=("self",)).filter(pk=number).first()


def _why_not(delivery: Delivery | None, notice: Notice, now: datetime) -> UnmatchedReason | None:
    """Return why the notice may change nothing about the delivery."""
    if delivery is None:
        return UnmatchedReason.NO_DELIVERY
    # In this order: what was in flight has its attempt as soon as it is no longer.
    is_in_flight = any(
        delivery.pk in ids for ids in WorkerLease.objects.values_list("in_flight", flat=True)
    )
    handed = Attempt.objects.filter(delivery=delivery, outcome__in=HANDED_OVER)
    at = handed.order_by("-number").values_list("started_at", flat=True).first()
    if at is None:
        return None if is_in_flight else UnmatchedReason.NOT_SENT
    if notice.kind is NoticeKind.BOUNCE and now - at > RETURNS_WITHIN:
        return UnmatchedReason.TOO_LATE
    return None


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


def _write(delivery: Delivery, notice: Notice, report: Report, now: datetime) -> Event | None:
    """Write the event; None: it was told before. A letter comes back once, hard or soft."""
    kind = kind_of(notice, delivery.address)
    alike = RETURNED if kind in RETURNED else (kind,)
    known = Q(source=report.source, source_id=report.source_id)
    if Event.objects.filter(known | Q(delivery=delivery, kind__in=alike)).exists():
        return None
    try:
        with transaction.atomic():
            return Event.objects.create(
                delivery=delivery,
                run_id=delivery.run_id,
                kind=kind,
                happened_at=now,
                recorded_at=now,
                source=report.source,
                source_id=report.source_id,
                code=notice.code,
                enhanced_code=notice.enhanced_code[:12],
                diagnostic=notice.diagnostic[:DIAGNOSTIC_LIMIT],
                evidence=notice.evidence[:EVIDENCE_LIMIT],
            )
    except IntegrityError:  # the same report about another delivery, at the same moment
        return None


def _keep(notice: Notice, report: Report, reason: UnmatchedReason) -> Taken:
    """Keep the report as it came; one that comes again is kept once."""
    speaks = notice.kind in (NoticeKind.BOUNCE, NoticeKind.COMPLAINT)
    row, created = UnmatchedNotice.objects.get_or_create(
        source=report.source,
        source_id=report.source_id,
        defaults={
            "received_at": clock.now(),
            "reason": reason,
            "address": notice.recipient[:254],
            "kind": kind_of(notice, addresses.mailbox(notice.recipient)).value if speaks else "",
            "diagnostic": notice.diagnostic[:DIAGNOSTIC_LIMIT],
            "raw": report.raw[:RAW_LIMIT],
        },
    )
    if not created:
        return Taken.KNOWN
    log.info("report_changed_nothing", extra={"reason": reason.value, "report_id": row.pk})
    if row.pk % LOOK_EVERY == 0:
        prune(row.received_at)
    return Taken.KEPT

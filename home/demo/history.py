"""Thirty days that the demo's bookshop has behind it: runs, refusals, retries, people who left.

Rows as the engine would have left them, so that reports, logs and `check_ledger` tell a story that
adds up. What is still open – two letters that wait for a full mailbox – the worker sends itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db.models import Count

from mailings.delivery.queue import chunks
from mailings.delivery.runs import holding, planning
from mailings.messages import content
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Hit,
    Mailing,
    Run,
    Suppression,
    TrackedLink,
)
from mailings.models.feedback import EventSource
from mailings.models.suppression import BY_THE_PERSON, SuppressionReason, SuppressionSource
from mailings.states import (
    DeliveryStatus,
    EventKind,
    HitKind,
    MailingStatus,
    Outcome,
    RunStatus,
    SkipReason,
)
from mailings.suppression import stop_list
from mailings.timing import schedule
from mailings.tracking import letters
from mailings.tracking import rule as tracking
from mailings.tracking.machines import Why
from mailings.tracking.rule import Measures

D = DeliveryStatus
SPACING = timedelta(milliseconds=180)
"""Between two letters of a run: a small provider's pace."""


@dataclass(frozen=True, slots=True)
class Try:
    outcome: Outcome
    code: int | None
    reply: str
    step: str = "dot"
    wait: timedelta = timedelta()
    """Until the next try."""

    @property
    def enhanced_code(self) -> str:
        first = self.reply.split(" ")[0]
        return first if first.count(".") == 2 else ""  # noqa: PLR2004 - RFC 3463: three numbers


ACCEPTED = Try(Outcome.ACCEPTED, 250, "2.0.0 Ok: queued")
GREYLISTED = Try(
    Outcome.TEMPORARY, 451, "4.7.1 Greylisted, try again later", "rcpt", timedelta(minutes=5)
)
FULL = Try(Outcome.TEMPORARY, 452, "4.2.2 Mailbox full", "rcpt", timedelta(minutes=145))
AWAY = Try(
    Outcome.UNAVAILABLE, 421, "4.3.2 Service is being restarted", "mail", timedelta(minutes=9)
)
NOBODY = Try(Outcome.PERMANENT, 550, "5.1.1 No such user here", "rcpt")
DISABLED = Try(Outcome.PERMANENT, 550, "5.2.1 This mailbox is disabled", "rcpt")
SPAM = Try(Outcome.PERMANENT, 554, "5.7.1 Message rejected as spam")
SILENCE = Try(Outcome.UNCERTAIN, None, "", wait=timedelta(minutes=15))


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a client's letter; `status` is that of its last try."""

    tries: tuple[Try, ...]
    status: DeliveryStatus = D.SENT

    @property
    def offsets(self) -> list[timedelta]:
        """When each try came, counted from the first."""
        waits = [one.wait for one in self.tries]
        return list(accumulate(waits, initial=timedelta()))[: len(waits)]


SENT = Fate((ACCEPTED,))
LATER = Fate((GREYLISTED, ACCEPTED))
AFTER_AN_OUTAGE = Fate((AWAY, ACCEPTED))
TWICE = Fate((SILENCE, ACCEPTED))
WAITS = Fate((FULL,), D.DEFERRED)
DEAD = Fate((NOBODY,), D.FAILED)
REFUSED = Fate((SPAM,), D.FAILED)
CLOSED = Fate((DISABLED,), D.FAILED)
FULL_FOR_A_WHILE = Fate((FULL, FULL, ACCEPTED))
LEFT = Fate((), D.SKIPPED)
UNTRIED = Fate((), D.PENDING)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Client number `client` stops getting mail after the run `days` ago."""

    client: int
    days: int
    reason: SuppressionReason = SuppressionReason.UNSUBSCRIBED
    source: str = SuppressionSource.LINK


LEAVINGS = (
    Leaving(50, 27),
    Leaving(38, 24, SuppressionReason.BOUNCED, NOBODY.reply),
    Leaving(29, 19, source=SuppressionSource.ONE_CLICK),
    Leaving(44, 12),
    Leaving(57, 8, SuppressionReason.BOUNCED, NOBODY.reply),
    Leaving(36, 6, SuppressionReason.COMPLAINED, "abuse"),
    Leaving(33, 5, source=SuppressionSource.ONE_CLICK),
    Leaving(47, 2),
)
"""By the number of the bookshop's client. All are in the list of the daily mailing."""


@dataclass(frozen=True, slots=True)
class CameBack:
    """The letter to client number `client` was taken by the run `days` ago, and came back."""

    client: int
    days: int
    kind: EventKind
    words: Try | None = None
    after: timedelta = timedelta(seconds=4)


CAME_BACK = (
    CameBack(57, 8, EventKind.BOUNCED_HARD, NOBODY),
    CameBack(36, 6, EventKind.COMPLAINED, after=timedelta(hours=2)),
    CameBack(22, 4, EventKind.BOUNCED_SOFT, FULL, after=timedelta(hours=30)),
)
"""Of the daily mailing."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a mailing of the demo has behind it."""

    begun: int
    """Days ago."""
    missed: frozenset[int] = frozenset()
    """Runs so many days ago did not take place: the service was off."""
    fates: dict[tuple[int, int], Fate] = field(default_factory=dict)
    """(days ago, number of the client) → what became of it; else `every` decides."""
    outage: int = -1
    """The run so many days ago met a mail service that was being restarted."""
    hours: int = 0
    """Begun so many hours ago instead of at its hour of the day."""
    is_tracked: bool = False
    """Its letters told of their readers."""
    handed_over: int | None = None
    """After so many letters the service paused the mailing."""

    def fate(self, days: int, client: int) -> Fate:
        if known := self.fates.get((days, client)):
            return known
        if days == self.outage:
            return AFTER_AN_OUTAGE if client % 3 == 0 else SENT
        return LATER if (client + days) % 17 == 0 else SENT


def deaths() -> dict[tuple[int, int], Fate]:
    """Return whose address the mail service itself refused."""
    told_later = {(one.days, one.client) for one in CAME_BACK}
    gone = {(one.days, one.client) for one in LEAVINGS if one.reason == "bounced"}
    return dict.fromkeys(gone - told_later, DEAD)


MORNING_READING = Past(
    30,
    missed=frozenset({16}),
    outage=10,
    fates=deaths()
    | {(days, 26): REFUSED for days in (21, 20, 14, 6)}
    | {(days, 41): CLOSED for days in range(1, 7)}
    | {(9, 12): TWICE, (3, 48): FULL_FOR_A_WHILE},
)
DIGEST = Past(28, fates={(14, 9): REFUSED, (7, 20): CLOSED})
FAIR = Past(12, fates={(12, 41): CLOSED, (12, 26): REFUSED, (12, 18): FULL_FOR_A_WHILE},
            is_tracked=True)  # fmt: skip
CATALOGUE = Past(2, fates={(2, client): REFUSED for client in range(14, 24)}, handed_over=18)
EVENING = Past(0, hours=2, fates={(0, 9): WAITS, (0, 21): WAITS})


def begin(past: Past, morning: datetime, now: datetime) -> datetime:
    """Return the start of a mailing with this past; `morning`: today's, in the owner's zone."""
    if past.hours:
        return now - timedelta(hours=past.hours)
    # The same hour of the wall on an earlier day, whatever the clocks did meanwhile.
    return morning - timedelta(days=past.begun)


def date_back(row: Client | Mailing, at: datetime) -> None:
    """Let a row have been made then: no use case can do that."""
    type(row)._default_manager.filter(pk=row.pk).update(created_at=at)


def write(mailing: Mailing, past: Past, clients: Iterable[Client], now: datetime) -> None:
    """Give a draft its runs until now, and set it where they leave it.

    `clients`: all of the owner's, in the order in which the demo numbers them.
    """
    numbers = {client.pk: number for number, client in enumerate(clients)}
    members = Client.objects.filter(lists__in=mailing.lists.all()).distinct().order_by("pk")
    recipients = [(numbers[client.pk], client) for client in members if client.pk in numbers]
    rule = planning.rule_of(mailing)
    newest = schedule.latest(rule, now)
    number, next_at = schedule.following(rule, now) or ((newest[0] if newest else -1) + 1, None)
    mailings = Mailing.objects.filter(pk=mailing.pk)
    date_back(mailing, mailing.start_at - timedelta(hours=20))
    mailings.move(MailingStatus.CREATED)
    mailings.move(
        MailingStatus.RUNNING,
        next_occurrence=number,
        next_run_at=next_at,
        status_at=mailing.start_at,
    )
    tracked = past.is_tracked and tracking.is_allowed()
    mailings.update(track_opens=tracked, track_clicks=tracked)
    frozen = content.frozen(
        mailing.message, sender_name=mailing.sender_name, measures=Measures(tracked, tracked)
    )
    for k in range(newest[0] + 1 if newest else 0):
        if (at := schedule.occurrence(rule, k)) is not None:
            days = (now.astimezone(mailing.zone).date() - at.astimezone(mailing.zone).date()).days
            _occurrence(mailing, past, k, at, days, recipients, frozen)
    _end(mailing, past, next_at)


def _occurrence(
    mailing: Mailing,
    past: Past,
    number: int,
    at: datetime,
    days: int,
    recipients: list[tuple[int, Client]],
    frozen: content.Frozen,
) -> None:
    if days in past.missed:
        Run.objects.create(
            mailing=mailing,
            occurrence=number,
            scheduled_for=at,
            status=RunStatus.MISSED,
            reason="Сервис не работал, когда подошло время рассылки.",
            finished_at=at + timedelta(hours=7),
        )
        return
    run = Run.objects.create(
        mailing=mailing,
        occurrence=number,
        scheduled_for=at,
        started_at=at,
        status=RunStatus.SENDING,
        **_columns(mailing, frozen),
    )
    _deliver(run, past, days, recipients)
    if run.is_tracked:
        _read(run, frozen.links)
    if past is MORNING_READING:
        _come_back(run, days, dict(recipients))
        _leave(run, days, dict(recipients))


def _columns(mailing: Mailing, frozen: content.Frozen) -> dict[str, Any]:
    return {
        "subject": mailing.message.subject,
        "preheader": mailing.message.preheader,
        "html": frozen.html,
        "text": frozen.text,
        "track_opens": frozen.measures.opens,
        "track_clicks": frozen.measures.clicks,
        "sender_name": mailing.sender_name,
        "sender_email": parseaddr(settings.DEFAULT_FROM_EMAIL)[1],
        "reply_to": mailing.owner.email,
    }


def _read(run: Run, links: list[letters.Link]) -> None:
    """Write who opened the run's letters and followed their links: some people, some machines."""
    TrackedLink.objects.bulk_create(
        TrackedLink(owner_id=run.mailing.owner_id, run=run, **link._asdict()) for link in links
    )
    deliveries = run.deliveries.with_status(D.SENT).order_by("pk")
    Hit.objects.bulk_create(
        Hit(
            delivery=delivery,
            run=run,
            kind=kind,
            link=link,
            is_machine=bool(why),
            why=why,
            first_at=(delivery.finished_at or run.scheduled_for) + after,
        )
        for place, delivery in enumerate(deliveries)
        for kind, link, why, after in _hits(place, len(links))
    )


def _hits(place: int, links: int) -> Iterator[tuple[HitKind, int, str, timedelta]]:
    """Yield what was done with one letter: kind, link, by which machine, how long after it."""
    if place % 4 == 1:
        yield HitKind.OPENED, 0, Why.PRIVACY_PROXY, timedelta(seconds=2)
    if place % 3 == 1:
        return  # nobody has opened it
    # Most within hours, some after days.
    after = timedelta(minutes=7 + place * 53 % 400, days=place % 7 if place % 5 == 0 else 0)
    yield HitKind.OPENED, 0, "", after
    if links and place % 3 == 0:
        for link in (0, 1 + place % links):
            yield HitKind.CLICKED, link, "", after + timedelta(seconds=40)


def _deliver(run: Run, past: Past, days: int, recipients: list[tuple[int, Client]]) -> None:
    """Write the run's deliveries and attempts, its counters, and its end if it has one."""
    rows: list[tuple[Delivery, Fate, datetime]] = []
    for place, (number, client) in enumerate(recipients):
        first = run.scheduled_for + timedelta(seconds=1) + SPACING * place
        fate = past.fate(days, number)
        if any(one.client == number and one.days > days for one in LEAVINGS):
            fate = LEFT
        elif past.handed_over is not None and place >= past.handed_over:
            fate = UNTRIED
        rows.append((_delivery(run, client, fate, first), fate, first))
    Delivery.objects.bulk_create(delivery for delivery, _, _ in rows)
    Attempt.objects.bulk_create(
        Attempt(
            delivery=delivery,
            number=n,
            started_at=first + offset,
            duration_ms=120 + delivery.pk * 37 % 160,
            step=one.step,
            outcome=one.outcome,
            code=one.code,
            enhanced_code=one.enhanced_code,
            reply=one.reply,
        )
        for delivery, fate, first in rows
        for n, (one, offset) in enumerate(zip(fate.tries, fate.offsets, strict=True), start=1)
    )
    counted = dict(run.deliveries.order_by().values_list("status").annotate(Count("pk")))
    Run.objects.filter(pk=run.pk).update(
        targeted=len(rows),
        **{f"{name}_count": counted.get(name, 0) for name in Run.COUNTED},
    )
    if any(delivery.finished_at is None for delivery, _, _ in rows):
        chunks.cut(run.pk)
        return
    last = max(delivery.finished_at for delivery, _, _ in rows if delivery.finished_at)
    Run.objects.filter(pk=run.pk).move(RunStatus.DONE, finished_at=last + timedelta(seconds=1))


def _delivery(run: Run, client: Client, fate: Fate, first: datetime) -> Delivery:
    last = first + max(fate.offsets, default=timedelta())
    is_open = fate.status in (D.PENDING, D.DEFERRED)
    charged = [one for one in fate.tries if one.outcome != Outcome.UNAVAILABLE]
    return Delivery(
        run=run,
        client=client,
        address=client.email_normalised,
        full_name=client.full_name,
        variables=client.attributes,
        status=fate.status,
        reason=SkipReason.SUPPRESSED if fate.status == D.SKIPPED else "",
        tries=len(charged),
        attempt_count=len(fate.tries),
        uncertain_resends=sum(one.outcome == Outcome.UNCERTAIN for one in fate.tries),
        next_attempt_at=last + fate.tries[-1].wait if fate.status == D.DEFERRED else None,
        finished_at=None if is_open else last,
    )


def _come_back(run: Run, days: int, clients: dict[int, Client]) -> None:
    """Write what became known later of letters of this run."""
    for one in CAME_BACK:
        if one.days != days or one.client not in clients:
            continue
        delivery = run.deliveries.get(client=clients[one.client])
        at = (delivery.finished_at or run.scheduled_for) + one.after
        said = one.words.reply if one.words else ""
        Event.objects.create(
            delivery=delivery,
            run=run,
            kind=one.kind,
            happened_at=at,
            recorded_at=at,
            source=EventSource.PIPE,
            source_id=f"demo.{delivery.pk}",
            code=one.words.code if one.words else None,
            enhanced_code=one.words.enhanced_code if one.words else "",
            diagnostic=said,
            evidence=f"Final-Recipient: rfc822; {delivery.address}\nDiagnostic-Code: smtp; {said}",
        )


def _leave(run: Run, days: int, clients: dict[int, Client]) -> None:
    """Put on the stop-list those who left after this run, or whose address is gone."""
    for one in LEAVINGS:
        if one.days != days or one.client not in clients:
            continue
        address = clients[one.client].email_normalised
        stop_list.suppress(
            address, reason=one.reason, owner_id=run.mailing.owner_id, source=one.source
        )
        # A refusal is known at once; people read for a while before they leave.
        is_person = one.reason in BY_THE_PERSON
        was_taken = any((back.client, back.days) == (one.client, days) for back in CAME_BACK)
        at = run.scheduled_for + timedelta(hours=2 if is_person else 0, minutes=1)
        Suppression.objects.filter(owner=run.mailing.owner, address=address).update(
            run=run if is_person or was_taken else None, created_at=at
        )
        if one.reason == SuppressionReason.UNSUBSCRIBED:
            delivery = run.deliveries.get(client=clients[one.client])
            Event.objects.create(
                delivery=delivery,
                run=run,
                kind=EventKind.UNSUBSCRIBED,
                happened_at=at,
                recorded_at=at,
                source=one.source,
                source_id=str(delivery.pk),
            )


def _end(mailing: Mailing, past: Past, next_at: datetime | None) -> None:
    run = mailing.runs.latest("scheduled_for")
    mailings = Mailing.objects.filter(pk=mailing.pk)
    if past.handed_over is not None:
        holding.pause_for_refusals(run.pk, f"{SPAM.code} {SPAM.reply}")
        mailings.update(status_at=run.scheduled_for + timedelta(seconds=5))
    elif run.finished_at and next_at is None:
        mailings.move(MailingStatus.COMPLETED, status_at=run.finished_at)

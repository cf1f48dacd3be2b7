"""The group commit: what became of a batch of tries, and what is handed over next, in one
transaction, a few statements however large the batch.

A result moves its delivery only if that is still waiting for just this attempt, so a batch that is
written twice (the connection broke while it was committed) changes nothing the second time.

Beside `StatefulQuerySet.move` this is the only code that writes a delivery's status: moving rows
one by one costs forty times as much. The table of transitions binds it as well.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DataError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from mailings import suppression
from mailings.delivery import chunks, holding, lease, queue, retry
from mailings.delivery.claims import Claimed, Result
from mailings.delivery.prepared import GENERIC_PLANS, Message, Statement
from mailings.delivery.tally import Tally, lock_runs
from mailings.models import Attempt, Delivery, Run
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus, MailingStatus, Outcome, RunStatus, SkipReason, sources

log = logging.getLogger(__name__)

D = DeliveryStatus


@dataclass(slots=True)
class Batch:
    """What one commit writes."""

    results: list[Result] = field(default_factory=list)
    in_hand: list[Claimed] = field(default_factory=list)
    """Deliveries that would be handed over after this commit."""
    handed_over: list[int] = field(default_factory=list)
    """Ids of those that were before and are not answered yet."""
    stale: list[Claimed] = field(default_factory=list)
    """Of `in_hand`, those read too long ago to be believed: asked for again, one by one."""
    finished_chunks: list[int] = field(default_factory=list)
    released_chunks: list[int] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    """Ids of deliveries that were claimed row by row and will not be sent now."""


@dataclass(slots=True)
class Verdict:
    """Which of `in_hand` may not go: all of these runs, and these deliveries."""

    held_runs: Collection[int] = ()
    skipped: Collection[int] = ()

    def lets_go(self, claimed: Claimed) -> bool:
        return claimed.run_id not in self.held_runs and claimed.pk not in self.skipped


def record(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """Write the batch; return what of it may not be handed over. Raises `LeaseLost`."""
    if _fits_one_trip(batch):
        verdict = _record_in_one_trip(worker, batch, now)
        return _take_back_later(worker, batch, now) if verdict is None else verdict
    return _record_with_all(worker, batch, now)


@transaction.atomic
def _record_with_all(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    if connection.vendor == "postgresql" and not any(map(_has_consequences, batch.results)):
        verdict = _record_at_once(worker, batch, now)
    else:
        verdict = _record_in_steps(worker, batch, now)
    _return_claims(worker, batch, verdict, now)
    return verdict


def _has_consequences(result: Result) -> bool:
    """Whether it may stop an address or a mailing, which must show before anything goes on."""
    if result.outcome is Outcome.ACCEPTED:
        return False
    return isinstance(result.decision, retry.Suppress | retry.PauseMailing) or (
        result.outcome is Outcome.PERMANENT and result.step in holding.CONTENT_STEPS
    )


def _record_in_steps(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    lease.lock(worker)
    tally = Tally()
    _write_results(batch.results, now, tally)
    _suppress(batch.results)
    _pause_refused(batch.results)
    verdict = _judge(batch, now, tally)
    tally.write()
    going = [claimed for claimed in batch.in_hand if verdict.lets_go(claimed)]
    _count_resends(going)
    lease.renew(worker, now, [*batch.handed_over, *(claimed.pk for claimed in going)])
    return verdict


def _suppress(results: Iterable[Result]) -> None:
    for result in results:
        if isinstance(result.decision, retry.Suppress):
            suppression.suppress(
                result.claimed.address,
                reason=SuppressionReason.BOUNCED,
                owner_id=result.claimed.owner_id,
                source=result.reply,
            )


def _pause_refused(results: Iterable[Result]) -> None:
    """Pause mailings whose sender or content is refused, before more of them is handed over."""
    refused: dict[int, str] = {}  # runs whose content was refused, the server's words
    for result in results:
        if isinstance(result.decision, retry.PauseMailing):
            holding.pause_for_sender(result.claimed.mailing_id, result.decision.reply)
        elif result.outcome is Outcome.PERMANENT and result.step in holding.CONTENT_STEPS:
            refused[result.claimed.run_id] = result.reply
    for run_id, reply in refused.items():
        holding.pause_for_content(run_id, reply)


def _judge(batch: Batch, now: datetime, tally: Tally) -> Verdict:
    """Ask again, behind the runs' locks, what may have changed since the claim."""
    runs = {claimed.run_id for claimed in batch.in_hand}
    lock_runs(runs)
    # By the database's clock as it is behind the lock: who settled a run just before saw its end.
    instant: Any = Now() if connection.vendor == "postgresql" else now
    sending = Run.objects.filter(
        Q(mailing__end_at=None) | Q(mailing__end_at__gt=instant),
        pk__in=runs,
        status=RunStatus.SENDING,
        mailing__status=MailingStatus.RUNNING,
        mailing__owner__is_active=True,
    )
    held = runs.difference(sending.values_list("pk", flat=True))
    unwanted = queue.unwanted_among([c for c in batch.stale if c.run_id not in held])
    for claimed in batch.stale:
        if (reason := unwanted.get(claimed.pk)) is not None:
            _skip_in_hand(claimed, reason, now, tally)
    return Verdict(held, unwanted)


def _skip_in_hand(claimed: Claimed, reason: SkipReason, now: datetime, tally: Tally) -> None:
    before = D.PENDING if claimed.before == D.PENDING else D.SENDING
    moved = Delivery.objects.filter(pk=claimed.pk).move(
        D.SKIPPED,
        among=[before],
        reason=reason,
        next_attempt_at=None,
        finished_at=now,
        lease_owner=None,
    )
    tally.move(claimed.run_id, before, D.SKIPPED, moved)


def _count_resends(going: Iterable[Claimed]) -> None:
    again = [claimed.pk for claimed in going if claimed.before == D.UNCERTAIN]
    if again:
        rows = Delivery.objects.filter(pk__in=again)
        rows.update(uncertain_resends=F("uncertain_resends") + 1)


def _return_claims(worker: UUID, batch: Batch, verdict: Verdict, now: datetime) -> None:
    held = [
        claimed.pk
        for claimed in batch.in_hand
        if claimed.run_id in verdict.held_runs and claimed.before != D.PENDING
    ]
    if held or batch.given_back:
        queue.give_back(worker, now, [*held, *batch.given_back])
    if batch.finished_chunks:
        chunks.finish(batch.finished_chunks, worker)
    if batch.released_chunks:
        chunks.release(worker, batch.released_chunks)


# ---------------------------------------------------------------- results


class Kind(NamedTuple):
    """What many results of a batch have in common; for each there is one statement."""

    status: DeliveryStatus
    outcome: Outcome
    step: str
    transport_id: int | None
    charged: int  # added to the recipient's tries
    is_settled: bool


def kind_of(result: Result) -> Kind:
    status, charged, is_settled = settlement(result)
    return Kind(status, result.outcome, result.step, result.transport_id, charged, is_settled)


def settlement(result: Result) -> tuple[DeliveryStatus, int, bool]:
    """Return a delivery's next status, what it costs its recipient in tries, and whether that
    is its end."""
    # A service that is away says nothing new of a mail that it may have taken before.
    uncertain = result.outcome is Outcome.UNCERTAIN or (
        result.outcome is Outcome.UNAVAILABLE and result.claimed.before is D.UNCERTAIN
    )
    match result.decision:
        case retry.Done():
            return D.SENT, 1, True
        case retry.Retry(_, charged):
            return D.UNCERTAIN if uncertain else D.DEFERRED, int(charged), False
        case retry.PauseMailing():
            return D.DEFERRED, 0, False
        case _:
            return D.UNCERTAIN if uncertain else D.FAILED, 1, True


def _next_attempt(result: Result, now: datetime) -> datetime | None:
    match result.decision:
        case retry.Retry(at, _):
            return at
        case retry.PauseMailing():
            return now
    return None


def _write_results(results: Sequence[Result], now: datetime, tally: Tally) -> None:
    write = _write_with_unnest if connection.vendor == "postgresql" else _write_many
    for kind, alike in _by_kind(results).items():
        moved = write(kind, alike, now)
        for run_id, number in moved.items():
            # From pending or from sending: neither has a counter.
            tally.move(run_id, D.SENDING, kind.status, number)
        late = len(alike) - sum(moved.values())
        if late:
            log.warning("results_came_too_late", extra={"count": late})


def _by_kind(results: Sequence[Result]) -> dict[Kind, list[Result]]:
    by_kind: dict[Kind, list[Result]] = defaultdict(list)
    # Nearly all are acceptances at the final dot: their kind is made out once.
    accepted: dict[tuple[str, int | None], list[Result]] = {}
    for result in results:
        if result.outcome is Outcome.ACCEPTED:
            accepted.setdefault((result.step, result.transport_id), []).append(result)
        else:
            by_kind[kind_of(result)].append(result)
    for alike in accepted.values():
        by_kind[kind_of(alike[0])] += alike
    return by_kind


_DELIVERIES = "mailings_delivery"
_ATTEMPTS = "mailings_attempt"

# Arrays as literals built by hand, and one statement: measured, a fifth of `bulk_update`'s cost
# for the client and a twentieth for the database.
_UNNEST = f"""
WITH told AS MATERIALIZED (
  SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::smallint[], %(began)s::timestamptz[],
    %(took)s::integer[], %(codes)s::smallint[], %(enhanced)s::text[], %(replies)s::text[],
    %(again)s::timestamptz[])
  AS t(id, number, began, took, code, enhanced, reply, again)
), moved AS (
  UPDATE {_DELIVERIES} AS d
  SET status = %(status)s, tries = d.tries + %(charged)s, attempt_count = told.number,
    next_attempt_at = told.again, finished_at = %(finished)s, lease_owner = NULL
  FROM told
  WHERE d.id = told.id AND d.attempt_count = told.number - 1 AND d.status = ANY(%(before)s)
  RETURNING d.id, d.run_id
), logged AS (
  INSERT INTO {_ATTEMPTS} (delivery_id, number, transport_id, started_at, duration_ms, step,
    outcome, code, enhanced_code, reply)
  SELECT id, number, %(transport)s, began, took, %(step)s, %(outcome)s, code, enhanced, reply
  FROM told JOIN moved USING (id)
  ON CONFLICT DO NOTHING
), counted AS (
  SELECT run_id, count(*) AS number FROM moved GROUP BY run_id
)
"""  # noqa: S608 - the tables' names only


_MOVED_BY_RUN = f"{_UNNEST} SELECT * FROM counted"  # noqa: S608


def _write_with_unnest(kind: Kind, results: list[Result], now: datetime) -> dict[int, int]:
    """Write results of one kind; return how many deliveries of each run moved."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVED_BY_RUN, _told(kind, results, now))
        return dict(cursor.fetchall())


def _told(kind: Kind, results: list[Result], now: datetime) -> dict[str, Any]:
    """Return the parameters of `_UNNEST`."""
    is_open = not kind.is_settled
    return {
        "ids": _array([r.claimed.pk for r in results]),
        "numbers": _array([r.claimed.attempts + 1 for r in results]),
        "began": _array([r.started_at.isoformat() for r in results]),
        "took": _array([int(r.seconds * 1000) for r in results]),
        "codes": _array(["NULL" if r.code is None else r.code for r in results]),
        "enhanced": _text_array([r.enhanced_code for r in results]),
        "replies": _text_array([r.reply for r in results]),
        "again": _array([_instant_of(_next_attempt(r, now)) for r in results] if is_open else []),
        "status": kind.status.value,
        "charged": kind.charged,
        "finished": None if is_open else now,
        "before": _before(kind.status),
        "transport": kind.transport_id,
        "step": kind.step,
        "outcome": kind.outcome.value,
    }


def _instant_of(at: datetime | None) -> str:
    return "NULL" if at is None else at.isoformat()


def _array(values: Sequence[object]) -> str:
    """Return a literal of an array whose elements need no quotes."""
    return "{" + ",".join(map(str, values)) + "}"


def _text_array(texts: Sequence[str]) -> str:
    quoted = [
        text.replace("\\", "\\\\").replace('"', '\\"') if '"' in text or "\\" in text else text
        for text in texts
    ]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def _before(status: DeliveryStatus) -> list[str]:
    """Return from where a result may bring a delivery to `status`."""
    allowed = sources(status)
    return [before.value for before in (D.PENDING, D.SENDING) if before in allowed]


# ---------------------------------------------------------------- PostgreSQL, in one go

_TOLD = (
    "ids bigint[], numbers smallint[], began timestamptz[], took integer[], codes smallint[],"
    " enhanced text[], replies text[], again timestamptz[], status text, charged smallint,"
    " finished timestamptz, before text[], transport bigint, step text, outcome text"
)
_COUNT = "UPDATE mailings_run r SET {column} = r.{column} + number FROM counted WHERE r.id = run_id"


@cache
def _recording(status: DeliveryStatus) -> Statement:
    """Return the statement that writes results and counts them in the column of that status."""
    return Statement(_UNNEST + _COUNT.format(column=f"{status.value}_count"), _TOLD)


# A table that has just grown by a million rows looks empty to the planner until it is analysed.
_BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off"

# An error for a worker that has no row any more, so that nothing of the rest is done.
_LOCK_WORKER = """
SELECT 1 / count(*)
FROM (SELECT FROM mailings_workerlease WHERE id = %s FOR NO KEY UPDATE) AS mine
"""
_DIVISION_BY_ZERO = "22012"

_LOCK_RUNS = "SELECT 1 FROM mailings_run WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

_RENEW = Statement(
    """
WITH renewed AS (
  UPDATE mailings_workerlease SET heartbeat_at = %(now)s, expires_at = %(until)s,
    in_flight = %(in_flight)s
  WHERE id = %(worker)s
)
SELECT
  ARRAY(
    SELECT r.id FROM mailings_run r JOIN mailings_mailing m ON m.id = r.mailing_id
      JOIN accounts_user u ON u.id = m.owner_id
    WHERE r.id = ANY(%(runs)s) AND r.status = %(sending)s AND m.status = %(running)s AND u.is_active
      AND (m.end_at IS NULL OR m.end_at > statement_timestamp())
  ),
  EXISTS (
    SELECT FROM mailings_delivery WHERE id = ANY(%(stale)s::bigint[]) AND client_id IS NULL
  ) OR EXISTS (
    SELECT FROM mailings_suppression WHERE address_hash = ANY(%(hashes)s::text[])
  )
""",
    "now timestamptz, until timestamptz, in_flight jsonb, worker uuid, runs bigint[], sending text,"
    " running text, stale bigint[], hashes text[]",
)
"""The last of the statements. It has a snapshot of its own, taken when the runs are locked: who
settled one of them just before is seen."""


def _fits_one_trip(batch: Batch) -> bool:
    """Whether the batch needs no statement but those of `_statements`, as most do."""
    return (
        connection.vendor == "postgresql"
        and not connection.in_atomic_block
        and not (batch.finished_chunks or batch.released_chunks or batch.given_back)
        and not any(claimed.before == D.UNCERTAIN for claimed in batch.in_hand)
        and not any(map(_has_consequences, batch.results))
    )


def _record_in_one_trip(worker: UUID, batch: Batch, now: datetime) -> Verdict | None:
    """Write the batch by one message to the server, which makes one transaction of it; None:
    something of `in_hand` may not go. A commit of few mails waits mostly for its trips."""
    verdict, has_unwanted = _execute(worker, batch, now)
    return None if verdict.held_runs or has_unwanted else verdict


@transaction.atomic
def _take_back_later(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """What may not go stands in `in_flight` until this is written, and nothing has left yet."""
    lease.lock(worker)
    verdict = _take_back(worker, batch, now)
    _return_claims(worker, batch, verdict, now)
    return verdict


def _record_at_once(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """The same as in steps, by one statement of many: it spends less on fifty mails than on
    eight statements."""
    verdict, has_unwanted = _execute(worker, batch, now)
    if has_unwanted or verdict.held_runs:
        verdict = _take_back(worker, batch, now)
    _count_resends(claimed for claimed in batch.in_hand if verdict.lets_go(claimed))
    return verdict


def _execute(worker: UUID, batch: Batch, now: datetime) -> tuple[Verdict, bool]:
    """Send all statements as one; return which runs are held, and whether of the stale ones some
    are unwanted. Raises `LeaseLost`."""
    runs = sorted({claimed.run_id for claimed in batch.in_hand})
    told = sorted({result.claimed.run_id for result in batch.results})
    with connection.cursor() as cursor:
        message = Message(cursor)
        message.add(f"{_BY_INDEX}; {GENERIC_PLANS}")
        message.add(_LOCK_WORKER, [worker])
        if len(told) > 1:
            message.add(_LOCK_RUNS, [told])
        for kind, alike in _by_kind(batch.results).items():
            message.add_prepared(_recording(kind.status), _told(kind, alike, now))
        message.add(_LOCK_RUNS, [runs])
        message.add_prepared(_RENEW, _renewal(worker, batch, now, runs))
        try:
            message.send()
        except DataError as error:
            if getattr(error.__cause__, "pgcode", None) == _DIVISION_BY_ZERO:
                raise lease.LeaseLost from error
            raise
        sending, has_unwanted = cursor.fetchone()
    return Verdict(set(runs).difference(sending)), has_unwanted


def _renewal(worker: UUID, batch: Batch, now: datetime, runs: list[int]) -> dict[str, Any]:
    in_flight = [*batch.handed_over, *(claimed.pk for claimed in batch.in_hand)]
    return {
        "now": now,
        "until": now + lease.length(),
        "in_flight": f"[{','.join(map(str, in_flight))}]",
        "worker": worker,
        "runs": runs,
        "sending": RunStatus.SENDING.value,
        "running": MailingStatus.RUNNING.value,
        "stale": _array([claimed.pk for claimed in batch.stale]),
        "hashes": _text_array(suppression.hashes([claimed.address for claimed in batch.stale])),
    }


def _take_back(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """Some of what was to be handed over may not be: find out which, and write it down."""
    tally = Tally()
    verdict = _judge(batch, now, tally)
    tally.write()
    going = [claimed.pk for claimed in batch.in_hand if verdict.lets_go(claimed)]
    lease.renew(worker, now, [*batch.handed_over, *going])
    return verdict


# ---------------------------------------------------------------- SQLite

_MOVE = f"""
UPDATE {_DELIVERIES}
SET status = %s, tries = tries + %s, attempt_count = %s, next_attempt_at = %s, finished_at = %s,
  lease_owner = NULL
WHERE id = %s AND attempt_count = %s AND status IN (%s, %s)
"""  # noqa: S608
_LOG = f"""
INSERT INTO {_ATTEMPTS} (delivery_id, number, transport_id, started_at, duration_ms, step, outcome,
  code, enhanced_code, reply)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""  # noqa: S608


def _write_many(kind: Kind, results: list[Result], now: datetime) -> dict[int, int]:
    """The same where arrays are not known; within one transaction, and in this process (SQLite)."""
    adapt: Callable[[datetime | None], Any] = connection.ops.adapt_datetimefield_value
    finished = adapt(now) if kind.is_settled else None
    before = _before(kind.status)
    moves = [
        (
            kind.status.value, kind.charged, r.claimed.attempts + 1,
            adapt(_next_attempt(r, now)), finished, r.claimed.pk, r.claimed.attempts, *before,
        )
        for r in results
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(_MOVE, moves)
        if cursor.rowcount != len(results):
            # Rare: some were settled meanwhile. Which, is told by what they have become.
            results = _those_moved(results)
        cursor.executemany(
            _LOG,
            [
                (
                    r.claimed.pk, r.claimed.attempts + 1, kind.transport_id, adapt(r.started_at),
                    int(r.seconds * 1000), kind.step, kind.outcome.value, r.code, r.enhanced_code,
                    r.reply,
                )
                for r in results
            ],
        )  # fmt: skip
    return Counter(result.claimed.run_id for result in results)


def _those_moved(results: list[Result]) -> list[Result]:
    """Return the results whose delivery has their attempt counted and not yet logged."""
    counted = Delivery.objects.filter(pk__in=[r.claimed.pk for r in results])
    counted = counted.filter(~Exists(_logged()))
    numbers = dict(counted.values_list("pk", "attempt_count"))
    return [r for r in results if numbers.get(r.claimed.pk) == r.claimed.attempts + 1]


def _logged() -> QuerySet[Attempt]:
    return Attempt.objects.filter(delivery=OuterRef("pk"), number=OuterRef("attempt_count"))

"""The group commit on PostgreSQL: arrays as parameters, and all statements in one message."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DataError, connection

from mailings.delivery.queue import lease
from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.session.batches import (
    Batch,
    ResultKind,
    Verdict,
    before,
    by_kind,
    next_attempt,
)
from mailings.delivery.session.prepared import GENERIC_PLANS, MultiStatement, Statement
from mailings.states import DeliveryStatus, MailingStatus, RunStatus
from mailings.suppression import stop_list

# Arrays as literals built by hand, and one statement: measured, a fifth of `bulk_update`'s cost
# for the client and a twentieth for the database.
_UNNEST = """
WITH told AS MATERIALIZED (
  SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::smallint[], %(began)s::timestamptz[],
    %(took)s::integer[], %(codes)s::smallint[], %(enhanced)s::text[], %(replies)s::text[],
    %(again)s::timestamptz[])
  AS t(id, number, began, took, code, enhanced, reply, again)
), moved AS (
  UPDATE mailings_delivery AS d
  SET status = %(status)s, tries = d.tries + %(charged)s, attempt_count = told.number,
    next_attempt_at = told.again, finished_at = %(finished)s, lease_owner = NULL
  FROM told
  WHERE d.id = told.id AND d.attempt_count = told.number - 1 AND d.status = ANY(%(before)s)
  RETURNING d.id, d.run_id
), logged AS (
  INSERT INTO mailings_attempt (delivery_id, number, transport_id, started_at, duration_ms, step,
    outcome, code, enhanced_code, reply)
  SELECT id, number, %(transport)s, began, took, %(step)s, %(outcome)s, code, enhanced, reply
  FROM told JOIN moved USING (id)
  ON CONFLICT DO NOTHING
), counted AS (
  SELECT run_id, count(*) AS number FROM moved GROUP BY run_id
)
"""


_MOVED_BY_RUN = f"{_UNNEST} SELECT * FROM counted"  # noqa: S608


def write_results(kind: ResultKind, results: list[AttemptResult], now: datetime) -> dict[int, int]:
    """Write results of one kind; return how many deliveries of each run moved."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVED_BY_RUN, _told(kind, results, now))
        return dict(cursor.fetchall())


def _told(kind: ResultKind, results: list[AttemptResult], now: datetime) -> dict[str, Any]:
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
        "again": _array([_instant_of(next_attempt(r, now)) for r in results] if is_open else []),
        "status": kind.status.value,
        "charged": kind.charged,
        "finished": None if is_open else now,
        "before": before(kind.status),
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
    SELECT FROM mailings_delivery d WHERE id = ANY(%(stale)s::bigint[]) AND (
      client_id IS NULL OR EXISTS (
        SELECT FROM mailings_client c WHERE c.id = d.client_id AND c.deletion_id IS NOT NULL
      )
    )
  ) OR EXISTS (
    SELECT FROM mailings_suppression WHERE address_hash = ANY(%(hashes)s::text[])
  )
""",
    "now timestamptz, until timestamptz, in_flight jsonb, worker uuid, runs bigint[], sending text,"
    " running text, stale bigint[], hashes text[]",
)
"""The last of the statements. It has a snapshot of its own, taken when the runs are locked: who
settled one of them just before is seen."""


def record(worker: UUID, batch: Batch, now: datetime) -> tuple[Verdict, bool]:
    """Send all statements as one; return which runs are held, and whether of the stale ones some
    are unwanted. Raises `LeaseLost`."""
    runs = sorted({claimed.run_id for claimed in batch.to_send})
    told = sorted({result.claimed.run_id for result in batch.results})
    with connection.cursor() as cursor:
        message = MultiStatement(cursor)
        message.add(f"{_BY_INDEX}; {GENERIC_PLANS}")
        message.add(_LOCK_WORKER, [worker])
        if len(told) > 1:
            message.add(_LOCK_RUNS, [told])
        for kind, alike in by_kind(batch.results).items():
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
    in_flight = [*batch.unanswered, *(claimed.pk for claimed in batch.to_send)]
    return {
        "now": now,
        "until": now + lease.length(),
        "in_flight": f"[{','.join(map(str, in_flight))}]",
        "worker": worker,
        "runs": runs,
        "sending": RunStatus.SENDING.value,
        "running": MailingStatus.RUNNING.value,
        "stale": _array([claimed.pk for claimed in batch.stale]),
        "hashes": _text_array(stop_list.hashes([claimed.address for claimed in batch.stale])),
    }

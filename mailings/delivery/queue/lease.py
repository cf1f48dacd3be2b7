"""A worker's life: its `WorkerLease` row, which fences it, and the proof that it is alive.

Whoever takes a worker for dead deletes its row; every later `renew` of the sleeper then fails.
Before that, the worker must be silent for the whole lease, or its process really gone: a living
one holds a lock that dies with it – a session advisory lock on PostgreSQL, a locked file beside
the database on SQLite (whose processes share one host). A host name or a process id would not do:
containers share the one, and the other is given out again.
"""

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DatabaseError, connection

from mailings.models import Delivery, WorkerLease

try:
    import fcntl
except ImportError:  # not a POSIX system: leases end by expiry there
    fcntl = None  # type: ignore[assignment]

BEAT_LASTS = timedelta(minutes=3)

_files: dict[UUID, IO[bytes]] = {}


class LeaseLost(Exception):  # noqa: N818 - the end of a worker, not an error of the caller
    """Another process took this worker for dead: it must stop sending at once."""


def length() -> timedelta:
    return timedelta(seconds=settings.WORKER_LEASE)


def begin(now: datetime) -> UUID:
    """Begin a worker's life; return its id, fresh for every start."""
    worker = uuid4()
    acquire_lock(worker)  # before the row: whoever sees the row must find the lock held
    WorkerLease.objects.create(
        pk=worker,
        host=socket.gethostname()[:255],
        pid=os.getpid(),
        started_at=now,
        heartbeat_at=now,
        expires_at=now + length(),
        is_sending=True,
    )
    return worker


def renew(worker: UUID, now: datetime, in_flight: Sequence[int] | None = None) -> None:
    """Prolong the lease and, if given, write which deliveries are being handed over."""
    changes = {} if in_flight is None else {"in_flight": list(in_flight)}
    row = WorkerLease.objects.filter(pk=worker)
    if not row.update(heartbeat_at=now, expires_at=now + length(), **changes):
        raise LeaseLost


def end(worker: UUID) -> None:
    WorkerLease.objects.filter(pk=worker).delete()
    release_lock(worker)


def beat(process: UUID, now: datetime) -> None:
    """Leave a sign of life of a process that waits for work; it holds no deliveries."""
    WorkerLease.objects.update_or_create(
        pk=process,
        defaults={"heartbeat_at": now, "expires_at": now + BEAT_LASTS},
        create_defaults={
            "host": socket.gethostname()[:255],
            "pid": os.getpid(),
            "started_at": now,
            "heartbeat_at": now,
            "expires_at": now + BEAT_LASTS,
        },
    )


def has_ended(row: WorkerLease, now: datetime) -> bool:
    """Return whether the worker is silent for too long, or gone with deliveries claimed."""
    if row.expires_at <= now:
        return True
    holds = (
        row.in_flight or row.chunks.exists() or Delivery.objects.filter(lease_owner=row.pk).exists()
    )
    return bool(holds) and _is_silent(row, now) and is_gone(row.pk)


def _is_silent(row: WorkerLease, now: datetime) -> bool:
    """Whether the worker had the time to come back after its connection was ended. On PostgreSQL
    the lock goes with the connection, and all of them go when the server is started anew."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        started_at: datetime = cursor.fetchone()[0]
    heard_of = max(row.heartbeat_at, started_at)
    return now - heard_of >= timedelta(seconds=settings.WORKER_SILENCE)


def count_sending(now: datetime) -> int:
    """Return how many workers share what a mail service allows."""
    return WorkerLease.objects.filter(is_sending=True, expires_at__gt=now).count()


def lock_row(worker: UUID) -> None:
    """Hold the worker's row until the transaction's end. Raises `LeaseLost`."""
    rows = WorkerLease.objects.select_for_update(no_key=True).filter(pk=worker)
    if not list(rows.values_list("pk", flat=True)):
        raise LeaseLost


def acquire_lock(worker: UUID) -> None:
    """Take the lock; on PostgreSQL it lives as long as this thread's connection."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_key(worker)])
    elif fcntl is not None:
        path = _path(worker)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        _files[worker] = file


def release_lock(worker: UUID) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_key(worker)])
    elif worker in _files:
        _path(worker).unlink(missing_ok=True)
        _files.pop(worker).close()


def reconnect(worker: UUID) -> None:
    """Open the connection anew, and with it the lock that went with the old one."""
    connection.close()
    if connection.vendor == "postgresql":
        try:
            acquire_lock(worker)
        except DatabaseError:
            connection.close()  # still away: the caller tries again


def abandon(worker: UUID) -> None:
    """Drop the lock without the database's help: it goes with the connection."""
    connection.close()
    if worker in _files:
        _files.pop(worker).close()


def is_gone(worker: UUID) -> bool:
    """Return whether nobody holds the worker's lock. False when that cannot be told."""
    if connection.vendor == "postgresql":
        return not _is_locked_in_postgresql(worker)
    if worker in _files or fcntl is None:
        return False
    try:
        with _path(worker).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    _path(worker).unlink(missing_ok=True)
    return True


def _key(worker: UUID) -> int:
    """Return the lock's number: a signed 64-bit integer, as PostgreSQL wants it."""
    return int.from_bytes(worker.bytes[:8], signed=True)


def _path(worker: UUID) -> Path:
    return Path(connection.settings_dict["NAME"]).parent / "workers" / f"{worker}.lock"


def _is_locked_in_postgresql(worker: UUID) -> bool:
    high, low = divmod(_key(worker) % 2**64, 2**32)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND classid = %s::bigint::oid AND objid = %s::bigint::oid"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [high, low],
        )
        return cursor.fetchone() is not None

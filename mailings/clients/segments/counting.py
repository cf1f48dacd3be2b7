"""How many clients a segment finds, within a time: a page that waits for a number is no help."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.utils import OperationalError

WITHIN = 3.0  # seconds
LOOK_EVERY = 100_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""


def count(rows: QuerySet[Any], within: float = WITHIN) -> int | None:
    """Return how many rows there are; None: it would take longer than so many seconds."""
    try:
        with transaction.atomic(), _bounded(within):
            return rows.order_by().count()
    except OperationalError as error:
        if _is_interrupted(error):
            return None
        raise


@contextmanager
def _bounded(within: float) -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (before,) = cursor.fetchone()
            cursor.execute(_LIKE_A_COUNT, [f"{round(within * 1000)}ms"])
            yield
            cursor.execute(_AS_BEFORE, [before])
        return
    deadline = time.monotonic() + within
    raw = connection.connection
    raw.set_progress_handler(lambda: int(time.monotonic() > deadline), LOOK_EVERY)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


_LIKE_A_COUNT = "SET LOCAL statement_timeout = %s; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"
"""Compiling a query takes longer than most of them do; and with room for the clients of a condition
PostgreSQL looks each up in memory, not on a page of an index."""
_AS_BEFORE = (
    "SET LOCAL statement_timeout = %s; SET LOCAL jit TO DEFAULT; SET LOCAL work_mem TO DEFAULT"
)


def _is_interrupted(error: OperationalError) -> bool:
    if connection.vendor == "postgresql":
        return getattr(error.__cause__, "pgcode", "") == "57014"  # query_canceled
    return "interrupted" in str(error)

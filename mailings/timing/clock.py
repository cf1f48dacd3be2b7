"""The database's clock: hosts may disagree about the time, the rows have one.

Between two looks at it only a clock that nobody can set counts (`steady`). SQLite's server is this
host: there a clock that is set is heeded between two sessions, never within one.
"""

from datetime import datetime

from django.db import connection

from mailings.timing import steady


def now() -> datetime:
    """Return the database server's present instant."""
    if connection.vendor != "postgresql":
        return steady.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        instant: datetime = cursor.fetchone()[0]
    return instant

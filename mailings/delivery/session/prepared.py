"""Statements that PostgreSQL keeps parsed and planned for a connection: to plan the group commit
again each time costs as much as writing a dozen mails.

Prepared by SQL, because psycopg2 has no other way, within the message that first uses them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.backends.utils import CursorWrapper

GENERIC_PLANS = "SET LOCAL plan_cache_mode = force_generic_plan"
"""Belongs in front: else the first five uses are planned each for its own values."""

_numbers = count(1)
_known: "WeakKeyDictionary[Any, dict[Statement, str]]" = WeakKeyDictionary()
"""By connection: a new one has none."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`sql` names its parameters as `%(name)s`; `types` are theirs, in order: `name type, …`."""

    sql: str
    types: str

    @property
    def names(self) -> list[str]:
        return [part.split()[0] for part in self.types.split(",")]

    def prepare(self, name: str) -> str:
        sql, types = self.sql, []
        for number, part in enumerate(self.types.split(","), 1):
            parameter, kind = part.split()
            sql = sql.replace(f"%({parameter})s", f"${number}")
            types.append(kind)
        return f"PREPARE {name} ({', '.join(types)}) AS {sql}"

    def execute(self, name: str) -> str:
        return f"EXECUTE {name} ({', '.join(f'%({parameter})s' for parameter in self.names)})"


class MultiStatement:
    """Statements that go to the server together; the answer is the last one's."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self._cursor = cursor
        self._parts: list[bytes] = []
        self._known = _known.setdefault(connection.connection, {})
        self._new: dict[Statement, str] = {}

    def add(self, sql: str, parameters: Any = None) -> None:
        self._parts.append(self._cursor.mogrify(sql, parameters))

    def add_prepared(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        name = self._known.get(statement) or self._new.get(statement)
        if name is None:
            # A name of its own each time: whether it is known after an error cannot be told.
            name = self._new[statement] = f"vestnik_{next(_numbers)}"
            self._parts.append(statement.prepare(name).encode())
        self.add(statement.execute(name), parameters)

    def send(self) -> None:
        self._cursor.execute(b";".join(self._parts).decode())
        self._known.update(self._new)

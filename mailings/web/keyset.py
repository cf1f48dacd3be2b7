"""Pages of a long list by keyset: each page starts where the one before ended.

Page 4000 then costs what page 1 costs. The place is a token in the address; one that makes no
sense is the first page. Counts stop at a cap for the same reason.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models import Q
from django.http import QueryDict

Row = TypeVar("Row", bound=models.Model)

PAGE_SIZE = 25
COUNT_CAP = 10_000
"""Beyond it a list says “more than”: counting a million rows takes longer than showing some."""


@dataclass(frozen=True, slots=True)
class Count:
    number: int
    capped: bool = False

    @classmethod
    def of(cls, rows: models.QuerySet[Any]) -> "Count":
        return cls.up_to_cap(rows.order_by().values("pk")[: COUNT_CAP + 1].count())

    @classmethod
    def up_to_cap(cls, found: int) -> "Count":
        return cls(min(found, COUNT_CAP), found > COUNT_CAP)


class Capped(models.Subquery):
    """The number of rows as a column, up to one beyond the cap: several counts in one query."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) _counted)"
    output_field = models.IntegerField()

    def __init__(self, rows: models.QuerySet[Any]) -> None:
        super().__init__(rows.order_by().values("pk")[: COUNT_CAP + 1])


def searched(
    rows: models.QuerySet[Row], order: Sequence[str]
) -> tuple[models.QuerySet[Row], Count]:
    """Return rows that are hard to find – a search through texts – and how many they are, with
    one search for both; beyond the cap the rows are searched again."""
    ids = list(rows.order_by(*order).values_list("pk", flat=True)[: COUNT_CAP + 1])
    count = Count.up_to_cap(len(ids))
    return (rows if count.capped else rows.model._default_manager.filter(pk__in=ids)), count


@dataclass(slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    previous: str = ""
    following: str = ""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def page(
    rows: models.QuerySet[Row], order: Sequence[str], query: QueryDict, size: int = PAGE_SIZE
) -> Page[Row]:
    """Return the page of `rows` in `order` (field names, `-` for falling; the last one unique)
    that the address asks for by `after` or `before`."""
    after, before = (_read(query.get(name, ""), rows.model, order) for name in ("after", "before"))
    backwards = before is not None and after is None
    direction = _reverse(order) if backwards else list(order)
    place = before if backwards else after
    if place is not None:
        rows = rows.filter(_beyond(direction, place))
    found = list(rows.order_by(*direction)[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    result = Page(found)
    if found and (more or backwards):
        result.following = _token(found[-1], order)
    if found and (more if backwards else place is not None):
        result.previous = _token(found[0], order)
    return result


def _reverse(order: Sequence[str]) -> list[str]:
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


def _beyond(order: Sequence[str], place: Sequence[Any]) -> Q:
    """Rows after `place`: (a, b) > (x, y) spelt out, with a bound on `a` for the index to use."""
    condition = Q()
    same = Q()
    for column, value in zip(order, place, strict=True):
        name = column.removeprefix("-")
        condition |= same & Q(**{f"{name}__{'lt' if column != name else 'gt'}": value})
        same &= Q(**{name: value})
    first = order[0]
    bound = f"{first.removeprefix('-')}__{'lte' if first.startswith('-') else 'gte'}"
    return Q(**{bound: place[0]}) & condition


def _token(row: models.Model, order: Sequence[str]) -> str:
    values = [getattr(row, name.removeprefix("-")) for name in order]
    readable = [v.isoformat() if isinstance(v, datetime) else v for v in values]
    return urlsafe_b64encode(json.dumps(readable).encode()).decode().rstrip("=")


def _read(token: str, model: type[models.Model], order: Sequence[str]) -> list[Any] | None:
    if not token:
        return None
    try:
        values = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        names = [name.removeprefix("-") for name in order]
        if not isinstance(values, list) or None in values:
            return None
        return [
            model._meta.get_field(name).to_python(value)  # type: ignore[union-attr]
            for name, value in zip(names, values, strict=True)
        ]
    except (ValueError, TypeError, ValidationError, FieldDoesNotExist, OverflowError):
        return None

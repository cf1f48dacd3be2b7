"""The one place that writes a `status` column."""

from typing import Any, Self, TypeVar

from django.db import models

from mailings.states import Status, sources

Row = TypeVar("Row", bound=models.Model)


class StatefulQuerySet(models.QuerySet[Row]):
    """The only way by which a status changes."""

    def move(self, to: Status, *, among: list[Status] | None = None, **changes: Any) -> int:
        """Move these rows to `to` with one conditional UPDATE; return how many moved.

        Only rows in a status from which `to` may be reached (`states.TRANSITIONS`), narrowed by
        `among`, are touched: 0 means that somebody was first, or that the move is not allowed.
        """
        allowed = [status for status in sources(to) if among is None or status in among]
        return self.filter(status__in=allowed).update(status=to, **changes)

    def with_status(self, *statuses: Status) -> Self:
        return self.filter(status__in=statuses)

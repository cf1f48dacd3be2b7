"""Reading the log: deliveries with their last attempt, for pages. Writing it is the engine's."""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from mailings.models import Attempt, Client, Delivery, Event, Hit, Run, TrackedLink


def with_last_attempts(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Give each delivery its `last_attempt` (None before the first), by one query for all."""
    rows = list(deliveries)
    newest = Attempt.objects.filter(
        delivery__in=[row.pk for row in rows], number=F("delivery__attempt_count")
    )
    by_delivery = {attempt.delivery_id: attempt for attempt in newest}
    for row in rows:
        row.last_attempt = by_delivery.get(row.pk)  # type: ignore[attr-defined]
    return rows


def with_last_deliveries(clients: Sequence[Client]) -> None:
    """Give each client their `last_delivery` (None: never written to), by one query for all."""
    own: QuerySet[Any] = Delivery.objects.filter(client=OuterRef("pk")).order_by("-pk")
    newest = Client.objects.filter(pk__in=[c.pk for c in clients]).values(
        last=Subquery(own.values("pk")[:1])
    )
    found = Delivery.objects.filter(pk__in=newest).select_related("run__mailing")
    by_client = {delivery.client_id: delivery for delivery in found}
    for client in clients:
        client.last_delivery = by_client.get(client.pk)  # type: ignore[attr-defined]


def with_attempts(deliveries: Sequence[Delivery]) -> None:
    """Give each delivery all its `log`, the newest attempt first, by one query for all."""
    by_delivery: dict[int, list[Attempt]] = {row.pk: [] for row in deliveries}
    for attempt in Attempt.objects.filter(delivery__in=list(by_delivery)).order_by("-number"):
        by_delivery[attempt.delivery_id].append(attempt)
    for row in deliveries:
        row.log = by_delivery[row.pk]  # type: ignore[attr-defined]


def with_events(deliveries: Sequence[Delivery]) -> None:
    """Give each delivery all that became known later, the newest first, by one query for all."""
    by_delivery: dict[int, list[Event]] = {row.pk: [] for row in deliveries}
    found = Event.objects.filter(delivery__in=list(by_delivery)).defer("evidence")
    for event in found.order_by("-happened_at", "-pk"):
        by_delivery[event.delivery_id].append(event)
    for row in deliveries:
        row.came_back = by_delivery[row.pk]  # type: ignore[attr-defined]


def with_hits(deliveries: Sequence[Delivery]) -> None:
    """Give each delivery what is known of its reading, by two queries for all: `hits_by_people` and
    `hits_by_machines` of the letter as a whole, oldest first, and the `links_followed` by people,
    each with the time it was first followed `at`."""
    for row in deliveries:
        row.hits_by_people, row.hits_by_machines, row.links_followed = [], [], []  # type: ignore[attr-defined]
    by_pk: dict[int, Any] = {row.pk: row for row in deliveries}
    found = list(Hit.objects.filter(delivery__in=list(by_pk)).order_by("first_at", "pk"))
    named = {(hit.run_id, hit.link) for hit in found if hit.link and not hit.is_machine}
    rows = TrackedLink.objects.filter(run__in={run for run, _ in named}) if named else []
    links = {(link.run_id, link.position): link for link in rows}
    for hit in found:
        row = by_pk[hit.delivery_id]
        if not hit.link:
            (row.hits_by_machines if hit.is_machine else row.hits_by_people).append(hit)
        elif not hit.is_machine and (link := links.get((hit.run_id, hit.link))):
            followed = copy(link)
            followed.at = hit.first_at  # type: ignore[attr-defined]
            row.links_followed.append(followed)


def attempts_of(run: Run) -> QuerySet[Attempt]:
    """Return the run's attempts; the time bound lets the index by time skip other runs' rows."""
    rows = Attempt.objects.filter(delivery__run=run)
    if run.started_at:
        rows = rows.filter(started_at__gte=run.started_at)
    if run.finished_at:
        rows = rows.filter(started_at__lte=run.finished_at)
    return rows

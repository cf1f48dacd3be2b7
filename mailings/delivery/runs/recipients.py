"""Whom a mailing goes to: the one definition, for counting in a form and for freezing a run."""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Value

from mailings.clients.segments import compiling, reading, references
from mailings.models import Client, ClientList, Mailing, Segment
from mailings.timing import clock

log = logging.getLogger(__name__)

OnList = ClientList.clients.through


def chosen(
    owner_id: int,
    lists: Iterable[ClientList],
    clients: Iterable[Client],
    *,
    everybody: bool = False,
    segments: Iterable[Segment] = (),
    but_lists: Iterable[ClientList] = (),
    but_clients: Iterable[Client] = (),
    but_segments: Iterable[Segment] = (),
    now: datetime | None = None,
) -> QuerySet[Client]:
    """Return `everybody`, or the owner's clients on any of the lists, in any of the segments or
    among the single ones, each once, without those on the excluded lists, in excluded segments or
    excluded singly. Exclusion is stronger. Segments are asked as of `now`.

    A UNION, because PostgreSQL answers `IN (…) OR IN (…)` by comparing each with each as soon as
    a list does not fit into its `work_mem`: hours for a million clients.
    """
    # Whoever asks for no segment need not ask the database for the time.
    at = cache(lambda: now or clock.now())
    rows = Client.objects.filter(owner_id=owner_id)
    if not everybody:
        on_lists = OnList.objects.filter(clientlist__in=lists)
        if not isinstance(clients, QuerySet):
            clients = Client.objects.filter(pk__in=_ids(clients))
        parts: list[QuerySet[Any, Any]] = [
            on_lists.order_by().values("client_id"),
            clients.order_by().values("pk"),
        ]
        parts += [_in(segment, owner_id, at()).values("pk") for segment in segments]
        rows = rows.filter(pk__in=parts[0].union(*parts[1:]))
    but_on_lists = OnList.objects.filter(clientlist__in=but_lists, client=OuterRef("pk"))
    rows = rows.filter(~Exists(but_on_lists)).exclude(pk__in=_ids(but_clients))
    for segment in but_segments:
        within = _in(segment, owner_id, at(), is_excluded=True)
        rows = rows.filter(~Exists(within.filter(pk=OuterRef("pk"))))
    return rows


def _in(
    segment: Segment, owner_id: int, now: datetime, *, is_excluded: bool = False
) -> QuerySet[Client]:
    """Return the clients of a segment. In doubt nobody gets mail: of one that cannot be asked –
    what it names is gone – nobody is chosen, and everybody is excluded."""
    if segment.owner_id != owner_id:
        raise ValueError("a segment of somebody else")
    try:
        return compiling.clients_of(segment, now)
    except (reading.Unreadable, references.Missing):
        log.exception("segment_not_asked", extra={"segment_id": segment.pk})
        everybody = Client.objects.filter(owner_id=owner_id)
        return everybody if is_excluded else everybody.none()


def recipients_of(mailing: Mailing, now: datetime | None = None) -> QuerySet[Client]:
    """Return the mailing's recipients as they are now; its next run freezes them."""
    return chosen(
        mailing.owner_id,
        mailing.lists.all(),
        mailing.clients.all(),
        everybody=mailing.to_all,
        segments=mailing.segments.select_related("owner"),
        but_lists=mailing.excluded_lists.all(),
        but_clients=mailing.excluded_clients.all(),
        but_segments=mailing.excluded_segments.select_related("owner"),
        now=now,
    )


def chosen_ids(mailing: Mailing) -> dict[str, list[int]]:
    """Return the ids of what the mailing's relations name, by one query for all of them."""
    found: dict[str, list[int]] = {}
    parts: list[QuerySet[Any, Any]] = []
    for name in (
        "lists", "segments", "clients", "excluded_lists", "excluded_segments", "excluded_clients",
    ):  # fmt: skip
        relation: Any = Mailing._meta.get_field(name)
        found[name] = []
        rows = relation.remote_field.through.objects.filter(mailing=mailing)
        parts.append(rows.values_list(Value(name), F(relation.m2m_reverse_field_name())))
    for name, pk in parts[0].union(*parts[1:], all=True):
        found[name].append(pk)
    return found


def has_segments(mailing: Mailing) -> bool:
    """Return whether the mailing goes to a segment or leaves one out, by one query."""
    through = (Mailing.segments.through, Mailing.excluded_segments.through)
    rows: list[QuerySet[Any, Any]] = [
        model.objects.filter(mailing=mailing).values("segment_id") for model in through
    ]
    return rows[0].union(rows[1]).exists()


def _ids(clients: Iterable[Client]) -> Any:
    return clients.values("pk") if isinstance(clients, QuerySet) else [c.pk for c in clients]

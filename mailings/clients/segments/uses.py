"""Which segments ask for a list or a mailing: what they rely on is not deleted below them."""

from collections.abc import Callable, Iterator

from mailings.clients.segments import conditions as c
from mailings.clients.segments import reading
from mailings.clients.segments.conditions import Condition
from mailings.models import ClientList, Mailing, Segment


def of_list(client_list: ClientList) -> list[Segment]:
    def names(condition: Condition) -> bool:
        return isinstance(condition, c.ListCondition) and condition.list_id == client_list.pk

    return list(_asking(client_list.owner_id, names))


def of_mailing(mailing: Mailing) -> list[Segment]:
    """Return the segments that ask for the mailing or one of its runs."""
    runs: set[int] = set()

    def names(condition: Condition) -> bool:
        if not isinstance(condition, c.MailingCondition):
            return False
        return condition.mailing_id == mailing.pk or condition.run_id in runs

    segments = list(_asking(mailing.owner_id, lambda one: isinstance(one, c.MailingCondition)))
    if segments:
        runs.update(mailing.runs.values_list("pk", flat=True))
    return [segment for segment in segments if any(map(names, _conditions(segment)))]


def _asking(owner_id: int, names: Callable[[Condition], bool]) -> Iterator[Segment]:
    for segment in Segment.objects.filter(owner_id=owner_id):
        if any(map(names, _conditions(segment))):
            yield segment


def _conditions(segment: Segment) -> list[Condition]:
    try:
        return reading.read(segment.conditions).conditions
    except reading.Unreadable:
        return []

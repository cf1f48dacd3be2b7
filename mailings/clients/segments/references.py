"""What the conditions of a segment name – lists, mailings, runs, reasons – is there, and is its
owner's. What is gone must not turn “not on this list” into everybody."""

from dataclasses import dataclass, field
from typing import assert_never

from accounts.models import User
from mailings import permissions
from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Definition
from mailings.models import ClientList, Mailing, Run
from mailings.models.client import ClientOrigin
from mailings.models.suppression import SuppressionReason


class Missing(Exception):  # noqa: N818 - an answer, not an error
    """The condition at this place (from 0) of `Definition.conditions` names what is not there."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True)
class Named:
    """The rows that conditions name, by id."""

    lists: dict[int, ClientList] = field(default_factory=dict)
    mailings: dict[int, Mailing] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)


def named(definitions: list[Definition], owner: User) -> Named:
    """Return the owner's rows that the conditions name, by a query for each kind that is named."""
    every = [condition for one in definitions for condition in one.conditions]
    lists = {one.list_id for one in every if isinstance(one, c.ListCondition)}
    of_mailings = [one for one in every if isinstance(one, c.MailingCondition)]
    mailings = {one.mailing_id for one in of_mailings if one.mailing_id is not None}
    runs = {one.run_id for one in of_mailings if one.run_id is not None}
    own_runs = permissions.owned(Run, owner).select_related("mailing").defer("html", "text")
    return Named(
        permissions.owned(ClientList, owner).in_bulk(lists) if lists else {},
        permissions.owned(Mailing, owner).in_bulk(mailings) if mailings else {},
        own_runs.in_bulk(runs) if runs else {},
    )


def require(definition: Definition, owner: User) -> Named:
    """Return what is named. Raises `Missing`."""
    there = named([definition], owner)
    for place, condition in enumerate(definition.conditions):
        if not is_there(condition, there):
            raise Missing(place)
    return there


def is_there(condition: c.Condition, there: Named) -> bool:
    """Return whether what the condition names, if anything, is among the rows."""
    match condition:
        case c.ListCondition():
            return condition.list_id in there.lists
        case c.MailingCondition(run_id=None):
            return condition.mailing_id in there.mailings
        case c.MailingCondition():
            return condition.run_id in there.runs
        case c.OriginCondition():
            return condition.came_by in ClientOrigin.values
        case c.StateCondition():
            return not condition.reason or condition.reason in SuppressionReason.values
        case (
            c.TextCondition()
            | c.NumberCondition()
            | c.DateCondition()
            | c.AgeCondition()
            | c.AnniversaryCondition()
            | c.ConsentCondition()
            | c.LettersCondition()
        ):
            return True  # they name nothing
        case _:
            assert_never(condition)

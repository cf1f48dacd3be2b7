"""What the operator allows (`TRACKING`), and what a mailing's letters are measured by."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from mailings.models import Mailing
from mailings.tracking import parameters

FORBIDDEN, ALLOWED, ON = "forbidden", "allowed", "on"
RULES = (FORBIDDEN, ALLOWED, ON)
"""Never; where the owner chooses it; chosen already in a new mailing."""


class Measures(NamedTuple):
    """What a letter tells its sender, and what its links carry."""

    opens: bool = False
    clicks: bool = False
    parameters: tuple[tuple[str, str], ...] = ()


NOTHING = Measures()


def is_allowed() -> bool:
    return bool(settings.TRACKING != FORBIDDEN)


def is_on() -> bool:
    """Return whether a new mailing begins with the choice made."""
    return bool(settings.TRACKING == ON)


def measures(mailing: Mailing, at: datetime) -> Measures:
    """Return what letters of a run of the mailing at this time are measured by. The operator may
    have forbidden what the owner once chose."""
    on = at.astimezone(mailing.zone).date()
    pairs = parameters.filled(mailing.link_parameters, mailing=mailing.name, on=on)
    if not is_allowed():
        return Measures(parameters=pairs)
    return Measures(mailing.track_opens, mailing.track_clicks, pairs)

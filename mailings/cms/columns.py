"""Cells of the admin's tables: statuses as shape, colour and word; exact times; people."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from wagtail.admin.ui.tables import Column, TitleColumn

from mailings.models import Transport, WorkerLease
from mailings.models.transport import BreakerState
from mailings.states import DeliveryStatus, Outcome, Status


class Sign(NamedTuple):
    """What the `status` tag draws, for a value that is no status itself."""

    icon: str
    tone: str
    label: str


OUTCOMES: dict[str, tuple[str, str]] = {
    Outcome.ACCEPTED: (DeliveryStatus.SENT.icon, DeliveryStatus.SENT.tone),
    Outcome.TEMPORARY: (DeliveryStatus.DEFERRED.icon, DeliveryStatus.DEFERRED.tone),
    Outcome.PERMANENT: (DeliveryStatus.FAILED.icon, DeliveryStatus.FAILED.tone),
    Outcome.UNAVAILABLE: ("plug-zap", "is-wait"),
    Outcome.UNCERTAIN: (DeliveryStatus.UNCERTAIN.icon, DeliveryStatus.UNCERTAIN.tone),
    Outcome.RENDER: ("file-warning", "is-bad"),
    Outcome.LOST: ("unplug", "is-wait"),
}


def outcome_sign(outcome: str) -> Sign:
    icon, tone = OUTCOMES[outcome]
    return Sign(icon, tone, str(Outcome(outcome).label))


def breaker_sign(transport: Transport) -> Sign:
    state = BreakerState(transport.breaker_state)
    if not transport.is_active:
        return Sign("circle-off", "is-off", _("Not in use"))
    icon, tone = {
        BreakerState.CLOSED: ("circle-check", "is-go"),
        BreakerState.HALF_OPEN: ("rotate-cw", "is-wait"),
        BreakerState.OPEN: ("clock", "is-wait"),
    }[state]
    return Sign(icon, tone, str(state.label))


def worker_sign(worker: WorkerLease) -> Sign:
    if worker.expires_at > timezone.now():
        return Sign("heart-pulse", "is-go", _("Alive"))
    return Sign("unplug", "is-bad", _("Silent"))


class StatusColumn(Column):
    """A status with its icon. `status` makes the shown value from the row."""

    cell_template_name = "mailings/cms/status_cell.html"

    def __init__(self, name: str, *, status: Callable[[Any], Status | Sign], **kwargs: Any) -> None:
        super().__init__(name, accessor=status, **kwargs)


class TimeColumn(Column):
    """Date and time, in the reader's time zone; `exact` adds the seconds that a log needs."""

    cell_template_name = "mailings/cms/time_cell.html"

    def __init__(self, name: str, *, exact: bool = False, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.clock = "H:i:s" if exact else "H:i"


class PersonColumn(Column):
    """A user: name and address, and whether they are blocked. The row must bring the user;
    `nobody` is what to say where there is none."""

    cell_template_name = "mailings/cms/person_cell.html"

    def __init__(self, name: str, *, nobody: Any = "", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.nobody = nobody


class FigureColumn(Column):
    """A number, right-aligned; zero is a dash."""

    cell_template_name = "mailings/cms/figure_cell.html"


class ReplyColumn(Column):
    """What a server answered: code in bold, the words in mono. The row is an attempt."""

    cell_template_name = "mailings/cms/reply_cell.html"

    def get_value(self, instance: models.Model) -> models.Model:
        return instance


def title(model: type[models.Model], name: str, label: Any, **kwargs: Any) -> TitleColumn:
    """Return the first column: it leads to the row's page."""
    url_name = f"cms_{model._meta.model_name}:inspect"
    return TitleColumn(name, label=label, url_name=url_name, **kwargs)

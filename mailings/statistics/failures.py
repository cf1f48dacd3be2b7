"""Why messages were not sent, grouped: how many, why in words, the server's words, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.delivery.transports.base import Step
from mailings.models import Attempt, Run
from mailings.states import DeliveryStatus, Outcome, SkipReason

SHOWN = 5
"""Groups on a page: the rest are rare, and the table below has them all."""

D = DeliveryStatus

MAILBOX_FULL = frozenset({"4.2.2", "5.2.2"})

_BY_CODE = (
    (
        frozenset({"5.1.2", "5.4.4"}),
        gettext_lazy("The recipient’s domain was not found"),
        gettext_lazy("Usually a typing error in the domain’s name."),
    ),
    (
        frozenset({"5.1"}),
        gettext_lazy("The address does not exist"),
        gettext_lazy("It is on the suppression list now. Check it for a typing error."),
    ),
    (
        MAILBOX_FULL,
        gettext_lazy("The mailbox is full"),
        gettext_lazy("The next run tries again."),
    ),
    (
        frozenset({"5.7"}),
        gettext_lazy("Refused as spam, or by the server’s rules"),
        gettext_lazy("Check the links in the message and the signature of your domain."),
    ),
)
"""Enhanced codes (RFC 3463), whole or by class and subject, in words."""

PERMANENT_FROM = 500  # SMTP codes


@dataclass(frozen=True, slots=True)
class Reason:
    number: int
    title: str
    advice: str
    code: str = ""
    reply: str = ""


def not_sent(run: Run) -> list[Reason]:
    """Return why deliveries of the run failed, or were left out, biggest group first."""
    left_out = (
        run.deliveries.filter(unusual_status__in=[D.SKIPPED, D.EXPIRED, D.CANCELLED])
        .values("reason")
        .annotate(number=Count("pk"))
        .order_by()
    )
    reasons = [_left_out(row["reason"], row["number"]) for row in left_out]
    return _biggest([*reasons, *(_failed(group) for group in _groups([run], [D.FAILED]))])


def over(runs: QuerySet[Run]) -> list[Reason]:
    """Return why deliveries of these runs failed, biggest group first. What was left out has no
    server's words; its sums stand in the runs' counters."""
    return _biggest(_failed(group) for group in _groups(runs, [D.FAILED]))


def still_moving(run: Run) -> list[Reason]:
    """Return why deliveries of the run are deferred or uncertain, biggest group first."""
    return _biggest(_moving(group) for group in _groups([run], [D.DEFERRED, D.UNCERTAIN]))


def _biggest(reasons: Iterable[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -reason.number)[:SHOWN]


def _groups(runs: QuerySet[Run] | list[Run], statuses: list[DeliveryStatus]) -> Iterable[Any]:
    """Group the last attempts of the runs' deliveries by what the server answered; `statuses` are
    unusual ones, which an index knows."""
    last = Attempt.objects.filter(
        delivery__run__in=runs,
        delivery__unusual_status__in=statuses,
        number=F("delivery__attempt_count"),
    )
    return (
        last.values("outcome", "step", "code", "enhanced_code")
        .annotate(number=Count("pk"), sample=Max("reply"), again=Min("delivery__next_attempt_at"))
        .order_by("-number")[: SHOWN * 2]
    )


def _left_out(reason: str, number: int) -> Reason:
    title = str(SkipReason(reason).label) if reason in SkipReason.values else _("Left out")
    advice: dict[str, str] = {
        SkipReason.SUPPRESSED: _("They asked not to be written to, or the address does not work."),
        SkipReason.CLIENT_DELETED: _("You deleted them after the run was prepared."),
        SkipReason.MAILING_ENDED: _("Set a later end, or begin earlier."),
    }
    return Reason(number, title[:1].upper() + title[1:], advice.get(reason, ""))


def _failed(group: dict[str, Any]) -> Reason:
    title, advice = why_failed(
        group["outcome"], group["step"], group["code"] or 0, group["enhanced_code"]
    )
    return _reason(group, title, advice)


def why_failed(outcome: str, step: str, code: int, enhanced: str) -> tuple[str, str]:
    """Return the reason in words, and what to do."""
    if outcome == Outcome.RENDER:
        return _("The message could not be made"), _("Check the message and the client’s data.")
    for codes, title, advice in _BY_CODE:
        if enhanced and (enhanced in codes or enhanced.rpartition(".")[0] in codes):
            return str(title), str(advice)
    if step == Step.RCPT and code >= PERMANENT_FROM:
        return _("The server does not take mail for this address"), _("Check the address.")
    if outcome == Outcome.PERMANENT:
        return _("The server refused the message"), _("Its answer says why.")
    return _("No luck after many tries"), _("The next run tries again.")


def _moving(group: dict[str, Any]) -> Reason:
    again: datetime | None = group["again"]
    outcome, enhanced = group["outcome"], group["enhanced_code"]
    if outcome in (Outcome.UNCERTAIN, Outcome.LOST):
        advice = (
            _("It is handed over once more with the same Message-ID: a second copy is possible.")
            if again
            else _("Nobody knows whether it was taken. It is not sent again.")
        )
        return _reason(group, _("No answer came"), advice)
    if outcome == Outcome.UNAVAILABLE:
        return _reason(
            group,
            _("The mail service is not available"),
            _("It goes on by itself. Nothing is lost."),
        )
    if enhanced in MAILBOX_FULL:
        return _reason(group, _("The mailbox is full"), _("It is tried again for a day."))
    return _reason(group, _("The server asks to come later"), _("It is tried again by itself."))


def _reason(group: dict[str, Any], title: str, advice: str) -> Reason:
    code = " ".join(str(part) for part in (group["code"], group["enhanced_code"]) if part)
    reply = group["sample"].removeprefix(group["enhanced_code"]).lstrip()
    return Reason(group["number"], title, advice, code, reply)

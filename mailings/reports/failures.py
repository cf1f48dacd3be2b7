"""Why messages were not sent, grouped: how many, why in words, the server's words, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.delivery.transports.base import Step
from mailings.models import Run
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
    return _biggest([*reasons, *map(_failed, _groups(_only(run), D.FAILED))])


def over(runs: QuerySet[Run]) -> list[Reason]:
    """Return why deliveries of these runs failed, biggest group first. What was left out has no
    server's words; its sums stand in the runs' counters."""
    return _biggest(map(_failed, _groups(runs, D.FAILED)))


def still_moving(run: Run) -> list[Reason]:
    """Return why deliveries of the run are deferred or uncertain, biggest group first."""
    return _biggest(map(_moving, _groups(_only(run), D.DEFERRED, D.UNCERTAIN)))


def _only(run: Run) -> QuerySet[Run]:
    return Run.objects.filter(pk=run.pk)


def _biggest(reasons: Iterable[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -reason.number)[:SHOWN]


class Group(NamedTuple):
    """Deliveries whose last attempts had the same answer."""

    outcome: Outcome
    step: str
    code: int | None
    enhanced_code: str
    number: int
    reply: str
    """One of the answers."""
    again: int
    """How many are tried again."""


# Attempt by attempt, by the index: PostgreSQL would rather read all attempts of all owners once,
# as soon as some thousands of them are asked for.
_LAST = {
    "postgresql": "CROSS JOIN LATERAL (SELECT * FROM mailings_attempt"
    " WHERE delivery_id = delivery.id AND number = delivery.attempt_count OFFSET 0) AS last",
    "sqlite": "JOIN mailings_attempt AS last"
    " ON last.delivery_id = delivery.id AND last.number = delivery.attempt_count",
}
_GROUPS = """
SELECT last.outcome, last.step, last.code, last.enhanced_code,
    COUNT(*) AS number, MAX(last.reply), COUNT(delivery.next_attempt_at)
FROM mailings_delivery AS delivery {last}
WHERE delivery.run_id IN ({runs}) AND delivery.unusual_status IN ({statuses})
GROUP BY last.outcome, last.step, last.code, last.enhanced_code
ORDER BY number DESC LIMIT %s
"""


def _groups(runs: QuerySet[Run], *statuses: DeliveryStatus) -> list[Group]:
    """Group the last attempts of the runs' deliveries by what the server answered; `statuses` are
    unusual ones, which an index knows."""
    chosen, params = runs.order_by().values("pk").query.sql_with_params()
    marks = ", ".join(["%s"] * len(statuses))
    sql = _GROUPS.format(last=_LAST[connection.vendor], runs=chosen, statuses=marks)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *(status.value for status in statuses), SHOWN * 2])
        return [Group(Outcome(outcome), *rest) for outcome, *rest in cursor.fetchall()]


def _left_out(reason: str, number: int) -> Reason:
    if reason not in SkipReason.values:
        return Reason(number, _("Left out"), "")
    why = SkipReason(reason)
    title = str(why.label)
    return Reason(number, title[:1].upper() + title[1:], _advice(why))


def _advice(reason: SkipReason) -> str:
    """Return what an owner may do; nothing where the title says it all."""
    match reason:
        case SkipReason.SUPPRESSED:
            return _("They asked not to be written to, or the address does not work.")
        case SkipReason.CLIENT_DELETED:
            return _("You deleted them after the run was prepared.")
        case SkipReason.MAILING_ENDED:
            return _("Set a later end, or begin earlier.")
        case SkipReason.OWNER_BLOCKED | SkipReason.MAILING_STOPPED | SkipReason.MAILING_CANCELLED:
            return ""
        case _:
            assert_never(reason)


def _failed(group: Group) -> Reason:
    title, advice = why_failed(group.outcome, group.step, group.code or 0, group.enhanced_code)
    return _reason(group, title, advice)


def why_failed(outcome: Outcome, step: str, code: int, enhanced: str) -> tuple[str, str]:
    """Return the reason in words, and what to do."""
    match outcome:
        case Outcome.RENDER:
            return _("The message could not be made"), _("Check the message and the client’s data.")
        case Outcome.PERMANENT:
            said = _("The server refused the message"), _("Its answer says why.")
        case (
            Outcome.TEMPORARY
            | Outcome.UNAVAILABLE
            | Outcome.UNCERTAIN
            | Outcome.LOST
            | Outcome.ACCEPTED
        ):
            said = _("No luck after many tries"), _("The next run tries again.")
        case _:
            assert_never(outcome)
    for codes, title, advice in _BY_CODE:
        if enhanced and (enhanced in codes or enhanced.rpartition(".")[0] in codes):
            return str(title), str(advice)
    if step == Step.RCPT and code >= PERMANENT_FROM:
        return _("The server does not take mail for this address"), _("Check the address.")
    return said


def _moving(group: Group) -> Reason:
    match group.outcome:
        case Outcome.UNCERTAIN | Outcome.LOST:
            advice = (
                _(
                    "It is handed over once more with the same Message-ID:"
                    " a second copy is possible."
                )
                if group.again
                else _("Nobody knows whether it was taken. It is not sent again.")
            )
            return _reason(group, _("No answer came"), advice)
        case Outcome.UNAVAILABLE:
            return _reason(
                group,
                _("The mail service is not available"),
                _("It goes on by itself. Nothing is lost."),
            )
        case Outcome.TEMPORARY | Outcome.PERMANENT | Outcome.RENDER | Outcome.ACCEPTED:
            pass  # the server's own words, below
        case _:
            assert_never(group.outcome)
    if group.enhanced_code in MAILBOX_FULL:
        return _reason(group, _("The mailbox is full"), _("It is tried again for a day."))
    return _reason(group, _("The server asks to come later"), _("It is tried again by itself."))


def _reason(group: Group, title: str, advice: str) -> Reason:
    code = " ".join(str(part) for part in (group.code, group.enhanced_code) if part)
    reply = group.reply.removeprefix(group.enhanced_code).lstrip()
    return Reason(group.number, title, advice, code, reply)

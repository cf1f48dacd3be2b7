"""Why messages were not sent, grouped: how many, why in words, the server's words, what to do."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import refusals
from mailings.delivery.transports.base import Step
from mailings.models import Run
from mailings.refusals import Refusal, RefusalKind
from mailings.states import DeliveryStatus, Outcome, SkipReason

SHOWN = 5
"""Groups on a page: the rest are rare, and the table below has them all."""

D = DeliveryStatus

LOOKED_AT = 1_000
"""Answers that are read to tell what a page's groups are about; of more, the shares are taken for
those of all."""

_IN_WORDS = {
    RefusalKind.UNKNOWN_MAILBOX: (
        gettext_lazy("The address does not exist"),
        gettext_lazy("It is on the suppression list now. Check it for a typing error."),
    ),
    RefusalKind.DISABLED_MAILBOX: (
        gettext_lazy("The mailbox is switched off"),
        gettext_lazy("Nobody reads it any more. Ask for another address."),
    ),
    RefusalKind.BAD_DOMAIN: (
        gettext_lazy("The recipient’s domain was not found"),
        gettext_lazy("Usually a typing error in the domain’s name."),
    ),
    RefusalKind.FULL_MAILBOX: (
        gettext_lazy("The mailbox is full"),
        gettext_lazy("The next run tries again."),
    ),
    RefusalKind.SPAM: (
        gettext_lazy("Refused as spam"),
        gettext_lazy("Check the links in the message and the signature of your domain."),
    ),
    RefusalKind.REPUTATION: (
        gettext_lazy("The recipients’ server does not trust where the mail comes from"),
        gettext_lazy("Show the answer to whoever runs this service."),
    ),
    RefusalKind.POLICY: (
        gettext_lazy("Refused by the server’s rules"),
        gettext_lazy("Check the signature of your domain; the answer says which rule it is."),
    ),
    RefusalKind.SENDER: (
        gettext_lazy("The sender’s address is refused"),
        gettext_lazy("Show the answer to whoever runs this service."),
    ),
    RefusalKind.RELAY: (
        gettext_lazy("The mail service does not pass our mail on"),
        gettext_lazy("Show the answer to whoever runs this service."),
    ),
    RefusalKind.QUOTA: (
        gettext_lazy("The mail service’s limit of messages is used up"),
        gettext_lazy("The next run tries again."),
    ),
    RefusalKind.RATE: (
        gettext_lazy("Too many messages at once"),
        gettext_lazy("The next run tries again."),
    ),
    RefusalKind.SIZE: (
        gettext_lazy("The message is too large"),
        gettext_lazy("Leave pictures out, or make them smaller."),
    ),
    RefusalKind.CONTENT: (
        gettext_lazy("The content of the message is refused"),
        gettext_lazy("The answer says what it is about."),
    ),
}
"""What a refusal says, and what to do; other kinds say no more than the outcome."""

PERMANENT_FROM = 500  # SMTP codes


@dataclass(frozen=True, slots=True)
class Reason:
    number: int
    title: str
    advice: str
    code: str = ""
    reply: str = ""
    is_about: bool = False
    """Whether the number is estimated."""


class RunReasons(NamedTuple):
    """Biggest group first."""

    not_sent: list[Reason]
    """Why deliveries failed, or were left out."""
    still_moving: list[Reason]
    """Why deliveries are deferred or uncertain."""


def of_run(run: Run) -> RunReasons:
    """Return both of a run, by three queries however much failed and waits."""
    left_out = (
        run.deliveries.filter(unusual_status__in=[D.SKIPPED, D.EXPIRED, D.CANCELLED])
        .values("reason")
        .annotate(number=Count("pk"))
        .order_by()
    )
    reasons = [_left_out(row["reason"], row["number"]) for row in left_out]
    this = Run.objects.filter(pk=run.pk)
    groups = _by_kind(this, D.FAILED, D.DEFERRED, D.UNCERTAIN)
    failed = [_failed(group) for group in groups if group.status == D.FAILED]
    moving = [_moving(group) for group in groups if group.status != D.FAILED]
    return RunReasons(_biggest([*reasons, *failed]), _biggest(moving))


def over(runs: QuerySet[Run]) -> list[Reason]:
    """Return why deliveries of these runs failed, biggest group first. What was left out has no
    server's words; its sums stand in the runs' counters."""
    return _biggest(map(_failed, _by_kind(runs, D.FAILED)))


def _biggest(reasons: Iterable[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -reason.number)[:SHOWN]


Answer = tuple[str, Outcome, str, int | None, str]
"""Status of a delivery; outcome, step, code and enhanced code of its last attempt."""


class Group(NamedTuple):
    """Deliveries of one status whose last attempts had the same answer."""

    status: str
    outcome: Outcome
    step: str
    code: int | None
    enhanced_code: str
    number: int
    reply: str
    """One of the answers."""
    again: int
    """How many are tried again."""
    is_about: bool = False
    """Whether the number is estimated."""

    @property
    def answer(self) -> Answer:
        return self.status, self.outcome, self.step, self.code, self.enhanced_code

    @property
    def said(self) -> Refusal:
        return refusals.classify(self.code, self.enhanced_code, self.reply)


# Attempt by attempt, by the index: PostgreSQL would rather read all attempts of all owners once,
# as soon as some thousands of them are asked for.
_LAST = {
    "postgresql": "CROSS JOIN LATERAL (SELECT * FROM mailings_attempt"
    " WHERE delivery_id = delivery.id AND number = delivery.attempt_count OFFSET 0) AS last",
    "sqlite": "JOIN mailings_attempt AS last"
    " ON last.delivery_id = delivery.id AND last.number = delivery.attempt_count",
}
_GROUPS = """
SELECT delivery.unusual_status, last.outcome, last.step, last.code, last.enhanced_code,
    COUNT(*) AS number, MAX(last.reply), COUNT(delivery.next_attempt_at)
FROM mailings_delivery AS delivery {last}
WHERE delivery.run_id IN ({runs}) AND delivery.unusual_status IN ({statuses})
GROUP BY delivery.unusual_status, last.outcome, last.step, last.code, last.enhanced_code
ORDER BY number DESC LIMIT %s
"""


_ANSWERS = """
SELECT delivery.unusual_status, last.outcome, last.step, last.code, last.enhanced_code, last.reply
FROM mailings_delivery AS delivery {last}
WHERE delivery.run_id IN ({runs}) AND delivery.unusual_status IN ({statuses})
LIMIT %s
"""


def _by_kind(runs: QuerySet[Run], *statuses: DeliveryStatus) -> list[Group]:
    """Group the last attempts of the runs' deliveries by what the server's answer is about: one
    code says «no such user» here and «spam» there. `statuses` are unusual ones, which an index
    knows."""
    rows = _asked(_GROUPS, SHOWN * 2 * len(statuses), runs, statuses)
    groups = [Group(status, Outcome(outcome), *rest) for status, outcome, *rest in rows]
    replies: dict[Answer, list[str]] = defaultdict(list)
    if any(group.number > 1 and group.reply for group in groups):
        for status, outcome, *answer, reply in _asked(_ANSWERS, LOOKED_AT, runs, statuses):
            replies[status, Outcome(outcome), *answer].append(reply)
    return [part for group in groups for part in _split(group, replies[group.answer])]


def _asked(
    sql: str, most: int, runs: QuerySet[Run], statuses: Sequence[DeliveryStatus]
) -> list[tuple[Any, ...]]:
    chosen, params = runs.order_by().values("pk").query.sql_with_params()
    marks = ", ".join(["%s"] * len(statuses))
    sql = sql.format(last=_LAST[connection.vendor], runs=chosen, statuses=marks)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *(status.value for status in statuses), most])
        return cursor.fetchall()


def _split(group: Group, replies: Sequence[str]) -> list[Group]:
    """Return the group in parts of one kind each, in the measure of these replies of it."""
    parts: dict[RefusalKind, list[str]] = defaultdict(list)
    for reply in replies:
        kind = refusals.classify(group.code, group.enhanced_code, reply).kind
        parts[kind].append(reply)
    if len(parts) <= 1:
        return [group]
    is_about = len(replies) < group.number
    biggest, *others = sorted(parts.values(), key=len, reverse=True)
    found = [
        group._replace(
            number=max(1, group.number * len(part) // len(replies)),
            reply=max(part),
            is_about=is_about,
        )
        for part in others
    ]
    rest = group.number - sum(part.number for part in found)
    return [group._replace(number=rest, reply=max(biggest), is_about=is_about), *found]


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
    return _reason(group, *why_failed(group.outcome, group.step, group.code or 0, group.said))


def why_failed(outcome: Outcome, step: str, code: int, refusal: Refusal) -> tuple[str, str]:
    """Return the reason in words, and what to do."""
    match outcome:
        case Outcome.RENDER:
            return _("The message could not be made"), _("Check the message and the client’s data.")
        case Outcome.PERMANENT | Outcome.TEMPORARY | Outcome.UNAVAILABLE:
            if refusal.kind in _IN_WORDS:
                title, advice = _IN_WORDS[refusal.kind]
                return str(title), str(advice)
        case Outcome.UNCERTAIN | Outcome.LOST | Outcome.ACCEPTED:
            pass
        case _:
            assert_never(outcome)
    if step == Step.RCPT and code >= PERMANENT_FROM:
        return _("The server does not take mail for this address"), _("Check the address.")
    if outcome is Outcome.PERMANENT:
        return _("The server refused the message"), _("Its answer says why.")
    return _("No luck after many tries"), _("The next run tries again.")


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
            return _reason(group, *_why_away(group.said.kind))
        case Outcome.PERMANENT:
            return _reason(group, *_why_again(group))
        case Outcome.TEMPORARY | Outcome.RENDER | Outcome.ACCEPTED:
            pass  # the server's own words, below
        case _:
            assert_never(group.outcome)
    return _reason(group, *_why_later(group.said.kind))


def _why_away(kind: RefusalKind) -> tuple[str, str]:
    if kind is RefusalKind.QUOTA:
        return str(_IN_WORDS[kind][0]), _("It goes on by itself when more may be sent.")
    if kind is RefusalKind.RELAY:
        return (
            str(_IN_WORDS[kind][0]),
            _("Nothing is lost. Show the answer to whoever runs this service."),
        )
    return _("The mail service is not available"), _("It goes on by itself. Nothing is lost.")


def _why_again(group: Group) -> tuple[str, str]:
    """Of what was refused for good, and no recipient is at fault."""
    if group.step == Step.MAIL:
        kind = RefusalKind.SIZE if group.said.kind is RefusalKind.SIZE else RefusalKind.SENDER
        return str(_IN_WORDS[kind][0]), _("It is tried again when the mailing goes on.")
    return (
        _("Refused in the same words as those before it"),
        _("It is tried again: perhaps all are refused, whoever they are."),
    )


def _why_later(kind: RefusalKind) -> tuple[str, str]:
    match kind:
        case RefusalKind.FULL_MAILBOX:
            return _("The mailbox is full"), _("It is tried again for a day.")
        case RefusalKind.RATE:
            return str(_IN_WORDS[kind][0]), _("It is tried again by itself.")
        case _:
            return _("The server asks to come later"), _("It is tried again by itself.")


def _reason(group: Group, title: str, advice: str) -> Reason:
    code = " ".join(str(part) for part in (group.code, group.enhanced_code) if part)
    reply = group.reply.removeprefix(group.enhanced_code).lstrip()
    return Reason(group.number, title, advice, code, reply, group.is_about)

"""Ready examples to begin a segment with, and the conditions that a filter of clients means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Condition, Definition, Group, Match
from mailings.models.client import ClientOrigin

CITY_NAMES = ("city", "город", "Город", "City")
BIRTHDAY_NAMES = ("birthday", "день_рождения", "День_рождения", "Birthday")
SUM_NAMES = ("total", "сумма", "Сумма", "Total")

Conditions = Callable[[Sequence[str]], Sequence[Condition]]


@dataclass(frozen=True, slots=True)
class Example:
    key: str
    title: str | Promise
    conditions: Conditions
    match: Match = Match.ALL

    def definition(self, details: Sequence[str]) -> Definition:
        """Return its conditions; `details`: what the owner's clients have."""
        group = Group(conditions=tuple(self.conditions(details)), match=self.match)
        return Definition(groups=(group,))


def _detail(details: Sequence[str], names: Sequence[str]) -> str:
    """Return the attribute that the owner has under one of the names, else the usual name."""
    usual = {"city": _("city"), "birthday": _("birthday"), "total": _("total")}[names[0]]
    return c.DETAIL + next((name for name in names if name in details), usual)


def _city(details: Sequence[str]) -> Condition:
    field = _detail(details, CITY_NAMES)
    return c.TextCondition(field=field, test=c.TextTest.IS, value=_("Kazan"))


def _no_letter(days: int) -> Condition:
    return c.LettersCondition(days=days, negated=True)


def _domains(*names: str) -> Sequence[Condition]:
    test = c.TextTest.IS
    return [c.TextCondition(field=c.TextField.DOMAIN, test=test, value=name) for name in names]


EXAMPLES = (
    Example(
        "city_silent",
        gettext_lazy("In one city, no letter for 30 days"),
        lambda details: [_city(details), _no_letter(30)],
    ),
    Example(
        "new",
        gettext_lazy("Added in the last 7 days"),
        lambda _details: [c.AgeCondition(field=c.DateField.ADDED, test=c.AgeTest.WITHIN, days=7)],
    ),
    Example(
        "silent",
        gettext_lazy("No letter for 90 days"),
        lambda _details: [_no_letter(90)],
    ),
    Example(
        "never",
        gettext_lazy("Never got a letter, but may"),
        lambda _details: [c.LettersCondition(negated=True), c.StateCondition(negated=True)],
    ),
    Example(
        "birthday",
        gettext_lazy("Birthday today"),
        lambda details: [c.AnniversaryCondition(field=_detail(details, BIRTHDAY_NAMES))],
    ),
    Example(
        "spent",
        gettext_lazy("Bought for more than 5 000"),
        lambda details: [
            c.NumberCondition(
                field=_detail(details, SUM_NAMES), test=c.NumberTest.MORE, value=5000.0
            )
        ],
    ),
    Example(
        "no_consent",
        gettext_lazy("Consent is not recorded"),
        lambda _details: [c.ConsentCondition(negated=True)],
    ),
    Example(
        "old_consent",
        gettext_lazy("Agreed a year ago or earlier"),
        lambda _details: [
            c.AgeCondition(field=c.DateField.CONSENT, test=c.AgeTest.OLDER, days=365)
        ],
    ),
    Example(
        "mailru",
        gettext_lazy("Mailboxes of Mail.ru"),
        lambda _details: _domains("mail.ru", "bk.ru", "list.ru", "inbox.ru", "internet.ru"),
        Match.ANY,
    ),
    Example(
        "nameless",
        gettext_lazy("Came with a file, without a name"),
        lambda _details: [
            c.OriginCondition(came_by=ClientOrigin.IMPORT.value),
            c.TextCondition(field=c.TextField.NAME, test=c.TextTest.EMPTY),
        ],
    ),
)


def of_filter(
    *, text: str = "", list_id: int | None = None, state: str = "", consent: str = ""
) -> Definition | None:
    """Return what a filter of clients asks for; `state`: "active" or a reason of the stop-list,
    `consent`: "yes" or "no". None: it asks for nothing."""
    groups = []
    for word in text.split()[: c.MAX_GROUPS - 2]:
        test, value = c.TextTest.CONTAINS, word[: c.MAX_VALUE]
        fields = (c.TextField.NAME, c.TextField.EMAIL)
        either = [c.TextCondition(field=name, test=test, value=value) for name in fields]
        groups.append(Group(conditions=tuple(either), match=Match.ANY))
    others: list[Condition] = []
    if list_id is not None:
        others.append(c.ListCondition(list_id=list_id))
    if state == "active":
        others.append(c.StateCondition(negated=True))
    elif state:
        others.append(c.StateCondition(reason=state))
    if consent:
        others.append(c.ConsentCondition(negated=consent == "no"))
    if others:
        groups.append(Group(conditions=tuple(others)))
    return Definition(groups=tuple(groups)) if groups else None

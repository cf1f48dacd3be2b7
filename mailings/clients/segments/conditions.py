"""What a segment asks of a client: typed conditions in groups, two deep. No database here.

A condition is a frozen dataclass with a `kind`; whoever branches on it ends in `assert_never`, so a
new one – that a letter was opened, say – is one more class, and mypy names every place that has to
learn it. `field` is a name of `TextField` or `DateField`, or `detail:city` for an attribute.

Days are calendar days of the owner: “in the last 7 days” counts today as one of them.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import ClassVar, assert_never

MAX_CONDITIONS = 50
"""In a whole segment."""
MAX_GROUPS = 10
MAX_VALUE = 200  # characters of a text to compare with
MAX_DAYS = 3_650
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
MAX_NUMBER = 10**15
"""Beyond it a float does not tell neighbours apart."""

DETAIL = "detail:"


class Match(StrEnum):
    """How conditions of a group, and groups of a segment, go together."""

    ALL = "all"
    ANY = "any"


class TextField(StrEnum):
    EMAIL = "email"
    DOMAIN = "domain"
    NAME = "full_name"
    COMMENT = "comment"
    CONSENT_SOURCE = "consent_source"


class DateField(StrEnum):
    ADDED = "created_at"
    CONSENT = "consent_at"


class TextTest(StrEnum):
    """Letter case never matters."""

    IS = "is"
    CONTAINS = "contains"
    EMPTY = "empty"


class NumberTest(StrEnum):
    EQUAL = "equal"
    MORE = "more"
    LESS = "less"


class DateTest(StrEnum):
    ON = "on"
    BEFORE = "before"
    AFTER = "after"


class AgeTest(StrEnum):
    WITHIN = "within"
    OLDER = "older"
    AHEAD = "ahead"


class MailingTest(StrEnum):
    """What became of a letter; returned: it came back, for good or for now."""

    GOT = "got"
    FAILED = "failed"
    RETURNED = "returned"


def detail_of(field: str) -> str:
    """Return the name of the attribute that the field is; nothing: it is none."""
    return field.removeprefix(DETAIL) if field.startswith(DETAIL) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCondition:
    kind: ClassVar[str] = "text"
    field: str
    test: TextTest
    value: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCondition:
    """Of an attribute that holds a number; one that holds something else is not met."""

    kind: ClassVar[str] = "number"
    field: str
    test: NumberTest
    value: float
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DateCondition:
    kind: ClassVar[str] = "date"
    field: str
    test: DateTest
    day: date
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeCondition:
    kind: ClassVar[str] = "age"
    field: str
    test: AgeTest
    days: int
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnniversaryCondition:
    """The attribute is a date, and its day and month are today's: a birthday."""

    kind: ClassVar[str] = "anniversary"
    field: str
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCondition:
    kind: ClassVar[str] = "list"
    list_id: int
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentCondition:
    """It is recorded how or when they agreed."""

    kind: ClassVar[str] = "consent"
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCondition:
    kind: ClassVar[str] = "origin"
    came_by: str
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersCondition:
    """Some letter was sent to them in the last so many days; None: ever."""

    kind: ClassVar[str] = "letters"
    days: int | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingCondition:
    """Of any run of a mailing, or of one run: exactly one of the two is given."""

    kind: ClassVar[str] = "mailing"
    test: MailingTest
    mailing_id: int | None = None
    run_id: int | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCondition:
    """They are on the stop-list; with a reason, for that one."""

    kind: ClassVar[str] = "state"
    reason: str = ""
    negated: bool = False


Condition = (
    TextCondition
    | NumberCondition
    | DateCondition
    | AgeCondition
    | AnniversaryCondition
    | ListCondition
    | ConsentCondition
    | OriginCondition
    | LettersCondition
    | MailingCondition
    | StateCondition
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    conditions: tuple[Condition, ...]
    match: Match = Match.ALL
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a segment asks: groups that all, or any, have to hold."""

    groups: tuple[Group, ...]
    match: Match = Match.ALL

    @property
    def conditions(self) -> list[Condition]:
        return [condition for group in self.groups for condition in group.conditions]


def days_meant(condition: DateCondition | AgeCondition, today: date) -> "Days":
    """Return which days are meant, not looking at `negated`."""
    if isinstance(condition, DateCondition):
        return _by_date(condition.test, condition.day)
    return _by_age(condition.test, condition.days, today)


def _by_date(test: DateTest, day: date) -> "Days":
    match test:
        case DateTest.ON:
            return Days(day, day)
        case DateTest.BEFORE:
            return Days(None, day - _DAY)
        case DateTest.AFTER:
            return Days(day + _DAY, None)
        case _:
            assert_never(test)


def _by_age(test: AgeTest, days: int, today: date) -> "Days":
    match test:
        case AgeTest.WITHIN:
            return Days(today - (days - 1) * _DAY, today)
        case AgeTest.OLDER:
            return Days(None, today - days * _DAY)
        case AgeTest.AHEAD:
            return Days(today, today + (days - 1) * _DAY)
        case _:
            assert_never(test)


_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """From the first to the last, both meant; None: without an end."""

    first: date | None
    last: date | None


def anniversaries(today: date) -> tuple[str, ...]:
    """Return which days of a year, like “02-28”, are kept today: whoever was born on 29 February
    has a day in every year."""
    days = [f"{today:%m-%d}"]
    if (today.month, today.day) == (2, 28) and (today + _DAY).month == 3:  # noqa: PLR2004 - March
        days.append("02-29")
    return tuple(days)

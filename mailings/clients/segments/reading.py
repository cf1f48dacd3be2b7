"""A segment's conditions as they are kept: JSON with a version. What cannot be read has a name.

`written` and `read` are each other's reverse. No database here: whether a list is there, and whose
it is, `references` tells.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Condition, Definition, Group
from mailings.rendering.variables import is_name

VERSION = 1


class Fault(StrEnum):
    NOT_A_SEGMENT = "not a segment"
    VERSION = "unknown version"
    NOTHING_ASKED = "no condition"
    TOO_MANY = "too many conditions"
    UNKNOWN_KIND = "unknown kind"
    UNKNOWN_FIELD = "unknown field"
    UNKNOWN_TEST = "unknown test"
    NO_VALUE = "no value"
    TOO_LONG = "value too long"
    NOT_A_NUMBER = "not a number"
    NOT_A_DATE = "not a date"
    NOT_DAYS = "not a number of days"
    NOT_A_CHOICE = "not a choice"


class Unreadable(ValueError):  # noqa: N818 - an answer, not an error
    """These are not conditions; `group` and `row` count from 0, None: it is about the whole."""

    def __init__(self, fault: Fault, group: int | None = None, row: int | None = None) -> None:
        super().__init__(fault.value)
        self.fault, self.group, self.row = fault, group, row


Choice = TypeVar("Choice", bound=StrEnum)


def written(definition: Definition) -> dict[str, Any]:
    return {
        "version": VERSION,
        "match": definition.match.value,
        "groups": [
            {
                "match": group.match.value,
                "negated": group.negated,
                "conditions": [_written_condition(one) for one in group.conditions],
            }
            for group in definition.groups
        ],
    }


def _written_condition(condition: Condition) -> dict[str, Any]:
    values = {field.name: getattr(condition, field.name) for field in fields(condition)}
    for name, value in values.items():
        if isinstance(value, StrEnum):
            values[name] = value.value
        elif isinstance(value, date):
            values[name] = value.isoformat()
    return {"kind": condition.kind, **values}


def read(data: object) -> Definition:
    """Return what was written. Raises `Unreadable`."""
    whole = _mapping(data)
    if whole.get("version") != VERSION:
        raise Unreadable(Fault.VERSION)
    groups = whole.get("groups")
    if not isinstance(groups, list):
        raise Unreadable(Fault.NOT_A_SEGMENT)
    found = [_group(one, number) for number, one in enumerate(groups[: c.MAX_GROUPS + 1])]
    definition = Definition(match=_choice(c.Match, whole.get("match")), groups=tuple(found))
    require_sound(definition)
    return definition


def require_sound(definition: Definition) -> None:
    """Raise `Unreadable` unless there is something asked, and not too much."""
    asked = definition.conditions
    if not asked or not all(group.conditions for group in definition.groups):
        raise Unreadable(Fault.NOTHING_ASKED)
    if len(asked) > c.MAX_CONDITIONS or len(definition.groups) > c.MAX_GROUPS:
        raise Unreadable(Fault.TOO_MANY)


def _group(data: object, number: int) -> Group:
    group = _mapping(data)
    rows = group.get("conditions")
    if not isinstance(rows, list):
        raise Unreadable(Fault.NOT_A_SEGMENT)
    read_rows = []
    for place, row in enumerate(rows[: c.MAX_CONDITIONS + 1]):
        try:
            read_rows.append(condition(_mapping(row)))
        except Unreadable as error:
            raise Unreadable(error.fault, number, place) from None
    return Group(
        match=_choice(c.Match, group.get("match")),
        negated=_yes_or_no(group.get("negated", False)),
        conditions=tuple(read_rows),
    )


def condition(data: Mapping[str, Any]) -> Condition:
    """Return one condition; values may be texts, as a form has them. Raises `Unreadable`."""
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in _READ:
        raise Unreadable(Fault.UNKNOWN_KIND)
    values = {k: v for k, v in data.items() if k not in ("kind", "negated")}
    negated = _yes_or_no(data.get("negated", False))
    return _READ[kind](values, negated)


# ---------------------------------------------------------------- one by one


def _text(values: Mapping[str, Any], negated: bool) -> Condition:
    field = _field(values.get("field"), c.TextField)
    test = _test(c.TextTest, values.get("test"))
    text = values.get("value", "")
    if not isinstance(text, str) or "\0" in text:
        raise Unreadable(Fault.NO_VALUE)
    text = "" if test is c.TextTest.EMPTY else text.strip()
    if len(text) > c.MAX_VALUE:
        raise Unreadable(Fault.TOO_LONG)
    if not text and test is not c.TextTest.EMPTY:
        raise Unreadable(Fault.NO_VALUE)
    return c.TextCondition(field=field, test=test, value=text, negated=negated)


def _number(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.NumberCondition(
        field=_field(values.get("field")),
        test=_test(c.NumberTest, values.get("test")),
        value=number(values.get("value")),
        negated=negated,
    )


def _date(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.DateCondition(
        field=_field(values.get("field"), c.DateField),
        test=_test(c.DateTest, values.get("test")),
        day=_day(values.get("day")),
        negated=negated,
    )


def _age(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.AgeCondition(
        field=_field(values.get("field"), c.DateField),
        test=_test(c.AgeTest, values.get("test")),
        days=_days(values.get("days")),
        negated=negated,
    )


def _anniversary(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.AnniversaryCondition(field=_field(values.get("field")), negated=negated)


def _list(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.ListCondition(list_id=_row_id(values.get("list_id")), negated=negated)


def _consent(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.ConsentCondition(negated=negated)


def _origin(values: Mapping[str, Any], negated: bool) -> Condition:
    return c.OriginCondition(came_by=_word(values.get("came_by")), negated=negated)


def _letters(values: Mapping[str, Any], negated: bool) -> Condition:
    days = values.get("days")
    return c.LettersCondition(days=None if days is None else _days(days), negated=negated)


def _mailing(values: Mapping[str, Any], negated: bool) -> Condition:
    mailing, run = values.get("mailing_id"), values.get("run_id")
    if (mailing is None) == (run is None):
        raise Unreadable(Fault.NO_VALUE)
    return c.MailingCondition(
        test=_test(c.MailingTest, values.get("test")),
        mailing_id=None if mailing is None else _row_id(mailing),
        run_id=None if run is None else _row_id(run),
        negated=negated,
    )


def _state(values: Mapping[str, Any], negated: bool) -> Condition:
    reason = values.get("reason", "")
    return c.StateCondition(reason=_word(reason) if reason else "", negated=negated)


_READ: dict[str, Callable[[Mapping[str, Any], bool], Condition]] = {
    c.TextCondition.kind: _text,
    c.NumberCondition.kind: _number,
    c.DateCondition.kind: _date,
    c.AgeCondition.kind: _age,
    c.AnniversaryCondition.kind: _anniversary,
    c.ListCondition.kind: _list,
    c.ConsentCondition.kind: _consent,
    c.OriginCondition.kind: _origin,
    c.LettersCondition.kind: _letters,
    c.MailingCondition.kind: _mailing,
    c.StateCondition.kind: _state,
}


# ---------------------------------------------------------------- what they hold


def _mapping(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise Unreadable(Fault.NOT_A_SEGMENT)
    return data


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unreadable(Fault.NOT_A_SEGMENT)
    return value


def _choice(of: type[Choice], value: object) -> Choice:
    try:
        return of(str(value))
    except ValueError:
        raise Unreadable(Fault.NOT_A_CHOICE) from None


def _test(of: type[Choice], value: object) -> Choice:
    try:
        return of(str(value))
    except ValueError:
        raise Unreadable(Fault.UNKNOWN_TEST) from None


def _field(value: object, own: type[StrEnum] | None = None) -> str:
    """Return the field: one of our own, or an attribute that may be called so."""
    field = str(value)
    is_own = own is not None and field in set(own)
    if not is_own and not is_name(c.detail_of(field)):
        raise Unreadable(Fault.UNKNOWN_FIELD)
    return field


def number(value: object) -> float:
    """Return a number; a text may have a comma and spaces in it. Raises `Unreadable`."""
    if isinstance(value, str):
        value = "".join(value.split()).replace(",", ".", 1)
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Unreadable(Fault.NOT_A_NUMBER) from None
    if not math.isfinite(found) or abs(found) > c.MAX_NUMBER:
        raise Unreadable(Fault.NOT_A_NUMBER)
    return found


def _day(value: object) -> date:
    try:
        found = date.fromisoformat(str(value))
    except ValueError:
        raise Unreadable(Fault.NOT_A_DATE) from None
    if not c.FIRST_DAY <= found <= c.LAST_DAY:
        raise Unreadable(Fault.NOT_A_DATE)
    return found


def _days(value: object) -> int:
    found = _whole(value)
    if found is None or not 1 <= found <= c.MAX_DAYS:
        raise Unreadable(Fault.NOT_DAYS)
    return found


def _row_id(value: object) -> int:
    found = _whole(value)
    if found is None or not 0 < found < 2**63:
        raise Unreadable(Fault.NO_VALUE)
    return found


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:  # noqa: PLR2004
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier() or len(value) > 16:  # noqa: PLR2004
        raise Unreadable(Fault.NOT_A_CHOICE)
    return value

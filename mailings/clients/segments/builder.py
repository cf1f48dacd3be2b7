"""A segment as it is being built: rows of texts – what, how, value – in groups, as a form has them.

Half a condition may stand there; `Draft.read` makes conditions of it, or says at each row what is
missing. The rows work without JavaScript: a button adds or takes away one, and nothing is lost.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from django.utils.translation import gettext_lazy, pgettext_lazy

from mailings.clients.segments import conditions as c
from mailings.clients.segments import reading, words
from mailings.clients.segments.conditions import Condition, Definition, Group, Match

NOT = "-"
"""Before a way to compare: the opposite."""

TEXTS = ("is", "-is", "contains", "-contains")
FILLED = ("empty", "-empty")
NUMBERS = ("equal", "more", "less")
DAYS = ("within", "older", "ahead", "on", "before", "after")

WAYS: dict[str, tuple[str, ...]] = {
    "email": TEXTS,
    "domain": TEXTS,
    "full_name": (*TEXTS, *FILLED),
    "comment": (*TEXTS, *FILLED),
    "created_at": ("within", "older", "on", "before", "after"),
    "came_by": ("origin", "-origin"),
    "consent": ("recorded", "-recorded"),
    "consent_at": DAYS,
    "consent_source": (*TEXTS, *FILLED),
    "list": ("on_list", "-on_list"),
    "letters": ("-days", "days", "-ever", "ever"),
    "mailing": ("got", "-got", "failed", "returned"),
    "state": ("-stopped", "stopped", "reason"),
    c.DETAIL: (*TEXTS, *FILLED, *NUMBERS, *DAYS, "anniversary"),
}
"""What may be looked at → how; an attribute by the last line."""

LABELS = {
    "is": pgettext_lazy("comparison", "is"),
    "-is": pgettext_lazy("comparison", "is not"),
    "contains": pgettext_lazy("comparison", "contains"),
    "-contains": pgettext_lazy("comparison", "does not contain"),
    "empty": pgettext_lazy("comparison", "is empty"),
    "-empty": pgettext_lazy("comparison", "is filled in"),
    "equal": pgettext_lazy("comparison", "as a number: equal to"),
    "more": pgettext_lazy("comparison", "as a number: more than"),
    "less": pgettext_lazy("comparison", "as a number: less than"),
    "within": pgettext_lazy("comparison", "in the last … days"),
    "older": pgettext_lazy("comparison", "… days ago or earlier"),
    "ahead": pgettext_lazy("comparison", "in the next … days"),
    "on": pgettext_lazy("comparison", "on the day"),
    "before": pgettext_lazy("comparison", "before the day"),
    "after": pgettext_lazy("comparison", "after the day"),
    "anniversary": pgettext_lazy("comparison", "day and month are today’s"),
    "origin": pgettext_lazy("comparison", "is"),
    "-origin": pgettext_lazy("comparison", "is not"),
    "recorded": pgettext_lazy("comparison", "is recorded"),
    "-recorded": pgettext_lazy("comparison", "is not recorded"),
    "on_list": pgettext_lazy("comparison", "is one of its clients"),
    "-on_list": pgettext_lazy("comparison", "is not one of its clients"),
    "-days": pgettext_lazy("comparison", "got none for … days"),
    "days": pgettext_lazy("comparison", "got one in the last … days"),
    "-ever": pgettext_lazy("comparison", "never got one"),
    "ever": pgettext_lazy("comparison", "has got one"),
    "got": pgettext_lazy("comparison", "was sent to the client"),
    "-got": pgettext_lazy("comparison", "was not sent to the client"),
    "failed": pgettext_lazy("comparison", "could not be sent"),
    "returned": pgettext_lazy("comparison", "came back"),
    "-stopped": pgettext_lazy("comparison", "gets mail"),
    "stopped": pgettext_lazy("comparison", "is on the suppression list"),
    "reason": pgettext_lazy("comparison", "is on the suppression list because"),
}
OPPOSITE = pgettext_lazy("comparison", "not: %(way)s")

SUBJECTS = (
    (
        gettext_lazy("Client"),
        (
            ("email", gettext_lazy("E-mail")),
            ("domain", gettext_lazy("Domain of the address")),
            ("full_name", gettext_lazy("Full name")),
            ("comment", gettext_lazy("Comment")),
            ("created_at", gettext_lazy("Day of adding")),
            ("came_by", gettext_lazy("How they came")),
            ("list", gettext_lazy("List")),
        ),
    ),
    (
        gettext_lazy("Letters"),
        (
            ("letters", gettext_lazy("Any letter")),
            ("mailing", gettext_lazy("A mailing or a run")),
            ("state", gettext_lazy("State")),
        ),
    ),
    (
        gettext_lazy("Consent"),
        (
            ("consent", gettext_lazy("Consent")),
            ("consent_at", gettext_lazy("Day of consent")),
            ("consent_source", gettext_lazy("How they agreed")),
        ),
    ),
)
"""What may be looked at, as it is offered; attributes are a group of their own."""

KINDS = {
    **dict.fromkeys((*TEXTS,), "text"),
    **dict.fromkeys(NUMBERS, "number"),
    **dict.fromkeys(("within", "older", "ahead", "days"), "days"),
    **dict.fromkeys(("on", "before", "after"), "day"),
    "origin": "origin",
    "on_list": "list",
    **dict.fromkeys(("got", "failed", "returned"), "mailing"),
    "reason": "reason",
}
"""What is asked for beside a way to compare; missing: nothing."""

FIRST = "full_name"
_button = re.compile(r"(add|take|group|ungroup)(?::(\d{1,3}))?(?::(\d{1,3}))?").fullmatch


@dataclass(slots=True)
class Row:
    what: str = FIRST
    how: str = ""
    value: str = ""
    fault: str = ""

    @property
    def ways(self) -> list[tuple[str, str]]:
        """Return how this may be compared, and the way that is chosen even if it is not offered."""
        offered = WAYS.get(c.DETAIL if c.detail_of(self.what) else self.what, ())
        kept = [self.how] if self.how and self.how not in offered else []
        return [(way, _label(way)) for way in (*offered, *kept)]

    @property
    def kind(self) -> str:
        """Return which kind of value is asked for; nothing: none."""
        return KINDS.get(self.how.removeprefix(NOT), "")

    def tidied(self) -> "Row":
        """Return the row with a way that fits what is looked at."""
        offered = [way for way, _ in replace(self, how="").ways]
        if self.how.removeprefix(NOT) in {way.removeprefix(NOT) for way in offered}:
            return self
        how = offered[0] if offered else ""
        value = self.value if KINDS.get(how) == self.kind else ""
        return Row(self.what, how, value, self.fault)

    def read(self) -> Condition:
        """Return the condition. Raises `reading.Unreadable`."""
        way, negated = self.how.removeprefix(NOT), self.how.startswith(NOT)
        row = self.tidied()
        if row.how != self.how:
            raise reading.Unreadable(reading.Fault.UNKNOWN_TEST)
        return reading.condition({**self._data(way), "negated": negated})

    def _data(self, way: str) -> dict[str, Any]:
        value, given = self.value.strip(), {"field": self.what, "test": way}
        if way in ("is", "contains", "empty"):
            return {"kind": "text", "value": value, **given}
        if way in NUMBERS:
            return {"kind": "number", "value": value, **given}
        if way in ("within", "older", "ahead"):
            return {"kind": "age", "days": value, **given}
        if way in ("on", "before", "after"):
            return {"kind": "date", "day": value, **given}
        if way in ("got", "failed", "returned"):
            named, _colon, number = value.partition(":")
            which = {"run": "run_id", "mailing": "mailing_id"}.get(named, "nothing")
            return {"kind": "mailing", "test": way, which: number}
        return {
            "anniversary": {"kind": "anniversary", "field": self.what},
            "origin": {"kind": "origin", "came_by": value},
            "recorded": {"kind": "consent"},
            "on_list": {"kind": "list", "list_id": value},
            "days": {"kind": "letters", "days": value},
            "ever": {"kind": "letters"},
            "stopped": {"kind": "state"},
            "reason": {"kind": "state", "reason": value or "?"},
        }.get(way, {"kind": ""})


def _label(way: str) -> str:
    if way in LABELS:
        return str(LABELS[way])
    return str(OPPOSITE) % {"way": LABELS.get(way.removeprefix(NOT), way)}


@dataclass(slots=True)
class Box:
    """A group."""

    match: Match = Match.ALL
    negated: bool = False
    rows: list[Row] = field(default_factory=lambda: [Row().tidied()])


@dataclass(slots=True)
class Draft:
    match: Match = Match.ALL
    boxes: list[Box] = field(default_factory=lambda: [Box()])
    faults: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(len(box.rows) for box in self.boxes)

    @property
    def may_grow(self) -> bool:
        return self.size < c.MAX_CONDITIONS

    @property
    def may_have_groups(self) -> bool:
        return self.may_grow and len(self.boxes) < c.MAX_GROUPS

    def read(self) -> Definition | None:
        """Return the conditions; None: something is missing, and the rows say what."""
        self.faults, groups = [], []
        for box in self.boxes:
            found = []
            for row in box.rows:
                row.fault = ""
                try:
                    found.append(row.read())
                except reading.Unreadable as error:
                    row.fault = words.fault(error.fault)
            groups.append(Group(conditions=tuple(found), match=box.match, negated=box.negated))
        definition = Definition(match=self.match, groups=tuple(groups))
        if any(row.fault for box in self.boxes for row in box.rows):
            return None
        try:
            reading.require_sound(definition)
        except reading.Unreadable as error:
            self.faults = [words.fault(error.fault)]
            return None
        return definition

    def press(self, button: str) -> None:
        """Do what a button of the form says: `add:1`, `take:1:2`, `group`, `ungroup:1`."""
        found = _button(button)
        if not found:
            return
        verb, group, row = found[1], int(found[2] or 0), int(found[3] or 0)
        box = self.boxes[group] if group < len(self.boxes) else None
        if verb == "group" and self.may_have_groups:
            self.boxes.append(Box())
        elif verb == "add" and box and self.may_grow:
            box.rows.append(Row(what=box.rows[-1].what if box.rows else FIRST).tidied())
        elif verb == "take" and box and row < len(box.rows):
            del box.rows[row]
            if not box.rows:
                self._ungroup(group)
        elif verb == "ungroup" and box:
            self._ungroup(group)

    def _ungroup(self, group: int) -> None:
        del self.boxes[group]
        if not self.boxes:
            self.boxes.append(Box())


def posted(data: Mapping[str, Any]) -> Draft:
    """Return what a form holds; more than is allowed is not looked at, but found to be too much."""
    draft, left = Draft(_match(data.get("match")), boxes=[]), c.MAX_CONDITIONS + 1
    for group in range(c.MAX_GROUPS + 1):
        if f"g{group}_match" not in data:
            break
        box = Box(_match(data.get(f"g{group}_match")), bool(data.get(f"g{group}_not")), [])
        row = 0
        while left and f"g{group}r{row}_what" in data:
            name = f"g{group}r{row}"
            texts = (str(data.get(f"{name}_{part}", "")) for part in ("what", "how", "value"))
            what, how, value = (text[: c.MAX_VALUE + 10] for text in texts)
            box.rows.append(Row(what, how, value))
            row, left = row + 1, left - 1
        draft.boxes.append(box)
    draft.boxes = [box for box in draft.boxes if box.rows] or [Box()]
    return draft


def of(definition: Definition) -> Draft:
    """Return the rows that say these conditions."""
    boxes = [
        Box(group.match, group.negated, [_row(one) for one in group.conditions])
        for group in definition.groups
    ]
    return Draft(definition.match, boxes)


def _row(one: Condition) -> Row:
    what, way, value = _parts(one)
    return Row(what, f"{NOT}{way}" if one.negated else way, value)


def _parts(one: Condition) -> tuple[str, str, str]:  # noqa: C901, PLR0911 - a line for each kind
    match one:
        case c.TextCondition():
            return one.field, one.test.value, one.value
        case c.NumberCondition():
            return one.field, one.test.value, f"{one.value:.6f}".rstrip("0").rstrip(".")
        case c.DateCondition():
            return one.field, one.test.value, one.day.isoformat()
        case c.AgeCondition():
            return one.field, one.test.value, str(one.days)
        case c.AnniversaryCondition():
            return one.field, "anniversary", ""
        case c.ListCondition():
            return "list", "on_list", str(one.list_id)
        case c.ConsentCondition():
            return "consent", "recorded", ""
        case c.OriginCondition():
            return "came_by", "origin", one.came_by
        case c.LettersCondition():
            return ("letters", "ever", "") if one.days is None else _days(one.days)
        case c.MailingCondition():
            which = f"run:{one.run_id}" if one.run_id else f"mailing:{one.mailing_id}"
            return "mailing", one.test.value, which
        case c.StateCondition():
            return ("state", "reason", one.reason) if one.reason else ("state", "stopped", "")
        case _:
            assert_never(one)


def _days(days: int) -> tuple[str, str, str]:
    return "letters", "days", str(days)


def _match(value: object) -> Match:
    return Match.ANY if value == Match.ANY else Match.ALL

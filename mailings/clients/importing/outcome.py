"""What became of the rows of a file, in words: figures, examples, the report."""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from mailings.clients.importing import looking
from mailings.clients.importing.plan import BARRED, Fault, Kind, Line
from mailings.models import Import

_BARRED = {
    Kind.UNSUBSCRIBED: pgettext_lazy("import", "to the suppression list: unsubscribed"),
    Kind.COMPLAINED: pgettext_lazy("import", "to the suppression list: complained about spam"),
    Kind.BOUNCED: pgettext_lazy("import", "to the suppression list: the address does not work"),
    Kind.MANUAL: pgettext_lazy("import", "to the suppression list: not to be written to"),
    Kind.NO_CONSENT: pgettext_lazy("import", "to the suppression list: did not agree"),
}
WILL = {
    Kind.NEW: pgettext_lazy("import", "will be added"),
    Kind.UPDATED: pgettext_lazy("import", "will be changed"),
    Kind.UNCHANGED: pgettext_lazy("import", "there already, nothing changes"),
    Kind.SUPPRESSED: pgettext_lazy("import", "on the suppression list: not touched"),
    **_BARRED,
    Kind.ASKED: pgettext_lazy("import", "to be answered: may they get mail?"),
    Kind.OUT: pgettext_lazy("import", "will be left out: the file says not to write"),
    Kind.REPEATED: pgettext_lazy("import", "repeated in the file"),
    Kind.INVALID: pgettext_lazy("import", "will be left out"),
}
DID = {
    Kind.NEW: pgettext_lazy("import", "added"),
    Kind.UPDATED: pgettext_lazy("import", "changed"),
    Kind.UNCHANGED: pgettext_lazy("import", "there already, nothing changed"),
    Kind.SUPPRESSED: pgettext_lazy("import", "on the suppression list: not touched"),
    **_BARRED,
    Kind.ASKED: pgettext_lazy("import", "left out: nobody said what the word means"),
    Kind.OUT: pgettext_lazy("import", "left out: the file says not to write"),
    Kind.REPEATED: pgettext_lazy("import", "repeated in the file"),
    Kind.INVALID: pgettext_lazy("import", "left out"),
}
LOOKS = {
    Kind.NEW: ("user-plus", "is-go"),
    Kind.UPDATED: ("pencil", "is-go"),
    Kind.UNCHANGED: ("check", "is-off"),
    Kind.SUPPRESSED: ("mail-x", "is-off"),
    **dict.fromkeys(BARRED, ("mail-x", "is-off")),
    Kind.ASKED: ("circle-question-mark", "is-wait"),
    Kind.OUT: ("user-x", "is-off"),
    Kind.REPEATED: ("copy", "is-off"),
    Kind.INVALID: ("circle-x", "is-bad"),
}


class Figure(NamedTuple):
    """How many rows are of one kind; `icon`, `tone` and `label` are what the look needs."""

    kind: str
    icon: str
    tone: str
    label: str
    number: int
    has_names: bool = False
    """The examples tell who the clients are."""


class Example(NamedTuple):
    number: int
    address: str
    why: str
    name: str = ""
    """Of the client: a column that was taken for another is seen by it."""


def figures(row: Import) -> list[Figure]:
    """Return every kind there is; new ones always."""
    words = DID if row.started_at else WILL
    return [
        Figure(kind.value, *LOOKS[kind], str(words[kind]), row.counts.get(kind, 0))
        for kind in Kind
        if row.counts.get(kind) or kind == Kind.NEW
    ]


_NAMELESS = 3  # number, address, detail


def examples(row: Import) -> list[tuple[Figure, list[Example]]]:
    """Return the first rows of each kind, as the dry run found them."""
    return [
        (
            figure._replace(
                label=capfirst(figure.label),
                has_names=any(len(example) > _NAMELESS for example in row.examples[figure.kind]),
            ),
            [
                Example(number, address, why(figure.kind, detail), *name)
                for number, address, detail, *name in row.examples[figure.kind]
            ],
        )
        for figure in figures(row)
        if row.examples.get(figure.kind)
    ]


def kind_in_words(kind: str) -> str:
    return str(DID[Kind(kind)])


DOUBTS = {
    looking.QUESTIONS: pgettext_lazy("import", "question marks instead of letters: lost before"),
    looking.SEVERAL_LINES: pgettext_lazy(
        "import", "lines with an address inside one cell: is a quotation mark not closed?"
    ),
}


def doubt_in_words(reason: str) -> str:
    """Return why a row looks wrong at the first sight."""
    return str(DOUBTS.get(reason) or Fault(reason).label)


def why(kind: str, detail: str) -> str:
    """Return why a row is left out or repeated."""
    if kind == Kind.REPEATED:
        return _("the same address as in row %(number)s") % {"number": detail}
    if kind in _BY_WORDS:
        return detail
    return str(Fault(detail).label) if detail in Fault.values else ""


_BY_WORDS = (*BARRED, Kind.ASKED, Kind.OUT, Kind.SUPPRESSED)
"""Kinds of rows whose detail is what the file says."""


class Balance(NamedTuple):
    """What it comes to: the four add up to the rows of the file, less those repeated."""

    get_mail: int
    suppressed: int
    left_out: int
    asked: int


def balance(row: Import) -> Balance:
    def number(*kinds: Kind) -> int:
        return sum(row.counts.get(kind.value, 0) for kind in kinds)

    # An earlier row brought these in, a later one forbids to write to them.
    overruled = row.findings.get("overruled", 0)
    return Balance(
        number(Kind.NEW, Kind.UPDATED, Kind.UNCHANGED) - overruled,
        number(Kind.SUPPRESSED, *BARRED),
        number(Kind.OUT, Kind.INVALID),
        number(Kind.ASKED),
    )


class Question(NamedTuple):
    """A word of which the file does not say what it means."""

    column: str
    word: str
    head: str
    shown: str
    number: int
    row_number: int
    address: str


def questions(row: Import) -> list[Question]:
    """Return the words to ask about, column by column, the most frequent first."""
    return [
        Question(column, word, row.heads[int(column)], shown, count, first, address)
        for column, words in sorted(row.findings.get("asked", {}).items(), key=lambda c: int(c[0]))
        for word, (count, shown, first, address) in sorted(
            words.items(), key=lambda pair: (-pair[1][0], pair[1][2])
        )
    ]


# ---------------------------------------------------------------- the report's parts


def packed(lines: Iterable[Line]) -> bytes:
    rows = [(line.number, str(line.kind), line.address, str(line.detail)) for line in lines]
    return zlib.compress(json.dumps(rows, ensure_ascii=False).encode(), 1)


def report(row: Import) -> Iterator[tuple[int, str, str, str]]:
    """Yield (number, kind, address, detail) of every row that was dealt with."""
    last = -1
    while part := row.parts.filter(position__gt=last).order_by("position").first():
        last = part.position
        yield from json.loads(zlib.decompress(bytes(part.lines)))

"""What became of the rows of a file, in words: figures, examples, the report."""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from mailings.importing import looking
from mailings.importing.plan import Fault, Kind, Line
from mailings.models import Import

WILL = {
    Kind.NEW: pgettext_lazy("import", "will be added"),
    Kind.UPDATED: pgettext_lazy("import", "will be changed"),
    Kind.UNCHANGED: pgettext_lazy("import", "there already, nothing changes"),
    Kind.SUPPRESSED: pgettext_lazy("import", "on the suppression list: not touched"),
    Kind.REPEATED: pgettext_lazy("import", "repeated in the file"),
    Kind.INVALID: pgettext_lazy("import", "will be left out"),
}
DID = {
    Kind.NEW: pgettext_lazy("import", "added"),
    Kind.UPDATED: pgettext_lazy("import", "changed"),
    Kind.UNCHANGED: pgettext_lazy("import", "there already, nothing changed"),
    Kind.SUPPRESSED: pgettext_lazy("import", "on the suppression list: not touched"),
    Kind.REPEATED: pgettext_lazy("import", "repeated in the file"),
    Kind.INVALID: pgettext_lazy("import", "left out"),
}
LOOKS = {
    Kind.NEW: ("user-plus", "is-go"),
    Kind.UPDATED: ("pencil", "is-go"),
    Kind.UNCHANGED: ("check", "is-off"),
    Kind.SUPPRESSED: ("mail-x", "is-off"),
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
    return str(Fault(detail).label) if detail else ""


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

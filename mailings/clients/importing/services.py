"""What an owner does with a file of clients: upload, name its columns, check, import, cancel.

Use cases as in `campaigns.services`: who asks is checked, a status moves by a conditional UPDATE,
workers are told after the commit.
"""

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.clients import attributes
from mailings.clients.attributes import MAX_ATTRIBUTES
from mailings.clients.importing import columns, file_names, looking
from mailings.clients.importing.columns import ATTRIBUTE, SEVERAL, Target
from mailings.clients.importing.mail_states import Says
from mailings.errors import Refused
from mailings.models import ClientList, Import, ImportFile
from mailings.models.importing import ImportKind
from mailings.signals import imports_waiting
from mailings.spreadsheets import encodings, tables
from mailings.states import FINAL, ImportStatus
from mailings.timing import clock

MAX_OPEN = 5
"""Files of one owner that are not done with; each may take 10 MB of the database."""
GUESS_ROWS = 2_000
"""Rows that a guess of the columns looks at: the first ones may all be subscribed."""
SHOWN = 60  # characters of a cell in the preview
HEAD_SHOWN = 80  # a name of a variable has 64
REMEMBERED = 10  # earlier imports that teach what a head means
F = ImportStatus


def upload(
    *, owner: User, name: str, content: bytes, kind: ImportKind = ImportKind.CLIENTS
) -> Import:
    """Keep the file and find out how it is written down; `Refused` if it cannot be read.

    A name like “unsubscribed” proposes the suppression list, any other one a list of that name.
    """
    if permissions.owned(Import, owner).exclude(status__in=FINAL[F]).count() >= MAX_OPEN:
        raise Refused(
            _("You have %(most)d files that are not imported yet. Finish or delete one of them.")
            % {"most": MAX_OPEN}
        )
    row = Import(owner=owner, file_name=_tame(name), size=len(content), kind=kind)
    if reason := file_names.reason(row.file_name):
        row.kind, row.reason = ImportKind.STOP_LIST, reason
    row.new_list = _free_name(owner, file_names.list_name(row.file_name, clock.now()))
    try:
        layout = tables.recognise(content)
        file = io.BytesIO(content)
        _look(row, file, _guessed(layout, file, owner))
    except tables.Unreadable as fault:
        raise Refused(str(fault)) from fault
    with transaction.atomic():
        row.save()
        ImportFile.keep(row, content)
    return row


def read_anew(*, row: Import, by: User, layout: tables.Layout) -> None:
    """Read the file as the owner says it is written down."""
    _require_owner(row, by)
    _require_columns_open(row)
    try:
        with ImportFile.unpacked(row) as file:
            _look(row, file, layout)
    except tables.Unreadable as fault:
        raise Refused(str(fault)) from fault
    except ImportFile.DoesNotExist as gone:
        raise Refused(_file_gone()) from gone
    # What was checked before was read in another way: it cannot be imported any more.
    read = {name: getattr(row, name) for name in _READ}
    with transaction.atomic():
        Import.objects.filter(pk=row.pk).move(
            F.NEW, among=[F.CHECKED], counts={}, examples={}, findings={}
        )
        open_row = Import.objects.filter(pk=row.pk, status=F.NEW)
        if not open_row.update(problem="", answers={}, **read):
            raise Refused(_changed_meanwhile())
    row.refresh_from_db()


@transaction.atomic
def check(
    *, row: Import, by: User, mapping: Sequence[str], target: ClientList | None, **options: Any
) -> None:
    """Let a worker tell what would happen to each row; nothing is changed.

    `options`: `new_list`, `consent`, `updates`, `kind`, `reason`, `leaves_out`.
    """
    _require_owner(row, by)
    if target is not None and target.owner_id != row.owner_id:
        raise PermissionDenied
    _require_sound(mapping, row)
    options = {"new_list": ""} | options  # what was proposed counts only if it is asked for
    if options.get("kind", row.kind) == ImportKind.STOP_LIST:
        target, options = None, options | {"new_list": ""}
    elif not options.get("consent", "").strip():
        raise Refused(_("Write where these people agreed to get mail: a form, a contract."))
    if list(mapping) != row.mapping:
        options["answers"] = {}
    _move(
        row, F.CHECKING, among=[F.NEW, F.CHECKED], mapping=list(mapping), target=target,
        position=0, counts={}, examples={}, findings={}, problem="", lease_losses=0, **options,
    )  # fmt: skip


@transaction.atomic
def answer(*, row: Import, by: User, answers: Mapping[str, Mapping[str, Says]]) -> None:
    """Take what the owner says about unknown words – column → word → meaning – and check again."""
    _require_owner(row, by)
    known = {column: dict(words) for column, words in row.answers.items()}
    for column, words in answers.items():
        asked = row.findings.get("asked", {}).get(column, {})
        known.setdefault(column, {}).update(
            {word: says.value for word, says in words.items() if word in asked}
        )
    _move(
        row, F.CHECKING, among=[F.CHECKED], answers=known, position=0, counts={}, examples={},
        findings={}, problem="", lease_losses=0,
    )  # fmt: skip


@transaction.atomic
def start(*, row: Import, by: User) -> None:
    """Let a worker import what was checked, or go on with what was interrupted."""
    _require_owner(row, by)
    if not ImportFile.objects.filter(pk=row.pk).exists():
        raise Refused(_file_gone())
    row.refresh_from_db()  # another tab may have checked it anew
    if row.status == F.FAILED:
        _move(row, F.IMPORTING, among=[F.FAILED], problem="", lease_losses=0)
        return
    if row.counts.get(Says.ASK):
        raise Refused(_("First say what the unknown words mean: who may get mail."))
    if row.new_list and not row.is_stop_list:
        row.target, _made = ClientList.objects.get_or_create(owner=row.owner, name=row.new_list)
    findings = {"telling": row.findings.get("telling", [])}
    _move(
        row, F.IMPORTING, among=[F.CHECKED], position=0, counts={}, target=row.target,
        findings=findings, started_at=clock.now(),
    )  # fmt: skip


@transaction.atomic
def cancel(*, row: Import, by: User) -> None:
    """Stop before the next rows. A check leads back to the columns; what is imported stays."""
    _require_owner(row, by)
    if row.status == F.CHECKING:
        _move(row, F.NEW, among=[F.CHECKING], counts={}, examples={}, position=0)
        return
    _move(row, F.CANCELLED, finished_at=clock.now())
    ImportFile.objects.filter(pk=row.pk).delete()


def delete(*, row: Import, by: User) -> None:
    """Delete the file and the report; the clients stay."""
    _require_owner(row, by)
    row.delete()


def earlier_choices(owner: User) -> dict[str, str]:
    """Return head → target, as the owner chose for files that were checked."""
    known: dict[str, str] = {}
    rows = permissions.owned(Import, owner).exclude(status=F.NEW).order_by("-pk")[:REMEMBERED]
    for heads, mapping in rows.values_list("heads", "mapping"):
        for head, target in zip(heads, mapping, strict=False):
            if head:
                known.setdefault(columns.plain(head), target)
    return known


# ---------------------------------------------------------------- what they share


_READ = ("layout", "heads", "sample", "look", "row_count", "mapping")
"""What `_look` fills in."""


def _guessed(layout: tables.Layout, file: IO[bytes], owner: User) -> tables.Layout:
    """Return the layout with the head, and with the mend of text that was read wrongly before."""
    if layout.kind == tables.VCARD:
        return layout
    first = tables.head(file, layout, columns.HEAD_ROWS)
    if layout.kind == tables.XLSX:
        told = "\n".join(cell for row in first for cell in row.cells)
        layout = replace(layout, mend=encodings.mend_for(told))
        first = tables.head(file, layout, columns.HEAD_ROWS) if layout.mend else first
    head = columns.head_of(first, earlier_choices(owner))
    return replace(layout, has_header=head > 0, head=max(head, 1))


def _look(row: Import, file: IO[bytes], layout: tables.Layout) -> None:
    """Fill in what the preview shows: heads, first rows, how many, and a guess of the columns."""
    found = looking.look(file, layout)
    heads = found.head.cells if found.head else []
    below = found.sample
    width = max([len(heads), *(len(r.cells) for r in below)], default=0)
    width = max((i + 1 for i in range(width) if _is_used(i, heads, below)), default=0)
    row.layout = layout.as_json()
    row.heads = [heads[i][:HEAD_SHOWN] if i < len(heads) else "" for i in range(width)]
    row.sample = [[cell[:SHOWN] for cell in r.cells[:width]] for r in below]
    row.look = found.as_json()
    row.row_count = found.count
    if not row.row_count:
        raise tables.Unreadable(_("There are no rows below the head."))
    row.mapping = columns.guess(
        row.heads,
        _many_rows(file, layout, width) or row.sample,
        attributes=attributes.names_of(row.owner),
        earlier=earlier_choices(row.owner),
    )


def _many_rows(file: IO[bytes], layout: tables.Layout, width: int) -> list[list[str]]:
    """Return cells to guess by: the first rows may all be of one kind."""
    try:
        first = tables.head(file, layout, GUESS_ROWS + columns.HEAD_ROWS)
    except tables.Unreadable:  # said when the file is read as a whole
        return []
    below = [r for r in first if r.number >= layout.head] if layout.has_header else first
    below = below[layout.has_header :]
    return [[cell[:SHOWN] for cell in r.cells[:width]] for r in below if not r.fault]


def _is_used(index: int, heads: Sequence[str], rows: Sequence[tables.Row]) -> bool:
    return any(index < len(cells) and cells[index] for cells in (heads, *(r.cells for r in rows)))


def _free_name(owner: User, name: str) -> str:
    """Return the name, with a number if the owner has such a list: it proposes a new one."""
    taken = set(
        permissions.owned(ClientList, owner)
        .filter(name__startswith=name)
        .values_list("name", flat=True)
    )
    numbered = (f"{name} {number}" for number in itertools.count(2))
    return name if name not in taken else next(free for free in numbered if free not in taken)


def _tame(name: str) -> str:
    """Return a file's name in one line, without the folders some browsers send."""
    base = re.split(r"[\\/]", name)[-1]
    return "".join(c for c in base if c.isprintable())[-200:] or "import"


def _require_sound(mapping: Sequence[str], row: Import) -> None:
    if len(mapping) != len(row.heads):
        raise Refused(_changed_meanwhile())
    used = [target for target in mapping if target]
    if Target.EMAIL not in used:
        raise Refused(_("Say which column holds the e-mail address."))
    twice = {target for target in used if used.count(target) > 1} - {*SEVERAL}
    if twice:
        names: Mapping[str, Any] = dict(Target.choices)
        said = ", ".join(str(names.get(t, t.removeprefix(ATTRIBUTE))) for t in sorted(twice))
        raise Refused(_("Two columns cannot be the same: %(names)s.") % {"names": said})
    own = [target.removeprefix(ATTRIBUTE) for target in used if target.startswith(ATTRIBUTE)]
    if not all(columns.ATTRIBUTE_NAME.fullmatch(name) for name in own):
        raise Refused(_("A name of a variable is letters, digits and underscores."))
    if len(own) > MAX_ATTRIBUTES:
        raise Refused(_("No more than %(most)d details.") % {"most": MAX_ATTRIBUTES})


def _require_owner(row: Import, by: User) -> None:
    if not by.is_active or row.owner_id != by.pk:
        raise PermissionDenied


def _require_columns_open(row: Import) -> None:
    if row.status not in (F.NEW, F.CHECKED):
        raise Refused(_changed_meanwhile())


def _file_gone() -> str:
    return _("The file is not kept any more. Upload it once more.")


def _move(row: Import, to: ImportStatus, **changes: Any) -> None:
    changes = {"status_at": clock.now(), "lease_owner": None, "lease_until": None} | changes
    if not Import.objects.filter(pk=row.pk).move(to, **changes):
        raise Refused(_changed_meanwhile())
    row.refresh_from_db()
    if row.is_waiting:
        transaction.on_commit(lambda: imports_waiting.send_robust(Import))


def _changed_meanwhile() -> str:
    return _("The import has moved on meanwhile. Look at it again.")

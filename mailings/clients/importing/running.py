"""Checks and imports files in the background, a chunk of rows in a transaction.

Clients, report and position are committed together, so an import that was interrupted – by a
signal, a crash, a database that went away – goes on with the first row that was not dealt with.
A lease that runs out tells that the worker is gone; cancelling is seen before the next chunk.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import IO

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from mailings import audit
from mailings.clients.importing import address_cells, mail_states, outcome, writing
from mailings.clients.importing.meaning import MAX_WORDS, SHOWN, Meaning, word_of
from mailings.clients.importing.plan import BARRED, Kind, Known, Line, Reader, Record, decide
from mailings.consents import ledger
from mailings.models import Import, ImportFile, ImportPart
from mailings.models.client import MAX_SOURCE
from mailings.models.stateful import StatefulQuerySet
from mailings.signals import figures_changed
from mailings.spreadsheets import tables
from mailings.states import ImportStatus
from mailings.suppression import stop_list

log = logging.getLogger(__name__)

CHUNK = 1_000  # rows
LEASE = timedelta(minutes=1)
EXAMPLES = 10  # rows of each kind that the dry run shows
MAX_LOSSES = 3
"""A file whose workers die again and again is left alone until the owner decides."""
KEPT_UNUSED = timedelta(days=2)
"""Nobody has gone on with it: the file is deleted, with everything read from it."""
KEPT_REPORT = timedelta(days=90)
"""A report is full of addresses; the figures stay."""

F = ImportStatus


class Interrupted(Exception):  # noqa: N818 - no error
    """Cancelled, deleted, taken over by another worker, or this one was told to stop."""


def run_waiting(clock: Callable[[], datetime], *, stopping: Callable[[], bool]) -> None:
    """Do what waits, one file after the other; and forget what nobody went on with."""
    forget_unused(clock())
    worker = uuid.uuid4()
    while not stopping() and (row := claim(worker, clock())) is not None:
        run(row, clock, stopping)


def claim(worker: uuid.UUID, now: datetime) -> Import | None:
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    waiting = Import.objects.with_status(*Import.WAITING).filter(free)
    for pk, lost in waiting.order_by("status_at").values_list("pk", "lease_until"):
        mine = waiting.filter(pk=pk)
        losses = 1 if lost else 0
        row = mine.first()
        if row is not None and row.lease_losses + losses > MAX_LOSSES:
            fail(row, now)
        elif row is not None and mine.update(
            lease_owner=worker, lease_until=now + LEASE, lease_losses=row.lease_losses + losses
        ):
            row.refresh_from_db()
            return row
    return None


def run(row: Import, clock: Callable[[], datetime], stopping: Callable[[], bool]) -> None:
    """Do what is left of one file, and leave it in order whatever happens."""
    try:
        with ImportFile.unpacked(row) as file, translation.override(row.owner.language):
            work(row, file, clock, stopping)
    except Interrupted:
        _held(row).update(lease_owner=None, lease_until=None)
    except tables.Unreadable as fault:
        give_back(row, str(fault), clock())
    except ImportFile.DoesNotExist:
        log.info("import_deleted", extra={"import_id": row.pk})
    except DatabaseError as error:
        # The lease runs out, and somebody tries again.
        log.warning("import_interrupted", extra={"import_id": row.pk, "error": error})
        connection.close_if_unusable_or_obsolete()


def work(
    row: Import,
    file: IO[bytes],
    clock: Callable[[], datetime],
    stopping: Callable[[], bool],
) -> None:
    meaning = read_through(row, file, clock, stopping)
    if row.status == F.CHECKING and meaning.learned:
        # Only a later row told how an earlier one is to be understood: once more, now knowing.
        row.findings = {"telling": sorted(meaning.learned)}
        row.position, row.counts, row.examples = 0, {}, {}
        read_through(row, file, clock, stopping)
    finish(row, clock())


def read_through(
    row: Import,
    file: IO[bytes],
    clock: Callable[[], datetime],
    stopping: Callable[[], bool],
) -> Meaning:
    """Deal with every row that was not dealt with; return what the columns turned out to mean."""
    meaning = Meaning.of_import(row)
    reader = Reader(row.mapping, clock().date(), meaning, leaves_out=row.leaves_out)
    # Whoever stops in the middle leaves nobody reading a file that is closed.
    with closing(tables.read(file, tables.Layout(**row.layout))) as rows:
        lines = map(reader.line, address_cells.spread(rows, row.mapping, tables.MAX_ROWS))
        for _done in islice(lines, row.position):  # seen again, so that repeated ones are found
            pass
        with closing(read_ahead(lines)) as chunks:
            for chunk in chunks:
                if stopping():
                    raise Interrupted
                settle(row, chunk, clock())
    return meaning


def read_ahead(lines: Iterator[Line]) -> Generator[list[Line], None, None]:
    """Yield chunks of lines; while the database works at one, the next is read."""

    def read() -> list[Line]:
        return list(islice(lines, CHUNK))

    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(read)
        while chunk := coming.result():
            coming = reader.submit(read)
            yield chunk


@transaction.atomic
def settle(row: Import, lines: list[Line], now: datetime) -> None:
    """Deal with one chunk: all of it, or nothing."""
    if not _held(row).update(lease_until=now + LEASE):
        raise Interrupted
    is_real = row.status == F.IMPORTING
    addresses = [
        line.record.normalised if line.record else line.barred
        for line in lines
        if line.record or line.barred
    ]
    known = writing.known_clients(row.owner_id, addresses)
    barred = stop_list.suppressed_among(row.owner_id, addresses)
    decided = list(decide(lines, known, barred, updates=row.updates, consent=row.consent))
    if is_real:
        write(row, decided, now, known)
    else:
        _keep_examples(row, decided)
        _keep_questions(row, decided)
    row.findings["overruled"] = row.findings.get("overruled", 0) + sum(
        line.overrules for line in decided
    )
    row.counts = dict(Counter(row.counts) + Counter(str(line.kind) for line in decided))
    row.position += len(decided)
    _held(row).update(
        position=row.position, counts=row.counts, examples=row.examples, findings=row.findings
    )


def write(row: Import, lines: list[Line], now: datetime, known: Mapping[str, Known]) -> None:
    kinds = (Kind.NEW, Kind.UPDATED, *BARRED)
    written = [x.record for x in lines if x.record and x.kind in kinds]
    writing.store(row.owner_id, written, now)
    ledger.from_file(row.owner_id, consents(row, written, known), now)
    writing.suppress(row.owner_id, [*entries(row, lines)], now)
    if row.target_id:
        members = (Kind.NEW, Kind.UPDATED, Kind.UNCHANGED)
        writing.put_on_list(
            row.target_id,
            row.owner_id,
            [x.record.normalised for x in lines if x.record and x.kind in members],
        )
    ImportPart.objects.create(of=row, position=row.position, lines=outcome.packed(lines))


def consents(
    row: Import, written: Iterable[Record], known: Mapping[str, Known]
) -> list[ledger.FromFile]:
    """Return what of the written rows is a line of the consent ledger: a consent that was not known
    so before. A mailbox that comes twice counts as its last row, as the client does."""
    found = {}
    for record in written:
        there = known.get(record.normalised)
        said = (record.consent_source, record.consent_at)
        if any(said) and (there is None or said != (there.consent_source, there.consent_at)):
            day = record.consent_at.isoformat() if record.consent_at else None
            source = record.consent_source or row.file_name[:MAX_SOURCE]
            found[record.normalised] = (record.normalised, source, day)
    return list(found.values())


def entries(row: Import, lines: list[Line]) -> Iterator[writing.Entry]:
    """Yield what goes on the suppression list; of those who are on it, what is stricter."""
    for line in lines:
        if line.barred and line.finding:
            reason = line.finding.says if line.finding.says.bars else Kind.MANUAL
            source = mail_states.stored_source(line.finding.source) or _as_source(row, line)
            yield writing.Entry(line.barred, reason, source, line.since)


def _as_source(row: Import, line: Line) -> str:
    said = line.finding.said if line.finding else ""
    return f"{row.file_name} · {said}" if said else row.file_name


def finish(row: Import, now: datetime) -> None:
    if row.status == F.CHECKING:
        if not _held(row).move(
            F.CHECKED, status_at=now, lease_owner=None, lease_until=None, row_count=row.position
        ):
            raise Interrupted
        return
    with transaction.atomic():
        if not _held(row).move(
            F.DONE, status_at=now, finished_at=now, lease_owner=None, lease_until=None,
            row_count=row.position,
        ):  # fmt: skip
            raise Interrupted
        ImportFile.objects.filter(pk=row.pk).delete()
        audit.record(audit.Action.IMPORT, row, row.owner, in_figures(row.counts))
        transaction.on_commit(lambda: figures_changed.send_robust(Import))


def give_back(row: Import, problem: str, now: datetime) -> None:
    """The file turned out to be unreadable: its owner looks at it again."""
    to = F.NEW if row.status == F.CHECKING else F.FAILED
    _held(row).move(to, status_at=now, problem=problem, lease_owner=None, lease_until=None)


def fail(row: Import, now: datetime) -> None:
    to = F.NEW if row.status == F.CHECKING else F.FAILED
    with translation.override(row.owner.language):
        problem = _("The work was interrupted several times. Try once more.")
    Import.objects.filter(pk=row.pk, lease_owner=row.lease_owner).move(
        to, status_at=now, problem=problem, lease_owner=None, lease_until=None, lease_losses=0
    )


def forget_unused(now: datetime) -> None:
    """Delete files that were uploaded and then left, and reports that nobody needs any more."""
    before = now - KEPT_UNUSED
    Import.objects.filter(status__in=[F.NEW, F.CHECKED], status_at__lt=before).delete()
    ImportFile.objects.filter(of__status=F.FAILED, of__status_at__lt=before).delete()
    old = ImportPart.objects.filter(of__finished_at__lt=now - KEPT_REPORT)
    old._raw_delete(old.db)


def _held(row: Import) -> "StatefulQuerySet[Import]":
    return Import.objects.filter(pk=row.pk, status=row.status, lease_owner=row.lease_owner)


def _keep_examples(row: Import, lines: list[Line]) -> None:
    for line in lines:
        shown = row.examples.setdefault(str(line.kind), [])
        if len(shown) < EXAMPLES:
            name = line.record.full_name if line.record else ""
            shown.append([line.number, line.address, str(line.detail), *([name] if name else [])])


def _keep_questions(row: Import, lines: list[Line]) -> None:
    """Gather the words that have to be asked about: column → word → how often, and an example."""
    asked = row.findings.setdefault("asked", {})
    for line in lines:
        if line.kind != Kind.ASKED or line.finding is None:
            continue
        for column, cell in line.finding.unknown:
            found = asked.setdefault(str(column), {})
            word = word_of(cell)
            if word in found:
                found[word][0] += 1
            elif len(found) < MAX_WORDS:
                found[word] = [1, cell[:SHOWN], line.number, line.address]


def in_figures(counts: dict[str, int]) -> str:
    """Return “New: 12, Unchanged: 3”."""
    return ", ".join(f"{kind.label}: {counts[kind]}" for kind in Kind if counts.get(kind))

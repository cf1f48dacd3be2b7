"""How long 100 000 clients take to import and to export, on PostgreSQL.

The same CSV file is imported three times: all new, all unchanged, all changed; all are exported as
CSV and as XLSX; and an XLSX file is imported once. The reference is the least that anything could
do: `csv.reader` over the file and COPY into a table of text, without a rule checked. `client_us`
and `db_us` are what a row of the first import costs in this process and in the database's.
"""

import csv
import io
import os
import resource
import time
from collections.abc import Iterator
from typing import Any

import django
from django.core.management import call_command

from benchmarks.report import Figures, Goal, conclude, median, options
from tests import services  # starts PostgreSQL and names it

ROWS = 100_000
CITIES = ("Тверь", "Казань", "Псков", "Томск", "Вологда")


def table(note: str, rows: int) -> Iterator[list[str]]:
    yield ["E-mail", "ФИО", "Город", "Карта", "Комментарий"]
    for n in range(rows):
        address = f"client{n}@example{n % 50}.org"
        yield [address, f"Иван Петрович Сидоров {n}", CITIES[n % 5], str(44_000_000 + n), note]


def as_csv(note: str, rows: int) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(table(note, rows))
    return text.getvalue().encode("cp1251")


def reference(content: bytes) -> float:
    """Return how long `csv.reader` and COPY take."""
    from django.db import connection

    started = time.perf_counter()
    lines = csv.reader(io.StringIO(content.decode("cp1251")), delimiter=";")
    copied = io.StringIO()
    for row in lines:
        copied.write("\t".join(row) + "\n")
    copied.seek(0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE plain (a text, b text, c text, d text, e text)")
        cursor.copy_from(copied, "plain")
        cursor.execute("DROP TABLE plain")
    return time.perf_counter() - started


def measured_import(owner: Any, name: str, content: bytes) -> tuple[float, float, dict[str, int]]:
    """Return (seconds, seconds of this process's processor, what became of the rows)."""
    from django.utils import timezone

    from mailings import imports
    from mailings.importing import running

    row = imports.upload(owner=owner, name=name, content=content)
    mapping = ["email", "full_name", "attr:city", "attr:card", "comment"]
    imports.check(row=row, by=owner, mapping=mapping, target=None, new_list="All", consent="form")
    checking = time.perf_counter()
    running.run_waiting(timezone.now, stopping=lambda: False)
    checked = time.perf_counter() - checking
    row.refresh_from_db()
    imports.start(row=row, by=owner)
    started, cpu = time.perf_counter(), time.process_time()
    running.run_waiting(timezone.now, stopping=lambda: False)
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    row.refresh_from_db()
    assert row.status == "done", (row.status, row.problem)
    print(f"{name}: checked in {checked:.1f} s, imported in {seconds:.1f} s, {row.counts}")
    return seconds, used, row.counts


def measured_export(owner: Any, kind: str) -> float:
    """Return how long all clients take to become a file."""
    from mailings import downloads, exporting
    from mailings.models import Client

    started = time.perf_counter()
    rows = exporting.clients(owner, Client.objects.filter(owner=owner))
    size = sum(len(part) for part in downloads.parts(rows, kind))
    seconds = time.perf_counter() - started
    print(f"exported as {kind} in {seconds:.1f} s, {size / 1e6:.1f} MB")
    return round(seconds, 2)


def measured(number: int, rows: int) -> tuple[Figures, list[float]]:
    """Import, export and import again, for an owner of their own."""
    from accounts.models import User
    from mailings.models import Client
    from mailings.xlsx import writing

    owner = User.objects.create_user(f"bench{number}@example.org")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    first = as_csv("новый", rows)
    seconds, used, counts = measured_import(owner, "new.csv", first)
    measured_import(owner, "same.csv", first)
    measured_import(owner, "changed.csv", as_csv("другой", rows))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    exported = [measured_export(owner, kind) for kind in ("csv", "xlsx")]
    plain = reference(first)
    content = b"".join(writing.write_rows(table("xlsx", rows)))
    measured_import(owner, "changed.xlsx", content)
    print(f"memory {rss} MB, {before} before; reference {plain:.2f} s", flush=True)
    return Figures(
        "importing",
        seconds,
        "s to import the rows as new; the reference checks nothing: csv.reader and COPY",
        reference=plain,
        ratio=seconds / plain,
        client_us=used / rows * 1e6,
        db_us=(seconds - used) / rows * 1e6,
        rss_mb=rss,
        lost=rows - Client.objects.filter(owner=owner).count(),
        copies=rows - counts.get("new", 0),
    ), exported


def main() -> None:
    chosen = options(count=ROWS, noun="rows")
    os.environ["DJANGO_SETTINGS_MODULE"] = "site_config.settings.test"
    django.setup()
    call_command("migrate", verbosity=0)
    runs = [measured(number, chosen.count) for number in range(chosen.runs)]
    found = sorted((one for one, _ in runs), key=lambda one: one.value or 0)[len(runs) // 2]
    exports = [median([times[kind] for _, times in runs]) or 0 for kind in (0, 1)]
    conclude(
        found,
        Goal("100 000 rows at most 10 s", (found.value or 0) <= 10),
        Goal("at most 150 MB", (found.rss_mb or 0) <= 150),
        Goal(f"export at most 3 s (now {exports[0]:.1f} and {exports[1]:.1f})", max(exports) <= 3),
        Goal("nothing lost, nothing twice", not found.lost and not found.copies),
    )


if __name__ == "__main__":
    assert services.postgresql is not None, "the figures are PostgreSQL's"
    main()

"""How long 100 000 clients take to import, on PostgreSQL: python -m benchmarks.importing.

The same CSV file is imported three times: all new, all unchanged, all changed; all are exported as
CSV and as XLSX; and an XLSX file is imported once. The reference is the least that anything could
do: `csv.reader` over the file and COPY into a table of text, without a rule checked. The last line
is JSON; `value` are the rows a second of the first import, `client_us` and `db_us` what a row of it
costs in this process and in the database's.
"""

import csv
import io
import json
import resource
import time
from collections.abc import Iterator
from typing import Any

import django
from django.core.management import call_command

from tests import services  # starts PostgreSQL and names it

ROWS = 100_000
CITIES = ("Тверь", "Казань", "Псков", "Томск", "Вологда")


def table(note: str) -> Iterator[list[str]]:
    yield ["E-mail", "ФИО", "Город", "Карта", "Комментарий"]
    for n in range(ROWS):
        address = f"client{n}@example{n % 50}.org"
        yield [address, f"Иван Петрович Сидоров {n}", CITIES[n % 5], str(44_000_000 + n), note]


def as_csv(note: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(table(note))
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
    from mailings import exporting
    from mailings.models import Client

    started = time.perf_counter()
    table = exporting.clients(owner, Client.objects.filter(owner=owner))
    size = sum(len(part) for part in exporting.write(table, kind))
    seconds = time.perf_counter() - started
    print(f"exported as {kind} in {seconds:.1f} s, {size / 1e6:.1f} MB")
    return round(seconds, 2)


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    from accounts.models import User
    from mailings.models import Client
    from mailings.xlsx import writing

    owner = User.objects.create_user("bench@example.org")
    first = as_csv("новый")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds, used, counts = measured_import(owner, "new.csv", first)
    measured_import(owner, "same.csv", first)
    measured_import(owner, "changed.csv", as_csv("другой"))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    exported = {kind: measured_export(owner, kind) for kind in ("csv", "xlsx")}
    plain = reference(first)
    head, *rows = table("xlsx")
    measured_import(owner, "changed.xlsx", b"".join(writing.write_rows(head, rows)))
    print(f"memory: {before} MB before, {rss} MB after; reference {plain:.2f} s")
    figures = {
        "name": "importing",
        "value": round(ROWS / seconds),
        "unit": "rows/s imported as new; the reference checks nothing: csv.reader and COPY",
        "reference": round(ROWS / plain),
        "ratio": round(seconds / plain, 1),
        "client_us": round(used / ROWS * 1e6, 1),
        "db_us": round((seconds - used) / ROWS * 1e6, 1),
        "rss_mb": rss,
        "lost": ROWS - Client.objects.count(),
        "copies": ROWS - counts.get("new", 0),
        "export_seconds": exported,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    assert services.postgresql is not None, "the figures are PostgreSQL's"
    main()

"""How long 100 000 clients take to import and to export, on PostgreSQL, and the worker's memory.

The same CSV file is imported three times by a worker of the product: all new, all unchanged, all
changed; then an XLSX file, once. All are exported as CSV and as XLSX by the code of the page that
streams them. The reference is the least that anything could do: `csv.reader` over the file and COPY
into a table of text, without a rule checked. `client_us` and `db_us` are what a row of the first
import costs the worker and the database.
"""

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from benchmarks import usage
from benchmarks.database import connected
from benchmarks.report import Figures, Goal, conclude, median, medians, options
from benchmarks.stage import Stage, Take
from mailings.spreadsheets.xlsx import writing

ROWS = 100_000
CITIES = ("Тверь", "Казань", "Псков", "Томск", "Вологда")
LOOK_EVERY = 0.05  # seconds
LONGEST = 300.0  # seconds


def table(note: str, rows: int) -> Iterator[list[str]]:
    yield ["E-mail", "ФИО", "Город", "Карта", "Комментарий"]
    for n in range(rows):
        address = f"client{n}@example{n % 50}.org"
        yield [address, f"Иван Петрович Сидоров {n}", CITIES[n % 5], str(44_000_000 + n), note]


def as_csv(note: str, rows: int) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(table(note, rows))
    return text.getvalue().encode("cp1251")


def as_xlsx(note: str, rows: int) -> bytes:
    return b"".join(writing.write_rows(table(note, rows)))


def reference(content: bytes, url: str) -> float:
    """Return how long `csv.reader` and COPY take."""
    connection = connected(url)
    started = time.perf_counter()
    lines = csv.reader(io.StringIO(content.decode("cp1251")), delimiter=";")
    copied = io.StringIO()
    for row in lines:
        copied.write("\t".join(row) + "\n")
    copied.seek(0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE plain (a text, b text, c text, d text, e text)")
        cursor.copy_from(copied, "plain")
    connection.commit()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


@dataclass
class Took:
    """What one file took: seconds, processor seconds of the import itself, megabytes at most."""

    name: str
    checking: float
    importing: float
    client: float
    database: float
    peak: float
    counts: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.name}: checked in {self.checking:.1f} s, imported in {self.importing:.1f} s"
            f" (worker {self.client:.1f} s, database {self.database:.1f} s of processor);"
            f" {self.peak:.0f} MB; {self.counts}"
        )


class Desk:
    """Hands files to a worker and waits until it is done with them."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.pid = take.consumers[0].pid

    def bring(self, name: str, content: bytes) -> Took:
        """Check a file and import it, as an owner does."""
        path = self.take.data / name
        path.write_bytes(content)
        usage.forget_peak(self.pid)
        number = self.take.direct("upload", path=str(path))
        began = self.take.direct("check_import", row=number)
        checking = self.wait(number, "checked") - datetime.fromisoformat(began)
        client, database = usage.cpu([self.pid]), self.take.database.cpu() or 0
        began = self.take.direct("start_import", row=number)
        importing = self.wait(number, "done") - datetime.fromisoformat(began)
        ((counts,),) = self.take.database.rows(
            "SELECT counts FROM mailings_import WHERE id = %s", number
        )
        took = Took(
            name,
            checking.total_seconds(),
            importing.total_seconds(),
            usage.cpu([self.pid]) - client,
            (self.take.database.cpu() or 0) - database,
            usage.memory(self.pid).peak,
            counts,
        )
        print(took, flush=True)
        return took

    def wait(self, number: int, status: str) -> datetime:
        """Return when the file came to that status, by its row."""
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            ((now, at, problem),) = self.take.database.rows(
                "SELECT status, status_at, problem FROM mailings_import WHERE id = %s", number
            )
            if now == status:
                found: datetime = at
                return found
            if problem:
                raise RuntimeError(problem)
            self.take.consumers[0].require_alive()
            time.sleep(LOOK_EVERY)
        raise RuntimeError(f"The file is not {status}:\n{self.take.consumers[0].tail()}")


def measured(take: Take, rows: int) -> tuple[Figures, dict[str, float]]:
    """Import, export and import again; return the figures and how long each export took."""
    take.start_consumers()
    desk = Desk(take)
    before = usage.memory(desk.pid).now
    first = as_csv("новый", rows)
    new = desk.bring("new.csv", first)
    files = [
        new,
        desk.bring("same.csv", first),
        desk.bring("changed.csv", as_csv("другой", rows)),
    ]
    exports = {kind: take.direct("export", kind=kind) for kind in ("csv", "xlsx")}
    for kind, done in exports.items():
        print(f"exported as {kind} in {done['seconds']:.1f} s, {done['bytes'] / 1e6:.1f} MB")
    plain = reference(first, take.database.url)
    files.append(desk.bring("changed.xlsx", as_xlsx("xlsx", rows)))
    peak = max(took.peak for took in files)
    print(f"worker: {before:.0f} MB before, {peak:.0f} at most; reference: {plain:.2f} s")
    ((there,),) = take.database.rows("SELECT count(*) FROM mailings_client")
    return Figures(
        "importing",
        new.importing,
        "s to import the rows as new; the reference checks nothing: csv.reader and COPY",
        reference=plain,
        ratio=new.importing / plain,
        client_us=new.client / rows * 1e6,
        db_us=new.database / rows * 1e6,
        rss_mb=peak,
        lost=rows - there,
        copies=rows - new.counts.get("new", 0),
    ), {kind: done["seconds"] for kind, done in exports.items()}


def main() -> None:
    chosen = options(count=ROWS, noun="rows")
    runs = []
    with Stage(clients=0) as stage:
        for _ in range(chosen.runs):
            with stage.take(None) as take:
                runs.append(measured(take, chosen.count))
    found = medians([figures for figures, _ in runs])
    exports = [median([times[kind] for _, times in runs]) or 0 for kind in ("csv", "xlsx")]
    conclude(
        found,
        Goal("100 000 rows at most 10 s", (found.value or 0) <= 10),
        Goal("at most 150 MB", (found.rss_mb or 0) <= 150),
        Goal(f"export at most 3 s (now {exports[0]:.1f} and {exports[1]:.1f})", max(exports) <= 3),
        Goal("nothing lost, nothing twice", not found.lost and not found.copies),
    )


if __name__ == "__main__":
    main()

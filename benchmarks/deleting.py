"""How long it takes to delete 100 000 clients with a million deliveries, on PostgreSQL.

The owner's answer, then the work in the background to its end; the worker's memory; and how late a
short mailing of another start comes meanwhile: from its start to its end, against the same mailing
alone.
"""

import time
from dataclasses import dataclass

from benchmarks import usage
from benchmarks.report import Figures, Goal, conclude, median, medians, options
from benchmarks.sending import OVER, progress
from benchmarks.sinks import fast_sink
from benchmarks.stage import Stage, Take

CLIENTS = 100_000
EACH = 10  # deliveries
FEW = 50  # recipients of the mailing beside it
LOOK_EVERY = 0.1  # seconds
LONGEST = 900.0  # seconds

LEDGER = """
INSERT INTO mailings_delivery (run_id, client_id, address, full_name, variables, status, reason,
    tries, attempt_count, uncertain_resends, lease_losses, finished_at)
SELECT r.id, c.id, c.email_normalised, c.full_name, '{}', 'sent', '', 1, 1, 0, 0, r.finished_at
FROM mailings_run r, mailings_client c WHERE r.id = ANY(%s)
"""
LOG = """
INSERT INTO mailings_attempt (delivery_id, number, started_at, duration_ms, step, outcome, code,
    enhanced_code, reply)
SELECT id, 1, finished_at, 1, '', 'accepted', 250, '', 'Ok' FROM mailings_delivery
"""


@dataclass
class Took:
    """Seconds, and megabytes at most."""

    answer: float
    whole: float
    alone: float
    beside: float
    peak: float
    left: int


def fill(take: Take) -> None:
    """Give each client `EACH` deliveries that were sent once."""
    mailing = take.direct("draft", name="Past", audience="all")
    ((count,),) = take.database.rows("SELECT count(*) FROM mailings_client")
    runs = [take.direct("past_run", mailing=mailing, days=n + 1, count=count) for n in range(EACH)]
    take.database.rows(LEDGER, runs)
    take.database.rows(LOG)
    take.database.settle()


def short_mailing(take: Take, name: str) -> float:
    """Return how long a mailing to a few takes, from its start to its end."""
    mailing = take.direct("draft", name=name, audience="few")
    began = time.monotonic()
    take.direct("start", mailing=mailing)
    progress(take, mailing, 0.05, lambda run: run["status"] in OVER)
    return time.monotonic() - began


def measured(take: Take) -> Took:
    fill(take)
    take.start_consumers()
    pid = take.consumers[0].pid
    alone = short_mailing(take, "Alone")
    usage.forget_peak(pid)
    began = time.monotonic()
    asked = take.direct("delete_clients", but="few")
    beside = short_mailing(take, "Beside")
    deadline = began + LONGEST
    while time.monotonic() < deadline:
        take.consumers[0].require_alive()
        if take.database.rows(
            "SELECT 1 FROM mailings_clientdeletion WHERE finished_at IS NOT NULL"
        ):
            break
        time.sleep(LOOK_EVERY)
    whole = time.monotonic() - began
    ((left,),) = take.database.rows(
        "SELECT count(*) FROM mailings_client WHERE deletion_id IS NOT NULL"
    )
    took = Took(asked["seconds"], whole, alone, beside, usage.memory(pid).peak, left)
    print(took, take.direct("check"), flush=True)
    return took


def main() -> None:
    chosen = options(count=CLIENTS, noun="clients")
    runs = []
    with (
        Stage(clients=chosen.count + FEW, lists={"all": chosen.count + FEW, "few": FEW}) as stage,
        fast_sink(stage.folder) as sink,
    ):
        for _ in range(chosen.runs):
            with stage.take(sink) as take:
                runs.append(measured(take))
    found = medians(
        [
            Figures(
                "deleting",
                took.answer,
                "s until the owner has the answer; the reference is the work in the background",
                reference=took.whole,
                ratio=took.answer / took.whole,
                rss_mb=took.peak,
                lost=took.left,
            )
            for took in runs
        ]
    )
    late = median([took.beside - took.alone for took in runs]) or 0
    conclude(
        found,
        Goal("the answer within 2 s", (found.value or 0) <= 2),
        Goal(f"a mailing beside it ends at most 1 s later (now {late:.2f} s)", late <= 1),
        Goal("nobody is left", not found.lost),
    )


if __name__ == "__main__":
    main()

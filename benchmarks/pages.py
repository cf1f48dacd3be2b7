"""How long the cabinet's pages take with 100 000 clients and 1 000 000 deliveries of one owner.

The same pages with 100 clients and 1 000 deliveries are the reference. PostgreSQL and Redis are
started for it, as the tests do; the requests go through the whole of Django, without a network.
Of each page: queries, the median and the 95th percentile. The figure is the slowest page's.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import django

from benchmarks.report import Figures, Goal, conclude, options

LARGE, PER_CLIENT = 1_000_000, 10  # deliveries
SMALL = (100, 1_000)  # clients, deliveries
ROUNDS = 20  # of each page in a run
WARM = 2
EMAILS = {"large": "large@volume.example", "small": "small@volume.example"}


def start() -> None:
    """Start the databases and Django, in that order: settings read the environment once."""
    from tests import services  # noqa: F401 - starts them and names them in the environment

    os.environ["DJANGO_SETTINGS_MODULE"] = "site_config.settings.test"
    django.setup()


def fill(clients: int, deliveries: int) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    volumes = {"large": (clients, deliveries), "small": SMALL}
    for name, (number, sent) in volumes.items():
        call_command(
            "create_volume", email=EMAILS[name], clients=number, deliveries=sent, force=True
        )


@dataclass
class Times:
    queries: int
    seconds: list[float]
    in_database: list[float]
    processor: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000


class Watch:
    """Counts queries and the time they take."""

    def __init__(self) -> None:
        self.queries, self.seconds = 0, 0.0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.queries += 1
            self.seconds += time.perf_counter() - began


@contextmanager
def watched() -> Iterator[Watch]:
    from django.db import connection

    watch = Watch()
    with connection.execute_wrapper(watch):
        yield watch


def pages_of(email: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name → (address, keyword arguments of the request)."""
    from django.urls import reverse

    from accounts.models import User
    from mailings.models import Client, ClientList, Mailing, Run

    owner = User.objects.get(email=email)
    mailing = Mailing.objects.get(owner=owner, name="Утренний отрывок")
    runs = Run.objects.filter(mailing=mailing).order_by("scheduled_for")
    done, under_way = runs[0], runs.last()
    assert under_way is not None
    whole = ClientList.objects.get(owner=owner, name="Все")
    client = Client.objects.filter(owner=owner).order_by("pk")[50]
    forecast = {
        "message": mailing.message_id, "lists": [whole.pk], "excluded_lists": [],
        "frequency": "daily", "time_zone": "Europe/Moscow",
    }  # fmt: skip
    live = {"HX-Request": "true", "HX-Target": "live"}

    def page(name: str, *args: int, query: str = "", **kwargs: Any) -> tuple[str, dict[str, Any]]:
        return reverse(f"mailings:{name}", args=args) + query, kwargs

    return {
        "dashboard": page("dashboard"),
        "clients": page("client_list"),
        "clients, searched": page("client_list", query="?q=99"),
        "clients of a list": page("list_detail", whole.pk),
        "lists": page("list_list"),
        "client": page("client_detail", client.pk),
        "mailings": page("mailing_list"),
        "mailing": page("mailing_detail", mailing.pk),
        "mailing, live": page("mailing_detail", mailing.pk, headers=live),
        "mailing form": page("mailing_update", mailing.pk),
        "mailing form, forecast": page("mailing_create", data=forecast),
        "run": page("run_detail", done.pk),
        "run, deliveries": page("run_detail", done.pk, query="?tab=deliveries"),
        "run, failed": page("run_detail", done.pk, query="?tab=deliveries&status=failed"),
        "run, attempts searched": page("run_detail", done.pk, query="?q=5.7.1"),
        "retry failed": page("run_retry", done.pk),
        "send to added": page("mailing_send_to_added", mailing.pk),
        "report": page("report"),
        "report, 90 days": page("report", query="?period=90&table=runs"),
        "report of a mailing": page("report", query=f"?mailing={mailing.pk}"),
    }


def measure(email: str, rounds: int) -> dict[str, Times]:
    from django.test import Client

    from accounts.models import User

    browser = Client()
    browser.force_login(User.objects.get(email=email))
    found: dict[str, Times] = {}
    for name, (address, keywords) in pages_of(email).items():
        ask = browser.post if "data" in keywords else browser.get
        times = Times(0, [], [], [])
        for number in range(rounds + WARM):
            with watched() as watch:
                began, worked = time.perf_counter(), time.process_time()
                response: Any = ask(address, **keywords)
                seconds, processor = time.perf_counter() - began, time.process_time() - worked
            assert response.status_code in (200, 302), (address, response.status_code)
            if number >= WARM:
                times.queries = watch.queries
                times.seconds.append(seconds)
                times.in_database.append(watch.seconds)
                times.processor.append(processor)
        found[name] = times
    return found


def main() -> None:
    chosen = options(count=LARGE, noun="deliveries")
    start()
    fill(chosen.count // PER_CLIENT, chosen.count)
    rounds = chosen.runs * ROUNDS
    small = measure(EMAILS["small"], rounds)
    large = measure(EMAILS["large"], rounds)
    print(f"{'page':26} {'queries':>7} {'median':>8} {'p95':>8} {'small':>8}  ms")
    for name, times in large.items():
        print(
            f"{name:26} {times.queries:7} {times.median:8.1f} {times.p95:8.1f}"
            f" {small[name].median:8.1f}"
        )
    worst = max(large, key=lambda name: large[name].p95)
    most = max(large[name].p95 / small[name].p95 for name in large)
    value, reference = large[worst].p95, small[worst].p95
    conclude(
        Figures(
            "pages", value, f"ms, 95th percentile of the slowest page ({worst})",
            reference, value / reference,
            client_us=statistics.median(large[worst].processor) * 1e6,
            db_us=statistics.median(large[worst].in_database) * 1e6,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        ),
        Goal("95 % of each page within 300 ms", value <= 300),
        Goal(f"each within 3 × the same with 100 clients: {most:.1f} ×", most <= 3),
        Goal("at most 15 queries a page", max(times.queries for times in large.values()) <= 15),
    )  # fmt: skip


if __name__ == "__main__":
    main()

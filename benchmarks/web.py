"""How many pages a second the web server gives to strangers, as ratios to `/healthz`.

One process of gunicorn with 8 threads, on production settings, PostgreSQL and Redis; 8 connections
that stay open ask as fast as they are answered. `/healthz` goes through the whole of Django and
does nothing: what it gives just before and just after is the reference of each figure, so that a
busy machine is unfair to both. Pages come from the cache, and, with a query that no cache knows,
each made anew. One-click unsubscribing is a different reader each time, alone and while a mailing
to `COUNT` clients is being sent. So are tracked letters: a picture that is loaded, a link that is
followed, each written into the database before it is answered. Of the cabinet's pages `pages`
speaks.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

from benchmarks.http_load import Load, load
from benchmarks.report import Figures, Goal, conclude, options
from benchmarks.sending import OVER, progress
from benchmarks.sinks import ROOT, end, fast_sink
from benchmarks.stage import Process, Stage, Take
from tests.servers import free_port, wait_for_port

SECONDS = 4.0  # that each page is asked for in a run
REFERENCE_SECONDS = 2.0  # of `/healthz`, before and after
READERS = 2000  # who unsubscribe, alone and beside the mailing; who open, and follow a link
TAKEN = 3  # seconds after which who opens a letter is taken for a person
SERVER = "gunicorn site_config.wsgi:application --worker-class gthread --threads 8"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
# What keeps a page from the cache: a query it does not know.
UNCACHED = "?from=benchmark"


@dataclass
class Page:
    name: str
    path: str
    goal: float
    ratios: list[float] = field(default_factory=list)
    references: list[float] = field(default_factory=list)  # of `/healthz`

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)


def request(path: str, method: str = "GET", body: str = "") -> str:
    lines = [
        f"{method} {path} HTTP/1.1", "Host: news.example.org", "X-Forwarded-Proto: https",
        "Accept: text/html", "Accept-Language: en", f"User-Agent: {BROWSER}",
    ]  # fmt: skip
    if body:
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", body])


class Server:
    def __init__(self, take: Take) -> None:
        self.port = free_port()
        environment = take.environment | {"TRUSTED_PROXY_COUNT": "1", "LOG_LEVEL": "ERROR"}
        manage = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True)
        command = f"{SERVER} --bind 127.0.0.1:{self.port} --no-control-socket"
        log = take.data / "web.log"
        self.process = Process([sys.executable, "-m", *command.split()], log, environment)
        wait_for_port(self.port, self.process.process)

    def ask(self, path: str, seconds: float = SECONDS) -> Load:
        return whole(load(self.port, [request(path)], seconds=seconds), path)

    def healthz(self) -> float:
        return self.ask("/healthz", REFERENCE_SECONDS).rate

    def unsubscribe(self, tokens: list[str]) -> Load:
        asked = [request(f"/u/{token}/", "POST", "List-Unsubscribe=One-Click") for token in tokens]
        return whole(load(self.port, asked, seconds=SECONDS, once=True), "/u/")

    def read(self, paths: list[str], status: str) -> Load:
        """Have each of these asked for once, by a reader of its own."""
        asked = [request(path) for path in paths]
        return whole(load(self.port, asked, seconds=SECONDS, once=True), paths[0], status)

    def stop(self) -> None:
        end(self.process.process)


def whole(found: Load, path: str, status: str = "200") -> Load:
    if set(found.statuses) != {status}:
        raise RuntimeError(f"{path} answered {found.statuses}")
    return found


def compare(server: Server, page: Page) -> None:
    before = server.healthz()
    server.ask(page.path, 1)  # it is in the cache, what it loads is loaded
    found = server.ask(page.path)
    say(page, found, (before + server.healthz()) / 2)


def say(page: Page, found: Load, reference: float) -> None:
    page.ratios.append(found.rate / reference)
    page.references.append(reference)
    print(
        f"{page.name:38} {found.rate:6.0f}/s  p50 {found.p50:6.1f}  p99 {found.p99:6.1f} ms  "
        f"/healthz {reference:6.0f}/s  ratio {page.ratios[-1]:.2f}  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def leave(take: Take, server: Server, page: Page, first: int) -> None:
    """Let readers of the mailing unsubscribe, each once."""
    tokens = take.direct("tokens", count=READERS, first=first)
    before = server.healthz()
    found = server.unsubscribe(tokens)
    say(page, found, (before + server.healthz()) / 2)


def read(take: Take, server: Server, opening: Page, following: Page) -> None:
    """Let readers open the mailing's letters and follow a link of each, each once."""
    paths = take.direct("tracked", count=READERS)
    time.sleep(TAKEN)
    for page, kind, status in ((opening, "pictures", "200"), (following, "links", "302")):
        before = server.healthz()
        found = server.read(paths[kind], status)
        say(page, found, (before + server.healthz()) / 2)


def mail(take: Take, server: Server, beside: Page, alone: Page) -> None:
    """Unsubscribe while the mailing is sent, and when it is over."""
    take.start_consumers()
    mailing = take.direct("draft", name="To all", audience="all")
    take.direct("start", mailing=mailing)
    progress(take, mailing, 0.05, lambda run: run["sent_count"] > 0)
    leave(take, server, beside, first=0)
    run = take.run_of(mailing)
    assert run is not None
    print(f"  meanwhile {run['sent_count']} of {run['targeted']} sent, {run['status']}")
    if run["status"] in OVER:
        print("  It was over too soon: take a greater COUNT.")
    progress(take, mailing, 0.25, lambda run: run["status"] in OVER)
    take.stop_consumers()
    time.sleep(1)
    leave(take, server, alone, first=READERS)


def main() -> None:
    chosen = options(count=100_000, connections=50)
    article = "/blog/greylisting/"
    pages = [
        Page("home, cached", "/", 0.6),
        Page("blog, cached", "/blog/", 0.6),
        Page("article, cached", article, 0.6),
        Page("home, made anew", f"/{UNCACHED}", 0.15),
        Page("blog, made anew", f"/blog/{UNCACHED}", 0.10),
        Page("article, made anew", f"{article}{UNCACHED}", 0.10),
        Page("sign-in", "/accounts/login/", 0.2),
    ]
    beside = Page("unsubscribing while a mailing is sent", "", 0.25)
    alone = Page("unsubscribing", "", 0.25)
    opening = Page("opening a tracked letter", "", 0.25)
    following = Page("following a tracked link", "", 0.25)
    with Stage(clients=max(chosen.count, 2 * READERS), connections=chosen.connections) as stage:
        for _ in range(chosen.runs):
            with fast_sink(stage.folder) as sink, stage.take(sink) as take:
                take.direct("articles")
                server = Server(take)
                try:
                    server.healthz()  # the first request loads the pages
                    for page in pages:
                        compare(server, page)
                    mail(take, server, beside, alone)
                    read(take, server, opening, following)
                finally:
                    server.stop()
    first = pages[0]
    reference = statistics.median(first.references)
    conclude(
        Figures("web", first.ratio * reference, "home pages/s, cached", reference, first.ratio),
        *(
            Goal(f"{page.name}: {page.ratio:.2f} of /healthz, at least {page.goal}",
                 page.ratio >= page.goal)
            for page in [*pages, alone, beside, opening, following]
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()

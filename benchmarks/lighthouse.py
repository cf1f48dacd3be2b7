"""What Lighthouse says of the pages one sees first: python -m benchmarks.lighthouse.

The product runs on its production settings with the demo's content; only the redirect to HTTPS is
off, since no proxy stands before it and browsers trust localhost as it is. Each page is looked at
as on a phone (a slow network and processor are simulated) and as at a desk. The last line is JSON;
`value` is the lowest score of performance.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Figures, Goal, conclude, options
from site_config.processes import die_with_parent
from tests.servers import free_port
from tests.site import wait_for

ROOT = Path(__file__).resolve().parent.parent
LIGHTHOUSE = "lighthouse@12.8.2"  # the last that runs on Node 20
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROME_FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking"
DEVICES = {"phone": (), "desk": ("--preset=desktop",)}
START_TIMEOUT = 180  # seconds
PAGE_TIMEOUT = 240
TRIES = 3

GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 95}

PREPARE = """
import json
from django.test import Client
from accounts.models import User
from blog.models import BlogPage
from mailings.models import Run
from home.demo.accounts import BOOKSHOP
run = Run.objects.filter(mailing__owner__email=BOOKSHOP, status="done").first()
if run:
    browser = Client()
    browser.force_login(User.objects.get(email=BOOKSHOP))
    article = BlogPage.objects.live().order_by("pk").first().url
    cookie = browser.cookies["sessionid"].value
    print(json.dumps({"article": article, "mailing": f"/app/mailings/{run.mailing_id}/",
                      "cookie": cookie}))
"""
"""For Django's shell: addresses and an owner's session, once the demo's mailing is out."""


@dataclass
class Site:
    url: str
    article: str
    mailing: str
    cookie: str

    @property
    def pages(self) -> dict[str, tuple[str, bool]]:
        """Return name → (path, whether search engines are to find it)."""
        return {
            "home": ("/", True),
            "article": (self.article, True),
            "login": ("/accounts/login/", False),
            "dashboard": ("/app/", False),
            "mailing": (self.mailing, False),
        }


def missing() -> str:
    """Return what has to be installed, or nothing."""
    if not shutil.which("npx"):
        return "Node is missing: apt install nodejs npm"
    if not chromium():
        return "Chromium is missing: apt install chromium"
    return ""


def chromium() -> str:
    return next(filter(None, map(shutil.which, CHROMIUM)), "")


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    port = free_port()
    url = f"http://localhost:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DJANGO_SETTINGS_MODULE": "site_config.settings.production",
        "SECRET_KEY": "only-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "localhost",
        "SITE_URL": url,
        "SECURE_SSL_REDIRECT": "false",
        "DEFAULT_FROM_EMAIL": "hello@news.example.org",
        "DATA_DIR": str(folder),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "EMAIL_URL": "memory://",
        "SYSTEM_EMAIL_URL": "memory://",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def prepared() -> dict[str, str] | None:
        said = manage("shell", "--no-imports", "-c", PREPARE)
        return json.loads(said) if said else None

    manage("migrate", "-v0")
    manage("createcachetable", "-v0")
    manage("load_demo", "--force", "-v0")
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(port)],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
    try:
        wait_for(
            lambda: process.poll() is not None or "Ctrl-C stops it." in log.read_text(),
            timeout=START_TIMEOUT, message="The product did not start",
        )  # fmt: skip
        if process.poll() is not None:
            raise RuntimeError(f"The product ended:\n{log.read_text()}")
        found = wait_for(prepared, timeout=START_TIMEOUT, message="The demo was not sent")
        yield Site(url, **found)
    finally:
        process.terminate()
        process.wait()


def look(url: str, report: Path, *options: str) -> dict[str, Any]:
    """Return Lighthouse's report. Now and then it loses the browser's trace; it is asked again."""
    for _ in range(TRIES):
        report.unlink(missing_ok=True)
        subprocess.run(
            [
                "npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json",
                f"--output-path={report}", f"--chrome-flags={CHROME_FLAGS}", *options,
            ],
            env=os.environ | {"CHROME_PATH": chromium()},
            check=False, timeout=PAGE_TIMEOUT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
        if said and "runtimeError" not in said:
            return said
    raise RuntimeError(f"Lighthouse does not manage to look at {url}")


def scores(
    site: Site, path: str, device: str, folder: Path, goals: dict[str, int]
) -> dict[str, float]:
    """Let Lighthouse look at one page; print what costs a score, return category → 0 … 100."""
    session = {"Cookie": f"sessionid={site.cookie}"} if path.startswith("/app/") else {}
    headers = folder / "headers.json"
    headers.write_text(json.dumps(session))
    asked = [f"--extra-headers={headers}", *DEVICES[device]]
    said = look(f"{site.url}{path}", folder / "report.json", *asked)
    for name, goal in goals.items():
        category = said["categories"][name]
        if category["score"] * 100 < goal:
            lost = [
                audit["id"] for audit in category["auditRefs"]
                if audit["weight"] and (said["audits"][audit["id"]]["score"] or 0) < 0.9
            ]  # fmt: skip
            print(f"  {path} ({device}) {name}: {', '.join(lost)}")
    return {name: said["categories"][name]["score"] * 100 for name in goals}


def main() -> None:
    if lack := missing():
        print(lack)
        return
    chosen = options(count=5, noun="pages")
    least = dict.fromkeys(GOALS, 100.0)
    with tempfile.TemporaryDirectory(prefix="vestnik-bench-") as name, running(Path(name)) as site:
        for page, (path, is_public) in list(site.pages.items())[: chosen.count]:
            goals = {each: goal for each, goal in GOALS.items() if is_public or each != "seo"}
            for device in DEVICES:
                runs = [scores(site, path, device, Path(name), goals) for _ in range(chosen.runs)]
                found = {each: statistics.median(run[each] for run in runs) for each in goals}
                words = ", ".join(f"{each} {score:.0f}" for each, score in found.items())
                print(f"{page} ({device}): {words}, load {os.getloadavg()[0]:.1f}", flush=True)
                least |= {each: min(least[each], score) for each, score in found.items()}
    conclude(
        Figures("lighthouse", least["performance"], "lowest performance of a page"),
        *(Goal(f"{each} at least {goal}: {least[each]:.0f}", least[each] >= goal)
          for each, goal in GOALS.items()),
    )  # fmt: skip


if __name__ == "__main__":
    main()

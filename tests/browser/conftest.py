"""A headless Chromium before the whole service: `manage.py up` and a real SMTP server.

Every page is watched: an error in the browser's console (a violated content policy, a missing
file, a script's fault) fails the test that visited it.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import playwright
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests import migrated, needs
from tests.site import RecordingServer, Site, wait_for

FAILED = pytest.StashKey[bool]()
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


# Playwright's loop runs as long as the browser is open: it is closed before other tests begin.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    named = os.environ.get("CHROMIUM", "chromium")
    path = needs.program(named, "chromium-browser", "google-chrome", package="chromium")
    node = Path(playwright.__file__).parent / "driver" / "node"
    if subprocess.run([node, "--version"], capture_output=True, check=False).returncode:
        needs.missing("Playwright's driver does not start: apt install libatomic1")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def smtp() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, smtp: RecordingServer) -> Iterator[Site]:
    """The service with demo content, started once for all browser tests."""
    folder = tmp_path_factory.mktemp("site")
    migrated.copy_sqlite(folder / "db.sqlite3")
    site = Site(folder, email_url=smtp.url, options=("--demo", "--no-mail"))
    try:
        yield site.start()
    finally:
        site.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":  # type: ignore[attr-defined]
        item.stash[FAILED] = report.failed  # type: ignore[attr-defined]
    return report


@pytest.fixture
def expected_faults() -> list[str]:
    """What a test brings about itself: words of errors in the console that are no faults."""
    return []


@pytest.fixture
def new_page(
    browser: Browser,
    site: Site,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    expected_faults: list[str],
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a context of its own, with cookies for the look."""
    contexts = []
    faults: list[str] = []

    def open_page(*, language: str = "ru", theme: str = "light", width: int = 1280) -> Page:
        context = browser.new_context(
            base_url=site.url, viewport={"width": width, "height": 850}, locale=language
        )
        context.add_cookies(
            [
                {"name": "django_language", "value": language, "url": site.url},
                {"name": "theme", "value": theme, "url": site.url},
            ]
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: faults.append(f"{page.url}: {m.text}") if bad(m) else None)
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        return page

    yield open_page
    for number, context in enumerate(contexts):
        if request.node.stash.get(FAILED, False):
            show(context.pages[-1], tmp_path / f"{number}.png")
        context.close()
    assert [fault for fault in faults if not any(map(fault.__contains__, expected_faults))] == []


def show(page: Page, picture: Path) -> None:
    """Print what the page of a failed test said, and keep a picture."""
    page.screenshot(path=picture, full_page=True)
    print(f"{page.url} ({picture})\n{page.locator('body').inner_text()[:3000]}")  # noqa: T201


REPLACED = ("htmx:sendAbort", "htmx:afterRequest")
"""htmx says so of a question that a newer one has replaced; of what went wrong it says more."""


def bad(message: object) -> bool:
    is_error = getattr(message, "type", "") == "error"
    return is_error and not getattr(message, "text", "").startswith(REPLACED)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def link(site, smtp: RecordingServer) -> str:
    """The path that unsubscribes the reader of the first letter of the demo mailing."""
    letter = wait_for(
        lambda: next((one for one in smtp.letters if "/u/" in one.body()), None),
        timeout=60,
        message="no letter with a link",
    )
    found = re.search(r"http://localhost:\d+(/u/[\w-]+/)", letter.body())
    assert found
    assert found[1] in str(letter.message["List-Unsubscribe"])
    return found[1]

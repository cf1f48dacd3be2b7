"""Every page in both languages and both themes, on a phone, on a tablet and on a desk.

A page answers 200, says its language, does not scroll sideways, cuts no table, and (see conftest)
writes no error to the browser's console, so no content policy is violated and no file is missing.
"""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, get_resolver
from playwright.sync_api import Page

from home.demo import DEMO_ACCOUNTS
from tests.browser.people import sign_in
from tests.browser.walk import kind, one_of_each_kind, walk

WIDTHS = (390, 820, 1280)
LOOKS = [("ru", "light"), ("ru", "dark"), ("en", "light"), ("en", "dark")]
PUBLIC = ("/", "/blog/", "/accounts/signup/", "/accounts/login/", "/accounts/password/reset/")
NOT_WALKED = {"mailing_runs_export", "run_export", "report_export", "client_evidence"}  # downloads
NOT_WALKED |= {"run_retry"}  # needs a failure: see test_reports
NOT_WALKED |= {"mailing_schedule", "mailing_unschedule", "mailing_pause", "mailing_resume"}
NOT_WALKED |= {"message_draft", "message_check", "message_test"}
NOT_WALKED |= {"import_start", "import_cancel", "import_report"}
NOT_WALKED |= {"stop_list_export", "import_words"}  # a download; a form of test_import_states
NOT_WALKED |= {"domain_check", "segment_copy"}  # posted only
NOT_WALKED |= {"client_deletion"}  # needs more clients than the demo has
NOT_WALKED |= {"session", "kept_form", "message_autosave", "message_discard", "message_link"}


# A sheet hides what is wider than it; what may scroll says so.
CUT_TABLES = """[...document.querySelectorAll('.is-flush .v-table')].filter(table => {
  const right = element => element.getBoundingClientRect().right;
  return !table.closest('.v-scroll') && right(table) > right(table.closest('.is-flush')) + 1;
}).length"""


SQUEEZED_NAMES = """[...document.querySelectorAll('.v-table tbody th.v-anywhere')].filter(
  name => name.offsetWidth < 100
).length"""
"""They may break anywhere, so that any column beside them could leave them no room."""


def demo_user() -> tuple[str, str]:
    account = next(a for a in DEMO_ACCOUNTS if a.role.startswith("user"))
    return account.email, account.password


@pytest.fixture(scope="module")
def cabinet_paths(browser, site) -> Iterator[list[str]]:
    """Some paths of each kind of page of the cabinet, found by walking through it."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    sign_in(page, *demo_user())
    # One that is over first: no other can be deleted.
    starts = ("/app/mailings/?status=completed", "/app/", "/accounts/profile/")
    found = walk(page, *starts, within="/(app|accounts)/", per_kind=4)
    context.close()
    return found


def names_of_cabinet_pages() -> dict[str, str]:
    """Return name → kind of every page of the cabinet, as the URL configuration knows them."""
    patterns: list[URLPattern] = get_resolver("mailings.urls").url_patterns
    return {
        str(p.name): "/app/" + re.sub(r"<int:\w+>", "0", str(p.pattern))
        for p in patterns
        if p.name not in NOT_WALKED
    }


def look_at(page: Page, path: str, language: str) -> list[str]:
    """Return what is wrong with the page."""
    response = page.goto(path)
    wrong = []
    if response is None or response.status != 200:
        wrong.append(f"status {response and response.status}")
    if (said := page.locator("html").get_attribute("lang")) != language:
        wrong.append(f"lang {said}, not {language}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 850})
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if overflow > 0:
            wrong.append(f"{overflow} px too wide at {width}")
        if page.evaluate(CUT_TABLES):
            wrong.append(f"a table is cut at {width}")
        if page.evaluate(SQUEEZED_NAMES):
            wrong.append(f"names are squeezed at {width}")
    return [f"{path} ({language}): {fault}" for fault in wrong]


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_every_public_page(new_page, language, theme):
    page = new_page(language=language, theme=theme)
    paths = walk(page, *PUBLIC, within="/(?!app/)", per_kind=1)
    assert len(paths) > len(PUBLIC)  # articles too
    assert [fault for path in paths for fault in look_at(page, path, language)] == []


def test_every_page_of_the_cabinet_can_be_reached(cabinet_paths):
    reached = {kind(path) for path in cabinet_paths}
    missing = {name: path for name, path in names_of_cabinet_pages().items() if path not in reached}
    assert missing == {}


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_every_page_of_the_cabinet(new_page, cabinet_paths, language, theme):
    page = new_page(language=language, theme=theme)
    sign_in(page, *demo_user())
    speak(page, language)
    # Once all states of a page, then one of each kind.
    paths = cabinet_paths if (language, theme) == LOOKS[0] else one_of_each_kind(cabinet_paths)
    assert [fault for path in paths for fault in look_at(page, path, language)] == []


def test_a_stranger_switches_language_and_theme_on_pages_from_the_cache(browser, new_page, site):
    for path in ("/", "/blog/"):
        for _ in range(5):
            assert site.status(path) == 200  # they are in the cache now
    page = new_page()
    page.context.clear_cookies()
    page.goto("/blog/")
    assert page.context.cookies() == []  # no token: nothing is set before one chooses
    with page.expect_navigation():
        page.locator("header button[name=language][value=en]").first.click()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.url.endswith("/blog/")
    with page.expect_navigation():
        page.locator("header form[action='/theme/'] button").first.click()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    page.goto("/")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


@pytest.mark.parametrize("language", ["en", "ru"])  # the account keeps the last one
def test_letters_that_came_back_leave_the_names_their_room(new_page, language):
    page = new_page(language=language)
    sign_in(page, *demo_user())
    speak(page, language)
    page.goto("/app/clients/?state=bounced")
    paths = page.locator("main tbody th a").evaluate_all("all => all.map(a => a.pathname)")
    assert len(paths) > 1
    assert [fault for path in paths for fault in look_at(page, path, language)] == []


def speak(page: Page, language: str) -> None:
    switch = page.locator(f"button[name=language][value={language}]").first
    if switch.count():
        with page.expect_navigation():
            switch.evaluate("button => button.click()")

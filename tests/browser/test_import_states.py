"""A file of another service in a browser: who left is shown, unknown words are answered."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import nasty_files as files
from tests.browser.axe import Inspection
from tests.browser.people import sign_up, submit
from tests.browser.test_imports import is_as_wide_as_the_screen

LOOKS = [("ru", "light", 1280), ("en", "dark", 390), ("ru", "dark", 390), ("en", "light", 1280)]


def members(number: int) -> bytes:
    return files.csv(
        ("Email Address", "First Name", "Status", "UNSUB_TIME"),
        (f"anna{number}@members.example", "Anna", "subscribed", ""),
        (f"boris{number}@members.example", "Boris", "unsubscribed", "2026-05-01 10:00:00"),
        (f"vera{number}@members.example", "Vera", "cleaned", ""),
        (f"gleb{number}@members.example", "Gleb", "pending", ""),
        (f"vip{number}@members.example", "Vip", "VIP", ""),
        (f"nobody{number}@members.example", "Nobody", "", ""),
        delimiter=",",
    )


def looked_at(page: Page, inspection: Inspection) -> None:
    """The inspection looks at every width and theme; the page as it was opened comes first."""
    size = page.viewport_size
    assert size is not None
    assert is_as_wide_as_the_screen(page)
    inspection.look()
    page.set_viewport_size(size)
    assert inspection.violations == []


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_who_left_another_service_is_shown_and_unknown_words_are_answered(
    new_page, smtp, language, theme, width
):
    number = LOOKS.index((language, theme, width))
    page = new_page(language=language, theme=theme, width=width)
    page.emulate_media(reduced_motion="reduce")
    inspection = Inspection(page)
    sign_up(page, smtp, f"states{number}@press.example", "Лев Загрузкин")
    page.goto("/app/imports/new/")
    file = {"name": "members_2026.csv", "mimeType": "text/csv", "buffer": members(number)}
    page.set_input_files("input[type=file]", file)
    submit(page)

    page.wait_for_url(re.compile(r"/columns/$"))
    expect(page.locator("#id_c2")).to_have_value("state")
    expect(page.locator("#id_c3")).to_have_value("left_at")
    expect(page.locator("#id_new_list")).to_have_value("Members 2026")
    expect(page.locator("#id_reason")).to_be_hidden()
    page.check("[name=kind][value=stop_list]")
    expect(page.locator("#id_reason")).to_be_visible()
    expect(page.locator("#id_consent")).to_be_hidden()
    page.check("[name=kind][value=clients]")
    page.fill("#id_consent", "form")
    looked_at(page, inspection)
    page.click("button[value=check]")

    words = page.locator("form[action$='/words/']")
    expect(words).to_be_visible(timeout=60_000)
    expect(page.locator("form[action$='/start/']")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("Status: unsubscribed")
    looked_at(page, inspection)
    words.locator("select").nth(0).select_option("send")
    words.locator("button[type=submit]").click()

    start = page.locator("form[action$='/start/'] button")
    expect(start).to_be_visible(timeout=60_000)
    looked_at(page, inspection)
    start.click()
    expect(page.locator("a[href$='/report.csv']")).to_be_visible(timeout=60_000)
    page.goto("/app/stop-list/")
    expect(page.locator("main")).to_contain_text(f"boris{number}@members.example")
    expect(page.locator("main")).not_to_contain_text(f"anna{number}@members.example")
    looked_at(page, inspection)

"""From the link in a letter to the page that ends the letters, and back, in a browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import LOOKS, look_at

SAMPLE = "/u/sample/"


def press(page: Page) -> None:
    page.click("main form[action^='/u/'] button")


def test_a_reader_leaves_and_takes_it_back(page, link):
    page.goto(link)
    expect(page.locator("h1")).to_have_text("Больше не писать вам?")
    expect(page.locator("main")).to_contain_text("•••@")
    press(page)
    expect(page.locator("h1")).to_have_text("Вы отписаны")
    press(page)  # the same answer offers to undo it
    expect(page.locator("h1")).to_have_text("Вы снова получаете письма")
    page.goto(link)
    expect(page.locator("h1")).to_have_text("Больше не писать вам?")


def test_a_second_visit_finds_it_done_and_offers_no_way_back(page, link):
    page.goto(link)
    press(page)
    page.goto(link)
    expect(page.locator("h1")).to_have_text("Вы уже отписались")
    expect(page.locator("main form[action^='/u/']")).to_have_count(0)


def test_the_page_can_be_read_in_another_language(page, link):
    page.goto(link)
    page.locator("footer button[name=language][value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.url.endswith(link)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_the_page_fits_every_screen(new_page, link, language, theme):
    page = new_page(language=language, theme=theme)
    assert [fault for path in (link, SAMPLE) for fault in look_at(page, path, language)] == []

"""From somebody else's page to a subscriber, as people go: phone and desk, by the real letter."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from home.demo.forms import SLUG
from tests.browser.axe import Inspection
from tests.browser.people import sign_in
from tests.browser.test_pages import LOOKS, demo_user, look_at
from tests.site import RecordingServer

FORM = f"/s/{SLUG}/"


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it was asked."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def shop(tmp_path) -> Iterator[tuple[str, Path]]:
    """The owner's own site, on another port: its address, and the folder of its pages."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "favicon.ico").touch()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def press_until_taken(page: Page) -> None:
    """Press the button; who is quicker than people are is asked once more."""
    for _ in range(100):
        page.click("main form button[type=submit]")
        page.wait_for_load_state()
        if not page.locator("main form").count():
            return
        # The page that asks once more has what was written, but for the consent.
        page.check("[name=agreed]")
    raise AssertionError("the form was not taken")


def link_in(letter) -> str:
    found = re.search(r"http://localhost:\d+(/s/\S+)", letter.body())
    assert found, letter.body()
    return found[1]


def test_a_page_of_another_site_subscribes_somebody_to_the_end(
    new_page, shop, smtp: RecordingServer
):
    address, folder = shop
    owner = new_page()
    sign_in(owner, *demo_user())
    owner.goto("/app/forms/")
    owner.click("main tbody th a")
    html = owner.locator("#form-html").inner_text()
    # As strict a policy as a site may have: the form needs no script, style or frame.
    (folder / "index.html").write_text(
        "<!doctype html><html lang=ru><meta charset=utf-8><title>Лавка</title>"
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
        f"<h1>Лавка</h1>{html}"
    )
    visitor = new_page(width=390)
    visitor.goto(address)
    visitor.fill("[name=email]", "embedded@reader.example")
    visitor.fill("[name=city]", "Тверь")
    visitor.click("form button")
    expect(visitor.locator("main")).to_contain_text("Остался один шаг")
    expect(visitor.locator("[name=email]")).to_have_value("embedded@reader.example")
    visitor.locator("[name=lists]").first.check()
    visitor.check("[name=agreed]")
    press_until_taken(visitor)
    expect(visitor.locator("h1")).to_have_text("Загляните в почту")
    [letter] = smtp.wait_for("embedded@reader.example", timeout=60)
    visitor.goto(link_in(letter))
    expect(visitor.locator("h1")).to_have_text("Подписаться?")
    visitor.click("main form button")
    expect(visitor.locator("h1")).to_have_text("Вы подписаны")
    owner.goto("/app/clients/?q=embedded@reader.example")
    owner.click("main tbody th a")
    expect(owner.locator("main")).to_contain_text("Тверь")
    owner.get_by_role("link", name="Подтверждение согласия").click()
    expect(owner.locator("main")).to_contain_text("Даю согласие получать письма")
    expect(owner.locator("main")).to_contain_text("Подтверждено по почте")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_form_without_scripts(browser, site, smtp: RecordingServer, width):
    """Also the whole of it by the keyboard's Enter, in a browser that runs no script."""
    email = f"plain{width}@reader.example"
    context = browser.new_context(
        base_url=site.url, java_script_enabled=False, viewport={"width": width, "height": 850}
    )
    page = context.new_page()
    page.goto(FORM)
    page.fill("[name=email]", email)
    page.locator("[name=lists]").nth(1).check()
    page.check("[name=agreed]")
    press_until_taken(page)
    [letter] = smtp.wait_for(email, timeout=60)
    page.goto(link_in(letter))
    page.click("main form button")
    expect(page.locator("h1")).to_have_text("Вы подписаны")
    assert context.cookies() == []
    context.close()


def test_a_reader_chooses_by_the_letters_link(page, link):
    page.goto(link)
    page.get_by_role("link", name="Другие варианты").click()
    expect(page.locator("h1")).to_have_text("Что вы получаете")
    page.locator("[name=lists]").first.uncheck()
    page.click("button[value=save]")
    expect(page.locator("main [role=status]")).to_contain_text("Сохранено")
    page.goto(link)
    expect(page.locator("h1")).to_have_text("Больше не писать вам?")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_the_pages_fit_every_screen(new_page, link, language, theme):
    page = new_page(language=language, theme=theme)
    paths = (FORM, f"{link}choices/")
    assert [fault for path in paths for fault in look_at(page, path, language)] == []


def test_axe_finds_nothing_on_a_visitors_pages(new_page, link, smtp: RecordingServer):
    page = new_page()
    page.emulate_media(reduced_motion="reduce")
    inspection = Inspection(page)
    inspection.visit(FORM, f"{link}choices/")
    page.goto(FORM)
    page.fill("[name=email]", "axe@reader.example")
    page.click("main form button[type=submit]")
    inspection.look("asked once more, or what is missing")
    page.locator("[name=lists]").first.check()
    page.check("[name=agreed]")
    press_until_taken(page)
    inspection.look("sent")
    page.goto(link_in(smtp.wait_for("axe@reader.example", timeout=60)[0]))
    inspection.look("confirm")
    page.click("main form button")
    inspection.look("thanks")
    assert inspection.violations == []

"""The cabinet's live parts in a browser, and the same pages with JavaScript switched off."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import schedule, sign_in, sign_up, submit
from tests.browser.test_whole_path import add_client

OWNER = "vera@press.example"
SUBJECT = "Отрывок дня"


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    """Accounts this module has made on the shared site."""
    return []


@pytest.fixture
def cabinet(new_page, smtp, signed_up) -> Page:
    page = new_page()
    if not signed_up:
        sign_up(page, smtp, OWNER, "Вера Печатникова")
        signed_up.append(OWNER)
        for number in range(3):
            add_client(page, f"reader{number}@press.example", f"Читатель {number}")
    else:
        sign_in(page, OWNER)
    return page


def test_a_click_puts_a_variable_where_one_writes(cabinet):
    cabinet.goto("/app/messages/new/")
    name = cabinet.locator("button.v-var").first
    cabinet.fill("[name=subject]", SUBJECT)
    cabinet.locator(".ProseMirror[role=textbox]").click()
    cabinet.keyboard.type("Здравствуйте, ")
    name.click()
    cabinet.keyboard.type("!")
    submit(cabinet)
    cabinet.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    letter = cabinet.frame_locator("iframe").locator("body")
    expect(letter).to_contain_text("Здравствуйте, Читатель 0!")


def test_the_editor_keeps_what_it_was_given(cabinet):
    cabinet.goto("/app/messages/")
    cabinet.get_by_role("link", name=SUBJECT).click()
    cabinet.get_by_role("link", name="Изменить").first.click()
    editor = cabinet.locator(".ProseMirror[role=textbox]")
    expect(editor).to_contain_text("{{ full_name }}")
    cabinet.locator("[data-tool=bold]").click()
    submit(cabinet)
    cabinet.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    letter = cabinet.frame_locator("iframe").locator("body")
    expect(letter).to_contain_text("Здравствуйте, Читатель 0!")


def test_what_will_happen_follows_the_form(cabinet):
    cabinet.goto("/app/mailings/new/")
    said = cabinet.locator("#forecast")
    cabinet.select_option("[name=message]", label=SUBJECT)
    expect(said).to_contain_text("уйдёт 3 клиентам – всем")  # there are no lists yet
    cabinet.fill("[name=find]", "читатель 1")
    cabinet.check("#client-picks [name=clients]")
    expect(said).to_contain_text("уйдёт 1 клиенту")
    cabinet.fill("[name=find]", "читатель 2")
    expect(cabinet.locator("#client-picks [name=clients]")).to_have_count(2)
    cabinet.locator("#client-picks [name=clients]").nth(1).check()
    expect(said).to_contain_text("уйдёт 2 клиентам")
    cabinet.locator(".v-segments label").nth(1).click()
    cabinet.fill("[name=start_at]", "2040-12-01T09:00")
    cabinet.fill("[name=end_at]", "2040-12-11T09:00")
    cabinet.locator("[name=name]").click()
    expect(said).to_contain_text("Каждый день в 09:00")
    expect(said).to_contain_text("всего 10 запусков")
    cabinet.fill("[name=end_at]", "2040-11-01T09:00")
    cabinet.locator("[name=name]").click()
    expect(said.locator(".v-bad")).to_contain_text("Окончание раньше первого запуска")


def test_the_progress_moves_by_itself_until_it_is_done(cabinet, smtp):
    smtp.delay = 1.0
    try:
        cabinet.goto("/app/mailings/new/")
        cabinet.fill("[name=name]", "Медленная")
        cabinet.select_option("[name=message]", label=SUBJECT)
        cabinet.fill("[name=find]", "читатель")
        expect(cabinet.locator("#client-picks [name=clients]")).to_have_count(3)
        for box in cabinet.locator("#client-picks [name=clients]").all():
            box.check()
        schedule(cabinet, "3")
        bar = cabinet.locator("#live [role=progressbar]")
        expect(bar).to_have_attribute("aria-valuenow", "100", timeout=20_000)
        expect(cabinet.locator("#head .v-status")).to_contain_text("Завершена", timeout=20_000)
        expect(cabinet.locator("#live")).not_to_have_attribute("hx-trigger", re.compile("."))
    finally:
        smtp.delay = 0.0


def test_everything_can_be_done_without_javascript(browser, site, cabinet):
    state = cabinet.context.storage_state()
    context = browser.new_context(base_url=site.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    try:
        page.goto("/app/lists/new/")
        page.fill("[name=name]", "Без сценариев")
        submit(page)
        page.goto("/app/clients/")
        page.locator("[name=clients]").first.check()
        page.locator("#bulk select").select_option(label="Без сценариев")
        page.click("#bulk button[value=add]")
        expect(page.locator(".v-note.is-good")).to_contain_text("Без сценариев")
        page.goto("/app/messages/new/")
        page.fill("[name=subject]", "Просто письмо")
        page.fill("textarea[name=body]", "<p>Добрый день, {{ full_name }}</p>")
        submit(page)
        page.goto("/app/mailings/new/")
        page.fill("[name=name]", "Без сценариев")
        page.select_option("[name=message]", label="Просто письмо")
        page.locator("label", has_text="Без сценариев").first.click()
        page.fill("[name=find]", "читатель 2")
        page.click("button[value=find]")
        page.locator("#client-picks [name=clients]").check()
        page.locator("button[value=check]").nth(1).click()
        expect(page.locator("#forecast")).to_contain_text("уйдёт 2 клиентам")
        page.fill("[name=start_at]", "2040-12-01T09:00")
        page.click("button[value=schedule]")
        expect(page.locator(".v-note.is-good")).to_contain_text("запланирована")
        page.get_by_role("link", name="Прекратить…").click()
        page.get_by_role("button", name="Прекратить").click()
        expect(page.locator("#head .v-status")).to_contain_text("Отменена")
    finally:
        context.close()

"""A newcomer's way to the first mailing, and mail that is never sent by surprise."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import sign_in, sign_up, submit

OWNER = "nina@garden.example"
CLIENT = "rosa@garden.example"
SUBJECT = "Розы расцвели"
SEND, TAKE_BACK = "Отправить 1 клиенту сейчас", "Отменить отправку"


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    return []


@pytest.fixture
def cabinet(new_page, smtp, signed_up) -> Page:
    page = new_page()
    if signed_up:
        sign_in(page, OWNER)
        return page
    sign_up(page, smtp, OWNER, "Смирнова Нина")
    signed_up.append(OWNER)
    return page


def fill_in(page: Page, name: str) -> None:
    page.goto("/app/mailings/new/")
    page.fill("[name=name]", name)
    page.select_option("[name=message]", label=SUBJECT)


def test_one_step_leads_to_the_next_and_the_form_comes_back(cabinet):
    cabinet.goto("/app/")
    expect(cabinet.locator("h1")).to_contain_text("Нина")
    expect(cabinet.locator("h1")).not_to_contain_text("Смирнова")
    expect(cabinet.locator("main .btn-primary")).to_have_count(1)
    expect(cabinet.locator("[aria-current=step]")).to_contain_text("Добавить клиентов")
    cabinet.goto("/app/mailings/new/")
    expect(cabinet.locator("[name=name]")).to_have_count(0)
    cabinet.click("main .btn-primary")
    cabinet.fill("[name=email]", CLIENT)
    cabinet.fill("[name=full_name]", "Смит, Роза")
    submit(cabinet)
    cabinet.wait_for_url("**/app/mailings/new/")
    cabinet.click("main .btn-primary")
    cabinet.fill("[name=subject]", SUBJECT)
    cabinet.locator(".ProseMirror[role=textbox]").click()
    cabinet.keyboard.type("Здравствуйте, {{ first_name }}!")
    submit(cabinet)
    cabinet.wait_for_url("**/app/mailings/new/")
    expect(cabinet.locator("[name=name]")).to_be_visible()
    cabinet.goto("/app/")
    expect(cabinet.locator("[aria-current=step]")).to_contain_text("пробное письмо")


def test_the_button_says_what_it_will_do(cabinet):
    fill_in(cabinet, "Проба")
    button = cabinet.locator("[data-act]")
    expect(cabinet.locator("[name=to_all]")).to_be_checked()
    expect(button).to_have_text(SEND)
    cabinet.fill("[name=start_at]", "2040-12-01T09:00")
    cabinet.locator("[name=name]").click()
    expect(button).to_have_text("Запланировать на 1 декабря 2040, 09:00")
    expect(cabinet.locator("[name=when][value=at]")).to_be_checked()
    cabinet.get_by_text("Сейчас", exact=True).click()
    expect(cabinet.locator("[name=start_at]")).to_have_value("")
    expect(button).to_have_text(SEND)
    cabinet.get_by_text("В назначенное время", exact=True).click()
    expect(cabinet.locator("[name=start_at]")).to_have_value("2040-12-01T09:00")
    cabinet.fill("[name=start_at]", "")
    cabinet.locator("[name=name]").click()
    expect(button).to_have_text("Запланировать")
    button.click()
    expect(cabinet.locator("#div_id_start_at .invalid-feedback")).to_contain_text("Сейчас")


def test_a_mailing_sent_now_can_be_taken_back_and_nothing_leaves(cabinet, smtp):
    fill_in(cabinet, "Отменённая")
    expect(cabinet.locator("[data-act]")).to_have_text(SEND)
    cabinet.click("[data-act]")
    cabinet.wait_for_url(re.compile(r"/app/mailings/\d+/$"))
    counted = cabinet.locator("#run-h")
    expect(counted).to_contain_text("Отправка начнётся через")
    before = counted.inner_text()
    expect(counted).not_to_have_text(before)  # it counts down by itself
    cabinet.get_by_role("button", name=TAKE_BACK).click()
    expect(cabinet.locator("#head .v-status")).to_contain_text("Черновик")
    cabinet.wait_for_timeout(9_000)
    cabinet.reload()
    expect(cabinet.locator("#head .v-status")).to_contain_text("Черновик")
    assert smtp.to(CLIENT) == []
    expect(cabinet.get_by_role("button", name=SEND)).to_be_visible()


def test_the_page_of_a_mailing_shows_its_end_by_itself(cabinet, smtp):
    cabinet.goto("/app/mailings/")
    cabinet.get_by_role("link", name="Отменённая").first.click()
    cabinet.get_by_role("button", name=SEND).click()
    expect(cabinet.locator("#run-h")).to_contain_text("Отправка начнётся через")
    expect(cabinet.locator("#head .v-status")).to_contain_text("Завершена", timeout=40_000)
    row = cabinet.locator("main table tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Письмо принято")
    expect(row.locator(".v-reply")).to_be_hidden()
    row.locator("summary").click()
    expect(row.locator(".v-reply")).to_contain_text("250")
    expect(cabinet.locator("main")).not_to_contain_text("Попыток пока не было")
    [letter] = smtp.wait_for(CLIENT)
    assert "Здравствуйте, Роза!" in letter.body()
    sender = letter.message["From"].addresses[0]
    assert sender.display_name == "Смирнова Нина"


def test_without_javascript_the_button_asks_before_mail_leaves_at_once(
    browser, site, cabinet, smtp
):
    seen = len(smtp.to(CLIENT))
    state = cabinet.context.storage_state()
    context = browser.new_context(base_url=site.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    try:
        fill_in(page, "Без сценариев")
        page.fill("[name=start_at]", "2040-12-01T09:00")
        page.click("[name=action][value=save]")
        page.wait_for_url(re.compile(r"/app/mailings/\d+/$"))
        page.get_by_role("link", name="Изменить").click()
        button = page.locator("[data-act]")
        expect(button).to_have_text("Запланировать на 1 декабря 2040, 09:00")
        page.get_by_text("Сейчас", exact=True).click()
        page.fill("[name=start_at]", "")
        button.click()
        expect(page.locator("[role=alert]")).to_contain_text("Пока ничего не отправлено")
        expect(button).to_have_text(SEND)
        button.click()
        expect(page.locator("#run-h")).to_contain_text("Отправка начнётся через")
        page.get_by_role("button", name=TAKE_BACK).click()
        expect(page.locator("#head .v-status")).to_contain_text("Черновик")
        assert len(smtp.to(CLIENT)) == seen
    finally:
        context.close()

"""What people write is never lost: the tab closed, the session gone, a second tab, no network."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import PASSWORD, sign_in, sign_up, submit

WRITER = "nina@press.example"
BODY = ".ProseMirror"
SAVED = re.compile(r"/app/messages/\d+/$")


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    return []


@pytest.fixture(params=[390, 1280])
def cabinet(request, new_page, smtp, signed_up) -> Page:
    page = new_page(width=request.param)
    if not signed_up:
        sign_up(page, smtp, WRITER, "Нина Писарева")
        signed_up.append(WRITER)
    else:
        sign_in(page, WRITER)
    return page


def write(page: Page, text: str) -> None:
    page.locator(BODY).click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def made(page: Page, subject: str) -> str:
    """Save a message and return the address of its editor."""
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", subject)
    write(page, "Первое.")
    submit(page)
    page.wait_for_url(SAVED)
    return f"{page.url}edit/"


def kept(page: Page) -> None:
    """Wait until the server keeps what is written."""
    expect(page.locator("#draft-status")).to_contain_text("Черновик сохранён", timeout=20_000)


def opened(page: Page, address: str) -> None:
    """Open the editor and wait until the preview is drawn: its frame must not meet a login."""
    page.goto(address)
    expect(page.locator("[data-preview-frames][data-drawn]")).to_be_visible()


def second_tab(page: Page, address: str) -> Page:
    tab = page.context.new_page()
    tab.goto(address)
    return tab


def sign_out(context: BrowserContext) -> None:
    for cookie in context.cookies():
        if cookie["name"] == "sessionid":
            context.clear_cookies(name="sessionid")


def dialogs(page: Page) -> list[str]:
    """Return the list into which the questions on leaving will come; each is agreed to."""
    asked: list[str] = []

    def agree(dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", agree)
    return asked


def test_a_new_text_survives_the_reload_and_a_closed_tab(cabinet):
    page = cabinet
    asked = dialogs(page)
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", "Не сохранено")
    write(page, "Долгий труд.")
    kept(page)
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator(BODY)).to_have_text("Долгий труд.")
    expect(page.locator("[name=subject]")).to_have_value("Не сохранено")
    expect(page.locator("#draft-restored")).to_contain_text("Восстановлен черновик")
    # The tab is closed; the list knows of it.
    page.goto("/app/messages/")
    page.get_by_role("link", name="Не сохранено").first.click()
    expect(page.locator(BODY)).to_have_text("Долгий труд.")
    submit(page)
    page.wait_for_url(SAVED)
    assert asked == ["beforeunload"]
    page.goto("/app/messages/")
    expect(page.get_by_text("Начато и не сохранено")).to_have_count(0)


def test_a_text_that_the_server_has_not_got_yet_survives_the_reload(cabinet, expected_faults):
    page = cabinet
    expected_faults.append("ERR_FAILED")
    dialogs(page)
    page.goto(made(page, "Быстрое"))
    page.route("**/autosave/", lambda route: route.abort())
    write(page, " Второе.")
    page.reload()
    expect(page.locator(BODY)).to_have_text("Первое. Второе.")
    expect(page.locator("[data-note=restored]")).to_be_visible()
    page.click("[data-note=restored] [data-unsaved-drop]")
    expect(page.locator(BODY)).to_have_text("Первое.")


def test_a_saved_text_is_left_without_a_question(cabinet):
    page = cabinet
    asked = dialogs(page)
    address = made(page, "Спокойно")
    page.goto(address)
    write(page, " Второе.")
    submit(page)
    page.wait_for_url(SAVED)
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. Второе.")
    for note in page.locator(".v-note").all():
        expect(note).not_to_be_visible()
    page.goto("/app/")
    assert asked == []


def test_the_draft_is_not_the_message_until_it_is_saved(cabinet):
    page = cabinet
    dialogs(page)
    address = made(page, "Как было")
    page.goto(address)
    write(page, " Черновое.")
    kept(page)
    page.goto(address.removesuffix("edit/"))
    expect(page.frame_locator("iframe").first.locator("body")).not_to_contain_text("Черновое")
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. Черновое.")
    page.get_by_role("button", name="Вернуть сохранённое").click()
    expect(page.locator(BODY)).to_have_text("Первое.")
    expect(page.locator("#draft-restored")).to_have_count(0)


def test_who_was_signed_out_is_told_and_saves_after_signing_in_in_another_tab(cabinet):
    page = cabinet
    address = made(page, "Сессия")
    opened(page, address)
    write(page, " Новое.")
    kept(page)
    sign_out(page.context)
    write(page, " Ещё новее.")
    expect(page.locator("[data-note=signed-out]")).to_be_visible(timeout=20_000)
    submit(page)
    expect(page.locator("[data-note=signed-out]")).to_be_visible()
    expect(page.locator(BODY)).to_have_text("Первое. Новое. Ещё новее.")
    with page.context.expect_page() as login:
        page.get_by_role("link", name="Войти в новой вкладке").click()
    tab = login.value
    tab.fill("[name=login]", WRITER)
    tab.fill("[name=password]", PASSWORD)
    submit(tab)
    tab.wait_for_url("**/edit/**")
    tab.close()
    # Signing in made a new token for forms: the old page saves all the same.
    submit(page)
    page.wait_for_url(SAVED)
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. Новое. Ещё новее.")


def test_who_signs_in_through_the_login_page_finds_the_text_again(cabinet):
    page = cabinet
    dialogs(page)
    address = made(page, "Через вход")
    opened(page, address)
    sign_out(page.context)
    write(page, " Новое.")
    submit(page)
    expect(page.locator("[data-note=signed-out]")).to_be_visible()
    page.goto(address)
    page.fill("[name=login]", WRITER)
    page.fill("[name=password]", PASSWORD)
    submit(page)
    page.wait_for_url("**/edit/")
    expect(page.locator(BODY)).to_have_text("Первое. Новое.")
    submit(page)
    page.wait_for_url(SAVED)
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. Новое.")


def test_a_second_tab_is_shown_both_texts_and_chooses(cabinet):
    page = cabinet
    dialogs(page)
    address = made(page, "Две вкладки")
    page.goto(address)
    tab = second_tab(page, address)
    write(page, " Из первой.")
    kept(page)
    write(tab, " Из второй.")
    both = tab.locator("#versions")
    expect(both).to_be_visible(timeout=20_000)
    expect(both.locator("[data-version=theirs]")).to_contain_text("Первое. Из первой.")
    expect(both.locator("[data-version=mine]")).to_contain_text("Первое. Из второй.")
    both.get_by_role("button", name="Оставить мой").click()
    kept(tab)
    # Now the first one is told, and takes the other text.
    write(page, " Дальше.")
    expect(page.locator("#versions")).to_be_visible(timeout=20_000)
    page.locator("#versions").get_by_role("button", name="Взять этот").click()
    expect(page.locator(BODY)).to_have_text("Первое. Из второй.")
    submit(page)
    page.wait_for_url(SAVED)


def test_a_message_that_was_saved_elsewhere_is_not_written_over(cabinet, expected_faults):
    page = cabinet
    expected_faults.append("ERR_FAILED")
    dialogs(page)
    address = made(page, "Двое")
    page.goto(address)
    tab = second_tab(page, address)
    tab.route("**/autosave/", lambda route: route.abort())
    write(tab, " Из второй.")
    write(page, " Из первой.")
    submit(page)
    page.wait_for_url(SAVED)
    submit(tab)
    both = tab.locator("#versions")
    expect(both).to_be_visible()
    expect(both.locator("[data-version=theirs]")).to_contain_text("Первое. Из первой.")
    expect(both.locator("[data-version=mine]")).to_contain_text("Первое. Из второй.")
    expect(tab.locator(BODY)).to_have_text("Первое. Из второй.")
    both.get_by_role("button", name="Оставить мой").click()
    tab.wait_for_url(SAVED)
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. Из второй.")


def test_the_text_of_a_message_deleted_meanwhile_is_saved_as_a_new_one(cabinet, expected_faults):
    page = cabinet
    expected_faults.append("404")
    dialogs(page)
    address = made(page, "Удалят")
    page.goto(address)
    tab = second_tab(page, address.replace("edit/", "delete/"))
    submit(tab)
    tab.wait_for_url("**/app/messages/")
    write(page, " Живое.")
    expect(page.locator("[data-note=gone]")).to_be_visible(timeout=20_000)
    kept(page)
    submit(page)
    page.wait_for_url(SAVED)
    page.get_by_role("link", name="Изменить").first.click()
    expect(page.locator(BODY)).to_have_text("Первое. Живое.")


def test_without_the_network_the_text_stays_and_goes_on_when_it_is_back(cabinet, expected_faults):
    page = cabinet
    expected_faults.append("ERR_FAILED")
    address = made(page, "Поезд")
    opened(page, address)
    page.route("**/app/**", lambda route: route.abort())
    write(page, " В тоннеле.")
    expect(page.locator("#draft-status")).to_contain_text("в этом браузере", timeout=20_000)
    submit(page)
    expect(page.locator("[data-note=offline]")).to_be_visible()
    expect(page.locator(BODY)).to_have_text("Первое. В тоннеле.")
    page.unroute("**/app/**")
    submit(page)
    page.wait_for_url(SAVED)
    page.goto(address)
    expect(page.locator(BODY)).to_have_text("Первое. В тоннеле.")


def test_other_long_forms_keep_what_is_written_too(cabinet):
    page = cabinet
    asked = dialogs(page)
    page.goto("/app/clients/new/")
    page.fill("[name=comment]", "Длинная история.\nДве строки.")
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("[name=comment]")).to_have_value("Длинная история.\nДве строки.")
    expect(page.locator("[data-note=restored]")).to_be_visible()
    sign_out(page.context)
    page.fill("[name=email]", f"long{page.viewport_size['width']}@press.example")
    submit(page)
    expect(page.locator("[data-note=signed-out]")).to_be_visible()
    page.goto("/app/clients/new/")
    page.fill("[name=login]", WRITER)
    page.fill("[name=password]", PASSWORD)
    submit(page)
    page.wait_for_url("**/clients/new/")
    expect(page.locator("[name=comment]")).to_have_value("Длинная история.\nДве строки.")
    submit(page)
    page.wait_for_url(re.compile(r"/app/clients/\d+/$"))
    page.goto("/app/clients/new/")
    expect(page.locator("[name=comment]")).to_have_value("")
    page.goto("/app/mailings/new/")
    page.fill("[name=name]", "Осенняя")
    asked.clear()
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("[name=name]")).to_have_value("Осенняя")


def test_without_javascript_a_form_sent_after_the_session_is_shown_again(browser, site, cabinet):
    state = cabinet.context.storage_state()
    context = browser.new_context(base_url=site.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    try:
        page.goto("/app/messages/new/")
        page.fill("[name=subject]", "Без скриптов")
        page.fill("textarea[name=body]", "<p>Не потеряно</p>")
        context.clear_cookies(name="sessionid")
        submit(page)
        page.fill("[name=login]", WRITER)
        page.fill("[name=password]", PASSWORD)
        submit(page)
        page.get_by_role("button", name="Вернуть в форму").click()
        expect(page.locator("[name=subject]")).to_have_value("Без скриптов")
        expect(page.locator("textarea[name=body]")).to_have_value("<p>Не потеряно</p>")
        submit(page)
        page.wait_for_url(SAVED)
    finally:
        context.close()

"""Importing a file in a browser, on a phone and on a desk: from the file to the report."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import nasty_files as files
from tests.browser.people import sign_up, submit

HEAD = ("Почта", "Имя", "Фамилия", "Любимый автор")
WIDTHS = {"phone": 390, "desk": 1280}


def table(width: int) -> bytes:
    return files.csv(
        HEAD,
        (f"nina{width}@yarmarka.example", "Нина", "Соколова", "Чехов"),
        (f"egor{width}@yarmarka.example", "Егор", "Белов", ""),
        ("79001234567", "Телефон", "", ""),
        encoding="cp1251",
    )


def choose_file(page: Page, content: bytes) -> None:
    page.set_input_files(
        "input[type=file]", {"name": "ярмарка.csv", "mimeType": "text/csv", "buffer": content}
    )


def is_as_wide_as_the_screen(page: Page) -> bool:
    return page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_file_becomes_clients_on_a_new_list(new_page, smtp, width):
    page = new_page(width=width)
    sign_up(page, smtp, f"import{width}@press.example", "Лев Загрузкин")
    page.goto("/app/clients/")
    page.get_by_role("link", name="Загрузить файл").click()
    choose_file(page, table(width))
    submit(page)

    page.wait_for_url(re.compile(r"/columns/$"))
    assert is_as_wide_as_the_screen(page)
    expect(page.locator("#id_c0")).to_have_value("email")
    expect(page.locator("#id_c2")).to_have_value("last_name")
    expect(page.locator("#id_n3")).to_be_hidden()
    page.select_option("#id_c3", "new")
    expect(page.locator("#id_n3")).to_have_value("любимый_автор")
    page.fill("#id_n3", "автор")
    page.select_option("#id_target", "new")
    page.fill("#id_new_list", "Ярмарка")
    page.click("button[value=check]")
    expect(page.locator("#id_consent_error")).to_contain_text("где люди согласились")
    expect(page.locator("#id_n3")).to_have_value("автор")
    page.fill("#id_consent", "анкета на ярмарке")
    page.click("button[value=check]")

    what = page.get_by_role("heading", name="Что произойдёт")
    expect(what).to_be_visible(timeout=60_000)  # by itself: the page asks the worker's rows
    assert is_as_wide_as_the_screen(page)
    expect(page.locator("main")).to_contain_text("в адресе нет «собаки»")
    page.locator("main").get_by_role("button", name="Загрузить").click()

    report = page.get_by_role("link", name="Отчёт в CSV")
    expect(report).to_be_visible(timeout=60_000)
    assert is_as_wide_as_the_screen(page)
    with page.expect_download() as download:
        report.click()
    assert "79001234567" in download.value.path().read_text()

    page.get_by_role("link", name="Открыть список").click()
    expect(page.get_by_role("link", name="Нина Соколова")).to_be_visible()
    page.get_by_role("link", name="Нина Соколова").click()
    expect(page.locator("main")).to_contain_text("Чехов")
    expect(page.locator("main")).to_contain_text("анкета на ярмарке")


def test_ticked_clients_are_counted_and_all_found_can_be_exported(new_page, smtp):
    page = new_page()
    sign_up(page, smtp, "export@press.example", "Лев Выгрузкин")
    for number in range(2):
        page.goto("/app/clients/new/")
        page.fill("[name=email]", f"reader{number}@export.example")
        submit(page)
        page.wait_for_url(re.compile(r"/app/clients/\d+/$"))
    page.goto("/app/clients/")
    page.get_by_label("Отметить всех на странице").check()
    expect(page.locator("[data-bulk-count]")).to_have_text("Отмечено: 2")
    page.locator("[name=clients]").first.uncheck()
    expect(page.locator("[data-bulk-count]")).to_have_text("Отмечено: 1")
    page.locator("details.v-drop summary").click()
    with page.expect_download() as download:
        page.locator("details.v-drop button[value=export_csv]").click()
    assert download.value.path().read_text(encoding="utf-8-sig").count("@export.example") == 2
    page.locator("#bulk button[value=delete]").click()
    expect(page.get_by_role("heading", name="Удалить 1 клиента?")).to_be_visible()
    page.get_by_role("link", name="Не удалять").click()
    expect(page.locator("[name=clients]")).to_have_count(2)

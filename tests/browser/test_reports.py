"""Leaving clients out, a run with failures, its follow-up, the report and its downloads: at a
desk and on a phone."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import schedule, sign_in, sign_up, submit
from tests.browser.test_whole_path import add_client

OWNER = "nina@books.example"
MAILING = "Новинки полки"
SUBJECT = "Новинки"
REFUSED = "refused@books.example"
WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    """Accounts this module has made on the shared site."""
    return []


@pytest.fixture
def cabinet(new_page, smtp, signed_up, request) -> Page:
    page: Page = new_page(width=getattr(request, "param", WIDTHS[0]))
    if signed_up:
        sign_in(page, OWNER)
        return page
    sign_up(page, smtp, OWNER, "Нина Книжная")
    signed_up.append(OWNER)
    for address, name in ((REFUSED, "Рита Отказ"), ("reader@books.example", "Роман Читатель"),
                          ("quiet@books.example", "Тихон Тихий")):  # fmt: skip
        add_client(page, address, name)
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", SUBJECT)
    page.locator(".ProseMirror[role=textbox]").click()
    page.keyboard.type("Добрый день!")
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    return page


def choose(page: Page, search: str, part: str, text: str, count: int) -> None:
    page.fill(f"[name={search}]", text)
    boxes = page.locator(f"#{part} input[type=checkbox]")
    expect(boxes).to_have_count(count)
    for box in boxes.all():
        box.check()


def test_who_is_left_out_gets_nothing_and_who_failed_gets_it_again(cabinet, smtp):
    smtp.refused.add(REFUSED)
    cabinet.goto("/app/mailings/new/")
    said = cabinet.locator("#forecast")
    cabinet.fill("[name=name]", MAILING)
    cabinet.select_option("[name=message]", label=SUBJECT)
    choose(cabinet, "find", "client-picks", "books.example", 3)
    cabinet.locator("details.v-more summary", has_text="Кроме").click()
    choose(cabinet, "find_excluded", "excluded-client-picks", "тихон", 1)
    expect(said).to_contain_text("уйдёт 2 клиентам")
    expect(said).to_contain_text("кроме 1 клиента")
    schedule(cabinet, "2")
    expect(cabinet.locator("#reasons")).to_contain_text("Looks like spam", timeout=30_000)
    smtp.wait_for("reader@books.example")
    assert smtp.to("quiet@books.example") == []

    smtp.refused.clear()
    again = cabinet.get_by_role("link", name="Отправить ещё раз тем, кто не получил…")
    expect(again).to_be_visible(timeout=20_000)
    again.click()
    expect(cabinet.locator("main li").first).to_contain_text("сразу уйдёт 1 клиенту")
    cabinet.get_by_role("button", name="Отправить ещё раз").click()
    cabinet.wait_for_url(re.compile(r"/app/mailings/\d+/$"))
    expect(cabinet.locator("h1")).to_contain_text("ещё раз")
    smtp.wait_for(REFUSED)
    expect(cabinet.locator("#head .v-status")).to_contain_text("Завершена", timeout=30_000)


@pytest.mark.parametrize("cabinet", WIDTHS, indirect=True)
def test_the_report_shows_and_hands_out_what_became_of_it(cabinet, tmp_path):
    cabinet.goto("/app/report/")
    expect(cabinet.locator(".v-figures")).to_contain_text("Не отправлено")
    chart = cabinet.get_by_role("img", name=re.compile("Отправлено 2 письма из 3"))
    expect(chart).to_be_visible()
    expect(cabinet.locator(".v-reasons")).to_contain_text("554 5.7.1")
    cabinet.get_by_text("Показать числа").click()
    expect(cabinet.get_by_role("region", name="Письма по времени, числа")).to_be_visible()
    cabinet.get_by_role("link", name="7 дней").click()
    expect(cabinet.get_by_role("link", name="7 дней")).to_have_attribute("aria-current", "true")
    cabinet.locator("#rows").get_by_role("link", name="Запуски", exact=True).click()
    expect(cabinet.locator("#rows tbody tr")).to_have_count(2)
    cabinet.fill("#rows [name=q]", "ещё раз")
    cabinet.locator("#rows").get_by_role("button", name="Показать").click()
    expect(cabinet.locator("#rows tbody tr")).to_have_count(1)
    with cabinet.expect_download() as waiting:
        cabinet.locator("#rows .v-export a").first.click()
    file: Path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    rows = list(csv.reader(file.read_text("utf-8-sig").splitlines(), delimiter=";"))
    assert [row[0] for row in rows[1:]] == [f"{MAILING} – ещё раз"]
    expect(cabinet.get_by_role("button", name="Напечатать")).to_be_visible()


@pytest.mark.parametrize("cabinet", WIDTHS, indirect=True)
def test_the_overview_says_how_it_stands(cabinet):
    cabinet.goto("/app/")
    expect(cabinet.locator("main")).to_contain_text("Почтовый сервис")
    expect(cabinet.locator("main")).to_contain_text("Последние результаты")
    cabinet.get_by_role("link", name="На четыре недели").click()
    expect(cabinet.locator(".v-strip > li")).to_have_count(28)

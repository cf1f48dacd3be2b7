"""A segment is built by choosing, with the count beside it, and a mailing goes to it."""

import re

from playwright.sync_api import expect

from tests.browser.axe import Inspection
from tests.browser.people import schedule, sign_in, sign_up, submit
from tests.browser.test_pages import demo_user

OWNER = "tamara@segments.example"
FOUND = "#segment-found"


def add_client(page, email: str, city: str) -> None:
    page.goto("/app/clients/new/")
    page.fill("[name=email]", email)
    page.fill("[name=attributes]", f"город = {city}")
    submit(page)
    page.wait_for_url(re.compile(r"/app/clients/\d+/$"))


def test_a_segment_is_built_and_a_mailing_goes_to_it(new_page, smtp):
    page = new_page()
    page.emulate_media(reduced_motion="reduce")
    sign_up(page, smtp, OWNER, "Тамара Ткач")
    for number, city in enumerate(("Казань", "казань", "Тверь")):
        add_client(page, f"reader{number}@segments.example", city)
    page.goto("/app/segments/new/")
    page.fill("[name=name]", "Казань без писем")
    page.select_option("[name=g0r0_what]", label="город")
    expect(page.locator("[name=g0r0_value]")).to_have_value("")
    page.fill("[name=g0r0_value]", "Казань")
    page.locator("[name=g0r0_value]").blur()
    expect(page.locator(FOUND)).to_contain_text("Подходят 2 клиента")
    page.get_by_role("button", name="Условие", exact=True).click()
    page.select_option("[name=g0r1_what]", label="Любое письмо")
    expect(page.locator("[name=g0r1_how]")).to_have_value("-days")
    page.fill("[name=g0r1_value]", "30")
    page.locator("[name=g0r1_value]").blur()
    expect(page.locator(FOUND)).to_contain_text("которые не получали писем 30 дней")
    page.get_by_role("button", name="Группа условий").click()
    expect(page.locator("[name=g1r0_what]")).to_be_visible()
    inspection = Inspection(page)
    inspection.look("a segment that is being built")
    assert inspection.violations == []
    page.get_by_role("button", name="Убрать группу 2").click()
    expect(page.locator("[name=g1r0_what]")).to_have_count(0)
    page.wait_for_load_state("networkidle")  # the count, which leaving would cut off
    page.click("button[value=save]")
    page.wait_for_url(re.compile(r"/app/segments/\d+/$"))
    expect(page.locator("main")).to_contain_text("Подходят 2 клиента")
    address = page.url
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", "Привет, Казань")
    page.locator(".ProseMirror[role=textbox]").click()
    page.keyboard.type("Здравствуйте!")
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    page.goto(address)
    page.locator("main").get_by_role("link", name="Рассылка", exact=True).click()
    page.fill("[name=name]", "Казани")
    page.select_option("[name=message]", label="Привет, Казань")
    expect(page.locator("#forecast")).to_contain_text("из сегмента «Казань без писем»")
    schedule(page, "2 клиентам")
    smtp.wait_for("reader0@segments.example")
    smtp.wait_for("reader1@segments.example")
    assert not smtp.to("reader2@segments.example")


def test_without_javascript_buttons_do_the_same(browser, site):
    context = browser.new_context(base_url=site.url, java_script_enabled=False, locale="ru")
    page = context.new_page()
    sign_in(page, *demo_user())
    page.goto("/app/segments/new/?example=city_silent")
    expect(page.locator("[name=g0r1_value]")).to_have_value("30")
    page.get_by_role("button", name="Убрать условие 1").click()
    expect(page.locator("[name=g0r1_value]")).to_have_count(0)
    page.get_by_role("button", name="Условие", exact=True).click()
    page.select_option("[name=g0r1_what]", label="Домен адреса")
    page.get_by_role("button", name="Проверить без сохранения").click()
    page.select_option("[name=g0r1_how]", label="содержит")
    page.fill("[name=g0r1_value]", "example")
    page.get_by_role("button", name="Проверить без сохранения").click()
    expect(page.locator(FOUND)).to_contain_text("домен содержит «example»")
    context.close()

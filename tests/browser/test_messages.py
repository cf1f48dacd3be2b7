"""A letter from the layout to the test in one's own mailbox, on a phone and on a desk."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.people import sign_in, sign_up, submit
from tests.browser.test_whole_path import add_client

OWNER = "lev@press.example"
SHOWN = "[data-preview-frames] iframe:not(.is-coming)"


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    return []


@pytest.fixture(params=[390, 1280])
def cabinet(request, new_page, smtp, signed_up) -> Page:
    page = new_page(width=request.param)
    if not signed_up:
        sign_up(page, smtp, OWNER, "Лев Печатников")
        signed_up.append(OWNER)
        for name in ("Анна", "Борис"):
            add_client(page, f"{len(name)}@press.example", f"{name} Читатель")
    else:
        sign_in(page, OWNER)
    return page


def letter(page: Page) -> FrameLocator:
    """Return the letter as the preview shows it now."""
    return page.frame_locator(SHOWN)


def photo() -> dict[str, object]:
    output = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(output, "JPEG")
    return {"name": "Вид.jpg", "mimeType": "image/jpeg", "buffer": output.getvalue()}


def begin(page: Page, layout: str) -> None:
    page.goto("/app/messages/")
    page.click("main a[href$='/messages/layouts/']")
    page.click(f".v-layouts a[href$='layout={layout}']")
    expect(letter(page).locator("h1")).to_be_visible()


def at_the_end(page: Page) -> None:
    page.locator(".ProseMirror").click()
    page.keyboard.press("Control+End")


def test_a_letter_is_written_looked_at_and_tested(cabinet, smtp):
    page = cabinet
    begin(page, "event")
    expect(letter(page).locator("body")).to_contain_text("Добрый день, Анна!")

    # Subject: a variable with a replacement, from the window.
    page.fill("[name=subject]", "Вечер, ")
    page.press("[name=subject]", "End")
    page.click("[data-tool=variable]")
    page.select_option("#variable-name", "full_name")
    page.fill("#variable-default", "друг")
    page.click("#variable-window [value=insert]")
    expect(page.locator("[name=subject]")).to_have_value('Вечер, {{ full_name|default:"друг" }}')
    expect(page.locator("#subject-hint")).to_contain_text("Вечер, Анна Читатель")

    # Text, a picture and a button.
    at_the_end(page)
    page.keyboard.press("Enter")
    page.keyboard.type("Ждём вас, ")
    page.locator("button.v-var", has_text="full_name").first.click()
    page.click("[data-tool=picture]")
    page.set_input_files("#picture-file", files=[photo()])
    expect(page.locator("#picture-shelf [data-new]")).to_have_attribute("aria-pressed", "true")
    page.click("#picture-window [value=insert]")
    expect(page.locator("#check-list")).to_contain_text("нет описания")
    page.locator(".ProseMirror img").last.click()
    page.click("[data-tool=picture]")
    page.locator("#picture-shelf .v-picture").first.click()
    page.fill("#picture-alt", "Залив вечером")
    page.click("#picture-window [value=insert]")
    expect(page.locator("#check-list")).not_to_contain_text("нет описания")
    at_the_end(page)
    page.click("[data-tool=button]")
    page.fill("#link-label", "Приду")
    page.fill("#link-href", "press.example/come")
    page.click("#link-window [value=apply]")

    shown = letter(page)
    expect(shown.locator("body")).to_contain_text("Ждём вас, Анна Читатель")
    expect(shown.get_by_role("link", name="Приду")).to_have_attribute(
        "href", "https://press.example/come"
    )
    picture = shown.get_by_role("img", name="Залив вечером")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 256

    # As another client, at another width, in the dark.
    page.select_option("#as", label="Борис Читатель <5@press.example>")
    expect(letter(page).locator("body")).to_contain_text("Ждём вас, Борис Читатель")
    expect(page.locator("#inbox")).to_contain_text("Вечер, Борис Читатель")
    page.click("[data-preview-width=desk]")
    assert letter(page).locator("body").evaluate("body => body.clientWidth") > 480
    page.click("[data-preview-scheme=dark]")
    expect(letter(page).locator("body")).to_have_css("background-color", "rgb(16, 24, 27)")

    # The test: what was shown arrives, and the server's answer stands on the page.
    page.click("button[name=action][value=test]")
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    expect(page.locator("#proofs .v-reply").first).to_contain_text("queued as", timeout=30_000)
    mail = smtp.to(OWNER)[-1]
    assert mail.subject == "[Проверка] Вечер, Борис Читатель"
    assert mail.recipients == [OWNER]
    assert "Ждём вас, Борис Читатель" in mail.body()
    assert "Приду (https://press.example/come)" in mail.body()
    assert 'alt="Залив вечером"' in mail.body("html")


def test_a_copy_is_made_of_a_letter(cabinet):
    page = cabinet
    begin(page, "promotion")
    page.fill("[name=subject]", f"Акция {page.viewport_size['width']}")
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    page.get_by_role("link", name="Скопировать").click()
    expect(page.locator("[name=layout]")).to_have_value("promotion")
    page.fill("[name=subject]", f"Копия {page.viewport_size['width']}")
    expect(page.locator("#inbox")).to_contain_text("Копия")
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    page.goto("/app/messages/")
    for name in ("Акция", "Копия"):
        link = page.get_by_role("link", name=f"{name} {page.viewport_size['width']}", exact=True)
        expect(link).to_have_count(1)


def test_the_editor_makes_what_the_letter_keeps(cabinet):
    page = cabinet
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", "Всё сразу")
    page.locator(".ProseMirror").click()
    for tool, words in (
        ("heading2", "Заголовок"), ("bold", "жирно"), ("bulletList", "пункт"), ("divider", ""),
        ("blockquote", "цитата"),
    ):  # fmt: skip
        page.click(f"[data-tool={tool}]")
        page.keyboard.type(words)
        if tool not in {"divider", "bulletList"}:
            page.keyboard.press("Enter")
        if tool in {"bold", "bulletList"}:
            page.click(f"[data-tool={tool}]")
            at_the_end(page)
        if tool == "bulletList":
            page.keyboard.press("Enter")
    made = page.locator("textarea[name=body]").input_value()
    for piece in ("<h2>Заголовок</h2>", "<strong>жирно</strong>", "<hr>", "<blockquote>"):
        assert piece in made
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))
    page.get_by_role("link", name="Изменить").first.click()
    expect(page.locator(".ProseMirror h2")).to_have_text("Заголовок")
    assert page.locator("textarea[name=body]").input_value() == made.replace("<p></p>", "")


def test_a_letter_is_looked_at_without_javascript(browser, site, cabinet):
    state = cabinet.context.storage_state()
    context = browser.new_context(base_url=site.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    try:
        page.goto("/app/messages/new/?layout=announcement")
        page.fill("textarea[name=body]", "<h2>Новость</h2><p>Для вас, {{ full_name }}</p>")
        page.get_by_role("button", name="Показать письмо").click()
        shown = page.frame_locator("iframe[name=letter]")
        expect(shown.locator("h1")).to_have_text("Новость")
        expect(shown.locator("body")).to_contain_text("Для вас, Анна Читатель")
        expect(page.locator("textarea[name=body]")).to_have_value(re.compile("Новость"))
        page.goto("/app/pictures/")
        page.set_input_files("input[type=file]", files=[photo()])
        submit(page)
        expect(page.locator(".v-note.is-good")).to_contain_text("Вид.jpg")
    finally:
        context.close()

"""What other programs put on the clipboard, pasted into a real editor; and what is typed into the
link window."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import sign_in, sign_up, submit

WRITER = "vera@inserts.example"
CLIPBOARDS = Path(__file__).parent.parent / "clipboards"
BODY = ".ProseMirror"
SAVED = re.compile(r"/app/messages/\d+/$")
PASTE = """([html, text, picture]) => {
  const data = new DataTransfer()
  if (html) data.setData("text/html", html)
  if (text) data.setData("text/plain", text)
  const bytes = new Uint8Array([137, 80, 78, 71])
  if (picture) data.items.add(new File([bytes], "image.png", {type: "image/png"}))
  const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
  document.querySelector(".ProseMirror").dispatchEvent(event)
}"""


@pytest.fixture(scope="module")
def signed_up() -> list[str]:
    return []


@pytest.fixture(params=[390, 1280])
def editor(request, new_page, smtp, signed_up) -> Page:
    """An empty message in the editor."""
    page = new_page(width=request.param)
    if not signed_up:
        sign_up(page, smtp, WRITER, "Вера Вставкина")
        signed_up.append(WRITER)
    else:
        sign_in(page, WRITER)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/app/messages/new/")
    page.locator(BODY).click()
    return page


def paste(page: Page, html: str, *, text: str = "", picture: bool = False) -> str:
    """Paste and return the HTML that the form would send."""
    page.locator(BODY).click()
    page.evaluate(PASTE, [html, text, picture])
    return page.locator("textarea[name=body]").input_value()


def clipboard(name: str) -> str:
    return (CLIPBOARDS / f"{name}.html").read_text()


def test_every_clipboard_arrives_with_its_words_and_its_shape(editor):
    page = editor
    for path in sorted(CLIPBOARDS.glob("*.html")):
        name, html = path.stem, path.read_text()
        page.locator(BODY).click()
        page.keyboard.press("Control+A")
        page.keyboard.press("Delete")
        made = paste(page, html, text="слова", picture=name in {"excel", "libreoffice-calc"})
        assert not page.locator("#picture-window").is_visible(), name
        assert "<td" not in made, name
        assert "style=" not in made, name
        shown = page.locator(BODY).inner_text()
        if "Товар" in html:
            assert re.search(r"Товар – Цена\n", shown), f"{name}: {shown}"
            assert re.search(r"Книга.* – 100 ₽", shown), f"{name}: {shown}"
        if "Обычный" in html:
            assert re.search(r"Обычный текст и <strong>важное</strong> слово", made), (
                f"{name}: {made}"
            )
        if "Груши" in html:
            assert re.search(r"<ul><li><p>Яблоки", made), f"{name}: {made}"
            assert "<li><p>Груши" in made, f"{name}: {made}"
            assert "·" not in made, name
        if "Что нового" in html:
            assert re.search(r"<h2>(<strong>)?Что нового", made), f"{name}: {made}"
        if "Антоновка" in html:
            assert re.search(r"Яблоки</p><ul><li><p>Антоновка", made), f"{name}: {made}"
        if "Сначала" in html:
            numbered = r"<ol[^<>]*><li><p>Сначала</p></li><li><p>Потом</p></li></ol>"
            assert re.search(numbered, made), f"{name}: {made}"
        if "tg://" in html:
            assert 'href="tg://resolve?domain=shop"' in made
            assert 'href="tel:+74951234567"' in made
    page.keyboard.press("Control+End")


def test_what_was_pasted_is_saved_and_comes_back_the_same(editor):
    page = editor
    page.fill("[name=subject]", "Из таблицы")
    made = paste(page, clipboard("excel"), text="x", picture=True)
    submit(page)
    page.wait_for_url(SAVED)
    page.get_by_role("link", name="Изменить").first.click()
    expect(page.locator(BODY)).to_contain_text("Товар – Цена")
    assert page.locator("textarea[name=body]").input_value() == made
    assert "region=7" in made


def test_a_picture_alone_still_goes_into_the_library(editor, expected_faults):
    page = editor
    expected_faults.append("422")  # four bytes are no picture
    for html in ("", '<meta charset="utf-8"><img src="https://x.org/a.png">'):
        paste(page, html, picture=True)
        expect(page.locator("#picture-window")).to_be_visible()
        page.click("#picture-window [data-close]")


def test_a_piece_of_ones_own_letter_is_pasted_as_it_is(editor):
    page = editor
    own = (
        '<p class="button" data-pm-slice="0 0 []"><a href="https://x.org">Купить</a></p>'
        "<p>Слова</p>"
    )
    made = paste(page, own)
    assert '<p class="button"><a href="https://x.org">Купить</a></p>' in made


def test_plain_text_keeps_its_lines(editor):
    page = editor
    made = paste(page, "", text="Первая\nВторая <b>\n\nТретья & ещё")
    for piece in ("Первая", "Вторая &lt;b&gt;", "Третья &amp; ещё"):
        assert f"{piece}<" in made


def open_link_window(page: Page) -> None:
    page.locator(BODY).click()
    page.click("[data-tool=link]")
    page.fill("#link-label", "слово")


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("tel:+74951234567", "tel:+74951234567"),
        ("sms:+79000000000", "sms:+79000000000"),
        ("tg://resolve?domain=shop", "tg://resolve?domain=shop"),
        ("mailto:a@shop.example", "mailto:a@shop.example"),
        ("shop.example/a?b=1&region=2", "https://shop.example/a?b=1&region=2"),
        ("a@shop.example", "mailto:a@shop.example"),
    ],
)
def test_an_address_from_the_link_window_arrives_whole(editor, typed, becomes):
    page = editor
    open_link_window(page)
    page.fill("#link-href", typed)
    page.click("#link-window [value=apply]")
    expect(page.locator("#link-window")).not_to_be_visible()
    expect(page.locator(f"{BODY} a")).to_have_attribute("href", becomes)
    page.fill("[name=subject]", "Ссылка")
    submit(page)
    page.wait_for_url(SAVED)
    shown = page.frame_locator("iframe").first
    expect(shown.get_by_role("link", name="слово")).to_have_attribute("href", becomes)


def test_a_slip_in_the_link_window_is_told_and_mended_by_a_button(editor):
    page = editor
    open_link_window(page)
    for typed in ("#kontakty", "/catalog", "javascript:alert(1)", "два слова", ""):
        page.fill("#link-href", typed)
        page.click("#link-window [value=apply]")
        expect(page.locator("#link-fault")).to_be_visible()
        expect(page.locator("#link-href")).to_have_value(typed)
    for typed in ("htps://shop.example", "https//shop.example"):
        page.fill("#link-href", typed)
        page.press("#link-href", "Enter")
        expect(page.locator("#link-fault")).to_contain_text("https://shop.example?")
    page.click("#link-fault button")
    page.press("#link-href", "Enter")
    expect(page.locator(f"{BODY} a")).to_have_attribute("href", "https://shop.example")


def test_a_pasted_link_that_leads_nowhere_is_told_with_its_words(editor):
    page = editor
    page.fill("[name=subject]", "Ссылка")
    paste(page, '<p>Смотрите <a href="htps://shop.example">наш каталог</a></p>')
    expect(page.locator("#check-list")).to_contain_text("наш каталог")
    submit(page)
    expect(page.locator(".invalid-feedback").filter(has_text="наш каталог")).to_be_visible()

"""The ready layouts: valid, small, dressed for every program, and losing no word."""

import re
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from mailings.messages import content, samples
from mailings.messages.blocks import blocks
from mailings.messages.layouts import HINTS
from mailings.models import Message
from mailings.rendering.compiler import Content, Recipient, compile_content
from mailings.states import Layout

LANGUAGES = ["ru", "en"]
PICTURE = '<img src="/media/letters/abcdefghijklmnopqrstuv.jpg" alt="Вид" width="512">'
VOID = {"img", "br", "hr", "meta", "link", "input"}

every_layout = pytest.mark.parametrize("layout", Layout.values)
in_both_languages = pytest.mark.parametrize("language", LANGUAGES)


def document(layout: str, body: str, language: str = "ru", name: str = "Книжный двор") -> str:
    owner = User(email="olga@example.org", full_name=name, language=language)
    return content.frozen_html(Message(owner=owner, subject="s", body=body, layout=layout))


def sample(layout: str, language: str) -> str:
    return document(layout, samples.sample(layout, language).body, language)


def words(html: str) -> list[str]:
    """Return the author's words in the order in which a reader meets them."""
    said = " ".join(re.findall(r"<!--body-->(.*?)<!--/body-->", html, re.S))
    return re.sub(r"<[^<>]*>", " ", said).split()


class Nesting(HTMLParser):
    """Every tag is closed in order, also inside the comments that only Outlook reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def as_outlook(html: str) -> str:
    """Return what Outlook sees: its conditional comments are plain markup for it."""
    return re.sub(r"<!--\[if [^\]]*\]>(.*?)<!\[endif\]-->", r"\1", html, flags=re.S)


# --------------------------------------------------------------------------- as HTML
@every_layout
@in_both_languages
def test_a_layout_is_valid_html(layout, language):
    html = sample(layout, language)
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(html)
    assert parser.errors == []
    assert Nesting(html).open == []
    assert Nesting(as_outlook(html)).open == []
    assert "%%" not in html


@every_layout
@in_both_languages
def test_a_layout_with_its_sample_is_small(layout, language):
    assert content.size_of(sample(layout, language)) <= 60_000


@every_layout
def test_a_layout_tells_programs_what_they_need(layout):
    html = sample(layout, "en")
    assert '<html lang="en" dir="ltr"' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme:dark)" in html
    assert "@media (max-width:479px)" in html
    assert '<table border="0" cellpadding="0" cellspacing="0" role="presentation"' in html
    assert [
        table for table in re.findall("<table[^<>]*>", html) if "presentation" not in table
    ] == []
    assert 'href="{{ unsubscribe_url }}"' in html


@every_layout
def test_what_is_seen_is_styled_inline(layout):
    """A program that drops the style sheet still shows the letter as it is meant."""
    html = sample(layout, "ru")
    body = html[html.index("<body") :]
    bare = re.findall(r"<(?:p|h1|h2|h3|a|ul|ol|blockquote)\b(?![^<>]* style=)[^<>]*>", body)
    assert bare == []


@every_layout
def test_a_letter_without_a_senders_name_or_words_is_still_whole(layout):
    for html in (document(layout, "", name=""), document(layout, "<p>a</p>", name="")):
        assert Nesting(as_outlook(html)).open == []
        assert "%%" not in html


def test_every_layout_is_explained_and_has_samples():
    assert HINTS.keys() == set(Layout)
    for language in LANGUAGES:
        for layout in Layout:
            found = samples.sample(layout, language)
            assert found.subject
            assert found.preheader
            assert content.sanitise(found.body).replace("&nbsp;", "\xa0") == found.body


def test_a_language_without_samples_gets_the_english_ones():
    assert samples.sample("event", "de") == samples.sample("event", "en")


# --------------------------------------------------------------------------- no word is lost
block = st.sampled_from(
    [
        "<p>п{n}</p>", "<h2>з{n}</h2>", "<h3>н{n}</h3>", "<hr>", PICTURE, "голый{n}",
        "<ul><li><p><strong>ф{n}</strong> знач{n}</p></li><li><p>просто{n}</p></li></ul>",
        "<ol><li>пункт{n}</li></ol>", "<blockquote><p>цитата{n}</p></blockquote>",
        '<p class="button"><a href="https://x.org/{n}">кнопка{n}</a></p>',
        '<h2><a href="https://x.org/">ссылка{n}</a></h2>', "<p>{{{{ v{n} }}}}</p>",
    ]
)  # fmt: skip
bodies = st.lists(block, max_size=9).map(
    lambda found: "".join(one.format(n=n) if one != PICTURE else one for n, one in enumerate(found))
)


@settings(max_examples=150, deadline=None)
@given(bodies, st.sampled_from(Layout.values))
def test_no_word_of_the_author_is_lost_or_said_twice(body, layout):
    html = document(layout, body)
    plain = re.sub(r"<[^<>]*>", " ", body).split()
    assert sorted(words(html)) == sorted(plain)
    assert html.count("<img") == body.count("<img")
    assert html.count('class="btn"') == body.count('class="button"')
    assert Nesting(as_outlook(html)).open == []


def test_html_is_cut_at_its_top_level_and_nowhere_else():
    html = f"a<p>b<br>c</p> <ul><li><p>d</p></li></ul><hr>{PICTURE}<h2>e</h2>"
    found = blocks(html)
    assert [one.tag for one in found] == ["", "p", "ul", "hr", "img", "h2"]
    assert found[2].inner == "<li><p>d</p></li>"
    assert found[4].is_picture


# --------------------------------------------------------------------------- what has a place
def test_the_title_of_an_announcement_stands_on_the_accent():
    html = document("announcement", '<h2><a href="https://x.org">Открываемся</a></h2><p>a</p>')
    hero = html[html.index('class="hero"') :]
    assert re.search(r'<h1 class="hero-title"[^<>]*><!--body-->Открываемся<!--/body--></h1>', hero)
    assert '<h1 class="hero-title"' not in document("announcement", "<p>a</p>")


def test_each_heading_of_a_digest_begins_an_item_with_its_number_or_picture():
    body = f"<h2>T</h2><p>i</p><h3>A</h3><p>a</p><h3>B</h3>{PICTURE}<p>b</p><h3>C</h3><hr><p>z</p>"
    html = document("digest", body)
    assert re.findall(r'class="tile"[^<>]*>(\d)<', html) == ["1", "3"]
    pictured = html[html.index("<!--body--><img") :]
    assert pictured.index("<img") < pictured.index(">B</h3>") < pictured.index(">b</p>")
    assert ".mj-column-per-36" in html
    assert html.index(">C</h3>") < html.rindex("dark-rule") < html.index(">z</p>")


def test_the_quotation_of_a_promotion_is_a_coupon_and_its_button_stands_on_top():
    html = sample("promotion", "en")
    assert re.search(r'<blockquote class="coupon" style="[^"]*2px dashed', html)
    panel = html[html.index('class="panel"') : html.index('class="coupon"')]
    assert 'class="btn"' in panel
    assert 'class="coupon"' not in document("letter", "<blockquote><p>a</p></blockquote>")


def test_the_first_list_of_an_event_becomes_its_facts():
    html = sample("event", "en")
    facts = re.findall(r'<td class="soft"[^<>]*><!--body-->(\w[\w ]*)<!--', html)
    assert facts == ["When", "Where", "How much"]
    assert "<ul" not in html


def test_the_letter_of_a_picture_in_every_layout_is_no_wider_than_its_column():
    for layout in Layout:
        html = document(layout, f"<h2>a</h2>{PICTURE}")
        assert re.search(r"<img [^<>]*max-width:512px", html)


@every_layout
def test_a_value_is_filled_in_once_and_escaped_wherever_it_stands(layout):
    body = "<h2>{{ v }}</h2><ul><li><p><strong>{{ v }}</strong> {{ v }}</p></li></ul>"
    html = document(layout, body)
    compiled = compile_content(Content("s", "", html, "t", "n", "a@x.org"))
    read = compiled.preview(Recipient("b@x.org", "B", {"v": "<b>%%name%%</b>"}, "1@x.org"))
    assert read.html.count("&lt;b&gt;%%name%%&lt;/b&gt;") == 3
    assert "{{ v }}" not in read.html

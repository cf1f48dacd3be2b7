"""What an owner writes, on its way into a letter. No database: the rows are never saved."""

import re
import time
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import site_address
from accounts.models import User
from mailings.messages import content
from mailings.models import Message
from mailings.rendering.compiler import Content, Recipient, compile_content

OWN = "/media/letters/abcdefghijklmnopqrstuv.png"
"""The address of a picture in somebody's library."""

properly = settings(max_examples=200, deadline=None)

# Pieces of HTML, right and wrong, in any order.
markup = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                *("<p>", "</p>", "<b>", "</b>", "<table>", "<tr>", "<td>", "</table>", "<li>"),
                *("<script>", "</script>", "<style>", "</style>", "<svg>", "<math>", "<!--", "-->"),
                *(
                    "<a href=",
                    "<img src=",
                    "<p onclick=",
                    '"',
                    "'",
                    ">",
                    "<",
                    "=",
                    "/",
                    "&",
                    "&lt;",
                ),
                *("javascript:", "https://x.org/", "{{ v }}", '{{ v|default:"', '" }}', "{{", "}}"),
                *('<a href="{{ v }}">', "<noscript>", "<template>", "<iframe srcdoc=", "&#106;"),
                *("<!--unsubscribe-->", "<!--/unsubscribe-->", "<textarea>", "<title>"),
            ]
        ),
    ),
    max_size=14,
).map("".join)


def message(**fields) -> Message:
    language = fields.pop("language", "ru")
    owner = User(email="olga@example.org", full_name="Книжный двор", language=language)
    defaults = {"subject": "Новости", "preheader": "", "body": "<p>Привет</p>"}
    return Message(owner=owner, **(defaults | fields))


def word_item(level: int, mark: str, words: str) -> str:
    """Return a point of a list as Word writes it."""
    ignored = f'<span style="mso-list:Ignore">{mark}&nbsp;</span>'
    return f'<p class=MsoListParagraph style="mso-list:l0 level{level} lfo1">{ignored}{words}</p>'


class Reader(HTMLParser):
    """Collects tags and attributes as a mail program would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def sent(html: str, value: str) -> str:
    compiled = compile_content(Content("s", "", html, "t", "n", "a@x.org"))
    recipient = Recipient("b@x.org", "B", {"v": value}, "1@x.org", "https://x.org/u/")
    compiled.render(recipient, datetime.now(UTC))
    return compiled.preview(recipient).html


# --------------------------------------------------------------------------- sanitising
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<p>a <b>b</b> <i>c</i> <u>d</u></p>", "<p>a <b>b</b> <i>c</i> <em>d</em></p>"),
        ("<h1>a</h1><h2>b</h2><h5>c</h5><hr><br>", "<h2>a</h2><h2>b</h2><h3>c</h3><hr><br>"),
        ("<DIV class=x>a</DIV><div>b</div>", "<p>a</p><p>b</p>"),
        ("<table><tr><td>a</td></tr></table><pre>b\nc</pre>", "<p>a</p><p>b<br>c</p>"),
        (
            "<table><tr><th>a<th>b</tr><tr><td>c<br>d<td><td>e</td></tr></table>",
            "<p><strong>a – b</strong></p><p>c d – e</p>",
        ),
        (
            "x<table><tr><td><p>a</p><table><tr><td>1<td>2</table></td><td>b</table>y",
            "x<p>a 1 – 2 – b</p>y",
        ),
        ("<table><tr><td><h2>a</h2><p>b</p></td></tr></table>", "<h2>a</h2><p>b</p>"),
        ('<b style="font-weight:normal"><p>a <b>b</b></p></b>', "<p>a <b>b</b></p>"),
        ('<b style="mso-bidi-font-weight:normal">a</b>', "<b>a</b>"),
        (
            word_item(1, "·", "a") + word_item(2, "1.", "b") + word_item(1, "·", "c") + "d",
            "<ul><li><p>a</p><ol><li><p>b</p></li></ol></li><li><p>c</p></li></ul>d",
        ),
        (
            '<table><tr><td><a href="https://x.org/?q={{ v }}&amp;r=1">a</a><td>b</table>',
            '<p><a href="https://x.org/?q={{ v }}&amp;r=1">a</a> – b</p>',
        ),
        ('<p class="button x">a</p><h2 class="button">b</h2>', '<p class="button">a</p><h2>b</h2>'),
        ("<ul><li>a</li></ul>", "<ul><li>a</li></ul>"),
        ('<ol start="3"><li>a</li></ol>', '<ol start="3"><li>a</li></ol>'),
        ("<script>alert(1)</script><style>p{}</style>b", "b"),
        ("<!-- c --><!--/body-->b", "b"),
        ('<p style="x:y" class="z" id="i" onclick="1">a</p>', "<p>a</p>"),
        ('<a href="https://x.org" target="_blank" rel="x">a</a>', '<a href="https://x.org">a</a>'),
        ('<a href="mailto:a@x.org">a</a>', '<a href="mailto:a@x.org">a</a>'),
        ('<a href="tel:+7495">a</a>', '<a href="tel:+7495">a</a>'),
        ('<a href="SMS:+7900">a</a>', '<a href="SMS:+7900">a</a>'),
        ('<a href="tg://resolve?domain=a">a</a>', '<a href="tg://resolve?domain=a">a</a>'),
        ('<a href="javascript:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="JaVa&#10;script:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="data:text/html,x">a</a>', "<a>a</a>"),
        ('<a href="//x.org">a</a>', "<a>a</a>"),
        ('<a href="/local">a</a>', "<a>a</a>"),
        ('<a href="https://me:pw@x.org">a</a>', "<a>a</a>"),
        ('<a href="{{ link }}">a</a>', '<a href="{{ link }}">a</a>'),
        ('<a href="{{ link }}?a=1">a</a>', '<a href="{{ link }}?a=1">a</a>'),
        ('<a href="https://x.org/?q={{ v }}">a</a>', '<a href="https://x.org/?q={{ v }}">a</a>'),
        ('<a href="https://x.org/{{ v }}/">a</a>', '<a href="https://x.org/{{ v }}/">a</a>'),
        ('<a href="https://{{ host }}/">a</a>', "<a>a</a>"),
        ('<a href="{{ a }}{{ b }}">a</a>', "<a>a</a>"),
        ('<a href="{{ scheme }}:x">a</a>', "<a>a</a>"),
        (f'<img src="{OWN}" alt="b" srcset="x">', f'<img src="{OWN}" alt="b">'),
        (f'<img src="{OWN}" width="300">', f'<img src="{OWN}" width="300">'),
        (f'<img src="{OWN}" width="9999999">', f'<img src="{OWN}">'),
        (f'<img src="{OWN}?a"><img src="{OWN}.svg"><img src="https://x.org{OWN}">', ""),
        ('<img src="/media/letters/../secret"><img src="/media/avatars/a.png">', ""),
        ('<img src="https://x.org/a.png"><img src="data:image/png;base64,x">', ""),
        ("<iframe src=https://x></iframe><form><input></form>a", "a"),
        ("<svg><a href=https://x>b</a></svg>", ""),
        ("<b>unclosed", "<b>unclosed</b>"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("{{ first_name }}", "{{ first_name }}"),
    ],
)
def test_only_what_a_letter_may_hold_is_kept(written, kept):
    assert content.sanitise(written) == kept
    assert content.sanitise(kept) == kept  # on save, and again when a run is prepared


@pytest.mark.parametrize("monster", ["<div>" * 100_000, "<b>" * 100_000, "{{" * 100_001])
def test_a_monstrous_body_is_refused_at_once(monster):
    began = time.process_time()
    assert "<" not in content.sanitise(monster)
    [(field, message)] = found(body=monster)
    assert field == "body"
    assert "Shorten it" in message
    assert time.process_time() - began < 1


@pytest.mark.parametrize("piece", ["<div>", "{{", "{% x %}", "<a href='x'>", "{{ a }}", "<b><i>"])
def test_the_worst_body_that_is_read_is_read_soon(piece):
    body = (piece * content.MAX_SOURCE)[: content.MAX_SOURCE]
    body = "<".join(body.split("<")[: content.MAX_TAGS])
    began = time.process_time()
    assert found(body=body)
    assert time.process_time() - began < 5


@properly
@given(markup, st.one_of(st.text(max_size=30), markup, st.just("javascript:alert(1)")))
def test_neither_author_nor_client_brings_anything_dangerous_into_a_letter(html, value):
    clean = content.sanitise(html)
    before, after = Reader(clean).tags, Reader(sent(clean, value)).tags
    # A value adds or removes no tag and no attribute.
    assert [(tag, list(attrs)) for tag, attrs in after] == [(t, list(a)) for t, a in before]
    for tag, attributes in after:
        assert tag in content.TAGS
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            address = (attributes.get(name) or "#").lower()
            assert address.startswith(
                ("https://", "http://", "mailto:", "tel:", "sms:", "tg://", "#", "/media/")
            )


# --------------------------------------------------------------------------- the letter
def test_a_letter_shows_sender_preheader_body_and_why_it_came():
    html = content.frozen_html(message(preheader="Три книги & скидка"), sender_name="Лавка")
    assert '<html lang="ru"' in html
    assert "<title>Новости</title>" in html
    assert re.search(r'display:none[^>]*">Три книги &amp; скидка', html)
    assert re.search(r'font:700 20px[^>]*">Лавка<', html)
    assert re.search(r'<p class="ink" style="[^"]*17px/1.6[^"]*">Привет</p>', html)
    assert "prefers-color-scheme:dark" in html
    assert '<a href="{{ unsubscribe_url }}"' in html


def test_a_letter_speaks_its_owners_language_whoever_looks_at_it():
    with translation.override("ru"):
        html = content.frozen_html(message(language="en"))
    assert "You received this letter" in html
    assert ">Unsubscribe</a>" in html


def test_a_stored_body_is_sanitised_again_before_it_is_sent():
    html = content.frozen_html(message(body="<p>a</p><script>alert(1)</script>"))
    assert "script" not in html


def test_what_is_not_html_is_escaped():
    evil = "<script>alert(1)</script>"
    html = content.frozen_html(message(subject=evil, preheader=evil), sender_name=evil)
    assert "<script" not in html


def test_variables_stay_for_the_renderer():
    letter = message(subject='{{ v|default:"друг" }}', preheader="{{ v }}", body="<p>{{ v }}</p>")
    html = sent(content.frozen_html(letter), "Ольга")
    assert "<title>Ольга</title>" in html
    assert html.count("Ольга") == 3
    assert "{{" not in html


def test_own_pictures_get_the_address_of_the_site():
    site_address.remember("https://vestnik.example")
    html = content.frozen_html(message(body=f'<img src="{OWN}" alt="">'))
    assert f'<img src="https://vestnik.example{OWN}"' in html


def test_a_picture_is_no_wider_than_the_column():
    body = f'<img src="{OWN}" width="1200" height="800">'
    html = content.frozen_html(message(body=body))
    assert re.search(r'<img src="[^"]*" width="512" style="[^"]*max-width:512px', html)


def test_a_paragraph_that_is_one_bold_link_becomes_a_button():
    html = content.frozen_html(
        message(body='<p><strong><a href="https://x.org/?v={{ v }}">Смотреть</a></strong></p>')
    )
    button = re.search(r'<td class="btn"[^>]*><a href="https://x.org/\?v={{ v }}" [^>]*>', html)
    assert button


def test_what_the_editor_calls_a_button_is_one():
    body = '<p class="button"><a href="https://x.org/">Смотреть</a></p>'
    html = content.frozen_html(message(body=content.sanitise(body)))
    assert re.search(r'<td class="btn"[^>]*><a href="https://x.org/" [^>]*>Смотреть</a>', html)


def test_a_letter_is_small():
    assert len(content.frozen_html(message()).encode()) < 12_000


def test_every_tag_that_is_let_through_keeps_its_shape():
    body = "".join(f"<{tag}>x</{tag}>" for tag in ("h2", "h3", "p", "blockquote"))
    letter = content.frozen_html(message(body=body))
    dressed = re.search(r"<!--body-->(.*)<!--/body-->", letter, re.S)[1]
    assert content.sanitise(dressed) == body


# --------------------------------------------------------------------------- plain text
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b<br>c</p>", "a\n\nb\nc\n"),
        ('<p><a href="https://x.org">a</a></p>', "a (https://x.org)\n"),
        ('<p><a href="https://x.org">https://x.org</a></p>', "https://x.org\n"),
        ('<p><a href="mailto:a@x.org">write</a></p>', "write (a@x.org)\n"),
        ('<p><a href="mailto:a@x.org">a@x.org</a></p>', "a@x.org\n"),
        ('<p><a href="https://x.org/?a=1&amp;b=2">a</a></p>', "a (https://x.org/?a=1&b=2)\n"),
        ('<a href="https://x.org"><img src="https://x/a" alt="Cat"></a>', "Cat (https://x.org)\n"),
        ("<ul><li>a</li><li>b</li></ul>", "  * a\n  * b\n"),
        ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "  * a\n  * b\n"),
        (f'<p>a</p><img src="{OWN}" alt="Cat"><p>b</p>', "a\n\nCat\n\nb\n"),
        ("<p>1 &lt; 2&nbsp;&amp; 3</p>", "1 < 2 & 3\n"),
        (
            "<p>&amp;copy; &amp;lt;b&amp;gt; &amp;amp; &amp;#60;</p>",
            "&copy; &lt;b&gt; &amp; &#60;\n",
        ),
        ("<p>AT&amp;T&amp;reg, &amp;<b>copy;</b></p>", "AT&T&reg, &copy;\n"),
        ('<p><a href="tel:+74951234567">call</a></p>', "call (tel:+74951234567)\n"),
        ('<p><a href="tel:+74951234567">+74951234567</a></p>', "+74951234567\n"),
        (
            '<p><a href="mailto:a@x.org?subject=Hi%20you">a</a></p>',
            "a (mailto:a@x.org?subject=Hi%20you)\n",
        ),
        ('<p><a href="tg://resolve?domain=shop">us</a></p>', "us (tg://resolve?domain=shop)\n"),
        ('<p><a title="a>b" href="https://x.org">a</a></p>', "a (https://x.org)\n"),
        ('<p>{{ v|default:"друг" }}</p>', '{{ v|default:"друг" }}\n'),
        ("", ""),
    ],
)
def test_html_reads_well_as_plain_text(html, text):
    assert content.text_from(html) == text


LINKS = [
    "https://shop.example/find?city=1&region=77&section=2&currency=rub&notify=1&times=3&degree=2",
    "https://shop.example/?copy=1&reg=2&para=3&amp=4&lt=5&gt;=6&not=7&yen=8&#169;=9",
    "https://shop.example/?a=&amp;copy;&b=&quot;",
    "https://shop.example/a%20b?x='1'&y=(2)",
    "https://магазин.рф/каталог?ц=1&deg=2",
    "mailto:a@x.org?subject=A&body=B&copy=C",
    "tel:+74951234567",
    "sms:+79000000000?&body=Hi",
    "tg://resolve?domain=shop&region=1",
]


@pytest.mark.parametrize("href", LINKS)
@pytest.mark.parametrize("words", ["каталог", None])
def test_each_link_of_the_text_part_is_that_of_the_html_part(href, words):
    shown = escape(href if words is None else words)
    letter = message(body=f'<p><a href="{escape(href)}">{shown}</a></p>')
    html = content.frozen_html(letter)
    assert href in [dict(attrs).get("href") for tag, attrs in Reader(html).tags if tag == "a"]
    assert href in content.frozen_text(letter, html)


@pytest.mark.parametrize("typed", ["&copy; и &lt;b&gt;", "a=1&region=2", "&amp;amp; & &#38;"])
def test_what_looks_like_an_entity_is_sent_as_it_is_typed(typed):
    letter = message(subject=typed, preheader=typed, body=f"<p>{escape(typed)}</p>")
    html = content.frozen_html(letter)
    text = content.frozen_text(letter, html)
    assert text.startswith(f"{typed}\n")
    compiled = compile_content(Content(typed, typed, html, text, "n", "a@x.org"))
    shown = compiled.preview(Recipient("b@x.org", "B", {}, "1@x.org", ""))
    assert (shown.subject, shown.preheader) == (typed, typed)
    assert f"<title>{escape(typed)}</title>" in shown.html
    assert shown.text.startswith(f"{typed}\n")


@pytest.mark.parametrize(
    ("href", "value", "becomes"),
    [
        ("https://x.org/?a=1&region={{ v }}", "A&B", "https://x.org/?a=1&region=A%26B"),
        ("tel:{{ v }}", "+7 (495) 123-45-67", "tel:+7(495)123-45-67"),
        ("sms:{{ v }}?body=Hi%20{{ v }}", "+7 9", "sms:+79?body=Hi%20%2B7%209"),
        ("tg://resolve?domain={{ v }}", "a b", "tg://resolve?domain=a%20b"),
        ("mailto:a@x.org?subject={{ v }}", "a & b", "mailto:a@x.org?subject=a%20%26%20b"),
    ],
)
def test_a_variable_in_a_link_is_written_alike_in_both_parts(href, value, becomes):
    letter = message(body=f'<p><a href="{escape(href)}">words</a></p>')
    html = content.frozen_html(letter)
    text = content.frozen_text(letter, html)
    compiled = compile_content(Content("s", "", html, text, "n", "a@x.org"))
    shown = compiled.preview(Recipient("b@x.org", "B", {"v": value}, "1@x.org", ""))
    links = [dict(attrs).get("href") for tag, attrs in Reader(shown.html).tags if tag == "a"]
    assert links[0] == becomes
    assert f"words ({becomes})" in shown.text


def test_a_letter_as_text_has_its_body_and_the_way_to_unsubscribe():
    letter = message(language="en", preheader="hidden", body="<h1>Hello</h1><p>{{ v }}</p>")
    text = content.text_from(content.frozen_html(letter))
    assert text.startswith("Hello\n\n{{ v }}\n\n-- \n")
    assert text.endswith("Unsubscribe ({{ unsubscribe_url }})\n")
    assert "hidden" not in text


# --------------------------------------------------------------------------- checking
def found(subject="s", preheader="", body="<p>b</p>", known=("city",), text=""):
    with translation.override("en"):
        problems = content.problems(subject, preheader, body, known, text=text)
        return [(problem.field, problem.message) for problem in problems]


@pytest.mark.parametrize(
    "text",
    [
        "plain 100 %",
        "{{ first_name }}, {{ full_name }}, {{ email }}",
        '{{ city|default:"town" }}',
        "{ curly }",
    ],
)
def test_a_message_without_faults_has_no_problems(text):
    assert found(text, text, f"<p>{text}</p>") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ cty }}", "Did you mean {{ city }}?"),
        ("{{ zzz }}", "Known are: full_name, first_name, email"),
        ("{{ city", "“{{ city” is not closed"),
        ("{{ city {{ email }}", "“{{ city” is not closed"),
        ("city }}", "There is }} without {{ before it."),
        ("{{ city|upper }}", "“{{ city|upper }}” is not a variable"),
        ("{{ 1 + 1 }}", "“{{ 1 + 1 }}” is not a variable"),
        ("{% if x %}", "“{% if x %}” is not a variable"),
    ],
)
def test_a_problem_is_told_in_each_field(text, words):
    for field in ("subject", "preheader", "body", "text"):
        [(where, message)] = found(**{field: text})
        assert where == field
        assert words in message


def test_an_unknown_name_with_a_default_does_not_block():
    known, unknown = '{{ city|default:"x" }}', '{{ street|default:"x" }}'
    [problem] = content.problems(known + unknown, "", "<p>b</p>", ["city"])
    assert not problem.blocking
    [problem] = content.problems("{{ street }}", "", "<p>b</p>", ["city"])
    assert problem.blocking


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<p>{{ <b>city</b> }}</p>", "“{{ city }}” has formatting inside"),
        ('<a href="javascript:1">a</a>', "The link “javascript:1” cannot be kept"),
        ("<a href=javascript:1>ab</a>", "its words are “ab”"),
        ('<p class="button"><a href="/catalog">Buy</a></p>', "its words are “Buy”"),
        ('<a href="htps://x.org"><b>a</b> c</a>', "“a c”. Did you mean https://x.org?"),
        ('<a href="x.org">a</a>', "Did you mean https://x.org?"),
        ('<a href="#top">a</a>', "a place in a page"),
        ('<a href="https://x.org:99999/">a</a>', "none that a browser would follow"),
        ('<a href="https://{{ city }}/">a</a>', "The link “https://{{ city }}/” cannot be kept"),
        ('a<img src="https://x.org/a.png">', "The picture “https://x.org/a.png” cannot be kept"),
        ('<a href="https://x.org/?a={{ city|x }}">a</a>', "“{{ city|x }}” is not a variable"),
        ('<a href="https://x.org/?a={{ cty }}">a</a>', "Did you mean {{ city }}?"),
        ("<p> </p>", "The letter is empty."),
        ("<script>alert(1)</script>", "The letter is empty."),
    ],
)
def test_a_problem_of_the_body_is_told(body, words):
    [(field, message)] = found(body=body)
    assert field == "body"
    assert words in message


def test_a_letter_of_one_picture_is_not_empty():
    assert found(body=f'<img src="{OWN}">') == []


def test_the_size_of_a_letter_is_what_it_takes_on_its_way():
    assert content.size_of("a" * 70) == 70
    assert content.size_of("я" * 10) == 60  # two bytes of three characters each


# --------------------------------------------------------------------------- the text version
def test_the_text_version_is_made_of_the_body():
    letter = message(language="en", layout="event", body="<h2>A</h2><ul><li><p>b</p></li></ul>")
    text = content.frozen_text(letter, content.frozen_html(letter))
    assert text.startswith("A\n\n  * b\n\n-- \nYou received")


def test_a_text_version_of_the_authors_own_stands_in_its_place():
    letter = message(language="en", text="My words,\r\n{{ v }}\r\n")
    text = content.frozen_text(letter, content.frozen_html(letter))
    assert text.startswith("My words,\n{{ v }}\n\n-- \nYou received")
    assert text.endswith("Unsubscribe ({{ unsubscribe_url }})\n")
    assert "Привет" not in text

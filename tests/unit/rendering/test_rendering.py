"""The bytes of a mail, parsed back with the standard library's email package."""

import email
import email.header
import email.policy
import html
import re
import string
from datetime import UTC, datetime
from email.message import EmailMessage
from quopri import decodestring

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailings.rendering.compiler import (
    Content,
    Recipient,
    RenderError,
    compile_content,
    needs_smtputf8,
    variables_in,
)
from mailings.rendering.encoding import quoted_printable

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ENCODINGS = ["quoted-printable", "8bit"]

properly = settings(max_examples=200, deadline=None)

# Any text at all, and what tends to break mails.
words = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="абвгд ёЁщ", max_size=120),
    st.text(alphabet="ab .=\r\n\t", max_size=200),
    st.text(alphabet=st.characters(codec="utf-8"), min_size=20, max_size=80),
    st.sampled_from(
        [
            "=?utf-8?q?=0D=0ABcc=3A_x?=",
            "From me",
            ".",
            "..\r\n.\r\n",
            "a" * 300,
            "é" * 200,
            "👩‍👩‍👧‍👦" * 30,
            "{{ email }}",
            "%b %s %",
            "Ann\r\nBcc: x@y.org",
            "Ann\u2028Bcc: x@y.org",
            " lead and trail ",
            '"quoted" <x@y.org>, other',
            "\ufeffBOM",
            "\ud800 alone",
            "-" * 80,
            "<script>alert(1)</script>",
        ]
    ),
)


def content(**changes) -> Content:
    fields = {
        "subject": "{{ first_name }}, новости недели",
        "preheader": "Три книги для {{ first_name }}",
        "html": '<p>Здравствуйте, {{ first_name|default:"друг" }}!</p>',
        "text": 'Здравствуйте, {{ first_name|default:"друг" }}!\n',
        "sender_name": "Книжный двор",
        "sender_email": "news@books.example",
    }
    return Content(**(fields | changes))


def recipient(**changes) -> Recipient:
    fields = {
        "address": "olga@clients.example",
        "full_name": "Ольга Орлова",
        "variables": {},
        "message_id": "7.1@books.example",
    }
    return Recipient(**(fields | changes))


def rendered(fields: dict | None = None, encoding="quoted-printable", **changes) -> EmailMessage:
    compiled = compile_content(content(**(fields or {})), transfer_encoding=encoding)
    return parse(compiled.render(recipient(**changes), NOW))


def parse(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    for part in message.walk():
        assert not part.defects
    return message


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body(preferencelist=(kind,))
    assert found is not None
    return found.get_content().replace("\r\n", "\n")


def header(message: EmailMessage, name: str) -> str:
    """Decode a header as RFC 2047 says, without the parser's idea of its structure."""
    return str(email.header.make_header(email.header.decode_header(raw(message, name))))


def raw(message: EmailMessage, name: str) -> str:
    value = next(value for key, value in message.raw_items() if key == name)
    return re.sub(r"\r?\n(?=[ \t])", "", str(value))


def in_header(text: str) -> str:
    """What a header may show of a text: one line, single spaces."""
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text)
    return re.sub(r"[\t\r\n \x80-\x9f\u2028\u2029]+", " ", text).strip(" ").replace("\ud800", "?")


def in_body(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text).replace("\ud800", "?")


def assert_fit_for_the_wire(mail: bytes, encoding: str) -> None:
    rest = mail.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert b"\0" not in rest
    assert mail.endswith(b"\r\n")
    head, _blank, _body = mail.partition(b"\r\n\r\n")
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert b"" not in [line.strip() for line in head.split(b"\r\n")]
    for word in re.findall(rb"=\?utf-8\?b\?[^ ]*\?=", head):
        assert len(word) <= 75
        for text, charset in email.header.decode_header(word.decode()):
            text.decode(charset)  # no character is split
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    if encoding == "quoted-printable":
        assert mail.isascii()
        for line in mail.split(b"\r\n"):
            assert len(line) <= 78
            assert not line.startswith((b".", b"From "))
            assert line == b"Subject: " or not line.endswith((b" ", b"\t"))


# --------------------------------------------------------------------------- properties
@pytest.mark.parametrize("encoding", ENCODINGS)
@properly
@given(subject=words, name=words, sender=words, value=words)
@example(subject="a", name="Ann", sender="x" * 62, value="")
def test_headers_and_bodies_come_back_as_they_went_in(encoding, subject, name, sender, value):
    fields = {
        "subject": subject.replace("{{", "") + "{{ v }}",
        "sender_name": sender,
        "text": "Value: {{ v }}\n{{ v }} {{ v }}{{ v }}.\n",
        "html": '<p title="{{ v }}">{{ v }}</p>\n<b>x</b>{{ v }}',
    }
    compiled = compile_content(content(**fields), transfer_encoding=encoding)
    mail = compiled.render(recipient(full_name=name, variables={"v": value}), NOW)

    assert_fit_for_the_wire(mail, encoding)
    message = parse(mail)
    written, escaped = in_body(value), html.escape(in_body(value))
    expected_subject = in_header(subject.replace("{{", "") + in_body(value))
    assert header(message, "Subject") == expected_subject
    assert message["To"].addresses[0].addr_spec == "olga@clients.example"
    assert message["From"].addresses[0].addr_spec == "news@books.example"
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    assert part(message, "plain") == f"Value: {written}\n{written} {written}{written}.\n"
    assert part(message, "html") == f'<p title="{escaped}">{escaped}</p>\n<b>x</b>{escaped}'


@properly
@given(name=words)
@example(name='a "b" \\ c')
@example(name="Иванов Иван Иванович-" * 9)
def test_names_come_back_as_they_went_in(name):
    message = rendered({"sender_name": name}, full_name=name)
    for field, address in (("To", "olga@clients.example"), ("From", "news@books.example")):
        expected = in_header(name)
        value = raw(message, field)
        if not expected:
            assert value == address
            continue
        phrase = value.removesuffix(f"<{address}>").strip()
        if phrase.startswith('"'):
            decoded = re.sub(r"\\(.)", r"\1", phrase[1:-1])
            assert "=?" not in phrase  # some programs decode even inside quotes
        else:
            decoded = str(email.header.make_header(email.header.decode_header(phrase)))
        assert decoded == expected


@pytest.mark.parametrize("encoding", ENCODINGS)
@properly
@given(st.text(max_size=400), st.text(max_size=400))
def test_the_preview_is_what_is_sent(encoding, text, markup):
    compiled = compile_content(content(text=text, html=markup), transfer_encoding=encoding)
    preview = compiled.preview(recipient())
    mail = compiled.render(recipient(), NOW)
    assert_fit_for_the_wire(mail, encoding)
    message = parse(mail)
    assert part(message, "plain") == preview.text
    assert part(message, "html") == preview.html
    assert message["Subject"] == preview.subject == "Ольга, новости недели"


@properly
@given(value=words)
def test_no_value_gets_out_of_its_place_in_html(value):
    compiled = compile_content(content(html='<a href="{{ v }}" title="{{ v }}">{{ v }}</a>'))
    shown = compiled.preview(recipient(variables={"v": value})).html
    inside = re.fullmatch(r'<a href="([^"<>]*)" title="([^"<>]*)">([^"<>]*)</a>', shown)
    assert inside
    assert inside[1] == "#" or html.unescape(inside[1]).lower().startswith(
        ("http://", "https://", "mailto:", "tel:", "sms:", "tg://")
    )
    assert html.unescape(inside[2]) == html.unescape(inside[3])


# --------------------------------------------------------------------------- headers
def test_a_letter_carries_what_bulk_senders_owe():
    message = rendered(
        {"reply_to": "shop@books.example", "list_id": "17.books.example", "feedback_id": "17:9:v"},
        unsubscribe_url="https://vestnik.example/u/token/",
    )
    assert message["Message-ID"] == "<7.1@books.example>"
    assert message["Date"].datetime == NOW
    assert message["Reply-To"] == "shop@books.example"
    assert message["List-Unsubscribe"] == "<https://vestnik.example/u/token/>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-ID"] == "<17.books.example>"
    assert message["Feedback-ID"] == "17:9:v"
    assert message["Precedence"] == "bulk"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"


def test_one_click_is_offered_over_https_alone():
    message = rendered(unsubscribe_url="http://localhost:8000/u/token/")
    assert message["List-Unsubscribe"] == "<http://localhost:8000/u/token/>"
    assert message["List-Unsubscribe-Post"] is None


def test_no_header_is_doubled():
    names = [name.lower() for name in rendered(unsubscribe_url="https://v.example/u/")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85", "\r\n\r\n"])
def test_no_value_starts_a_header(breaks):
    evil = f"Ольга{breaks}Bcc: victim@x.org"
    message = rendered({"subject": "{{ full_name }}", "sender_name": evil}, full_name=evil)
    assert message["Bcc"] is None
    assert message["Subject"].replace(" ", "") == "ОльгаBcc:victim@x.org"


@pytest.mark.parametrize(
    "bad",
    [
        *("", "a", "a b@x.org", "a@x.org,b@x.org", "a@x.org\r\nBcc: b@x.org", "a@x.org>"),
        *("a@x.org\0", "<a@x.org>", "a@x\u2028.org", "a" * 320 + "@x.org"),
    ],
)
def test_anything_but_one_address_is_not_rendered(bad):
    with pytest.raises(RenderError):
        compile_content(content()).render(recipient(address=bad), NOW)
    with pytest.raises(RenderError):
        compile_content(content(sender_email=bad))


@pytest.mark.parametrize(
    "good", ["a@x.org", "a.b+c@x.co.uk", "o'neil@x.org", '"a,b"@x.org', "почта@x.org", "a@[::1]"]
)
def test_any_one_address_is_rendered(good):
    mail = compile_content(content()).render(recipient(address=good, full_name=""), NOW)
    assert f"\r\nTo: {good}\r\n".encode() in mail


def test_an_owners_address_may_have_a_domain_as_it_was_typed():
    message = rendered({"sender_email": "a@пример.рф", "reply_to": "b@пример.рф"})
    assert message["From"].addresses[0].addr_spec == "a@xn--e1afmkfd.xn--p1ai"
    assert message["Reply-To"] == "b@xn--e1afmkfd.xn--p1ai"


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    compiled = compile_content(content())
    assert compiled.needs_smtputf8(recipient(address="почта@x.org"))
    assert not compiled.needs_smtputf8(recipient())
    assert needs_smtputf8("почта@x.org")


@pytest.mark.parametrize("bad", ["", "no-at-sign", "a@b>\r\nBcc: <c@d", "a b@c", "я@b"])
def test_a_message_id_is_one_word(bad):
    with pytest.raises(RenderError):
        compile_content(content()).render(recipient(message_id=bad), NOW)


@pytest.mark.parametrize("bad", ["javascript:1", "https://x/ y", "https://x/>\r\nBcc: a", "//x"])
def test_the_unsubscribe_address_is_one_url(bad):
    with pytest.raises(RenderError):
        compile_content(content()).render(recipient(unsubscribe_url=bad), NOW)


def test_a_list_id_is_one_word():
    with pytest.raises(RenderError):
        compile_content(content(list_id="a>\r\nBcc: x"))


def test_a_long_unsubscribe_address_is_folded_not_cut():
    url = "https://vestnik.example/u/" + "t" * 200 + "/"
    message = rendered(unsubscribe_url=url)
    assert raw(message, "List-Unsubscribe").strip() == f"<{url}>"


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="aware"):
        compile_content(content()).render(recipient(), datetime(2026, 1, 1))  # noqa: DTZ001


# --------------------------------------------------------------------------- variables
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ full_name }}", "Ольга Орлова"),
        ("{{full_name}}", "Ольга Орлова"),
        ("{{ first_name }}", "Ольга"),
        ("{{ email }}", "olga@clients.example"),
        ("{{ city }}", "Тверь"),
        ("{{ город }}", "Волга"),
        ("{{ points }}", "12"),  # attributes are JSON
        ("{{ nobody }}", ""),
        ("{{ null }}", ""),
        ('{{ nobody|default:"друг" }}', "друг"),
        ('{{ empty|default:"друг" }}', "друг"),
        ('{{ city | default: "друг" }}', "Тверь"),
        # Everything else is text.
        ("{{ city|upper }}", "{{ city|upper }}"),
        ("{{ city.x }}", "{{ city.x }}"),
        ("{{ __class__ }}", ""),
        ("{% if city %}", "{% if city %}"),
        ("{{ city", "{{ city"),
        ("{ { city } }", "{ { city } }"),
        ("{{ 1 }}", "{{ 1 }}"),
        ("{{ a b }}", "{{ a b }}"),
        ("%(city)s %s {city} ${city}", "%(city)s %s {city} ${city}"),
    ],
)
def test_only_simple_variables_are_filled_in(template, text):
    variables = {"city": "Тверь", "город": "Волга", "points": 12, "empty": "", "null": None}
    compiled = compile_content(content(subject=template, text=template))
    preview = compiled.preview(recipient(variables=variables))
    assert preview.text == preview.subject == text


def test_a_value_is_not_read_as_a_template():
    message = rendered({"text": "{{ v }}"}, variables={"v": "{{ email }}"})
    assert part(message, "plain") == "{{ email }}"


def test_values_are_escaped_in_html_alone():
    fields = {"html": "<p>{{ v }}</p>", "text": "{{ v }}", "subject": "{{ v }}"}
    message = rendered(fields, variables={"v": "<b>R&D</b>"})
    assert part(message, "html") == "<p>&lt;b&gt;R&amp;D&lt;/b&gt;</p>"
    assert part(message, "plain") == message["Subject"] == "<b>R&D</b>"


@pytest.mark.parametrize(
    ("href", "value", "becomes"),
    [
        ("{{ v }}", "https://x.org/a?b=1&c=2", "https://x.org/a?b=1&amp;c=2"),
        ("{{ v }}", "mailto:a@x.org", "mailto:a@x.org"),
        ("{{ v }}", "tel:+7495", "tel:+7495"),
        ("tel:{{ v }}", "javascript:alert(1)", "tel:javascript%3Aalert(1)"),
        ("{{ v }}", "javascript:alert(1)", "#"),
        ("{{ v }}", " java\nscript:alert(1)", "#"),
        ("{{ v }}", "data:text/html,x", "#"),
        ("{{ v }}", "//evil.org", "#"),
        ("{{ v }}", "https:evil", "#"),
        ("{{ v }}", "", "#"),
        (" {{ v }}", "javascript:alert(1)", "#"),
        ("{{ v }}/a", "https://x.org", "https://x.org/a"),
        ("{{ nothing }}{{ v }}", "javascript:1", "#javascript%3A1"),
        ("https://x.org/?q={{ v }}&a=1", "a&b=c#d", "https://x.org/?q=a%26b%3Dc%23d&a=1"),
        ("https://x.org/{{ v }}/", "../../ю", "https://x.org/..%2F..%2F%D1%8E/"),
        ("java{{ v }}", "script:alert(1)", "javascript%3Aalert%281%29"),
        ("mailto:{{ v }}", "a@x.org", "mailto:a@x.org"),
    ],
)
def test_a_value_in_a_link_cannot_change_where_it_leads(href, value, becomes):
    compiled = compile_content(content(html=f'<a href="{href}">x</a>'))
    shown = compiled.preview(recipient(variables={"v": value})).html
    assert shown == f'<a href="{becomes}">x</a>'


def test_styles_scripts_comments_and_handlers_have_no_variables():
    markup = (
        "<style>{{ email }}</style><!-- {{ email }} --><script>{{ email }}</script>"
        '<p style="x:{{ email }}" onclick="{{ email }}">{% raw %}</p>'
    )
    assert compile_content(content(html=markup)).preview(recipient()).html == markup


def test_a_link_in_plain_text_stays_one_word():
    message = rendered({"text": "(https://x.org/?n={{ full_name }}) {{ full_name }}"})
    assert part(message, "plain") == (
        "(https://x.org/?n=%D0%9E%D0%BB%D1%8C%D0%B3%D0%B0%20%D0%9E%D1%80%D0%BB%D0%BE%D0%B2%D0%B0)"
        " Ольга Орлова"
    )


def test_variables_are_listed_once_with_their_defaults():
    text = '{{ a }} {{ b|default:"x" }} {{a}} {{ b|default:&quot;x&quot; }} {{ c|up }}'
    assert variables_in(text) == [("a", ""), ("b", "x")]


def test_a_client_without_any_name_has_no_first_name():
    message = rendered({"text": "{{ first_name }}."}, full_name="", variables={"full_name": None})
    assert part(message, "plain") == "."


def test_an_attribute_goes_before_the_guessed_first_name():
    message = rendered(variables={"first_name": "Оля", "email": "other@x.org"})
    assert message["Subject"] == "Оля, новости недели"


# --------------------------------------------------------------------------- unsubscribing
UNSUBSCRIBE = {
    "html": '<p>a</p><!--unsubscribe--><a href="{{ unsubscribe_url }}">u</a><!--/unsubscribe-->',
    "text": "a\n-- \nUnsubscribe: {{ unsubscribe_url }}\n",
}


def test_a_letter_has_a_way_to_unsubscribe_where_one_is_given():
    compiled = compile_content(content(**UNSUBSCRIBE))
    url = "https://v.example/u/1/?a=1&b=2"
    given_one = parse(compiled.render(recipient(unsubscribe_url=url), NOW))
    assert part(given_one, "html") == f'<p>a</p><a href="{html.escape(url)}">u</a>'
    assert part(given_one, "plain") == f"a\n-- \nUnsubscribe: {url}\n"
    without = parse(compiled.render(recipient(), NOW))
    assert part(without, "html") == "<p>a</p>"
    assert part(without, "plain") == "a\n-- \n"
    assert without["List-Unsubscribe"] is None


# --------------------------------------------------------------------------- encodings
def test_a_line_too_long_for_8bit_goes_as_quoted_printable():
    compiled = compile_content(content(text="{{ v }}"), transfer_encoding="8bit")
    short = compiled.render(recipient(variables={"v": "ю" * 300}), NOW)
    long = compiled.render(recipient(variables={"v": "ю" * 600}), NOW)
    assert b"Transfer-Encoding: 8bit" in short
    assert b"Transfer-Encoding: 8bit" not in long
    assert part(parse(long), "plain") == "ю" * 600


def test_a_value_that_holds_the_boundary_does_not_end_its_part():
    compiled = compile_content(content(text="{{ v }}"), transfer_encoding="8bit")
    boundary = parse(compiled.render(recipient(), NOW)).get_boundary()
    value = f"a\n--{boundary}\nContent-Type: text/html\n\n<script>"
    message = parse(compiled.render(recipient(variables={"v": value}), NOW))
    assert part(message, "plain") == value
    assert len(list(message.iter_parts())) == 2


def test_the_same_letter_is_the_same_bytes_wherever_it_is_compiled():
    first, second = (compile_content(content()).render(recipient(), NOW) for _ in range(2))
    assert first == second


def test_plain_latin_letters_stay_readable_on_the_wire():
    text = string.ascii_letters + string.digits + string.punctuation.replace("=", "")
    mail = compile_content(content(text=text[:70])).render(recipient(), NOW)
    assert text[:70].encode() in mail


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ValueError, match="base64"):
        compile_content(content(), transfer_encoding="base64")  # type: ignore[arg-type]


@given(st.text(alphabet="abF.-_/:?%&~=", max_size=400))
@example("https://example.org/u/" + "Fx." * 60)
@example("a" * 75 + "." + "b" * 80)
def test_a_long_link_is_broken_softly_and_comes_back_whole(link):
    code = quoted_printable(link)
    lines = code.split(b"\r\n")
    assert decodestring(code) == link.encode()
    assert all(len(line) <= 76 for line in lines)
    assert not any(line.startswith((b".", b"From ")) for line in lines)

"""The bytes of a mail, parsed back with the standard library."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from mailings.delivery.rendering import Content, Recipient, RenderError, compile_content

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


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


def parse(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return part.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("encoding", ["quoted-printable", "8bit"])
def test_each_recipient_gets_their_own_words(encoding):
    compiled = compile_content(content(), transfer_encoding=encoding)
    message = parse(compiled.render(recipient(), NOW))
    assert message["Subject"] == "Ольга, новости недели"
    assert message["To"].addresses[0].display_name == "Ольга Орлова"
    assert message["From"].addresses[0].addr_spec == "news@books.example"
    assert message["Message-ID"] == "<7.1@books.example>"
    assert message["Date"].datetime == NOW
    assert body(message, "plain") == "Здравствуйте, Ольга!\n"
    assert body(message, "html") == "<p>Здравствуйте, Ольга!</p>"


def test_a_client_without_a_name_gets_the_default():
    message = parse(compile_content(content()).render(recipient(full_name=""), NOW))
    assert body(message, "plain") == "Здравствуйте, друг!\n"
    assert message["To"] == "olga@clients.example"


@pytest.mark.parametrize("bad", ["a@x.org\r\nBcc: b@x.org", "a@x.org,b@x.org", "", "a b@x.org"])
def test_anything_but_one_address_is_not_rendered(bad):
    with pytest.raises(RenderError):
        compile_content(content()).render(recipient(address=bad), NOW)


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85", "\r\n\r\n"])
def test_no_value_starts_a_header(breaks):
    evil = f"Ольга{breaks}Bcc: victim@x.org"
    compiled = compile_content(content(subject="{{ full_name }}", sender_name=evil))
    message = parse(compiled.render(recipient(full_name=evil), NOW))
    assert message["Bcc"] is None
    assert message["Subject"].replace(" ", "") == "ОльгаBcc:victim@x.org"

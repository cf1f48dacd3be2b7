"""The mailbox of development: what is caught is kept whole, and nothing in it can do harm."""

import smtplib
from email.message import EmailMessage

import pytest
from django.conf import settings
from django.urls import reverse

from site_config.mailbox import Catcher, Mailbox
from tests.servers import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(tmp_path, settings) -> Mailbox:
    settings.ROOT_URLCONF = "tests.development_urls"
    settings.MAILBOX_DIR = tmp_path / "mailbox"
    return Mailbox(settings.MAILBOX_DIR)


def letter(**headers) -> EmailMessage:
    mail = EmailMessage()
    for name, value in {"Subject": "Новости", "From": "Вестник <a@example.org>", **headers}.items():
        mail[name] = value
    mail.set_content("Здравствуйте, Анна!\nhttps://example.org/confirm/1/")
    mail.add_alternative("<p>Здравствуйте, <b>Анна</b>!</p>", subtype="html")
    return mail


def keep(box: Mailbox, mail: EmailMessage | bytes, to: str = "anna@example.org") -> str:
    content = mail if isinstance(mail, bytes) else bytes(mail)
    return box.add(content, "a@example.org", [to])


def page(client, name: str, view: str = "") -> str:
    response = client.get(reverse("dev_mail", args=[name]), {"view": view} if view else {})
    assert response.status_code == 200
    return response.content.decode()


def test_a_mail_sent_over_smtp_is_kept_with_its_envelope(box):
    port = free_port()
    catcher = Catcher(box, "127.0.0.1", port)
    catcher.start()
    try:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.send_message(letter(), "b@example.org", ["anna@example.org", "boris@example.org"])
    finally:
        catcher.stop()
    [name] = box.names()
    mail = box.mail(name)
    assert mail.subject == "Новости"
    assert mail.sender == "Вестник <a@example.org>"
    assert mail.recipients == ["anna@example.org", "boris@example.org"]
    assert mail.header("Return-Path") == "<b@example.org>"
    assert "Анна" in mail.text
    assert "<b>Анна</b>" in mail.html


def test_a_full_disk_asks_the_sender_to_come_back(box, tmp_path):
    (tmp_path / "mailbox").write_text("a file where the folder should be")
    port = free_port()
    catcher = Catcher(box, "127.0.0.1", port)
    catcher.start()
    try:
        with smtplib.SMTP("127.0.0.1", port) as smtp, pytest.raises(smtplib.SMTPDataError) as error:
            smtp.send_message(letter(), "b@example.org", ["anna@example.org"])
    finally:
        catcher.stop()
    assert error.value.smtp_code == 452


def test_the_list_shows_the_newest_first(client, box):
    names = [keep(box, letter(Subject=f"Письмо {n}")) for n in range(3)]
    html = client.get(reverse("dev_mail_list")).content.decode()
    assert [html.index(f"Письмо {n}") for n in (2, 1, 0)] == sorted(
        html.index(f"Письмо {n}") for n in range(3)
    )
    assert all(reverse("dev_mail", args=[name]) in html for name in names)
    assert "anna@example.org" in html


def test_the_list_is_paged(client, box):
    for n in range(51):
        keep(box, letter(Subject=f"Письмо {n:03}"))
    assert "Письмо 000" not in client.get(reverse("dev_mail_list")).content.decode()
    assert "Письмо 000" in client.get(reverse("dev_mail_list") + "?page=2").content.decode()


def test_an_empty_mailbox_says_so(client, box):
    response = client.get(reverse("dev_mail_list"))
    assert response.status_code == 200
    assert b"v-empty" in response.content


def test_each_view_of_a_mail(client, box):
    mail = bytes(letter())
    name = keep(box, mail)
    assert reverse("dev_mail_frame", args=[name]) in page(client, name)
    assert '<a href="https://example.org/confirm/1/"' in page(client, name, "text")
    assert "multipart/alternative" in page(client, name, "headers")
    assert "Content-Transfer-Encoding" in page(client, name, "source")
    download = client.get(reverse("dev_mail_source", args=[name]))
    assert download["Content-Type"] == "message/rfc822"
    assert b"".join(download).endswith(mail)


def test_the_html_is_shown_where_it_can_do_nothing(client, box):
    name = keep(box, letter())
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page(client, name)
    response = client.get(reverse("dev_mail_frame", args=[name]))
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    assert f"img-src {settings.SITE_URL}{settings.MEDIA_URL} data:" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


HOSTILE = {
    "markup in every header": b"Subject: <script>alert(1)</script>\r\nFrom: <img src=x>\r\n\r\n<i>",
    "nothing": b"",
    "no headers": b"\r\n\r\n\r\n",
    "NUL and control characters": b"Subject: a\x00b\x1b[31mc\r\nFrom: \x07\r\n\r\n\x00\x01\x02",
    "bytes of no encoding": b"Subject: \xff\xfe\xd0\r\nFrom: \xc3\x28\r\n\r\n\xff\xfe",
    "a broken encoded word": b"Subject: =?utf-8?B?!!!!?= =?nope?Q?=FF?=\r\n\r\n",
    "an unknown charset": b"Content-Type: text/html; charset=x-nope\r\n\r\n<p>\xff</p>",
    "a charset that is no text": b"Content-Type: text/html; charset=base64\r\n\r\nabc",
    "a charset with NUL": b'Content-Type: text/html; charset="a\x00b"\r\n\r\nabc',
    "broken base64": b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!a",
    "broken uuencode": b"Content-Type: text/html\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nq",
    "a multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\nabc",
    "a multipart in base64": (
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"--b\r\n\r\nabc\r\n--b--"
    ),
    "a broken file name": (
        b"Content-Type: application/x; name*=nope'x'%FF\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''%FF%FE../../etc/passwd\r\n\r\nabc"
    ),
    "parts within parts, without end": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(1500)
    ),
    "a line of a megabyte": b"Subject: " + b"a" * 1_000_000 + b"\r\n\r\n" + b"b" * 1_000_000,
    "ten thousand headers": b"X: y\r\n" * 10_000 + b"\r\n",
    "text that looks like many links": (
        b"Content-Type: text/plain\r\n\r\n" + b"http://a.example/(((((" * 5_000
    ),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_mail_is_shown_and_does_nothing(client, box, content):
    name = keep(box, content, to="<svg onload=alert(1)>@example.org")
    pages = [client.get(reverse("dev_mail_list")).content.decode()]
    pages += [page(client, name, view) for view in ("", "html", "text", "headers", "source")]
    for html in pages:
        assert "<script>alert" not in html
        assert "<img src=x>" not in html
        assert "<svg onload" not in html
    assert client.get(reverse("dev_mail_frame", args=[name])).status_code == 200
    assert b"".join(client.get(reverse("dev_mail_source", args=[name]))).endswith(content)


@pytest.mark.parametrize("name", ["../../db.sqlite3", "1-1", "00000000000000000001-000001"])
def test_what_is_no_mail_is_not_found(client, box, name):
    assert client.get(f"/dev/mail/{name}/").status_code == 404
    assert client.get(f"/dev/mail/{name}/source/").status_code == 404


def test_all_mails_can_be_deleted(client, box):
    keep(box, letter())
    keep(box, letter())
    assert client.get(reverse("dev_mail_delete")).status_code == 405
    assert client.post(reverse("dev_mail_delete"), follow=True).status_code == 200
    assert box.names() == []


def test_a_half_written_mail_is_not_listed(box):
    box.folder.mkdir()
    (box.folder / "00000000000000000001-000001.part").write_bytes(b"Subject: a")
    assert box.names() == []


def test_there_is_no_mailbox_outside_development(client):
    assert client.get("/dev/mail/").status_code == 404

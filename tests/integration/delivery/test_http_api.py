"""Mail through HTTP APIs: each answer and each fault has its outcome, and nothing takes longer or
grows larger than it may."""

import asyncio
import json
import resource
import time
from dataclasses import replace
from email import policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses
from urllib.parse import unquote

import pytest

from mailings.delivery import event_loop
from mailings.delivery.transports import client, connector
from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.http import probe as http_probe
from mailings.delivery.transports.http.config import APIS, ApiConfig
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.config import Policy
from tests.http_api import HttpApi, drip, endless, hang, reply, say, taken, then_close
from tests.servers import free_port

TO = "anna@example.org"
MESSAGE = (
    "From: =?utf-8?b?0JzQsNCz0LDQt9C40L0=?= <shop@example.org>\r\n"
    "To: =?utf-8?b?0JDQvdC90LA=?= <anna@example.org>\r\n"
    "Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n"
    "Message-ID: <d1@example.org>\r\n"
    "List-Unsubscribe: <https://example.org/u/1>\r\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    "Reply-To: owner@example.org\r\n"
    "MIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ".Здравствуйте, Анна\r\n--b\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "<p>Здравствуйте, Анна</p>\r\n--b--\r\n"
)


@pytest.fixture
def api():
    with HttpApi(taken(TO)) as api:
        yield api


def mail() -> Mail:
    return Mail.of("shop@example.org", TO, MESSAGE.encode())


def send(api: HttpApi, *, deadline: float = 10.0, name: str = "postmark", **parts: str):
    return send_to(api.url(name, **parts), mail(), deadline=deadline)


def send_to(url: str, letter: Mail, *, deadline: float = 10.0):
    connect = connector(url, local_name="x", policy=Policy(whole_mail=deadline))
    return event_loop.run(client.send(connect, letter))


def test_the_letter_arrives_as_it_was_rendered(api):
    result = send(api)
    assert type(result) is Accepted
    assert (result.step, result.code) == (Step.HTTP, 200)
    assert '"MessageID": "m1"' in result.reply
    (request,) = api.requests
    assert "X-Postmark-Server-Token: s3cret" in request.head
    sent = json.loads(request.body)
    assert sent["Subject"] == "Привет"
    assert sent["TextBody"].strip() == ".Здравствуйте, Анна"
    assert sent["HtmlBody"].strip() == "<p>Здравствуйте, Анна</p>"
    assert "anna@example.org" in sent["To"]
    assert sent["ReplyTo"] == "owner@example.org"
    headers = {header["Name"]: header["Value"] for header in sent["Headers"]}
    assert headers["Message-ID"] == "<d1@example.org>"
    assert headers["List-Unsubscribe"] == "<https://example.org/u/1>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Date" not in headers


@pytest.mark.parametrize(
    "name", ["Анна", 'Анна "Нюра", старшая', "O\\Brien, Ann", "a@b <c@d>", "Очень длинное имя " * 9]
)
def test_a_name_with_anything_in_it_stays_a_name(api, name):
    letter = EmailMessage()
    letter["From"] = Address(name.strip(), "shop", "example.org")
    letter["To"] = Address(name.strip(), "anna", "example.org")
    letter["Subject"] = "Письмо"
    letter.set_content("Здравствуйте")
    message = letter.as_bytes(policy=policy.SMTP)
    result = send_to(api.url(), Mail.of("shop@example.org", TO, message))
    assert type(result) is Accepted
    sent = json.loads(api.requests[0].body)
    assert [one[1] for one in getaddresses([sent["To"], sent["From"]])] == [TO, "shop@example.org"]
    (shown,) = (one[0] for one in getaddresses([sent["To"]]))
    assert str(make_header(decode_header(shown))) == name.strip()
    assert sent["Subject"] == "Письмо"


ANSWERS = {
    "brevo": reply(201, '{"messageId": "<1@smtp-relay>"}'),
    "mailersend": reply(202, "", X_Message_Id="1", Content_Type="text/html"),
    "mailgun": reply(200, '{"id": "<1@mg>", "message": "Queued. Thank you."}'),
    "mailjet": reply(
        200,
        json.dumps({"Messages": [{"Status": "success", "To": [{"Email": TO, "MessageID": 1}]}]}),
    ),
    "mandrill": reply(200, json.dumps([{"email": TO, "status": "sent", "_id": "1"}])),
    "postal": reply(
        200,
        json.dumps({"status": "success", "data": {"messages": {TO: {"id": 1, "token": "t"}}}}),
    ),
    "postmark": taken(TO),
    "resend": reply(200, '{"id": "1"}'),
    "scaleway": reply(
        200, json.dumps({"emails": [{"mail_rcpt": TO, "message_id": "1", "status": "new"}]})
    ),
    "sparkpost": reply(
        200,
        '{"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "1"}}',
    ),
    "unisender-go": reply(200, json.dumps({"status": "success", "job_id": "1", "emails": [TO]})),
}
OPTIONS = {"mailgun": "?sender_domain=example.org", "scaleway": "?project_id=p"}


def test_no_api_is_offered_without_an_answer_of_its_own():
    assert ANSWERS.keys() == APIS.keys()


@pytest.mark.parametrize("name", APIS)
def test_each_api_takes_the_letter_with_the_key(api, name):
    api.script = ANSWERS[name]
    result = send(api, name=name, user="user", query=OPTIONS.get(name, ""))
    assert type(result) is Accepted, result
    (request,) = api.requests
    assert request.head.startswith("POST /v1/")
    said = request.head + unquote(request.body.decode())
    assert TO in said
    # As it is, or as RFC 7617 wants it: base64 of api:s3cret or user:s3cret.
    assert any(key in said for key in ("s3cret", "YXBpOnMzY3JldA==", "dXNlcjpzM2NyZXQ="))


@pytest.mark.parametrize("name", APIS)
def test_each_api_that_has_webhooks_is_given_the_token_they_are_to_return(api, name):
    api.script = ANSWERS[name]
    url, token = api.url(name, user="user", query=OPTIONS.get(name, "")), "0123456789abcdef" * 2
    result = send_to(url, replace(mail(), token=token))
    assert type(result) is Accepted, result
    assert type(send_to(url, mail())) is Accepted
    said, without = (unquote(request.body.decode()) for request in api.requests)
    assert (token in said) == bool(APIS[name].webhook)
    assert "delivery" not in without.replace("transactional", "")


REFUSED = {"ErrorCode": 406, "Message": "You tried to send to a recipient that is inactive."}
REFUSED["Message"] += f" Found inactive addresses: {TO}."


@pytest.mark.parametrize(
    ("script", "kind", "step", "code"),
    [
        (reply(400), Permanent, Step.HTTP, 400),
        (reply(413), Permanent, Step.HTTP, 413),
        (reply(422, '{"ErrorCode": 300, "Message": "Invalid"}'), Permanent, Step.HTTP, 422),
        (reply(422, json.dumps(REFUSED)), Permanent, Step.HTTP, 422),
        (reply(401, '{"Message": "no such token"}'), Unavailable, Step.AUTH, 401),
        (reply(403), Unavailable, Step.AUTH, 403),
        (reply(408), Unavailable, Step.HTTP, 408),
        (reply(429), Unavailable, Step.HTTP, 429),
        (reply(500, "<h1>Oops</h1>"), Unavailable, Step.HTTP, 500),
        (reply(503), Unavailable, Step.HTTP, 503),
        (reply(302, Location="http://127.0.0.1:9/elsewhere"), Unavailable, Step.HTTP, 302),
        (reply(404, "not here"), Unavailable, Step.HTTP, 404),
        (reply(200, "<html>Welcome to the hotel's Wi-Fi"), Uncertain, Step.HTTP, 200),
        (reply(200, "[]"), Uncertain, Step.HTTP, 200),
        (reply(200, '{"ErrorCode": 0}'), Uncertain, Step.HTTP, 200),
        (reply(200, b"\xff\x00\xfe"), Uncertain, Step.HTTP, 200),
        (endless, Uncertain, Step.HTTP, 200),
        (say(b""), Uncertain, Step.HTTP, None),
        (say(b"\x00\xffgarbage\r\n\r\n"), Uncertain, Step.HTTP, None),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"), Uncertain, Step.HTTP, 200),
        (say(b"HTTP/1.1 500 Oops\r\nContent-Length: 900\r\n\r\n{"), Unavailable, Step.HTTP, 500),
    ],
)
def test_each_answer_has_its_outcome(api, script, kind, step, code):
    api.script = script
    result = send(api)
    assert (type(result), result.step, result.code) == (kind, step, code), result
    assert result.reply
    assert "s3cret" not in result.reply
    assert len(api.requests) == 1  # no retries, no redirects


FAILED = '{"status": "success", "job_id": "1", "emails": [], "failed_emails": {"%s": "%s"}}'


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("invalid", Permanent),
        ("permanent_unavailable", Permanent),
        ("unsubscribed", Permanent),
        ("temporary_unavailable", Temporary),
    ],
)
def test_a_recipient_may_be_refused_by_an_answer_of_success(api, said, kind):
    api.script = reply(200, FAILED % (TO, said))
    result = send(api, name="unisender-go")
    assert type(result) is kind
    assert said in result.reply


def test_nobody_there_is_no_try_of_the_letter():
    result = send_to(f"postmark+http://:s3cret@127.0.0.1:{free_port()}", mail())
    assert (type(result), result.step) == (Unavailable, Step.CONNECT)
    assert "refused" in result.reply


def test_an_api_without_tls_where_it_should_be_gets_nothing(api):
    result = send_to(api.url().replace("+http:", "+https:"), mail(), deadline=1.0)
    assert (type(result), result.step) == (Unavailable, Step.CONNECT)
    assert not any("s3cret" in request.head for request in api.requests)


def test_an_address_that_cannot_be_written_is_refused_alone(api):
    nowhere = Mail.of("shop@example.org", "anna@example..org", MESSAGE.encode())
    result = send_to(api.url(), nowhere)
    assert type(result) is Permanent
    assert api.requests == []


@pytest.mark.parametrize("script", [hang, drip])
def test_the_deadline_is_one_for_the_whole_answer(api, script):
    api.script = script
    began = time.monotonic()
    result = send(api, deadline=1.0)
    assert time.monotonic() - began < 3
    assert (type(result), result.step) == (Uncertain, Step.HTTP)
    assert result.reply == "No answer within 1 s."


def test_an_endless_answer_is_read_no_further_than_a_megabyte(api):
    send(api)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    api.script = endless
    assert type(send(api)) is Uncertain
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 5, f"{grown:.1f} MB"


@pytest.mark.parametrize(("header", "wait"), [({"Retry_After": "120"}, 120), ({}, 5)])
def test_too_many_says_for_how_long(api, header, wait):
    api.script = reply(429, **header)
    assert send(api).wait == wait


def test_a_netrc_does_not_take_the_place_of_the_key(api, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login thief password loot\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    api.script = ANSWERS["resend"]
    assert type(send(api, name="resend")) is Accepted
    assert "Authorization: Bearer s3cret" in api.requests[0].head


def test_one_connection_carries_letter_after_letter(api):
    async def run():
        async with client.TransportClient(connector(api.url(), local_name="x")) as sender:
            return [await sender.send(mail()) for _ in range(5)]

    assert [type(result) for result in event_loop.run(run())] == [Accepted] * 5
    assert (api.connections, len(api.requests)) == (1, 5)


def test_a_connection_that_the_server_closed_is_replaced_silently(api):
    api.script = then_close(taken(TO))

    async def run():
        async with client.TransportClient(connector(api.url(), local_name="x")) as sender:
            results = []
            for _ in range(3):
                results.append(await sender.send(mail()))
                await asyncio.sleep(0.1)
            return results

    assert [type(result) for result in event_loop.run(run())] == [Accepted] * 3
    assert (api.connections, len(api.requests)) == (3, 3)


def test_a_link_opens_anew_after_as_many_mails_as_it_may_carry(api):
    async def run():
        connect = connector(api.url(), local_name="x", mails_per_connection=2)
        async with client.TransportClient(connect) as sender:
            return [await sender.send(mail()) for _ in range(5)]

    assert [type(result) for result in event_loop.run(run())] == [Accepted] * 5
    assert api.connections == 3


def test_the_probe_says_whether_the_api_answers(api):
    api.script = reply(404)
    assert http_probe.probe(ApiConfig.from_url(api.url())).is_good
    assert "s3cret" not in api.requests[0].head
    api.script = hang
    slow = http_probe.probe(ApiConfig.from_url(api.url()), whole=1)
    assert not slow.is_good
    assert slow.fault.reply == "No answer within 1 s."

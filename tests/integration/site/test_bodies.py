"""How much a request may bring: files, fields, bodies of no announced length."""

import io
import socket
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import reverse

from mailings.models import Suppression
from mailings.suppression import unsubscribe_links
from site_config.bodies import DRAINED
from site_config.wsgi import application
from tests import factories
from tests.web import Web

pytestmark = pytest.mark.slow


@pytest.fixture
def limit(settings) -> Iterator[int]:
    settings.REQUEST_BODY_LIMIT = 1024 * 1024
    # As the test client does: the test's own connection is not to be closed after a request.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield settings.REQUEST_BODY_LIMIT
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


class Endless(io.RawIOBase):
    """A body that never ends; it counts what is read."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "nobody may ask for all of it"
        self.taken += size
        return b"x" * size


def ask(**environ: Any) -> tuple[str, str]:
    """Send a request to the whole application; return the status and the page."""
    said: list[str] = []
    answer = application(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/theme/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        }
        | environ,
        lambda status, headers, *rest: said.append(status),
    )
    return said[0], b"".join(answer).decode()


@pytest.mark.parametrize(
    ("language", "words"), [("ru", "Слишком много"), ("en", "Too much for one")]
)
def test_a_body_over_the_limit_is_refused_in_the_readers_language(db, limit, language, words):
    body = Endless()
    status, page = ask(
        CONTENT_LENGTH=str(limit + 1), HTTP_ACCEPT_LANGUAGE=language, **{"wsgi.input": body}
    )
    assert status.startswith("413")
    assert words in page
    assert "1" in page


def test_what_is_thrown_away_is_bounded_too(db, limit):
    body = Endless()
    status, _page = ask(CONTENT_LENGTH=str(limit * 1000), **{"wsgi.input": body})
    assert status.startswith("413")
    assert body.taken <= limit * DRAINED


def test_a_body_of_no_announced_length_ends_at_the_limit(db, limit):
    body = Endless()
    status, _page = ask(**{"wsgi.input": body, "wsgi.input_terminated": True})
    assert status.startswith("413")
    assert body.taken <= limit * (DRAINED + 1) + 1


def test_a_small_chunked_form_arrives(db, owner, limit):
    """One-click unsubscribing by a mail service that announces no length."""
    form = b"List-Unsubscribe=One-Click"
    run = factories.make_run(factories.make_mailing(owner))
    delivery = factories.make_delivery(run)
    token = unsubscribe_links.token(owner.pk, delivery.pk, delivery.address)
    status, _page = ask(
        PATH_INFO=f"/u/{token}/",
        **{"wsgi.input": io.BytesIO(form), "wsgi.input_terminated": True},
    )
    assert status.startswith("200")
    assert Suppression.objects.get().source == "one-click"


def test_a_body_within_the_limit_is_untouched(db, limit):
    status, _page = ask(
        PATH_INFO="/accounts/login/",
        CONTENT_LENGTH=str(limit),
        **{"wsgi.input": io.BytesIO(b"a" * limit)},
    )
    assert not status.startswith("413")


@pytest.mark.parametrize("length", ["x", "-5", "", "9" * 5000, "１２"])
def test_a_nonsensical_length_breaks_nothing(db, limit, length):
    # The last two read the form without a token.
    for path in ("/accounts/login/", "/theme/", reverse("accounts:set_language")):
        status, _page = ask(CONTENT_LENGTH=length, PATH_INFO=path)
        assert not status.startswith("5")


def test_too_long_a_text_is_said_to_be_too_long(client, owner, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
    client.force_login(owner)
    answer = client.post("/app/messages/new/", {"body": "x" * (1024 * 1024 + 1)})
    assert answer.status_code == 413


def chunks(number: int) -> Iterator[bytes]:
    piece = b"x" * 65536
    for _ in range(number):
        yield b"%x\r\n" % len(piece) + piece + b"\r\n"


def test_an_access_log_holds_no_secret_address(tmp_path):
    token = "Ab3_" * 20
    with Web(tmp_path) as web:
        request = Request(f"{web.url}/u/{token}/", headers={"Referer": f"{web.url}/u/{token}/x"})
        with pytest.raises(HTTPError):
            urlopen(request, timeout=60)
    said = web.output()
    assert '"GET /u/[secret]/ HTTP/1.1"' in said
    assert token not in said


def test_gunicorn_lets_go_of_an_endless_body(tmp_path):
    """A real server: the answer comes, and the connection is not read on for ever."""
    with Web(tmp_path) as web:
        with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
            connection.sendall(
                b"POST /theme/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            )
            sent, broken = 0, False
            try:
                for chunk in chunks(4000):  # 250 MB
                    connection.sendall(chunk)
                    sent += len(chunk)
            except OSError:
                broken = True
            assert broken
            assert sent < 200 * 1024**2
        assert web.status("/healthz") == 200

"""Hands mails to an HTTP API through django-anymail; blocks, and never raises for what a service
does. Heavy: imported when the first mail goes to such a service, not before.

anymail builds the request and reads the answer. What it does not do is here: one deadline for the
whole, a bound for the answer's size, no redirects, and knowing whether anything had been handed
over when it went wrong.
"""

import logging
import re
import socket
import threading
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from importlib import import_module
from time import monotonic
from typing import Any

import requests
from anymail.exceptions import (
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailUnsupportedFeature,
)
from anymail.message import AnymailMessage
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from mailings.delivery.transports.base import (
    Permanent,
    SendResult,
    Step,
    Unavailable,
    Uncertain,
    printable,
)
from mailings.delivery.transports.http import answers
from mailings.delivery.transports.http.config import APIS, TOKEN, ApiConfig
from mailings.delivery.transports.mail import Mail
from mailings.timing import steady

log = logging.getLogger(__name__)

ANSWER_MOST = 1024 * 1024
"""Bytes of an answer that are read. More is no answer of an API."""
BEGINNING = 8 * 1024  # bytes, kept of one that is more
CHUNK = 16 * 1024
CONNECT_MOST = 30.0  # seconds
SLACK = 0.5
"""Seconds by which the library's own patience is longer than the deadline: the deadline's cut comes
first and says so in our words, and the library is the net under it."""

_OF_THE_FRAME = frozenset(
    {
        "from", "to", "subject", "date", "mime-version", "content-type",
        "content-transfer-encoding", "dkim-signature",
    }
)  # fmt: skip
"""Headers that a service writes itself, from fields of their own. It signs what it makes of them:
our signature would not hold for that."""


class ApiClient:
    """A session with the API, for one thread. Only `cut` may be called by others."""

    def __init__(self, config: ApiConfig) -> None:
        self.config = config
        self._exchange = _Exchange()
        patience = config.deadline + SLACK
        self._timeout = (min(CONNECT_MOST, patience), patience)
        self._session = _session(config, self._exchange)
        backend = import_module(f"anymail.backends.{config.module}").EmailBackend
        self._backend = backend(api_url=config.url, timeout=self._timeout, **config.settings)
        self._backend.session = self._session

    def send(self, mail: Mail) -> SendResult:
        """Return what became of the mail."""
        at, began = steady.now(), monotonic()
        self._exchange.begin()
        status, failure = None, None
        letter = None
        try:
            letter = to_letter(mail)
            self._name(letter, mail.token)
            self._backend.send_messages([letter])
        except Exception as error:  # noqa: BLE001 - whatever a library makes of an answer
            failure = error
            # Its words repeat the answer, addresses and all: they belong into the attempt.
            log.info("api_try_failed", extra={"error": type(error).__name__})
        if letter is not None:
            status = _status(letter)
        exchange = self._exchange
        kind, step, reply = exchange.judge(status, failure)
        if exchange.is_cut and exchange.code is None:
            reply = self.config.too_late
        return kind(
            step=step,
            started_at=at,
            seconds=monotonic() - began,
            code=exchange.code,
            reply=printable(reply),
            wait=exchange.rest(steady.now()) if kind is Unavailable else 0.0,
        )

    def _name(self, letter: AnymailMessage, token: str) -> None:
        """Have the service's webhooks say which delivery they are about."""
        api = APIS[self.config.name]
        if not token or not api.webhook:
            return
        if api.returns == "metadata":
            letter.metadata = {TOKEN: token}
        else:
            letter.tags = [token]

    def reach(self) -> SendResult | None:
        """Ask for the API's address without the key; return why there was no answer, if none."""
        at, began = steady.now(), monotonic()
        self._exchange.begin()
        try:
            self._session.get(self.config.url, timeout=self._timeout)
        except requests.RequestException as error:
            reply = self.config.too_late if self._exchange.is_cut else _words(error)
            return Unavailable(
                step=Step.CONNECT, started_at=at, seconds=monotonic() - began, reply=reply
            )
        return None

    @property
    def has_left(self) -> bool:
        """Whether a byte of the mail in flight may have left."""
        return self._exchange.has_left

    def cut(self) -> None:
        """Tear the connection for good: who waits for an answer learns that there is none, and
        nothing leaves any more."""
        self._exchange.cut()

    def close(self) -> None:
        self._backend.close()


def reach(config: ApiConfig) -> SendResult | None:
    """Ask for the API's address within the deadline; return why there was no answer, if none."""
    client = ApiClient(config)
    timer = threading.Timer(config.deadline, client.cut)
    timer.start()
    try:
        return client.reach()
    finally:
        timer.cancel()
        client.close()


# ---------------------------------------------------------------- the letter


def to_letter(mail: Mail) -> AnymailMessage:
    """Return the rendered mail taken apart again, as an API wants it."""
    # Not with the modern policy, which parses a header anew at each look: 3 ms a mail.
    parsed = message_from_bytes(mail.body.replace(b"\r\n..", b"\r\n."))
    headers = {name.lower(): (name, _text(value)) for name, value in parsed.items()}
    letter = AnymailMessage(
        subject=headers["subject"][1] if "subject" in headers else "",
        from_email=_address(parsed["From"]) or mail.sender,
        to=[_address(parsed["To"], of=mail.recipient) or mail.recipient],
        headers=dict(pair for key, pair in headers.items() if key not in _OF_THE_FRAME),
    )
    for part in parsed.walk():
        if part.get_content_type() == "text/plain":
            letter.body = _content(part)
        elif part.get_content_type() == "text/html":
            letter.attach_alternative(_content(part), "text/html")
    return letter


def _text(value: str) -> str:
    """Return a header's value in one line, its encoded words (RFC 2047) decoded."""
    value = "".join(value.splitlines())
    return str(make_header(decode_header(value))) if "=?" in value else value


def _address(value: str | None, *, of: str = "") -> str:
    """Return a header's name and address; nothing where there is none, or it is not `of` this."""
    name, address = parseaddr("".join((value or "").splitlines()))
    if not address or (of and address.lower() != of.lower()):
        return ""
    quoted = re.sub(r'(["\\\\])', r"\\\1", _text(name))
    return f'"{quoted}" <{address}>' if name else address


def _content(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode(part.get_content_charset("utf-8"), "replace")


def _status(letter: AnymailMessage) -> str | None:
    """Return what the answer said of the recipient; None if it said nothing of it."""
    status = getattr(letter, "anymail_status", None)
    recipients = list(status.recipients.values()) if status is not None else []
    return recipients[0].status if len(recipients) == 1 else None


# ---------------------------------------------------------------- the exchange


class _Exchange:
    """One request and its answer, seen from below: what left, and what came back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_cut = False
        self.begin()

    def begin(self) -> None:
        self.has_left = False  # a byte of the request
        self.response: requests.Response | None = None

    @property
    def code(self) -> int | None:
        return self.response.status_code if self.response is not None else None

    def connected(self, sock: socket.socket) -> None:
        with self._lock:
            self._socket = sock
        if self.is_cut:
            self.cut()

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def judge(
        self, status: str | None, failure: Exception | None
    ) -> tuple[type[SendResult], Step, bytes | str]:
        """Return the result, where it arose and what the service said."""
        if self.response is not None:
            said = self.response.content.strip() or f"{self.code} {self.response.reason or ''}"
            if answers.is_success(self.response.status_code):
                return answers.of_recipient(status), Step.HTTP, said
            return *answers.of_status(self.response.status_code), said
        words = _words(failure)
        if self.has_left:
            return Uncertain, Step.HTTP, words
        if isinstance(failure, AnymailInvalidAddress):
            return Permanent, Step.HTTP, words
        at_fault = (requests.RequestException, AnymailConfigurationError, AnymailUnsupportedFeature)
        if isinstance(failure, at_fault):
            return Unavailable, Step.CONNECT, words
        return Permanent, Step.HTTP, words  # this message, and a fault of ours

    def rest(self, now: datetime) -> float:
        """Return for how many seconds the service wants to be left alone."""
        if self.response is None:
            return 0.0
        headers = self.response.headers
        # A date is on the service's clock, and ours may be another's.
        theirs = answers.date_of(headers.get("Date", "")) or now
        asked = answers.seconds_to_rest(headers.get("Retry-After", ""), theirs)
        return asked or (answers.REST if self.code == answers.TOO_MANY else 0.0)


def _words(failure: Exception | None) -> str:
    """Return what went wrong, in the words of the innermost error, which knows it."""
    error: BaseException | None = failure
    while error is not None and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}" if error is not None else ""


# ---------------------------------------------------------------- below requests


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None  # a key is for the address it was given for


def _session(config: ApiConfig, exchange: _Exchange) -> requests.Session:
    session = _Session()
    session.trust_env = False  # a .netrc would take the place of the key
    session.verify = config.ca_file or True
    session.headers.update({"User-Agent": "Vestnik", "Accept-Encoding": "identity"})
    session.mount("https://", _Adapter(exchange))
    session.mount("http://", _Adapter(exchange))
    return session


class _Adapter(HTTPAdapter):
    """Reads a bounded answer, and tells the exchange of it."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        watched = {"exchange": self._exchange}
        plain = type("Plain", (_Watched, HTTPConnection), watched)
        secure = type("Secure", (_Watched, HTTPSConnection), watched)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        response = super().send(request, **(options | {"stream": True}))
        content = bytearray()
        # A status is known already; an answer that breaks off cannot make it unknown.
        with suppress(requests.RequestException):
            for chunk in response.iter_content(CHUNK):
                content += chunk
                if len(content) > ANSWER_MOST:
                    response.close()
                    del content[BEGINNING:]
                    break
        response._content = bytes(content)
        response._content_consumed = True  # type: ignore[attr-defined]
        self._exchange.response = response
        return response


class _Watched:
    """Mixed into a connection: tells the exchange when it is up and when something leaves."""

    exchange: _Exchange
    sock: socket.socket | None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        assert self.sock is not None
        self.exchange.connected(self.sock)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.exchange.has_left = True
        super().send(data)  # type: ignore[misc]

"""SMTP, one message at a time over one connection that is used again.

Faults are told by the step at which they arise, not by exception type: smtplib raises the same
for a connection lost before MAIL (safe to send again) and after the final dot (perhaps accepted).
Its replies are therefore read here, each bounded as a whole in time and in size.
"""

import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from urllib.parse import unquote, urlsplit

from mailings.delivery.transports.base import (
    Envelope,
    Outcome,
    Step,
    classify,
    enhanced_code,
    printable,
)

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

DEADLINES: Mapping[Step, float] = {
    Step.CONNECT: 30,
    Step.BANNER: 60,
    Step.EHLO: 60,
    Step.TLS: 60,
    Step.AUTH: 60,
    Step.MAIL: 60,
    Step.RCPT: 120,
    Step.DATA: 120,
    # RFC 5321 4.5.3.2.6: a shorter wait makes copies of what was accepted after all.
    Step.DOT: 600,
}
"""Seconds for a whole reply (at `DATA` also for sending the body, see BODY_SECONDS)."""
BODY_SECONDS = 180
FAREWELL_SECONDS = 3  # for RSET and QUIT: the result is recorded already
REPLY_BYTES = 64 * 1024
MESSAGES_PER_CONNECTION = 100

READY, OK, START_BODY, CLOSING = 220, 250, 354, 421


@dataclass(frozen=True, slots=True)
class Address:
    """Where and how to connect, as written in smtp://, smtp+tls:// or smtps://."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Raise `ValueError`, with what to mend, for a URL that cannot be used safely."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("A mail service is written smtp://host, smtp+tls://… or smtps://….")
        if parts.username and parts.scheme == "smtp" and parts.hostname not in LOOPBACK:
            raise ValueError("smtp:// sends the password in clear. Use smtp+tls:// or smtps://.")
        return cls(
            parts.scheme,
            parts.hostname,
            parts.port or PORTS[parts.scheme],
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )


class Fault(Exception):  # noqa: N818 - becomes an outcome
    """The dialogue ended here: with the server's code, or without one."""

    def __init__(self, step: Step, text: bytes | str, code: int | None = None) -> None:
        super().__init__(text)
        self.step, self.text, self.code = step, printable(text), code


@cache
def default_context() -> ssl.SSLContext:
    """Verified certificates. One for all: loading the system's CAs costs more than 100 mails."""
    return ssl.create_default_context()


class SmtpTransport:
    def __init__(
        self,
        address: Address,
        *,
        local_name: str = "localhost",
        deadlines: Mapping[Step, float] = DEADLINES,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address, self.local_name = address, local_name
        self.deadlines, self.context = deadlines, context
        self._dialogue: _Dialogue | None = None

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        started_at, began = datetime.now(UTC), time.monotonic()
        code: int | None
        try:
            reused = self._prepare()
            try:
                step, code, text = self._hand_over(envelope, message)
            except Fault as fault:
                # A server may close an idle connection, or end it after so many messages:
                # nothing has been said yet, so it is asked once more on a new one.
                if not (reused and fault.step is Step.MAIL and fault.code in (None, CLOSING)):
                    raise
                self._drop()
                self._prepare()
                step, code, text = self._hand_over(envelope, message)
        except Fault as fault:
            step, code, text = fault.step, fault.code, fault.text
        if code is None or code == CLOSING:
            self._drop()
        enhanced = enhanced_code(code, text)
        return classify(step, code, enhanced)(
            step=step,
            started_at=started_at,
            seconds=time.monotonic() - began,
            code=code,
            enhanced_code=enhanced,
            reply=text,
        )

    def close(self) -> None:
        if self._dialogue is not None:
            self._dialogue.farewell("QUIT")
            self._drop()

    def _drop(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    def _prepare(self) -> bool:
        """Have a connection on which MAIL may be said; return whether it was there before."""
        if self._dialogue is not None and self._dialogue.messages >= MESSAGES_PER_CONNECTION:
            self.close()
        if self._dialogue is not None and self._dialogue.unfinished:
            if self._dialogue.farewell("RSET"):
                self._dialogue.unfinished = False
            else:
                self._drop()
        if self._dialogue is not None:
            return True
        dialogue = _Dialogue(self.local_name, self.deadlines)
        try:
            dialogue.open(self.address, self.context or default_context())
        except Fault:
            dialogue.close()
            raise
        self._dialogue = dialogue
        return False

    def _hand_over(self, envelope: Envelope, message: bytes) -> tuple[Step, int, str]:
        dialogue = self._dialogue
        assert dialogue is not None
        dialogue.unfinished = True
        dialogue.say(Step.MAIL, f"MAIL FROM:<{envelope.sender}>")
        dialogue.say(Step.RCPT, f"RCPT TO:<{envelope.recipient}>")
        dialogue.say(Step.DATA, "DATA", expected=START_BODY)
        dialogue.send_body(message)
        code, text = dialogue.reply(Step.DOT)
        dialogue.unfinished = False
        dialogue.messages += 1
        return Step.DOT, code, printable(text)


class _Dialogue(smtplib.SMTP):
    """smtplib's commands (EHLO, STARTTLS, AUTH) over replies that are bounded."""

    def __init__(self, local_name: str, deadlines: Mapping[Step, float]) -> None:
        super().__init__(local_hostname=local_name)
        self.deadlines = deadlines
        self.step, self.deadline = Step.CONNECT, 0.0
        self.received = b""
        self.messages = 0
        self.unfinished = False  # a transaction was begun and neither completed nor reset

    # ------------------------------------------------------------ opening

    def open(self, address: Address, context: ssl.SSLContext) -> None:
        self._enter(Step.CONNECT)
        try:
            self.sock = socket.create_connection(
                (address.host, address.port), self.deadlines[Step.CONNECT]
            )
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.scheme == "smtps":
                self._encrypt(address.host, context)
        except OSError as error:
            raise Fault(self.step, str(error)) from error
        self._expect(Step.BANNER, *self.reply(Step.BANNER), READY)
        self._greet()
        if address.scheme == "smtp+tls":
            self._start_tls(address.host, context)
        if address.user:
            self._authenticate(address)

    def _greet(self) -> None:
        self._enter(Step.EHLO)
        code, text = self.ehlo(self.local_hostname)
        self._expect(Step.EHLO, code, text, OK)

    def _start_tls(self, host: str, context: ssl.SSLContext) -> None:
        self._enter(Step.TLS)
        if not self.has_extn("starttls"):
            raise Fault(Step.TLS, "The server does not offer STARTTLS.")
        self.say(Step.TLS, "STARTTLS", expected=READY)
        if self.received:
            raise Fault(Step.TLS, "The server spoke before the encryption began.")
        self._encrypt(host, context)
        self.esmtp_features.clear()
        self._greet()

    def _encrypt(self, host: str, context: ssl.SSLContext) -> None:
        self._enter(Step.TLS)
        assert self.sock is not None
        self.sock.settimeout(self.deadlines[Step.TLS])
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        except (OSError, ValueError) as error:
            raise Fault(Step.TLS, str(error)) from error

    def _authenticate(self, address: Address) -> None:
        self._enter(Step.AUTH)
        try:
            self.login(address.user, address.password)
        except smtplib.SMTPResponseException as error:
            raise Fault(Step.AUTH, error.smtp_error, error.smtp_code) from error
        except smtplib.SMTPException as error:
            raise Fault(Step.AUTH, str(error)) from error

    # ------------------------------------------------------------ talking

    def say(self, step: Step, command: str, expected: int | None = None) -> None:
        """Send a command; raise `Fault` unless the reply is as expected (any 2xx)."""
        self._enter(step)
        self.putcmd(command)
        self._expect(step, *self.reply(step), expected)

    def send_body(self, message: bytes) -> None:
        """Send the message and its final dot. A fault in here: the dot has not left."""
        body = message if message.endswith(b"\r\n") else message + b"\r\n"
        body = (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..")
        self._send(body + b".\r\n", BODY_SECONDS)

    def reply(self, step: Step) -> tuple[int, bytes]:
        self._enter(step)
        return self.getreply()

    def farewell(self, command: str) -> bool:
        """Say RSET or QUIT without waiting long; return whether the server agreed."""
        try:
            self._enter(self.step, FAREWELL_SECONDS)
            self.putcmd(command)
            return self.getreply()[0] // 100 == 2  # noqa: PLR2004 - any 2xx
        except Fault:
            return False

    def _enter(self, step: Step, seconds: float | None = None) -> None:
        self.step = step
        self.deadline = time.monotonic() + (seconds or self.deadlines[step])

    def _expect(self, step: Step, code: int, text: bytes, expected: int | None) -> None:
        if code == expected or (expected is None and code // 100 == 2):  # noqa: PLR2004
            return
        # Success of the wrong kind (250 to DATA) is not a refusal: the dialogue is out of step.
        raise Fault(step, text, code if code // 100 in (4, 5) else None)

    def send(self, s: bytes | str) -> None:  # type: ignore[override]
        """smtplib's own, with our faults; its commands all go through here."""
        self._send(s.encode("ascii") if isinstance(s, str) else s, self.deadlines[self.step])

    def _send(self, data: bytes, seconds: float) -> None:
        if self.sock is None:
            raise Fault(self.step, "The connection is closed.")
        self.sock.settimeout(seconds)
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Fault(self.step, str(error)) from error

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply, of any number of lines, before the step's deadline."""
        texts: list[bytes] = []
        size = 0
        while True:
            line = self._read_line(REPLY_BYTES - size)
            size += len(line)
            code = line[:3]
            if not (code.isdigit() and b"200" <= code <= b"599" and line[3:4] in b" -\r\n"):
                raise Fault(self.step, b"Unreadable reply: " + line[:200])
            texts.append(line[4:].strip(b" \t\r\n"))
            if line[3:4] != b"-":
                return int(code), b"\n".join(texts)

    def _read_line(self, most: int) -> bytes:
        while (end := self.received.find(b"\n")) < 0 and len(self.received) <= most:
            self.received += self._receive()
        if end < 0 or end > most:
            raise Fault(self.step, f"The reply is longer than {REPLY_BYTES} bytes.")
        line, self.received = self.received[: end + 1], self.received[end + 1 :]
        return line

    def _receive(self) -> bytes:
        left = self.deadline - time.monotonic()
        if self.sock is None or left <= 0:
            raise Fault(self.step, "No whole reply before the deadline.")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(4096)
        except TimeoutError as error:
            raise Fault(self.step, "No whole reply before the deadline.") from error
        except OSError as error:
            raise Fault(self.step, str(error)) from error
        if not data:
            raise Fault(self.step, "The server closed the connection.")
        return data

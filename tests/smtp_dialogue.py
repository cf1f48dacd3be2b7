"""The server's side of one SMTP connection, and what it remembers; see `tests.smtpd`."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from tests.smtp_faults import Answer, GoneError, as_action, reply_bytes

if TYPE_CHECKING:
    from tests.smtpd import SmtpServer


@dataclass
class Received:
    """A mail the server took responsibility for."""

    sender: str
    recipients: list[str]
    content: bytes
    parameters: list[str]  # of MAIL: SIZE=…, BODY=8BITMIME, SMTPUTF8
    connection: int  # 1, 2, 3 …
    at: float  # time.time()
    is_encrypted: bool
    user: str
    behind: bytes = b""  # what the client had already sent after the final dot

    @property
    def message_id(self) -> str:
        return message_id_of(self.content)


def message_id_of(content: bytes) -> str:
    return str(BytesHeaderParser().parsebytes(content).get("Message-ID", ""))


@dataclass
class Envelope:
    sender: str
    parameters: list[str]
    recipients: list[str] = field(default_factory=list)


class Session:
    """One connection: reads commands from its own buffer, so pipelined ones are taken in turn."""

    def __init__(
        self,
        server: "SmtpServer",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.number = number
        self.task = asyncio.current_task() or asyncio.create_task(asyncio.sleep(0))
        self.buffer = bytearray()
        self.is_encrypted = False
        self.user = ""
        self.envelope: Envelope | None = None
        self.content = b""
        self.accepted = 0

    # Wire

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_more(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            raise GoneError
        self.buffer += data

    async def read_line(self) -> str:
        while (end := self.buffer.find(b"\r\n")) < 0:
            await self.read_more()
        line = self.buffer[:end].decode("utf-8", "surrogateescape")
        del self.buffer[: end + 2]
        return line

    async def read_body(self) -> bytes:
        """Return what stands before the final dot, dots unstuffed."""
        searched = 0
        while not self.buffer.startswith(b".\r\n"):
            end = self.buffer.find(b"\r\n.\r\n", searched)
            if end >= 0:
                body = bytes(self.buffer[: end + 2])
                del self.buffer[: end + 5]
                return re.sub(rb"(?m)^\.", b"", body)
            searched = max(0, len(self.buffer) - 4)
            await self.read_more()
        del self.buffer[:3]
        return b""

    async def until_lost(self) -> None:
        while True:
            await self.read_more()
            self.buffer.clear()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.writer.close()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    # Dialogue

    async def answer(self, step: str, well: str, address: str = "") -> bool:
        """Do what the script says, else answer `well`; return whether that was done."""
        action = self.server.plan(step, address)
        if action is not None and not await action.act(self):
            return False
        if well:
            await self.send(reply_bytes(well))
        return True

    async def run(self) -> None:
        if self.server.security == "smtps":
            await self.encrypt()
        limit = self.server.max_connections
        if limit and self.server.open_connections > limit:
            await self.send(b"421 4.7.0 too many connections\r\n")
            raise GoneError
        await self.answer("banner", "220 test.example ESMTP")
        while True:
            action = self.server.script.get("idle") if not self.buffer else None
            if action is not None and self.accepted:
                del self.server.script["idle"]
                await as_action(action).act(self)
            line = await self.read_line()
            self.server.commands.append((self.number, line))
            verb, _, rest = line.partition(" ")
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                await self.send(b"500 5.5.2 unknown command\r\n")
            else:
                await handler(rest.strip())

    async def encrypt(self) -> None:
        action = self.server.plan("handshake")
        if action is not None:
            await action.act(self)
        certificate = self.server.certificate
        if certificate is None:
            raise RuntimeError("TLS needs a certificate")
        await self.writer.start_tls(certificate.server_context())
        self.is_encrypted = True

    async def on_ehlo(self, name: str) -> None:
        lines = [f"test.example greets {name}", *self.server.extensions]
        if self.server.security == "smtp+tls" and not self.is_encrypted:
            lines.append("STARTTLS")
        elif self.server.users and self.server.mechanisms:
            lines.append("AUTH " + " ".join(self.server.mechanisms))
        self.envelope = None
        await self.answer("ehlo", "250 " + "\n".join(lines))

    async def on_helo(self, name: str) -> None:
        await self.answer("helo", "250 test.example")

    async def on_starttls(self, rest: str) -> None:
        if await self.answer("starttls", "220 2.0.0 ready"):
            self.buffer.clear()
            await self.encrypt()

    async def on_mail(self, rest: str) -> None:
        found = re.fullmatch(r"(?i)from:<([^>]*)>(.*)", rest)
        if self.envelope is not None:
            await self.send(b"503 5.5.1 nested MAIL\r\n")
        elif found is None:
            await self.send(b"501 5.5.4 syntax\r\n")
        elif self.server.requires_auth and not self.user:
            await self.send(b"530 5.7.0 authentication required\r\n")
        elif self.is_worn_out:
            await self.send(b"421 4.7.0 that was enough for one connection\r\n")
            self.close()
            raise GoneError
        elif await self.answer("mail", "250 2.1.0 sender ok", found[1]):
            self.envelope = Envelope(found[1], found[2].split())

    @property
    def is_worn_out(self) -> bool:
        limit = self.server.mails_per_connection
        return bool(limit) and self.accepted >= limit

    async def on_rcpt(self, rest: str) -> None:
        found = re.match(r"(?i)to:<([^>]*)>", rest)
        if self.envelope is None:
            await self.send(b"503 5.5.1 MAIL first\r\n")
        elif found is None:
            await self.send(b"501 5.5.4 syntax\r\n")
        elif await self.answer("rcpt", "250 2.1.5 recipient ok", found[1]):
            self.envelope.recipients.append(found[1])

    async def on_data(self, rest: str) -> None:
        if self.envelope is None:
            await self.send(b"503 5.5.1 MAIL first\r\n")
            return
        recipients = self.envelope.recipients
        address = recipients[0] if recipients else ""
        if not recipients and "data" not in self.server.script:
            await self.send(b"554 5.5.1 no valid recipients\r\n")
        elif await self.is_going_ahead(address):
            action = self.server.plan("body", address)
            if action is not None:
                await action.act(self)
            self.content = await self.read_body()
            await self.on_dot(address)

    async def is_going_ahead(self, address: str) -> bool:
        """Ask for the body, unless the script refuses it; a scripted 354 asks for it too."""
        action = self.server.plan("data", address)
        if action is None or await action.act(self):
            await self.send(b"354 go ahead\r\n")
            return True
        return isinstance(action, Answer) and action.text.startswith("354")

    async def on_dot(self, address: str) -> None:
        if not self.envelope or not self.envelope.recipients:
            await self.send(b"554 5.5.1 no valid recipients\r\n")
        elif await self.answer("dot", "", address):
            self.accept()
            await self.send(b"250 2.0.0 queued as %d\r\n" % len(self.server.messages))
        self.envelope = None

    def accept(self) -> None:
        envelope = self.envelope
        if envelope is None:
            raise RuntimeError("Accept stands at dot only")
        self.accepted += 1
        self.server.remember(
            Received(
                envelope.sender,
                envelope.recipients,
                self.content,
                envelope.parameters,
                self.number,
                time.time(),
                self.is_encrypted,
                self.user,
                bytes(self.buffer) + bytes(self.reader._buffer),  # type: ignore[attr-defined]
            )
        )

    async def on_rset(self, rest: str) -> None:
        self.envelope = None
        await self.answer("rset", "250 2.0.0 reset")

    async def on_noop(self, rest: str) -> None:
        await self.send(b"250 2.0.0 ok\r\n")

    async def on_quit(self, rest: str) -> None:
        await self.answer("quit", "221 2.0.0 bye")
        raise GoneError

    # AUTH

    async def on_auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        action = self.server.plan("auth", mechanism.upper())
        if action is not None:
            await action.act(self)
            return
        check = {
            "PLAIN": self.check_plain,
            "LOGIN": self.check_login,
            "CRAM-MD5": self.check_cram_md5,
            "XOAUTH2": self.check_xoauth2,
        }.get(mechanism.upper())
        if check is None or mechanism.upper() not in self.server.mechanisms:
            await self.send(b"504 5.5.4 unknown mechanism\r\n")
            return
        self.user = await check(initial)
        if self.user:
            await self.send(b"235 2.7.0 welcome\r\n")
        else:
            await self.send(b"535 5.7.8 bad credentials\r\n")

    async def challenge(self, text: bytes) -> bytes:
        await self.send(b"334 " + base64.b64encode(text) + b"\r\n")
        line = await self.read_line()
        self.server.commands.append((self.number, line))
        return base64.b64decode(line)

    def is_password(self, user: str, password: str) -> bool:
        return user in self.server.users and self.server.users[user] == password

    async def check_plain(self, initial: str) -> str:
        token = base64.b64decode(initial) if initial else await self.challenge(b"")
        _, user, password = token.decode().split("\0")
        return user if self.is_password(user, password) else ""

    async def check_login(self, initial: str) -> str:
        user = (await self.challenge(b"Username:")).decode()
        password = (await self.challenge(b"Password:")).decode()
        return user if self.is_password(user, password) else ""

    async def check_cram_md5(self, initial: str) -> str:
        challenge = b"<1896.697170952@test.example>"
        user, _, digest = (await self.challenge(challenge)).decode().rpartition(" ")
        secret = self.server.users.get(user, "").encode()
        expected = hmac.new(secret, challenge, hashlib.md5).hexdigest()
        return user if secret and hmac.compare_digest(digest, expected) else ""

    async def check_xoauth2(self, initial: str) -> str:
        fields = dict(
            part.split("=", 1) for part in base64.b64decode(initial).decode().split("\1") if part
        )
        user, token = fields["user"], fields["auth"].removeprefix("Bearer ")
        if self.is_password(user, token):
            return user
        await self.challenge(b'{"status":"400","schemes":"Bearer"}')
        return ""

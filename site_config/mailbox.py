"""The local mailbox of development: an SMTP server that keeps every mail as a file.

It accepts everything and delivers nothing. What it holds was written by anybody: reading must
survive any bytes, so headers are decoded by hand and each part falls back to something readable.
"""

import contextlib
import email.errors
import email.header
import email.message
import email.policy
import email.utils
import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from site_config.logs import escape

SUFFIX = ".eml"
NAME = r"[0-9]{20}-[0-9]{6}"  # nanoseconds since 1970, then a number: sorts by arrival
SIZE_LIMIT = 32 * 1024 * 1024  # bytes the server takes
HEAD_SIZE = 64 * 1024  # bytes read for the list
BODY_SIZE = 5 * 1024 * 1024  # bytes read for one mail's page
TEXT_LIMIT = 200_000  # characters shown of a part


class Mailbox:
    """A folder of mails, one file each; a file is complete from the moment it has its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    def add(self, content: bytes, sender: str, recipients: list[str]) -> str:
        """Keep a mail with its envelope on top, as a mail host does when it delivers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{next(self._numbers) % 1_000_000:06d}"
        envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {r}" for r in recipients)]
        head = "".join(f"{escape(line)}\r\n" for line in envelope).encode("utf-8", "replace")
        unfinished = self.folder / f"{name}.part"
        unfinished.write_bytes(head + content)
        unfinished.replace(self.file(name))
        return name

    def names(self) -> list[str]:
        """Return the names of all mails, newest first."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            found = [entry.name.removesuffix(SUFFIX) for entry in entries]
        return sorted((name for name in found if re.fullmatch(NAME, name)), reverse=True)

    def head(self, name: str) -> "Mail":
        return Mail(name, self._read(name, HEAD_SIZE))

    def mail(self, name: str) -> "Mail":
        """Return a mail; FileNotFoundError when there is none of that name."""
        return Mail(name, self._read(name, BODY_SIZE))

    def file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def clear(self) -> int:
        """Delete all mails and return how many there were."""
        names = self.names()
        for name in names:
            self.file(name).unlink(missing_ok=True)
        return len(names)

    def _read(self, name: str, size: int) -> bytes:
        with self.file(name).open("rb") as file:
            return file.read(size)


class Catcher:
    """Accepts every mail over SMTP, on a thread of its own, and keeps it in the mailbox."""

    def __init__(self, mailbox: Mailbox, host: str, port: int) -> None:
        from aiosmtpd.controller import Controller  # only where mail is caught

        self.mailbox = mailbox
        self._controller = Controller(
            self, hostname=host, port=port, data_size_limit=SIZE_LIMIT, server_hostname="localhost"
        )

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        try:
            name = self.mailbox.add(envelope.content, envelope.mail_from, envelope.rcpt_tos)
        except OSError as error:
            return f"452 4.3.1 The mail cannot be kept: {error.strerror}"
        return f"250 2.0.0 Kept as {name}"


@dataclass(frozen=True)
class Part:
    """A part that is not shown as the body: what it says it is."""

    content_type: str
    file_name: str
    size: int


class Mail:
    """One caught mail, read defensively: no property raises, whatever the bytes are."""

    def __init__(self, name: str, source: bytes) -> None:
        self.name = name
        self.source = source
        try:
            self._message = email.message_from_bytes(source, policy=email.policy.compat32)
        except (RecursionError, ValueError, LookupError, email.errors.MessageError):
            self._message = email.message.Message()

    @property
    def caught_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.name.partition("-")[0]) / 1e9, tz=UTC)

    @property
    def subject(self) -> str:
        return self.header("Subject")

    @property
    def sender(self) -> str:
        return self.header("From")

    @property
    def recipients(self) -> list[str]:
        """Return the envelope's recipients: who really gets the mail."""
        return [decoded(value) for key, value in self._headers() if key == "Delivered-To"]

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(escape(key), decoded(value)) for key, value in self._headers()]

    @property
    def html(self) -> str:
        return self._body("text/html")

    @property
    def text(self) -> str:
        return self._body("text/plain")

    @property
    def raw(self) -> str:
        return self.source.decode("utf-8", "replace")[:TEXT_LIMIT]

    @property
    def attachments(self) -> list[Part]:
        shown = {id(self._first("text/html")), id(self._first("text/plain"))}
        return [
            Part(p.get_content_type(), file_name(p), len(payload(p)))
            for p in self._parts()
            if not p.is_multipart() and id(p) not in shown
        ]

    def header(self, name: str) -> str:
        found = (value for key, value in self._headers() if key.lower() == name.lower())
        return decoded(next(found, ""))

    def _headers(self) -> list[tuple[str, Any]]:
        return list(self._message.raw_items())

    def _parts(self) -> Iterator[email.message.Message]:
        try:
            yield from self._message.walk()
        except RecursionError:
            return

    def _first(self, content_type: str) -> email.message.Message | None:
        return next((p for p in self._parts() if p.get_content_type() == content_type), None)

    def _body(self, content_type: str) -> str:
        part = self._first(content_type)
        if part is None:
            return ""
        content = payload(part)
        try:
            charset = part.get_content_charset("utf-8")
            return content.decode(charset, "replace")[:TEXT_LIMIT]
        except (LookupError, ValueError):  # no such charset, or one that is not for text
            return content.decode("utf-8", "replace")[:TEXT_LIMIT]


def payload(part: email.message.Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return b""
    return content if isinstance(content, bytes) else b""


def file_name(part: email.message.Message) -> str:
    try:
        return decoded(part.get_filename() or "")
    except (ValueError, LookupError, TypeError):
        return ""


def decoded(value: Any) -> str:
    """Return a header's value as one printable line, encoded words decoded where they can be."""
    # Bytes outside ASCII come as surrogates; they are UTF-8 or nothing readable.
    line = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    line = re.sub(r"\r?\n[ \t]", " ", line)
    with contextlib.suppress(email.errors.HeaderParseError, LookupError, ValueError):
        line = str(email.header.make_header(email.header.decode_header(line)))
    return escape(line)

"""Reads the mailbox that bounces come to, over IMAP (RFC 3501): mails as bytes, one after the
other, each marked as read when whoever asked comes back for the next. No Django, no database.

    ImapFailed   no connection, no valid certificate, no log-in, no such folder, no answer
"""

import imaplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls
from imap_tools.errors import ImapToolsError
from imap_tools.utils import encode_folder

TIMEOUT = 30.0  # seconds for each answer of the server
KEYWORD = "$VestnikRead"
"""Put on a mail that was read and stays, where the server keeps such keywords: a person who looks
into the mailbox takes nothing from us then. Elsewhere `\\Seen` is what tells."""

Security = Literal["tls", "starttls"]
_SCHEMES: dict[str, tuple[Security, int]] = {"imaps": ("tls", 993), "imap+tls": ("starttls", 143)}


class ImapFailed(Exception):  # noqa: N818 - what happened, as `Refused`
    """The mailbox could not be read, or not to its end; says why, without the password."""


class Mail(NamedTuple):
    """A mail of the mailbox. `uid` is the server's number of it (RFC 3501 2.3.1.1)."""

    uid: str
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class ImapConfig:
    """Where the mailbox is, and what becomes of a mail that was read."""

    host: str
    username: str
    password: str = field(repr=False)
    port: int = 993
    security: Security = "tls"
    folder: str = "INBOX"
    done_folder: str = ""
    """Where mails go when they were read, made if it is missing; empty: they stay."""
    ca_file: str = ""
    """The authorities to trust; empty: those of the system."""

    @classmethod
    def from_url(cls, url: str) -> "ImapConfig":
        """Return the mailbox of `imaps://user:password@host:993/INBOX?done=Read`; `imap+tls` is
        STARTTLS. Raises `ValueError`, without the address's password, for what is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
                           if parts.query else ())  # fmt: skip
        except ValueError:
            raise ValueError("not an address of a mailbox") from None
        if parts.scheme not in _SCHEMES or not (parts.hostname and parts.username):
            raise ValueError("an address of a mailbox is imaps://user:password@host/folder")
        if unknown := options.keys() - {"done", "ca"}:
            raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
        security, usual_port = _SCHEMES[parts.scheme]
        return cls(
            host=parts.hostname,
            port=port or usual_port,
            security=security,
            username=unquote(parts.username),
            password=unquote(parts.password or ""),
            folder=unquote(parts.path.strip("/")) or "INBOX",
            done_folder=options.get("done", ""),
            ca_file=options.get("ca", ""),
        )

    def __post_init__(self) -> None:
        told = (self.host, self.username, self.password, self.folder, self.done_folder)
        if not all(text.isprintable() for text in told):
            raise ValueError("signs that cannot be seen")  # a line's end would be a command


def read(
    config: ImapConfig, *, most: int = 500, seconds: float = 120.0, max_bytes: int = 1 << 20
) -> Iterator[Mail]:
    """Yield the mails that were not read yet, the oldest first, at most `most` of them and for
    about `seconds`; of each at most its first `max_bytes`.

    A mail is marked as read, or moved, when the next one is asked for: one whose reader fails comes
    again. Raises `ImapFailed`.
    """
    deadline = time.monotonic() + seconds
    with _failures_told(), _opened(config) as box:
        mark = _mark(box)
        for uid in box.uids(_unread(mark), charset=None)[:most]:
            raw = _content(box, uid, max_bytes)
            if raw is not None:
                yield Mail(uid, raw)
                _settle(box, uid, mark, config.done_folder)
            if time.monotonic() > deadline:
                return


class _StartTls(MailBoxStartTls):
    """The library's, but for the connection, which it leaves open when TLS fails."""

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4(self._host, self._port, self._timeout)
        try:
            client.starttls(self._ssl_context)
        except BaseException:
            with suppress(OSError):  # it may be closed already
                client.shutdown()
            raise
        return client


@contextmanager
def _opened(config: ImapConfig) -> Iterator[BaseMailBox]:
    kind = MailBox if config.security == "tls" else _StartTls
    # A context of our own: without one the library looks at no certificate.
    context = ssl.create_default_context(cafile=config.ca_file or None)
    box = kind(config.host, config.port, timeout=TIMEOUT, ssl_context=context)
    try:
        if (config.username + config.password).isascii():
            box.login(config.username, config.password, initial_folder=None)
        else:
            box.login_utf8(config.username, config.password, initial_folder=None)
        if config.done_folder and not box.folder.exists(config.done_folder):
            box.folder.create(config.done_folder)
        box.folder.set(config.folder)
        yield box
    finally:
        with suppress(OSError, ImapToolsError, imaplib.IMAP4.error):
            box.logout()


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ImapFailed(f"certificate: {error.verify_message}") from error
    except (OSError, ImapToolsError, imaplib.IMAP4.error) as error:
        raise ImapFailed(_line(error)) from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(sign for sign in text[:300] if sign.isprintable())


def _mark(box: BaseMailBox) -> str:
    """Return what says of a mail that it was read: the server tells what it keeps for good."""
    _, told = box.client.response("PERMANENTFLAGS")
    flags = b" ".join(part for part in told or () if isinstance(part, bytes))
    return KEYWORD if b"\\*" in flags else "\\Seen"


def _unread(mark: str) -> str:
    is_unread = "UNSEEN" if mark == "\\Seen" else f"UNKEYWORD {mark}"
    return f"{is_unread} UNDELETED"


def _content(box: BaseMailBox, uid: str, most: int) -> bytes | None:
    """Return the beginning of a mail; None: somebody has deleted it meanwhile."""
    status, told = box.client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{most}>)")
    _expect(status, told)
    return next((part[1][:most] for part in told if isinstance(part, tuple)), None)


def _settle(box: BaseMailBox, uid: str, mark: str, done_folder: str) -> None:
    # Not by the library's own commands: they expunge what others have marked as deleted.
    if done_folder and "MOVE" in box.client.capabilities:  # RFC 6851
        return _expect(*box.client.uid("MOVE", uid, _named(done_folder)))
    _expect(*box.client.uid("STORE", uid, "+FLAGS", f"({mark})"))
    if done_folder:
        _expect(*box.client.uid("COPY", uid, _named(done_folder)))
        _expect(*box.client.uid("STORE", uid, "+FLAGS", r"(\Deleted)"))
    return None


def _named(folder: str) -> str:
    return encode_folder(folder).decode("ascii")


def _expect(status: str, told: object) -> None:
    if status != "OK":
        raise imaplib.IMAP4.error(told)

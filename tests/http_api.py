"""A scripted HTTP API on loopback: says what it is told, and keeps what it was asked."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Self

Script = Callable[[socket.socket], None]


def reply(code: int, body: bytes | str = b"{}", **headers: str) -> Script:
    """Answer whole; `Retry_After` stands for Retry-After."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {code} Said", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    def play(peer: socket.socket) -> None:
        peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return play


def taken(to: str) -> Script:
    """Answer as Postmark does for a mail that it took."""
    return reply(200, json.dumps({"ErrorCode": 0, "Message": "OK", "MessageID": "m1", "To": to}))


def recipient(request: "Request") -> str:
    """Return to whom a mail in Postmark's form goes."""
    return parseaddr(json.loads(request.body)["To"])[1]


def take(request: "Request") -> Script:
    """Choose as Postmark does when all is well."""
    return taken(recipient(request))


def then_close(script: Script) -> Script:
    """Answer, and hang up although nobody said so."""

    def play(peer: socket.socket) -> None:
        script(peer)
        peer.shutdown(socket.SHUT_RDWR)

    return play


def say(raw: bytes) -> Script:
    """Say this and hang up."""

    def play(peer: socket.socket) -> None:
        peer.sendall(raw)
        peer.shutdown(socket.SHUT_RDWR)

    return play


def drip(peer: socket.socket) -> None:
    """A status line that never ends, a byte each tenth of a second."""
    for byte in b"HTTP/1.1 200 " + b"x" * 600:
        peer.sendall(bytes([byte]))
        time.sleep(0.1)


def hang(peer: socket.socket) -> None:
    peer.settimeout(30)
    peer.recv(1)


def endless(peer: socket.socket) -> None:
    """A body without an end, as fast as it is read."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(2000):
        peer.sendall(b"x" * 100_000)


@dataclass(frozen=True)
class Request:
    head: str
    body: bytes


@dataclass
class HttpApi:
    """Answers each request by `script`, or by what `choose` returns for it."""

    script: Script = field(default_factory=lambda: reply(200))
    choose: Callable[["Request"], Script] | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._peers: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        for one in (self._listener, *self._peers):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def url(self, name: str = "postmark", *, user: str = "", query: str = "") -> str:
        return f"{name}+http://{user}:s3cret@127.0.0.1:{self.port}/v1{query}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                self.connections += 1
                threading.Thread(target=self._serve, args=[peer], daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with suppress(OSError), peer, peer.makefile("rb") as stream:
            while head := self._head(stream):
                length = next(
                    (
                        int(line.partition(":")[2])
                        for line in head.splitlines()
                        if line.lower().startswith("content-length:")
                    ),
                    0,
                )
                request = Request(head, stream.read(length))
                self.requests.append(request)
                (self.choose(request) if self.choose else self.script)(peer)

    @staticmethod
    def _head(stream) -> str:
        lines = []
        while (line := stream.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1"))
        return "".join(lines)

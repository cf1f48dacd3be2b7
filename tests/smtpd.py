"""A real SMTP server on loopback that does what a script says, for every test of sending.

    with SmtpServer(script={"rcpt": {"full*": "452 4.2.2 full"}, "dot": [Hang()]}) as server:
        … send to server.url …
        assert [m.recipients for m in server.messages] == [...]

A script gives each step (`banner ehlo helo starttls handshake auth mail rcpt data body dot rset
quit idle`) what to do instead of answering well: one action for always, a list that is used up one
by one (None: answer well), or a dict of address patterns (first match). A string is a reply.
`Accept(action)` at `dot` takes the mail and then misbehaves. The script may be changed while the
server runs; `stop` and `start` take the server away and bring it back on the same port.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Self
from urllib.parse import quote

from tests.certificates import Certificate
from tests.smtp_dialogue import Received, Session
from tests.smtp_faults import Action, GoneError, as_action


class SmtpServer:
    """The server, in a thread of its own. Lists grow only, so tests read them while it runs."""

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        *,
        extensions: Iterable[str] = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8"),
        security: str = "smtp",  # or "smtp+tls", "smtps"
        certificate: Certificate | None = None,
        users: Mapping[str, str] | None = None,
        mechanisms: Iterable[str] = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"),
        requires_auth: bool = False,
        max_connections: int = 0,
        mails_per_connection: int = 0,
        port: int = 0,
    ) -> None:
        self.script: dict[str, Any] = dict(script or {})
        self.extensions = list(extensions)
        self.security = security
        self.certificate = certificate
        self.users = dict(users or {})
        self.mechanisms = list(mechanisms)
        self.requires_auth = requires_auth
        self.max_connections = max_connections
        self.mails_per_connection = mails_per_connection
        self.port = port
        self.messages: list[Received] = []
        self.commands: list[tuple[int, str]] = []  # (connection, line), secrets too
        self.connections = 0
        self.open_connections = 0
        self.most_open_connections = 0
        self.errors: list[BaseException] = []  # of the server itself: a test's own fault
        self._sessions: set[Session] = set()
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        if self.errors and exception[1] is None:
            raise self.errors[0]

    @property
    def url(self) -> str:
        """The URL of a transport, with the first user's password and the test authority."""
        login = ""
        for user, password in list(self.users.items())[:1]:
            login = f"{quote(user, safe='')}:{quote(password, safe='')}@"
        option = f"?ca={self.certificate.ca_file}" if self.certificate else ""
        return f"{self.security}://{login}127.0.0.1:{self.port}{option}"

    def start(self) -> None:
        """Listen; after `stop` on the same port as before."""
        # The protocol is named so that asyncio turns Nagle's delay off.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
        self.port = listener.getsockname()[1]
        self.loop = asyncio.SelectorEventLoop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and drop every connection."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(10)

    def count_of(self, command: str) -> int:
        """Return how often a command came, by its first word."""
        return sum(line.split(" ")[0].upper() == command for _, line in list(self.commands))

    def wait_for(self, count: int, seconds: float = 10) -> list[Received]:
        """Wait until so many mails have come; return those there are."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.messages) >= count, seconds)
        return list(self.messages)

    def drop_connections(self, *, with_reset: bool = False) -> None:
        """Cut every open connection, now."""
        for session in list(self._sessions):
            cut = session.reset if with_reset else session.close
            self.loop.call_soon_threadsafe(cut)

    def remember(self, message: Received) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def plan(self, step: str, address: str = "") -> Action | None:
        """Return what the script says for this step now; None: answer well."""
        plan = self.script.get(step)
        if isinstance(plan, Mapping):
            plan = next((a for p, a in plan.items() if fnmatchcase(address, p)), None)
        if isinstance(plan, list):
            plan = plan.pop(0) if plan else None
        return None if plan is None else as_action(plan)

    # The thread

    def _run(self, listener: socket.socket) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve(listener))
        finally:
            self.loop.close()

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._meet, sock=listener, limit=2**20)
        await self._stopped.wait()
        server.close()
        for session in list(self._sessions):
            session.close()
        tasks = [session.task for session in self._sessions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = Session(self, reader, writer, self.connections)
        self._sessions.add(session)
        self.open_connections += 1
        self.most_open_connections = max(self.most_open_connections, self.open_connections)
        try:
            await session.run()
        except (GoneError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001  # told to the test by `__exit__`
            self.errors.append(error)
        finally:
            self.open_connections -= 1
            self._sessions.discard(session)
            session.close()

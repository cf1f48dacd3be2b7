"""The wire: reads replies, gives each to whoever waits for it, keeps the deadlines.

A `BufferedProtocol`, because a plain `Protocol` allocates 256 KB for each read and costs nearly
three times the CPU. Knows nothing of mails; `in_flight` does.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple, cast

from mailings.delivery.transports.base import CLOSING, SendResult, Step, classify, enhanced_code
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.replies import (
    CONTINUED,
    FINAL,
    REPLY_LIMIT,
    Between,
    Fault,
    Reply,
    SessionError,
    reply_text,
)
from mailings.timing import steady

READ_SIZE = 4096
"""Bytes of the read buffer each connection keeps: a dozen replies."""


class Expected(NamedTuple):
    """An answer that is due: its step, its deadline in seconds, and who takes it."""

    step: Step | Between
    limit: float
    taken_by: Callable[[Any, int, bytes], None]


class SmtpProtocol(asyncio.BufferedProtocol):
    """Replies in, commands out. A subclass says what a fault means (`fail`)."""

    def __init__(self, config: SmtpConfig) -> None:
        self.config = config
        self.policy: Policy = config.policy
        self.extensions: dict[str, str] = {}
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._came: list[bytes] = []  # the lines that were read last
        self._rest = b""  # the beginning of a line
        self._lines: list[bytes] = []  # of a reply that goes on
        self._size = 0  # of those lines
        self._expected: deque[Expected] = deque()
        self._answer: asyncio.Future[Reply] | None = None
        self._failure: SessionError | None = None
        self._opening_step = Step.CONNECT
        self._is_blocked = False  # something written has not left this machine
        self._now = monotonic()
        self._epoch = steady.epoch()
        self._deadline = math.inf
        self._quiet_limit = math.inf  # while no answer is due
        self._unsent_bytes = 0
        self._tick_every = self.policy.tick
        self._timer = self._loop.call_later(self._tick_every, self._tick)

    # What a subclass decides

    def fail(self, fault: Fault, raw: bytes = b"", step: Step | Between | None = None) -> None:
        """End the connection: no usable answer came."""
        raise NotImplementedError

    def session_refused(self, step: Step | Between, reply: Reply) -> None:
        """End the connection: the server says that it does."""
        raise NotImplementedError

    def quiet_limit_reached(self) -> None:
        """Nothing was due, for too long."""
        raise NotImplementedError

    def drained(self) -> None:
        """All that was written has left."""

    def is_overdue(self, now: float) -> bool:
        """Whether a deadline wider than one reply's has passed."""
        return False

    # Reading

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.ended:
            return
        data = bytes(self._buffer[:nbytes])
        if self._rest:
            data = self._rest + data
        self._came = lines = data.split(b"\n")
        self._rest = rest = lines.pop()
        if len(lines) + (rest != b"") > len(self._expected) and self._is_more_than_asked():
            return
        if lines:
            self._now = monotonic()
            self._read_lines(lines)
        if len(self._rest) + self._size > REPLY_LIMIT and not self.ended:
            self.fail(Fault.TOO_LONG)

    @property
    def is_body_leaving(self) -> bool:
        """Whether it is certain that a final dot is still on this machine: what is said now ends
        the connection, and more may follow from a server that takes the body for commands."""
        return False

    def _is_more_than_asked(self) -> bool:
        """End, if there is an answer more here than commands had been written when it came: which
        one belongs to which cannot be told any more. A 421 may come unasked."""
        if self.is_body_leaving:
            return False
        answers, goes_on = 0, self._lines[:1]
        for line in self._came:
            if line[:4] in CONTINUED:
                goes_on = goes_on or [line]
            else:
                answers += FINAL.get(line[:4], CLOSING) != CLOSING
                goes_on = []
        if begun := (goes_on[0] if goes_on else self._rest)[:3]:
            answers += not b"421".startswith(begun)
        if answers <= len(self._expected):
            return False
        self._now = monotonic()
        step = self._expected[-1].step if self._expected else None
        self.fail(Fault.OUT_OF_STEP, b"\n".join(self._came) or self._rest, step)
        return True

    def _read_lines(self, lines: list[bytes]) -> None:
        is_answered = False
        expected = self._expected
        for line in lines:
            code = FINAL.get(line[:4])
            if code is not None and expected and not self._lines:  # nearly always
                is_answered = True
                expected.popleft().taken_by(self, code, line)
            else:
                is_answered |= self._read_line(code, line)
            if self.ended:
                return
        if is_answered:  # a reply that only goes on does not buy itself time
            self._arm()

    def _read_line(self, code: int | None, line: bytes) -> bool:
        """Return whether this line completed an answer."""
        if code is not None and not self._lines:
            self._take(code, line)
        elif code is not None:
            self._lines.append(line)
            raw = b"\n".join(self._lines)
            is_one_answer = self._lines[0][0] == line[0]
            self._lines = []
            self._size = 0
            if is_one_answer:
                self._take(code, raw)
            else:
                self.fail(Fault.UNREADABLE, raw)
        elif line[:4] in CONTINUED:
            self._lines.append(line)
            self._size += len(line) + 1
            if self._size > REPLY_LIMIT:
                self.fail(Fault.TOO_LONG)
            return False
        else:
            self.fail(Fault.UNREADABLE, line)
        return True

    def _take(self, code: int, raw: bytes) -> None:
        if self._expected:
            self._expected.popleft().taken_by(self, code, raw)
        elif code == CLOSING:
            self.session_refused(Between.NOTHING, Reply(code, raw))
        else:
            self.fail(Fault.OUT_OF_STEP, raw)

    def eof_received(self) -> bool:
        self._now = monotonic()
        self.fail(Fault.DROPPED)
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's is one by what it does only
        if self.ended:  # meanwhile told to stop
            stream.abort()
        else:
            self.use(stream)

    def connection_lost(self, error: Exception | None) -> None:
        self._now = monotonic()
        self.fail(Fault.DROPPED)

    # Writing

    def use(self, transport: asyncio.Transport) -> None:
        """Talk through `transport` from now on (plain, then TLS)."""
        self._transport = transport
        # The lowest marks there are: `_is_blocked` then tells whether what was written has left.
        transport.set_write_buffer_limits(high=1, low=0)
        self._now = monotonic()
        self._arm()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._unsent_bytes = -1

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._now = monotonic()
        self._arm()
        if not self.ended:
            self.drained()

    # One command, one answer: how a session is opened

    def expect_answer(self, step: Step) -> "asyncio.Future[Reply]":
        """Return a future of the next reply; it raises `SessionError` when none comes."""
        self.raise_failure()
        self._opening_step = step
        self._answer = self._loop.create_future()
        self._expected.append(Expected(step, getattr(self.policy, step), _resolve))
        if self._transport is not None:
            self._now = monotonic()
            self._arm()
        return self._answer

    def begin_step(self, step: Step) -> None:
        """Count what goes wrong from now on, before mails are sent, as gone wrong at `step`."""
        self._opening_step = step

    async def command(self, step: Step, line: bytes) -> Reply:
        answer = self.expect_answer(step)
        self.write(line + b"\r\n")
        return await answer

    def fail_answer(self, error: SessionError) -> None:
        """Let the answer that is waited for, or the next that will be, fail."""
        self._failure = self._failure or error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # seen: during a TLS handshake nobody awaits it

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @property
    def has_unread_bytes(self) -> bool:
        """Whether the server said more than it was asked."""
        return bool(self._rest or self._lines)

    # Results

    def result(
        self,
        step: Step,
        started: float,
        reply: Reply | None,
        text: str = "",
    ) -> SendResult:
        """Make a result of now from the server's reply, or from `text` where there is none."""
        code, enhanced = None, ""
        if reply is not None:
            code = reply.code
            text = reply_text(reply.raw)
            enhanced = enhanced_code(code, text)
        return classify(step, code, enhanced, text)(
            step=step,
            started_at=datetime.fromtimestamp(started + self._epoch, UTC),
            seconds=self._now - started,
            code=code,
            enhanced_code=enhanced,
            reply=text,
        )

    # Deadlines

    def _arm(self) -> None:
        limit = self._expected[0].limit if self._expected else self._quiet_limit
        self._deadline = self._now + limit

    def _tick(self) -> None:
        """Look at the clock. A timer a reply would cost more than the reply itself."""
        self._timer = self._loop.call_later(self._tick_every, self._tick)
        now = self._now = monotonic()
        self._epoch = steady.epoch()
        if self._is_blocked and self._transport is not None:
            unsent = self._transport.get_write_buffer_size()
            if unsent != self._unsent_bytes:  # the body is still leaving
                self._unsent_bytes = unsent
                self._deadline = now + self.policy.block
        if self.is_overdue(now) or (self._expected and now >= self._deadline):
            self.fail(Fault.SILENT)
        elif now >= self._deadline:
            self.quiet_limit_reached()

    def disconnect(self) -> None:
        """Let go of the wire, once; whatever arrives later is not looked at."""
        self.ended = True
        self._timer.cancel()
        self._expected.clear()
        if self._transport is not None:
            self._transport.abort()
            # Under TLS the transport knows this protocol and keeps 256 KB to read into: in a circle
            # they would stay until garbage is collected, which a sending session seldom does.
            self._transport = None


def _resolve(protocol: SmtpProtocol, code: int, raw: bytes) -> None:
    answer = protocol._answer
    if answer is not None and not answer.done():
        answer.set_result(Reply(code, raw))

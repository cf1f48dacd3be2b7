"""One persistent connection that sends mail after mail: `MAIL/RCPT/DATA` of the next leave with
the body of this one (RFC 2920), or step by step where the server does not offer PIPELINING.

`Source` is who gives the mails, says when a body may go, and takes the results. Nothing here
decides about retries.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from mailings.delivery.transports.base import CLOSING, Step, Unavailable, printable
from mailings.delivery.transports.mail import Mail, Source, UnusableAddressError, envelope
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.delivery.transports.smtp.in_flight import InFlightProtocol
from mailings.delivery.transports.smtp.protocol import Expected
from mailings.delivery.transports.smtp.replies import (
    Between,
    Fault,
    Reply,
    SessionError,
    is_accepting,
    is_go_ahead,
    is_refusing,
)
from mailings.delivery.transports.smtp.session import open_session

log = logging.getLogger(__name__)

LARGE_BODY = 32 * 1024
"""Bytes. The envelope behind a larger body waits until the body has left: only so can a connection
that breaks half-way tell that the final dot had not gone."""


class SmtpConnection(InFlightProtocol):
    """Opens with `start`, then asks its source for mails until told to `stop`."""

    def __init__(self, config: SmtpConfig, source: Source) -> None:
        super().__init__(config, source)
        self._opening: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_quitting = False
        self._is_pipelining = False
        self._is_refused = False  # the envelope whose replies are still coming in
        self._left = config.mails_per_connection
        self._rcpt = b""
        policy = config.policy
        self._on = {
            step: Expected(step, getattr(policy, step), taken_by)
            for step, taken_by in _TAKEN_BY.items()
        }
        self._envelope_answers = (self._on[Step.MAIL], self._on[Step.RCPT], self._on[Step.DATA])
        self._empty_dot = Expected(Between.RSET, policy.rset, SmtpConnection._take_empty_dot)

    # What the engine says

    def start(self) -> None:
        self._opening = self._loop.create_task(self._open())
        self._opening.add_done_callback(self._opened)

    def wake(self) -> None:
        """Ask the source again: it has mails now."""
        if not self._is_ready or self._is_envelope_open or self._is_quitting or self.ended:
            return
        self._now = monotonic()
        if self._body is None:
            if not self._expected:
                self._proceed()
                self._arm()
        elif self._is_pipelining and not self._is_blocked:
            self.write(self._next_envelope())

    def release_body(self) -> None:
        """Send the body that waited for this."""
        if self._is_body_waiting and not self.ended:
            self._now = monotonic()
            self._send_body()
            self._arm()

    def stop(self) -> None:
        """Take no new mail; end as soon as the body in flight is answered."""
        self._is_stopping = True
        self._now = monotonic()
        if self._body is not None or self._is_quitting or self.ended:
            return
        if self._is_ready and not self._expected and not self._is_body_waiting:
            self._quit()
        else:
            # Half an envelope, or after 354: only closing takes it back.
            self._leave()

    def abort(self) -> None:
        """End at once; a body in flight becomes uncertain."""
        self._now = monotonic()
        if self._is_ready:
            self.fail(Fault.ABANDONED)
        else:
            self._leave()

    def _leave(self) -> None:
        self.finish(None)
        if self._opening is not None and not self._is_ready:
            self._opening.cancel()

    # Opening

    async def _open(self) -> None:
        started = monotonic()
        try:
            await open_session(self)
            self._is_ready = True
        except SessionError as error:
            self._now = monotonic()
            self.finish(self.result(error.step, started, error.reply, error.text))
        except Exception as error:  # nothing was handed over yet, and a rest is in place
            log.exception("session_not_opened", extra={"host": self.config.host})
            self._now = monotonic()
            words = printable(f"{type(error).__name__}: {error}")
            self.finish(self.result(self._opening_step, started, None, words))
        finally:
            if not self._is_ready:
                self.finish(None)
        if self.ended:
            return
        self._is_pipelining = self.config.pipelining and "PIPELINING" in self.extensions
        self._now = monotonic()
        self._proceed()
        self._arm()

    def _opened(self, opening: "asyncio.Task[None]") -> None:
        """Nobody waits for the task: its fault would show when it is thrown away."""
        if not opening.cancelled() and (error := opening.exception()) is not None:
            self._loop.call_exception_handler(
                {"message": "The first mail of a connection failed.", "exception": error}
            )

    # The next mail

    def _proceed(self) -> None:
        """Go on with nothing in flight: the next envelope, QUIT, or wait."""
        if self._is_quitting:
            return
        commands = self._next_envelope()
        if commands:
            self.write(commands)
        elif self._is_stopping or not self._left:
            self._quit()
        else:
            self._was_used = True
            self._quiet_limit = self.policy.idle

    def _next_envelope(self) -> bytes:
        """Fetch a mail and return its commands, the answers to which are now expected."""
        self._is_envelope_open = True  # the source may call `wake` while it is asked
        while self._left and not self._is_stopping and not self.ended:
            mail = self._source.next_mail(self)
            if mail is None:
                break
            try:
                from_, to = envelope(mail, self.extensions)
            except UnusableAddressError as error:
                self.report(mail, error.step, self._now, None, str(error))
                continue
            self._left -= 1
            self._next = mail
            self._next_started = self._now
            if self._is_pipelining:
                self._expected.extend(self._envelope_answers)
                return b"%b%bDATA\r\n" % (from_, to)
            self._rcpt = to
            self._expected.append(self._on[Step.MAIL])
            return from_
        self._is_envelope_open = False
        return b""

    def _is_more_than_asked(self) -> bool:
        """A large body may be refused ahead of it: that is known to be what it is while the body
        leaves."""
        mail, came = self._next, self._came
        if (
            mail is not None
            and len(mail.body) > LARGE_BODY
            and self._expected
            and self._expected[-1].step is Step.DATA
            and came[-1:]
            and came[-1][:1] in b"45"
        ):
            return False
        return super()._is_more_than_asked()

    def _take_mail(self, code: int, raw: bytes) -> None:
        if not is_accepting(code):
            self._refuse(Step.MAIL, code, raw)
        elif not self._is_pipelining:
            self._expected.append(self._on[Step.RCPT])
            self.write(self._rcpt)

    def _take_rcpt(self, code: int, raw: bytes) -> None:
        if self._is_refused:
            if not self.heed_closing(Step.RCPT, code, raw) and not is_refusing(code):
                self.fail(Fault.OUT_OF_STEP, raw, Step.RCPT)  # nobody takes it without a sender
        elif not is_accepting(code):
            self._refuse(Step.RCPT, code, raw)
        elif not self._is_pipelining:
            self._expected.append(self._on[Step.DATA])
            self.write(b"DATA\r\n")

    def _take_data(self, code: int, raw: bytes) -> None:
        if self._disputed is not None and not self._settle_dispute(code, raw):
            return
        if self._is_refused:
            self._leave_refused_envelope(code, raw)
        elif not is_go_ahead(code):
            self._refuse(Step.DATA, code, raw)
        else:
            mail = self._next
            assert mail is not None
            if self._source.may_send_body(self, mail):
                self._send_body()
            else:
                self._is_body_waiting = True
                self._quiet_limit = self.policy.body_wait

    def _refuse(self, step: Step, code: int, raw: bytes) -> None:
        """The mail is refused, if that is an answer to its own command: an answer too many before
        it would show by what the rest of the envelope, or the RSET after it, is answered."""
        mail = self._next
        assert mail is not None
        reply = Reply(code, raw)
        if not is_refusing(code):
            self.fail(Fault.OUT_OF_STEP, raw, step)
        elif code == CLOSING or reply.outcome(step) is Unavailable:
            self.session_refused(step, reply)
        elif not self._is_pipelining and self._is_doubtful(step, mail):
            self.finish(None)
        else:
            self._refusal = (step, reply)
            self._is_refused = True
            if not self._is_pipelining or step is Step.DATA:
                self._reset()

    def _is_doubtful(self, step: Step, mail: Mail) -> bool:
        """Whether a refused sender, which pauses a whole mailing, may be a late second answer to
        what came before. Step by step nothing would show it: a fresh connection does."""
        return step is Step.MAIL and self._was_used and not mail.returned

    def _leave_refused_envelope(self, code: int, raw: bytes) -> None:
        """After a refusal the server may still say 354: RFC 2920 3.1 asks for an empty body."""
        if self.heed_closing(Step.DATA, code, raw):
            return
        if not (is_go_ahead(code) or is_refusing(code)):
            self.fail(Fault.OUT_OF_STEP, raw, Step.DATA)
            return
        if is_go_ahead(code):
            self._expected.append(self._empty_dot)
            self.write(b".\r\n")
        else:
            self._reset()

    def _take_empty_dot(self, code: int, raw: bytes) -> None:
        if self.heed_closing(Between.RSET, code, raw):
            return
        if is_go_ahead(code):
            self.fail(Fault.OUT_OF_STEP, raw, Step.DATA)
        else:
            self._leave_refusal()

    def _leave_refusal(self) -> None:
        """All that belongs to it is answered as it should be: believe it, and go on."""
        self.settle_refusal()
        self._is_refused = self._is_envelope_open = False
        if not self.ended:
            self._proceed()

    def _reset(self) -> None:
        """Clear the server's transaction. Nothing leaves with it: its answer tells whether those
        before it were in step, and a source waits for a refusal to be written anyway."""
        self._expected.append(self._on[Between.RSET])
        self.write(b"RSET\r\n")

    def _take_rset(self, code: int, raw: bytes) -> None:
        if self.heed_closing(Between.RSET, code, raw):
            return
        assert self._refusal is not None
        if is_accepting(code):
            self._leave_refusal()
        elif code in _NOT_KNOWN:
            self.fail(Fault.UNREADABLE, raw, Between.RSET)
        else:
            self.fail(Fault.OUT_OF_STEP, raw, self._refusal[0])

    # The body

    def _send_body(self) -> None:
        mail = self._next
        transport = self._transport
        assert mail is not None
        assert transport is not None
        self._is_body_waiting = self._is_envelope_open = False
        if transport.is_closing():
            self.fail(Fault.DROPPED, step=Step.DATA)
            return
        self._next = None
        self._body = mail
        self._body_started = self._next_started
        self._expected.append(self._on[Step.DOT])
        is_small = len(mail.body) <= LARGE_BODY
        commands = self._next_envelope() if self._is_pipelining and is_small else b""
        if self.ended:  # by the source, while it was asked
            return
        transport.write(b"".join((mail.body, b".\r\n", commands)))
        if transport.is_closing():  # refused by the kernel: not a byte of it left
            self.lose_body(mail, Fault.DROPPED, has_left=False)
        elif self._is_pipelining and not is_small and not self._is_blocked:
            self.write(self._next_envelope())

    def drained(self) -> None:
        self.wake()

    def _take_dot(self, code: int, raw: bytes) -> None:
        mail = self._body
        assert mail is not None
        if self.is_body_leaving:
            self._take_early_answer(mail, code, raw)
            return
        if not (is_accepting(code) or is_refusing(code)):
            self.fail(Fault.OUT_OF_STEP, raw, Step.DOT)
        elif self._next is not None and self.is_belied(code, raw):
            self._disputed = Reply(code, raw)
        else:
            self._end_body(Reply(code, raw))

    def _settle_dispute(self, code: int, raw: bytes) -> bool:
        """Return whether the next envelope's last answer shows that the dialogue is in step, and
        the connection goes on."""
        disputed = self._disputed
        assert disputed is not None
        if is_go_ahead(code) or is_refusing(code):
            self._end_body(disputed)
        else:
            self.fail(Fault.OUT_OF_STEP, raw, Step.DATA)
        return not self.ended

    def _end_body(self, reply: Reply) -> None:
        result = self.settle_body(reply)
        if self.ended:
            return
        if type(result) is Unavailable or reply.code == CLOSING:
            self.finish(result)
        elif self._is_stopping and self._next is not None:
            self.finish(None)
        elif self._next is None:
            self._proceed()

    def _take_early_answer(self, mail: Mail, code: int, raw: bytes) -> None:
        """The server spoke while the body was still leaving: it cannot have accepted anything, and
        the rest of the body would be read as commands."""
        self._body = None
        self.finish(self.report(mail, Step.DATA, self._body_started, Reply(code, raw)))

    # The end

    def _quit(self) -> None:
        self._is_quitting = True
        self._expected.append(self._on[Between.QUIT])
        self.write(b"QUIT\r\n")
        self._arm()

    def _take_quit(self, code: int, raw: bytes) -> None:
        self.finish(None)

    def quiet_limit_reached(self) -> None:
        if self._is_body_waiting:
            # Closed by us before the server's patience ends: the mail was not tried.
            self.finish(None)
        elif self._is_ready:
            self._quit()


_NOT_KNOWN = frozenset({500, 501, 502, 504})
"""A server without RSET may say so. Any other refusal of it belongs to something else."""

_TAKEN_BY: dict[Step | Between, Callable[[SmtpConnection, int, bytes], None]] = {
    Step.MAIL: SmtpConnection._take_mail,
    Step.RCPT: SmtpConnection._take_rcpt,
    Step.DATA: SmtpConnection._take_data,
    Step.DOT: SmtpConnection._take_dot,
    Between.RSET: SmtpConnection._take_rset,
    Between.QUIT: SmtpConnection._take_quit,
}

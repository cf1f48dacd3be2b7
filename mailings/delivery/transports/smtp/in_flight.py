"""The two mails a connection may hold, and what is told about them when something ends.

The *body* in flight: nobody knows whether it was accepted until its final dot is answered. The
*next*: its envelope is on the wire, nothing was handed over yet. A prototype that forgot the second
when a connection broke lost mail.
"""

from mailings.delivery.transports.base import CLOSING, SendResult, Step, printable
from mailings.delivery.transports.mail import Mail, Source
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.delivery.transports.smtp.protocol import SmtpProtocol
from mailings.delivery.transports.smtp.replies import (
    NOT_UNDERSTOOD,
    Between,
    Fault,
    Reply,
    SessionError,
    is_accepting,
)

CLOSINGS_BELIEVED = 5
"""Times a mail may meet connections that their server closes politely, all having sent mails: with
many of them, some come to their end one after another. One that just breaks is believed once."""


class InFlightProtocol(SmtpProtocol):
    """Tells of each mail exactly once: `Source.done` after a try, `closed` when given back."""

    def __init__(self, config: SmtpConfig, source: Source) -> None:
        super().__init__(config)
        self.accepted = 0
        self._source = source
        self._body: Mail | None = None
        self._body_started = 0.0
        self._next: Mail | None = None
        self._next_started = 0.0
        self._is_ready = False
        self._is_body_waiting = False  # 354 was said, the body waits for its release
        self._is_envelope_open = False  # answers to an envelope are still coming in
        self._refusal: tuple[Step, Reply] | None = None  # of the next; what follows may belie it
        self._disputed: Reply | None = None  # the final dot's, and what follows may belie it
        self._was_used = False

    @property
    def is_body_leaving(self) -> bool:
        return self._body is not None and self._is_blocked and not self._is_envelope_open

    def is_overdue(self, now: float) -> bool:
        return self._body is not None and now - self._body_started > self.policy.whole_mail

    def fail(self, fault: Fault, raw: bytes = b"", step: Step | Between | None = None) -> None:
        """End the connection: at `step` (that of the next answer) came nothing to act on."""
        if self.ended:
            return
        if fault is Fault.OUT_OF_STEP or self._disputed is not None:
            self._refusal = None  # it may be the answer to something else
        elif self._refusal is not None:
            self.settle_refusal()
            if self.ended:
                return
        if step is None:
            step = self._step_of_next_answer()
        text = f"{fault} {printable(raw)}".rstrip()
        if not self._is_ready:
            self.fail_answer(SessionError(self._opening_step, text))
        elif self._body is not None:
            self.lose_body(self._body, text, has_left=not self.is_body_leaving)
        elif (mail := self._next) is None or self._is_untried(mail, step, fault):
            self.finish(None)
        else:
            assert isinstance(step, Step)
            self._next = None
            self.finish(self.report(mail, step, self._next_started, None, text))

    def _step_of_next_answer(self) -> Step | Between:
        if self._expected:
            return self._expected[0].step
        return Step.DATA if self._is_body_waiting else Between.NOTHING

    def settle_refusal(self) -> None:
        """The next was refused: nothing belies it. Where it is in doubt, the mail is given back."""
        if self.is_refusal_doubtful():
            self._refusal = None
            self.finish(None)
            return
        mail, refusal = self._next, self._refusal
        self._next = self._refusal = None
        assert mail is not None
        assert refusal is not None
        self.report(mail, refusal[0], self._next_started, refusal[1])

    def settle_body(self, reply: Reply) -> SendResult:
        """The final dot was answered."""
        mail, self._body, self._disputed = self._body, None, None
        assert mail is not None
        self.accepted += is_accepting(reply.code)
        result = self.report(mail, Step.DOT, self._body_started, reply)
        self._next_started = self._now
        return result

    def lose_body(self, mail: Mail, text: str, *, has_left: bool) -> None:
        """End without an answer to the final dot, which had left or certainly had not."""
        self._body = None
        step = Step.DOT if has_left else Step.DATA
        self.finish(self.report(mail, step, self._body_started, None, text))

    def is_belied(self, code: int, raw: bytes) -> bool:
        """Whether what came together with the final dot's answer says the contrary: a second answer
        to it, or the answer to the next MAIL. What the rest of that envelope is answered tells."""
        came = self._came
        if len(came) < 2 or came[0] is not raw or came[1][:1] == raw[:1]:  # noqa: PLR2004
            return False
        return code != CLOSING and came[1][:3] != b"421"

    def heed_closing(self, step: Step | Between, code: int, raw: bytes) -> bool:
        """Return whether the server closes the connection; then it has ended."""
        if code == CLOSING:
            self.session_refused(step, Reply(code, raw))
        return code == CLOSING

    def session_refused(self, step: Step | Between, reply: Reply) -> None:
        """End after a 421, or a code that refuses the session, at any command but the final dot.

        On a connection that has sent mails a 421 is a server's normal way to set an end: the mail
        is given back. On a fresh one the try failed, and the recipient is not charged for it.
        """
        if self._disputed is not None:
            self.settle_body(self._disputed)
        if self._refusal is not None:
            self.settle_refusal()
        mail = self._next
        if self.ended:
            return
        if not self._is_ready:
            self.fail_answer(SessionError(self._opening_step, reply=reply))
        elif step is Between.NOTHING:
            self.finish(None)
        elif mail is None or self._is_untried(mail, step, Fault.DROPPED, CLOSINGS_BELIEVED):
            step = step if isinstance(step, Step) else Step.MAIL
            self.finish(self.result(step, self._now, reply))
        else:
            assert isinstance(step, Step)
            self._next = None
            self.finish(self.report(mail, step, self._next_started, reply))

    def _is_untried(self, mail: Mail, step: Step | Between, fault: Fault, returns: int = 1) -> bool:
        """Whether a fault at `step` says nothing about the next mail."""
        if fault is Fault.OUT_OF_STEP:
            is_sure = isinstance(step, Step) and self._body is None
            return not is_sure or self.is_refusal_doubtful()
        if self._is_body_waiting or step is Between.RSET or fault is Fault.ABANDONED:
            return True
        # The server is done with the connection rather than with this mail. Not believed for
        # ever: a mail at which connections keep ending must be charged for it.
        is_used_up = self._was_used and mail.returned < returns
        return step is Step.MAIL and fault is Fault.DROPPED and is_used_up

    def is_refusal_doubtful(self) -> bool:
        """Whether MAIL was said to be unknown behind another mail: so a server answers that reads a
        body as commands, and a fresh connection shows what it means."""
        if self._refusal is None or self._next is None or not self._was_used:
            return False
        step, reply = self._refusal
        return step is Step.MAIL and reply.code in NOT_UNDERSTOOD and not self._next.returned

    def finish(self, cause: SendResult | None) -> None:
        """Let go, and tell the source: the only place that does."""
        if self._refusal is not None and not self.ended:
            self.settle_refusal()
        if self.ended:
            return
        unsent, self._next = self._next, None
        if unsent is not None:
            unsent.returned += 1
        self.disconnect()
        self._source.closed(self, unsent, cause)  # type: ignore[arg-type]  # a Connection

    def report(
        self,
        mail: Mail,
        step: Step,
        started: float,
        reply: Reply | None,
        text: str = "",
    ) -> SendResult:
        """Tell the source what became of a mail, which is settled by now."""
        self._was_used = True
        result = self.result(step, started, reply, text)
        self._source.done(self, mail, result)  # type: ignore[arg-type]  # a Connection
        return result

"""What follows from the result of one try: the policy, pure and taking `now`. No Django.

Decision
├── Done          accepted
├── Retry         again at `at`; `charged`: it counts against the recipient
├── GiveUp        no more tries (an uncertain delivery stays uncertain)
│   └── Suppress  … and the address does not exist: never write to it again
└── PauseMailing  the sender or the letter was refused: no recipient is at fault, a person must look

What a refusal says is read by `mailings.refusals`; what follows from it is decided here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailings import refusals
from mailings.delivery.transports.base import (
    CLOSING,
    Accepted,
    Permanent,
    SendResult,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)
from mailings.refusals import RefusalKind

BACKOFF = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240))
"""Waits after the first, second … temporary refusal; then the last one again."""
MAX_TRIES = 10
MAX_AGE = timedelta(hours=24)  # from the first temporary refusal; newsletters go stale
JITTER = 0.2  # of each wait, so that what was refused together does not come back together

OUTAGE_WAIT = timedelta(minutes=1)  # doubled with every attempt
OUTAGE_WAIT_MOST = timedelta(minutes=15)
REST_MOST = 3600.0  # seconds that a service may ask to be left alone; more is taken for a slip
MAX_ATTEMPTS = 500  # about five days of a service that is away for this recipient alone

UNCERTAIN_WAIT = timedelta(minutes=15)  # a late acceptance or bounce would show by then

REFUSED_ATTEMPTS = 10
"""Attempts after which a mail that the service does not pass on, though it does so with others, is
given up: about an hour."""
_ENVELOPE = frozenset({Step.MAIL, Step.RCPT, Step.DATA, Step.DOT})


# RFC 3463: "bad sender's …" are told by 5.1.7 and 5.1.8, often only at RCPT.
SENDER_REFUSED = frozenset({"5.1.7", "5.1.8"})


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Retry:
    at: datetime
    charged: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    pass


@dataclass(frozen=True, slots=True)
class Suppress(GiveUp):
    pass


@dataclass(frozen=True, slots=True)
class PauseMailing:
    reply: str
    is_of_letter: bool = False
    """The letter is refused, not its sender."""


Decision = Done | Retry | GiveUp | PauseMailing
"""What to do with the delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What came before this try."""

    tries: int = 0  # charged to the recipient
    attempts: int = 0  # rows in the log
    resends_left: int = 0  # how often an uncertain one may still be handed over again
    first_refused_at: datetime | None = None
    until: datetime | None = None  # the mailing's end or its next occurrence


def decide(
    result: SendResult,
    history: History,
    now: datetime,
    *,
    alike: int = 0,
    is_working: bool = False,
    rest: float = 0.0,
    uncertain_wait: timedelta = UNCERTAIN_WAIT,
    chance: Callable[[], float] = random.random,
) -> Decision:
    """`alike`: refusals of the same run just before this one that said the same, with no mail taken
    in between. `is_working`: the service has dealt with other mails lately. `rest`: seconds for
    which the recipient's server wants fewer mails, of whomever; 0: it says nothing of others."""
    match result:
        case Accepted():
            return Done()
        case Temporary():
            return _after_refusal(history, now, chance, rest)
        case Permanent():
            return _after_permanent(result, history, now, alike, chance)
        case Unavailable():
            is_alone = is_working and _is_refusal(result)
            if history.attempts + 1 >= (REFUSED_ATTEMPTS if is_alone else MAX_ATTEMPTS):
                return GiveUp()
            wait = min(OUTAGE_WAIT * 2 ** min(history.attempts, 10), OUTAGE_WAIT_MOST)
            asked = timedelta(seconds=min(result.wait, REST_MOST))
            return Retry(now + max(asked, _spread(wait, chance)), charged=False)
        case Uncertain():
            return _within(history.until, now + uncertain_wait, allowed=history.resends_left > 0)
    raise TypeError(f"{type(result).__name__} is no result that can be decided.")


def _after_refusal(
    history: History, now: datetime, chance: Callable[[], float], rest: float
) -> Decision:
    wait = BACKOFF[min(history.tries, len(BACKOFF) - 1)]
    at = now + _spread(wait, chance)
    stale = (history.first_refused_at or now) + MAX_AGE
    until = stale if history.until is None else min(stale, history.until)
    if rest:
        # Whoever it was for would have been refused: only the time is bounded.
        at = now + timedelta(seconds=min(rest, REST_MOST))
        is_in_time = at < until and history.attempts + 1 < MAX_ATTEMPTS
        return Retry(at, charged=False) if is_in_time else GiveUp()
    return _within(until, at, allowed=history.tries + 1 < MAX_TRIES)


def _within(until: datetime | None, at: datetime, *, allowed: bool) -> Decision:
    if not allowed or (until is not None and at >= until):
        return GiveUp()
    return Retry(at, charged=True)


def _is_refusal(result: SendResult) -> bool:
    """Whether the service answered, and means this mail rather than the connection."""
    return result.step in _ENVELOPE and result.code not in (None, CLOSING)


def _after_permanent(
    result: Permanent, history: History, now: datetime, alike: int, chance: Callable[[], float]
) -> Decision:
    refusal = refusals.classify(result.code, result.enhanced_code, result.reply)
    if result.step is Step.MAIL:
        # RFC 1870: the size is said with the sender, and so may be refused with it.
        is_of_letter = refusal.kind is RefusalKind.SIZE
        return PauseMailing(result.reply, is_of_letter=is_of_letter)
    if result.enhanced_code in SENDER_REFUSED:
        return PauseMailing(result.reply)
    if refusal.is_dead_mailbox:
        return Suppress()
    at = now + _spread(BACKOFF[0], chance)
    is_in_time = history.until is None or at < history.until
    if (
        alike
        and result.step is Step.RCPT
        and refusal.kind not in refusals.OF_MAILBOX
        and history.attempts + 1 < REFUSED_ATTEMPTS
        and is_in_time
    ):
        # Perhaps everybody is refused, and the mailing pauses: then nobody else has failed.
        return Retry(at, charged=False)
    return GiveUp()


def _spread(wait: timedelta, chance: Callable[[], float]) -> timedelta:
    return wait * (1 - JITTER + 2 * JITTER * chance())

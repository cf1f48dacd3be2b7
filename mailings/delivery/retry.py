"""What follows from the result of one try: the policy, pure and taking `now`. No Django.

Decision
├── Done          accepted
├── Retry         again at `at`; `charged`: it counts against the recipient
├── GiveUp        no more tries (an uncertain delivery stays uncertain)
│   └── Suppress  … and the address does not exist: never write to it again
└── PauseMailing  the sender was refused: no recipient is at fault, a person must look
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    SendResult,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)

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
    uncertain_wait: timedelta = UNCERTAIN_WAIT,
    chance: Callable[[], float] = random.random,
) -> Decision:
    match result:
        case Accepted():
            return Done()
        case Temporary():
            return _after_refusal(history, now, chance)
        case Permanent():
            return _after_permanent(result)
        case Unavailable():
            if history.attempts + 1 >= MAX_ATTEMPTS:
                return GiveUp()
            wait = min(OUTAGE_WAIT * 2 ** min(history.attempts, 10), OUTAGE_WAIT_MOST)
            asked = timedelta(seconds=min(result.wait, REST_MOST))
            return Retry(now + max(asked, _spread(wait, chance)), charged=False)
        case Uncertain():
            return _within(history.until, now + uncertain_wait, allowed=history.resends_left > 0)
    raise TypeError(f"{type(result).__name__} is no result that can be decided.")


def _after_refusal(history: History, now: datetime, chance: Callable[[], float]) -> Decision:
    wait = BACKOFF[min(history.tries, len(BACKOFF) - 1)]
    at = now + _spread(wait, chance)
    stale = (history.first_refused_at or now) + MAX_AGE
    until = stale if history.until is None else min(stale, history.until)
    return _within(until, at, allowed=history.tries + 1 < MAX_TRIES)


def _within(until: datetime | None, at: datetime, *, allowed: bool) -> Decision:
    if not allowed or (until is not None and at >= until):
        return GiveUp()
    return Retry(at, charged=True)


def _after_permanent(result: Permanent) -> Decision:
    if result.step is Step.MAIL or result.enhanced_code in SENDER_REFUSED:
        return PauseMailing(result.reply)
    # 5.1.x speaks of the address itself; 5.7.x, 5.3.4, 5.6.x of policy, size and content.
    return Suppress() if result.enhanced_code.startswith("5.1.") else GiveUp()


def _spread(wait: timedelta, chance: Callable[[], float]) -> timedelta:
    return wait * (1 - JITTER + 2 * JITTER * chance())

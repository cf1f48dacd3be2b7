"""Who receives the mails, and how fast each of them wants to: one that says “slow down” is left
alone for a while and comes back step by step; nobody else waits for it. No Django, no clock: `now`
is seconds of whatever clock the caller has, and nothing here ever sleeps.

    wait = receivers.wait(domain, now)     0.0: a mail may go; `sent` counts it
    receivers.sent(domain, now) … accepted(domain, now)
    receivers.heed(domain, result, now)    an answer: whose “slow down” it is, if it is one
    receivers.line_up(domain, now)         seconds until it is the turn of one more that must wait

A receiver is a *group* of domains: a provider's own, and those that answer in its words or whose
MX hosts are its. In doubt a domain is a group of its own.

    free     → resting   it said “slow down”: for 30 s, doubling to 15 min while it goes on
    resting  → slow      at 8 mails a second, half of that after each time
    slow     → free      half as fast again after every 10 mails in 15 s that it took

Shared by the sessions of a process, whatever their mail service: it is our domain that is judged.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mailings import refusals
from mailings.delivery.session.rate_limits import PAUSE_MOST, TokenBucket
from mailings.delivery.transports.base import SendResult, Step, Temporary
from mailings.refusals import RefusalKind

REST, REST_MOST = 30.0, 900.0
"""Seconds: the first rest, doubled with each that follows without a step forward in between."""
REST_OF_UNKNOWN = 5.0
"""Seconds, where only the recipient's domain tells who it may be."""
RATE, RATE_LEAST, RATE_FREE = 8.0, 1 / 30, 32.0
"""Mails a second: after the first rest, at least, and when it is free again."""
GROWTH, GROW_AFTER, GROW_EVERY = 1.5, 10, 15.0
"""How much faster it gets, after how many mails and seconds at least."""
QUANTUM = 10.0
"""Seconds' worth of mails that come due together, so that a worker is not woken for each."""
LINE_MOST = 600.0
"""Seconds after a rest: nobody is sent further off; by then it may be faster."""
FORGOTTEN_AFTER = 3600.0
"""Seconds in which nothing was heard of it."""
PATIENCE = 24 * 3600.0
"""Seconds without one mail taken, after which its mails are tried and charged like any other."""
GROUPS_MOST = 1_000
LEARNED_MOST = 10_000  # domains

_STEPS = frozenset({Step.RCPT, Step.DATA, Step.DOT})
"""Where an answer may be that of the recipient's server; ahead of them nobody was named."""
_KINDS = frozenset({RefusalKind.RATE, RefusalKind.REPUTATION})
_OF_MAILBOX = "4.2."
"""RFC 3463: it is this mailbox that gets too much, not its server."""


class Whose(Enum):
    """Who asks us to slow down."""

    NOBODY = "nobody"
    RECEIVER = "receiver"
    UNKNOWN_RECEIVER = "unknown receiver"
    """Probably the recipient's server: it did not say who it is, and nobody else was told so."""
    SERVICE = "service"


@dataclass(slots=True, eq=False)
class _Group:
    rate: float
    bucket: TokenBucket
    rest: float
    rest_until: float
    slow_since: float
    changed_at: float
    is_named: bool
    taken: int = 0  # since the last step
    line_at: float = -math.inf  # when the next one that must wait has its turn


class Receivers:
    """Those that asked us to slow down. One thread's, but for `slow`, which anybody may look at."""

    def __init__(self, by_mx: Callable[[str], str] | None = None) -> None:
        """`by_mx` returns at once whose MX hosts a domain has, empty: not known (yet)."""
        self.slow: dict[str, _Group] = {}
        """By group. While it is empty, nothing else needs to be asked."""
        self._learned: dict[str, str] = {}
        self._by_mx = by_mx

    def clear(self) -> None:
        """Forget everything."""
        self.slow.clear()
        self._learned.clear()

    def group_of(self, domain: str) -> str:
        """Return who receives the domain's mail: a provider's name, or the domain."""
        domain = domain.lower()
        if found := refusals.receiver_of_domain(domain) or self._learned.get(domain):
            return found
        return (self._by_mx(domain) if self._by_mx is not None else "") or domain

    # ------------------------------------------------------------ how fast

    def wait(self, domain: str, now: float) -> float:
        """Return in how many seconds a mail may go there; 0.0: now."""
        name = self.group_of(domain)
        group = self.slow.get(name)
        if group is None:
            return 0.0
        if now - max(group.changed_at, group.rest_until) > FORGOTTEN_AFTER:
            del self.slow[name]
            return 0.0
        if now - group.slow_since > PATIENCE:
            return 0.0
        return max(group.rest_until - now, group.bucket.wait(now), 0.0)

    def sent(self, domain: str, now: float) -> None:
        """A mail goes there now."""
        group = self.slow.get(self.group_of(domain))
        if group is not None:
            group.bucket.take(now)

    def accepted(self, domain: str, now: float) -> None:
        """A mail was taken there: enough of them, and it may be faster."""
        name = self.group_of(domain)
        group = self.slow.get(name)
        if group is None:
            return
        group.slow_since = now
        if group.rest_until > now:
            return  # it had left before
        group.taken += 1
        if group.taken < GROW_AFTER or now - group.changed_at < GROW_EVERY:
            return
        group.rate *= GROWTH
        if group.rate >= RATE_FREE:
            del self.slow[name]
            return
        group.bucket.set_rate(group.rate)
        group.rest, group.taken, group.changed_at = 0.0, 0, now

    def line_up(self, domain: str, now: float, ahead: int = 0) -> float:
        """Return in how many seconds it is the turn of one more mail that must wait; 0.0: now.
        `ahead`: mails that are to go before any of this line."""
        group = self.slow.get(self.group_of(domain))
        if group is None:
            return 0.0
        first = max(group.rest_until, now + group.bucket.wait(now)) + ahead / group.rate
        at = min(max(group.line_at, first), first + LINE_MOST)
        group.line_at = at + 1 / group.rate
        return first - now + (at - first) // QUANTUM * QUANTUM

    # ------------------------------------------------------------ what it says

    def heed(self, domain: str, result: SendResult, now: float) -> Whose:
        """Note an answer to a mail for the domain; return who asks us to slow down by it."""
        if result.__class__ is not Temporary or not asks_to_slow_down(
            result.code, result.enhanced_code, result.reply, domain
        ):
            return Whose.NOBODY
        named = refusals.classify(result.code, result.enhanced_code, result.reply).receiver
        by_domain = refusals.receiver_of_domain(domain)
        if named and not by_domain and len(self._learned) < LEARNED_MOST:
            self._learned[domain.lower()] = named
        name = self.group_of(domain)
        if (
            result.step not in _STEPS
            or (named and by_domain and named != by_domain)  # Yandex, of a mail for Gmail
            or (not named and self._others_say_so(name, now))
            or (name not in self.slow and len(self.slow) >= GROUPS_MOST)
        ):
            return Whose.SERVICE
        group = self.slow.get(name)
        if group is not None and now - group.slow_since > PATIENCE:
            return Whose.NOBODY
        is_known = bool(named or by_domain)
        rest = REST if is_known else REST_OF_UNKNOWN
        self._slow_down(name, rest, result.wait, now, is_named=bool(named))
        return Whose.RECEIVER if is_known else Whose.UNKNOWN_RECEIVER

    def _others_say_so(self, name: str, now: float) -> bool:
        """Whether somebody else's “slow down” did not say either who speaks: then it is the mail
        service between us that is too busy."""
        return any(
            group.rest_until > now and not group.is_named
            for other, group in self.slow.items()
            if other != name
        )

    def _slow_down(
        self, name: str, rest: float, asked: float, now: float, *, is_named: bool
    ) -> None:
        asked = min(max(asked, 0.0), PAUSE_MOST)
        group = self.slow.get(name)
        if group is None:
            until = now + max(rest, asked)
            self.slow[name] = _Group(RATE, TokenBucket(RATE), rest, until, now, now, is_named)
            return
        group.is_named |= is_named
        if group.rest_until > now:  # what was on its way: the same “slow down”
            group.rest_until = max(group.rest_until, now + asked)
            return
        group.rate = max(RATE_LEAST, group.rate / 2)
        group.bucket.set_rate(group.rate)
        group.rest = min(max(rest, group.rest * 2), REST_MOST)
        group.rest_until = now + max(group.rest, asked)
        group.taken, group.changed_at = 0, now


def asks_to_slow_down(code: int | None, enhanced_code: str, reply: str, domain: str) -> bool:
    """Whether an answer of class 4 to a mail for the domain asks for fewer mails, rather than for
    this one to come later."""
    if enhanced_code.startswith(_OF_MAILBOX):
        return False
    kind = refusals.classify(code, enhanced_code, reply, domain).kind
    if kind in refusals.OF_SERVICE:
        return False
    words = reply.lower()
    is_too_much = enhanced_code.startswith("4.7.") and any(word in words for word in _TOO_MUCH)
    return kind in _KINDS or is_too_much


_TOO_MUCH = ("too many", "too much", "too fast", "rate", "throttl", "exceed", "slow", "limit")

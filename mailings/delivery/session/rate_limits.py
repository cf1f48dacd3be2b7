"""How fast a mail service may be used: mails a minute in all and by recipient domain, and how many
connections at once. No Django, no clock: `now` is seconds of whatever clock the caller has, and
nothing here ever sleeps.

    wait = limits.take(domain, now)     0.0: the mail may go, and is counted; else ask again then
    limits.waits(now)                   seconds until any mail may go; a domain may wait for longer
    limits.connections(now)             how many to keep open now
    limits.succeeded() … penalise(until, now)

A rate is for all workers: each takes its share, so they need not talk. Connections are each
worker's own.
"""

import math
from collections.abc import Mapping

from mailings.addressing import domains

BURST = 0.1
"""Seconds' worth of mails that may leave at once after a rest, but at least one mail. Little, so
that a minute never sees noticeably more than its limit."""

GROW_AFTER = 20
"""Mails that each connection must bring through before one more is opened after a slow-down."""

PAUSE_LEAST, PAUSE_MOST = 1.0, 3600.0
"""Seconds: what a mail service may ask for is taken no shorter and no longer."""

_ROUNDING = 1e-9
"""Seconds. Who waits exactly as long as told must not be turned away by a rounding error."""


class TokenBucket:
    """Lets through `rate` a second on average, `burst` at once. Keeps one number: when the next
    token falls due at an even rate; that may lie ahead of now by less than the burst."""

    __slots__ = ("_due", "_interval", "_slack")

    def __init__(self, rate: float, burst: float = 1.0) -> None:
        self._due = -math.inf
        self.set_rate(rate, burst)

    def set_rate(self, rate: float, burst: float = 1.0) -> None:
        """Change the rate; what was taken stays taken."""
        if rate <= 0 or burst < 1:
            raise ValueError("A bucket needs a rate above 0 and a burst of at least 1.")
        self._interval = 1.0 / rate
        self._slack = (burst - 1.0) * self._interval

    def wait(self, now: float) -> float:
        """Return in how many seconds there is a token; 0.0: now."""
        wait = self._due - self._slack - now
        return wait if wait > _ROUNDING else 0.0

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or return in how many seconds there is one."""
        wait = self._due - self._slack - now
        if wait > _ROUNDING:
            return wait
        self._due = (self._due if self._due > now else now) + self._interval
        return 0.0


class RateLimits:
    """One worker's share of a transport's limits, and how the service bears it."""

    def __init__(
        self,
        *,
        connections: int,
        rate_per_minute: int | None = None,
        domain_limits: Mapping[str, int] | None = None,
        workers: int = 1,
    ) -> None:
        self._rate_per_minute = rate_per_minute
        self._domain_limits = dict(domain_limits or {})
        self._bucket: TokenBucket | None = None
        self._domains: dict[str, TokenBucket] = {}
        self._most = self._open = connections
        self._successes = 0
        self._paused_until = -math.inf
        self.share_with(workers)

    # ------------------------------------------------------------ shares

    def share_with(self, workers: int) -> None:
        """Take a worker's share of the rates when so many live. Call it as often as you like: what
        has been sent and how the service bore it is kept."""
        if self._rate_per_minute:
            self._bucket = _bucket_at(self._bucket, self._rate_per_minute, workers)
        for domain, rate in self._domain_limits.items():
            self._domains[domain] = _bucket_at(self._domains.get(domain), rate, workers)
        # Where nothing is limited a mail costs a comparison.
        is_calm = self._paused_until == -math.inf
        self._is_unlimited = is_calm and self._bucket is None and not self._domains

    # ------------------------------------------------------------ rate

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is limited: then `take` need not be asked."""
        return self._is_unlimited

    def take(self, domain: str, now: float) -> float:
        """Return 0.0 and count the mail, or return in how many seconds to ask again."""
        if self._is_unlimited:
            return 0.0
        if self._paused_until > now:
            return self.waits(now)
        bucket = self._domains.get(domain)
        if bucket is None or self._bucket is None:
            only = bucket or self._bucket
            return only.take(now) if only is not None else 0.0
        # The mail needs a token of each: none is taken before both are there.
        wait = bucket.wait(now) or self._bucket.take(now)
        return wait or bucket.take(now)

    def waits(self, now: float) -> float:
        """Return in how many seconds any mail may go, whatever its domain; 0.0: now."""
        if self._is_unlimited:
            return 0.0
        held = max(0.0, self._paused_until - now)
        return max(held, self._bucket.wait(now)) if self._bucket is not None else held

    # ------------------------------------------------------------ how the service bears it

    def connections(self, now: float) -> int:
        """Return how many connections to keep open; none while the service wants a rest."""
        return 0 if self._paused_until > now else self._open

    def succeeded(self, mails: int = 1) -> None:
        """Mails were accepted: after a slow-down that opens connection after connection again."""
        if self._open >= self._most:
            return
        self._successes += mails
        needed = GROW_AFTER * max(1, self._open)
        if self._successes >= needed:
            self._successes = 0
            self._open += 1

    def penalise(self, until: float, now: float) -> None:
        """The service said that it is too much (421, 429, 4.7.x): rest until then, and go on with
        one connection less. What the others hear about the same slow-down counts once."""
        until = min(max(until, now + PAUSE_LEAST), now + PAUSE_MOST)
        if self._paused_until <= now:
            self.session_ended()
        self._paused_until = max(self._paused_until, until)
        self._is_unlimited = False

    def session_ended(self) -> None:
        """The service ended a session that had done well: one connection less for a while."""
        self._open = max(1, self._open - 1)
        self._successes = 0


def _bucket_at(bucket: TokenBucket | None, rate_per_minute: int, workers: int) -> TokenBucket:
    rate = rate_per_minute / 60 / workers
    burst = max(1.0, rate * BURST)
    if bucket is None:
        return TokenBucket(rate, burst)
    bucket.set_rate(rate, burst)
    return bucket


# ---------------------------------------------------------------- what an operator writes


class BadLimit(ValueError):  # noqa: N818 - a slip of the operator, shown in the form
    """A line that is no limit of a domain."""

    def __init__(self, line: str, reason: str) -> None:
        super().__init__(f"{reason}: {line}")
        self.line, self.reason = line, reason


NOT_TWO, NO_DOMAIN, NO_NUMBER, TWICE = "form", "domain", "number", "twice"
"""Reasons of a `BadLimit`."""

RATE_MOST = 1_000_000
"""Mails a minute; more is a slip."""


def read_domain_limits(text: str) -> dict[str, int]:
    """Return mails a minute by domain, from lines like `gmail.com 600`; domains as in addresses.

    Raises `BadLimit` for the first line that cannot be right.
    """
    found: dict[str, int] = {}
    for line in map(str.strip, text.splitlines()):
        if not line:
            continue
        words = line.split()
        if len(words) != 2:  # noqa: PLR2004 - domain and number
            raise BadLimit(line, NOT_TWO)
        domain = _domain(words[0])
        if not domain:
            raise BadLimit(line, NO_DOMAIN)
        # Not `isdigit`, which takes superscripts for digits.
        if not words[1].isdecimal() or not 1 <= int(words[1][:9]) <= RATE_MOST:
            raise BadLimit(line, NO_NUMBER)
        if domain in found:
            raise BadLimit(line, TWICE)
        found[domain] = int(words[1])
    return found


def write_domain_limits(limits: Mapping[str, int]) -> str:
    return "\n".join(f"{domain} {rate}" for domain, rate in sorted(limits.items()))


def _domain(text: str) -> str:
    """Return the domain as it stands in a normalised address, or nothing if it cannot be one."""
    try:
        domain = domains.to_ascii(text.lower().removeprefix("@").rstrip("."))
    except UnicodeError:
        return ""
    labels = domain.split(".")
    is_one = len(labels) > 1 and all(label.replace("-", "").isalnum() for label in labels)
    return domain if is_one else ""

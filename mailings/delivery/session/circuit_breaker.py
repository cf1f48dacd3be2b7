"""Whether a mail service may be used now: a circuit breaker per transport, its state in the
database and so shared by all workers.

    closed     → open        5 faults in a row, or half of the last 20 tries
    open       → half open   its pause is over: one probe goes
    half open  → closed      the probe was answered
    half open  → open        the probe failed: the pause doubles

Only `Unavailable` is a fault of the service; a refused message proves that it works.
"""

import logging
from datetime import datetime, timedelta
from http import HTTPStatus

from django.conf import settings
from django.db.models import F, Q, QuerySet

from mailings.delivery.transports.base import Step
from mailings.models import Attempt, Transport
from mailings.models.transport import BreakerState
from mailings.states import Outcome

log = logging.getLogger(__name__)

FAULTS_IN_A_ROW = 5
LAST_TRIES = 20
LAST_TRIES_WITHIN = timedelta(minutes=10)
FAULTS_AMONG_THEM = 10

PAUSE = timedelta(seconds=60)
PAUSE_MOST = timedelta(minutes=15)
PROBE = timedelta(minutes=2)
"""How long a probe may stay unanswered (its worker may have died) before another one goes."""
OK_EVERY = timedelta(seconds=1)  # a success is written down at most this often

REPLY_KEPT = 500  # characters


def transports_in_use() -> list[Transport]:
    """Return the services that mailings leave through; the first is made when there is none."""
    return list(Transport.objects.filter(is_active=True).order_by("pk")) or [default_transport()]


def default_transport() -> Transport:
    """Return the service of EMAIL_URL; made at first use."""
    found = Transport.objects.filter(is_active=True).order_by("pk").first()
    if found is not None:
        return found
    defaults = {"url": "", "max_connections": settings.EMAIL_CONNECTIONS}
    return Transport.objects.get_or_create(name="EMAIL_URL", defaults=defaults)[0]


def is_final(code: int) -> bool:
    """Whether a sign-in was refused for good: 5xx of SMTP, 401 and 403 of HTTP."""
    return code >= 500 or code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)  # noqa: PLR2004


class CircuitBreaker:
    """One worker's view of a transport's breaker."""

    def __init__(self, transport_id: int) -> None:
        self.transport_id = transport_id
        self._ok_at: datetime | None = None

    def permit(self, limit: int, now: datetime) -> int:
        """Return how many deliveries may be claimed: all, none, or one as a probe."""
        if self._row().filter(breaker_state=BreakerState.CLOSED).exists():
            return limit
        probe = self._row().filter(~Q(breaker_state=BreakerState.CLOSED), breaker_until__lte=now)
        self._ok_at = None
        return probe.update(breaker_state=BreakerState.HALF_OPEN, breaker_until=now + PROBE)

    def return_probe(self, now: datetime) -> None:
        """There was nothing to probe with: leave the probe to whoever has something."""
        self._row().filter(breaker_state=BreakerState.HALF_OPEN).update(
            breaker_state=BreakerState.OPEN, breaker_until=now
        )

    def record_success(self, now: datetime) -> None:
        """The service answered, be it with a refusal: it works."""
        if self._ok_at is None or now - self._ok_at >= OK_EVERY:
            self._ok_at = now
            self._row().update(
                breaker_state=BreakerState.CLOSED,
                breaker_failures=0,
                breaker_until=None,
                last_ok_at=now,
            )

    def _row(self) -> QuerySet[Transport]:
        return Transport.objects.filter(pk=self.transport_id)

    def record_failure(self, step: str, code: int | None, reply: str, now: datetime) -> bool:
        """The service itself failed; return whether it may go on being used."""
        self._ok_at = None
        self._row().update(
            breaker_failures=F("breaker_failures") + 1,
            last_error_at=now,
            last_error=f"{step}: {reply}"[:REPLY_KEPT],
        )
        transport = self._row().get()
        if transport.breaker_state == BreakerState.OPEN:
            return False  # what was under way when it opened does not prolong the pause
        probing = transport.breaker_state == BreakerState.HALF_OPEN
        # A refused password does not mend itself in a minute, and asking often locks accounts.
        hopeless = step == Step.AUTH and code is not None and is_final(code)
        failures = transport.breaker_failures
        if not (probing or hopeless or failures >= FAULTS_IN_A_ROW or self._fails_often(now)):
            return True
        doublings = max(0, failures - FAULTS_IN_A_ROW)
        pause = PAUSE_MOST if hopeless else min(PAUSE * 2 ** min(doublings, 10), PAUSE_MOST)
        self._row().update(
            breaker_state=BreakerState.OPEN,
            breaker_failures=max(failures, FAULTS_IN_A_ROW),
            breaker_until=now + pause,
        )
        facts = {"transport_id": self.transport_id, "step": step, "code": code}
        log.error("transport_paused", extra=facts)
        return False

    def _fails_often(self, now: datetime) -> bool:
        newest = Attempt.objects.filter(
            transport_id=self.transport_id, started_at__gte=now - LAST_TRIES_WITHIN
        ).order_by("-pk")
        outcomes = list(newest.values_list("outcome", flat=True)[:LAST_TRIES])
        return outcomes.count(Outcome.UNAVAILABLE) >= FAULTS_AMONG_THEM

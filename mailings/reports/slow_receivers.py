"""Which receivers of a run asked us to slow down, and when they get the rest: told by the answers
that the log keeps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils.translation import gettext_lazy

from mailings import refusals
from mailings.delivery.session.receivers import asks_to_slow_down
from mailings.models import Attempt, Run
from mailings.states import DeliveryStatus, MailingStatus, Outcome

LOOKED_AT = 200
"""Deliveries that wait for another try, the oldest first."""

NAMES = {
    "gmail": "Gmail", "mail.ru": "Mail.ru", "yandex": gettext_lazy("Yandex"),
    "yahoo": "Yahoo", "microsoft": "Outlook",
    "icloud": "iCloud", "gmx": "GMX", "t-online": "T-Online", "ionos": "IONOS", "sfr": "SFR",
    "att": "AT&T", "qq": "QQ", "netease": "NetEase", "wp.pl": "WP",
}  # fmt: skip
"""Those that are not written as a file would name them."""


@dataclass(frozen=True, slots=True)
class SlowReceiver:
    name: str
    until: datetime
    """When the first of those that wait for it is tried again."""


def of(run: Run, now: datetime) -> list[SlowReceiver]:
    """Return who is left alone for now, by two small queries; by none where nothing waits."""
    if not run.deferred_count or run.mailing.status != MailingStatus.RUNNING:
        return []
    until: dict[str, datetime] = {}
    for receiver, at in _refusals(run, now):
        until[receiver] = min(at, until.get(receiver, at))
    return [
        SlowReceiver(str(NAMES.get(receiver) or receiver.capitalize()), at)
        for receiver, at in sorted(until.items(), key=lambda found: found[1])
    ]


def _refusals(run: Run, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the receiver and the time of another try for each “slow down” of one that is known."""
    waiting = run.deliveries.filter(
        unusual_status=DeliveryStatus.DEFERRED, attempt_count__gt=0, next_attempt_at__gt=now
    )
    ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:LOOKED_AT])
    if not ids:
        return
    last = Attempt.objects.filter(
        delivery__in=ids, number=F("delivery__attempt_count"), outcome=Outcome.TEMPORARY
    )
    for code, enhanced, reply, address, at in last.values_list(
        "code", "enhanced_code", "reply", "delivery__address", "delivery__next_attempt_at"
    ):
        domain = address.rpartition("@")[2]
        receiver = refusals.classify(code, enhanced, reply, domain).receiver
        if at and receiver and asks_to_slow_down(code, enhanced, reply, domain):
            yield receiver, at

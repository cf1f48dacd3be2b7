"""The dashboard of Wagtail's admin: how sending goes, and what waits for somebody to act.

Every figure is read from counters or small tables, with a fixed number of queries however many
deliveries there are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from wagtail.admin.site_summary import SummaryItem
from wagtail.admin.ui.components import Component

from accounts.models import User
from mailings import permissions
from mailings.delivery import heartbeat
from mailings.delivery.queue import backlog
from mailings.feedback import mailbox_reading
from mailings.feedback.mailbox_reading import Reading
from mailings.models import Mailing, PastRun, Run, Transport, WorkerLease
from mailings.models.transport import BreakerState
from mailings.reports import health
from mailings.reports.sums import Summed
from mailings.states import ACTIVE_MAILINGS, Actor, MailingStatus, RunStatus

LISTED = 5
"""Mailings named in the panel; the link leads to the others."""

RECENT = timedelta(hours=24)


@dataclass(frozen=True)
class Overview:
    running: int
    due_today: int
    failed: int
    queued: int
    workers: int
    heartbeat_at: datetime | None
    is_sending: bool
    """Some worker has shown itself lately."""


def overview(user: User, now: datetime) -> Overview:
    """Two queries: the sums, those of deleted mailings too, and the workers."""
    tomorrow = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow += timedelta(days=1)
    mailings, runs = permissions.visible(Mailing, user), permissions.visible(Run, user)
    past = permissions.visible(PastRun, user)
    due = mailings.filter(status__in=ACTIVE_MAILINGS, next_run_at__lt=tomorrow)
    is_open = Q(status__in=[RunStatus.PREPARING, RunStatus.SENDING])
    is_recent = Q(finished_at__gte=now - RECENT)
    settled = F("sent_count") + F("failed_count") + F("skipped_count") + F("expired_count")
    settled += F("cancelled_count") + F("uncertain_count")
    found: Any = User.objects.filter(pk=user.pk).values(
        running=Summed(mailings.filter(status=MailingStatus.RUNNING), Value(1)),
        due_today=Summed(due, Value(1)),
        failed=Summed(runs.filter(is_open | is_recent), "failed_count"),
        failed_then=Summed(past.filter(is_recent), "failed_count"),
        queued=Summed(runs.filter(is_open), F("targeted") - settled),
    )[0]
    # A process has one lease for itself and one more for each batch it works through.
    leases = permissions.visible(WorkerLease, user).values_list(
        "host", "pid", "heartbeat_at", "expires_at"
    )
    workers = list(leases)
    newest = max((beat for _host, _pid, beat, _end in workers), default=None)
    return Overview(
        running=found["running"],
        due_today=found["due_today"],
        failed=found["failed"] + found["failed_then"],
        queued=found["queued"],
        workers=len({(host, pid) for host, pid, _beat, expires_at in workers if expires_at > now}),
        heartbeat_at=newest,
        is_sending=heartbeat.is_fresh(newest, now),
    )


class OverviewItem(SummaryItem):
    """One line of figures on top of the dashboard, each a link to its list."""

    order = 50
    template_name = "mailings/cms/overview.html"

    def is_shown(self) -> bool:
        return permissions.is_manager(self.request.user)

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        return {"overview": overview(self.request.user, timezone.now())}


class AttentionPanel(Component):
    """What does not go on by itself. Six queries and one of the cache; silent when all is well."""

    name = "mailings_attention"
    order = 50
    template_name = "mailings/cms/attention.html"

    def __init__(self, request: HttpRequest) -> None:
        self.user = request.user

    @cached_property
    def paused(self) -> list[Mailing]:
        return list(
            permissions.visible(Mailing, self.user)
            .filter(status=MailingStatus.PAUSED, status_actor=Actor.SYSTEM)
            .select_related("owner")
            .order_by("-status_at")[: LISTED + 1]
        )

    def waiting_transports(self) -> list[Transport]:
        return list(
            permissions.visible(Transport, self.user)
            .filter(is_active=True)
            .exclude(breaker_state=BreakerState.CLOSED)
            .order_by("name")[:LISTED]
        )

    def nobody_sends(self, now: datetime) -> bool:
        """Deliveries are due, and no worker is alive to take them."""
        if heartbeat.is_alive(now):
            return False
        return health.waits_too_long(permissions.visible(Run, self.user), now)

    def is_stuck(self, now: datetime) -> bool:
        """Deliveries are due, workers show themselves, and yet nothing leaves."""
        return backlog.stuck_runs(now).exists()

    def unread_mailbox(self, now: datetime) -> Reading | None:
        """Return the last reading of the mailbox for returned mail, if that is not as it should."""
        if not permissions.is_manager(self.user):
            return None
        reading = mailbox_reading.last()
        return None if reading is None or reading.is_well(now) else reading

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        now = timezone.now()
        nobody_sends = self.nobody_sends(now)
        paused_url = reverse("cms_mailing:index")
        return {
            "paused": self.paused[:LISTED],
            "more_paused_url": (
                f"{paused_url}?status={MailingStatus.PAUSED}&status_actor={Actor.SYSTEM}"
                if len(self.paused) > LISTED
                else ""
            ),
            "transports": self.waiting_transports(),
            "mailbox": self.unread_mailbox(now),
            "nobody_sends": nobody_sends,
            "is_stuck": not nobody_sends and self.is_stuck(now),
        }

"""The overview: what sends now, what comes next, what became of the last runs."""

from datetime import date, datetime, time, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import Exists, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.generic import TemplateView

from accounts.models import User
from mailings import permissions
from mailings.campaigns import calendar
from mailings.dashboard import attention, first_steps
from mailings.models import Client, Event, Mailing, Message, Proof, Run, Suppression
from mailings.rendering.compiler import first_name_of
from mailings.reports import health, progress, sums
from mailings.states import ACTIVE_MAILINGS, FINAL, Actor, EventKind, MailingStatus, RunStatus
from mailings.web import keyset, words
from mailings.web.views import Cabinet

LIVE = "now"
"""The part of the page that htmx asks for while something sends."""

SENDING_SHOWN = 5
WAITING_SHOWN = 3
RESULTS_SHOWN = 6
WEEKS = (1, 4)
"""How far ahead the calendar looks: at once, and when asked."""

MORNING, DAY, EVENING = range(5, 12), range(12, 18), range(18, 24)  # hours


class Dashboard(Cabinet, TemplateView):
    section = "dashboard"
    template_name = "mailings/dashboard.html"

    def get(self, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.request.htmx and self.request.htmx.target == LIVE:  # type: ignore[attr-defined]
            return render(self.request, "mailings/_now.html", self.now(timezone.now()))
        return super().get(*args, **kwargs)

    def now(self, at: datetime, *, soon: bool | None = None) -> dict[str, Any]:
        current = sending(self.user, at, self.request.GET.getlist("then"))
        if soon is None:
            soon = not current and starting_soon(self.user, at).exists()
        return {"sending": current, "watched": bool(current) or soon}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        owner, now = self.user, timezone.now()
        there, clients = at_a_glance(owner, now)
        own_runs = permissions.owned(Run, owner).select_related("mailing").defer("html", "text")
        weeks = WEEKS[1] if self.request.GET.get("weeks") == str(WEEKS[1]) else WEEKS[0]
        service = health.health(owner, now)
        return super().get_context_data(
            greeting=greeting(owner, now),
            week_ago=week_ago(owner, now),
            today=words.day(now.astimezone(owner.zone), weekday=True),
            **self.now(now, soon=there["starts_soon"]),
            waiting=waiting(owner)[:WAITING_SHOWN],
            notes=attention.notes(owner, service, now),
            service=service,
            weeks=weeks,
            days=calendar.coming(owner, now, weeks * calendar.WEEK),
            results=own_runs.filter(status__in=FINAL[RunStatus]).order_by("-scheduled_for", "-pk")[
                :RESULTS_SHOWN
            ],
            steps=first_steps.of(owner, there),
            is_new=not there["has_scheduled"],
            clients=clients,
            nobody_sends=not service.worker_alive,
            **kwargs,
        )


def greeting(user: User, now: datetime) -> str:
    hour = now.astimezone(user.zone).hour
    if hour in MORNING:
        said = _("Good morning, %(name)s")
    elif hour in DAY:
        said = _("Good day, %(name)s")
    elif hour in EVENING:
        said = _("Good evening, %(name)s")
    else:
        said = _("Hello, %(name)s")
    # Neither by a surname nor by an address: better without.
    name = first_name_of(user.full_name)
    return said % {"name": name} if name else said.partition(",")[0]


def sending(owner: User, now: datetime, samples: list[str]) -> list[progress.Progress]:
    """Return the runs under way, the newest first."""
    runs = (
        permissions.owned(Run, owner)
        .filter(status__in=[RunStatus.PREPARING, RunStatus.SENDING])
        .exclude(mailing__status__in=[MailingStatus.STOPPED, *FINAL[MailingStatus]])
        .select_related("mailing")
        .defer("html", "text")
        .order_by("-scheduled_for", "-pk")[:SENDING_SHOWN]
    )
    return progress.of_runs(list(runs), now, samples)


def starting_soon(owner: User, now: datetime) -> QuerySet[Mailing]:
    """Return the mailings that are about to begin: the page should look again."""
    due = permissions.owned(Mailing, owner).filter(status__in=ACTIVE_MAILINGS)
    return due.filter(next_run_at__lte=now + progress.SOON)


def waiting(owner: User) -> QuerySet[Mailing]:
    """Return the mailings that somebody else has halted: the owner has to decide."""
    return (
        permissions.owned(Mailing, owner)
        .filter(status__in=[MailingStatus.PAUSED, MailingStatus.STOPPED])
        .exclude(status_actor=Actor.OWNER)
        .order_by("-status_at")
    )


def at_a_glance(owner: User, now: datetime) -> tuple[dict[str, bool], dict[str, keyset.Count]]:
    """Return what a newcomer has done already, and four counts of clients, by one query."""
    mailings = permissions.owned(Mailing, owner)
    addresses = EmailAddress.objects.filter(user=owner)
    done = {
        "has_confirmed": Exists(addresses.filter(verified=True)),
        "has_address": Exists(addresses),
        "has_clients": Exists(permissions.owned(Client, owner)),
        "has_messages": Exists(permissions.owned(Message, owner)),
        "has_proofs": Exists(permissions.owned(Proof, owner)),
        "starts_soon": Exists(starting_soon(owner, now)),
        "has_scheduled": Exists(mailings.exclude(status=MailingStatus.DRAFT)),
    }
    counts = client_counts(owner, now)
    found: Any = User.objects.filter(pk=owner.pk).values(**done, **counts)[0]
    there = {name: found[name] for name in done}
    # An account made by an operator has no address to confirm.
    there["has_confirmed"] = there["has_confirmed"] or not there["has_address"]
    return there, {name: keyset.Count.up_to_cap(found[name]) for name in counts}


def week_ago(owner: User, now: datetime) -> date:
    """Return the first day of the week that the figure of those who left is about: the page it
    leads to knows whole days."""
    return now.astimezone(owner.zone).date() - timedelta(days=7)


def client_counts(owner: User, now: datetime) -> dict[str, Combinable]:
    clients = permissions.owned(Client, owner)
    suppressed = permissions.owned(Suppression, owner)
    week = now - timedelta(days=7)
    begin = datetime.combine(week_ago(owner, now), time(), owner.zone)
    left = permissions.owned(Event, owner).filter(
        kind=EventKind.UNSUBSCRIBED, happened_at__gte=begin
    )
    elsewhere = sums.left_by_no_letter(owner).filter(created_at__gte=begin)
    return {
        "total": keyset.Capped(clients),
        "new": keyset.Capped(clients.filter(created_at__gte=week)),
        "left": keyset.Capped(left) + keyset.Capped(elsewhere),
        "suppressed": keyset.Capped(suppressed),
    }

"""What does not go on by itself or did not go well, said to the owner: what, and who acts next."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from mailings import permissions
from mailings.models import Run, SenderDomain
from mailings.models.sender_domain import DomainState
from mailings.reports.health import Health, waits_too_long
from mailings.sender_domains import services
from mailings.web import words

RECENT = timedelta(days=3)
RUNS_SHOWN = 3
RUNS_LOOKED_AT = 50

MANY = 10
"""A run in which more than one of so many recipients failed needs a look …"""
FEW = 5
"""… unless so few failed in all."""


@dataclass(frozen=True, slots=True)
class Note:
    tone: str
    icon: str
    title: str
    text: str
    url: str = ""
    verb: str = ""


def notes(owner: User, service: Health, now: datetime) -> list[Note]:
    """Return what needs attention, the worst first; mailings that were halted stand elsewhere."""
    found = []
    if not service.worker_alive and waits_too_long(permissions.owned(Run, owner), now):
        found.append(
            Note(
                "is-bad",
                "unplug",
                _("Nothing is sent at present."),
                _("The service is not working; whoever runs it has to start it. Nothing is lost."),
            )
        )
    if service.is_away and service.queued:
        again = service.again_at
        found.append(
            Note(
                "is-wait",
                "clock",
                _("The mail service asks to wait."),
                _("We go on by ourselves at %(time)s, nothing is lost.")
                % {"time": words.clock(again, owner.zone)}
                if again
                else _("We go on by ourselves, nothing is lost."),
            )
        )
    found += [_of_domain(row) for row in _bad_domains(owner)]
    return [*found, *(_of_run(run) for run in _bad_runs(owner, now))]


def _bad_domains(owner: User) -> list[SenderDomain]:
    """Return the sender domains whose records have vanished."""
    rows = permissions.owned(SenderDomain, owner)
    vanished = Q(state=DomainState.LOST) | Q(missing_since__isnull=False)
    return list(rows.filter(vanished).select_related("owner").order_by("domain")[:RUNS_SHOWN])


def _of_domain(row: SenderDomain) -> Note:
    if row.may_send and (until := services.counts_until(row)):
        text = _("Put it back before %(until)s: until then letters still leave.") % {
            "until": words.moment(until, row.owner.zone)
        }
        title = _("A DNS record of %(domain)s has vanished.")
    else:
        text = _("Nothing is sent in its name until its records are back.")
        title = _("The domain %(domain)s is no longer confirmed.")
    title %= {"domain": row.readable}
    return Note(
        "is-wait", "triangle-alert", title, text, row.get_absolute_url(), _("See what to do")
    )


def _bad_runs(owner: User, now: datetime) -> list[Run]:
    many = Q(failed_count__gte=FEW, targeted__lt=F("failed_count") * MANY)
    runs = permissions.owned(Run, owner).filter(
        many | Q(uncertain_count__gt=0), scheduled_for__gte=now - RECENT
    )
    runs = runs.select_related("mailing").defer("html", "text")
    # Of a mailing that runs daily the newest says it for all.
    newest = {
        run.mailing_id: run
        for run in reversed(runs.order_by("-scheduled_for", "-pk")[:RUNS_LOOKED_AT])
    }
    return sorted(newest.values(), key=lambda run: run.scheduled_for, reverse=True)[:RUNS_SHOWN]


def _of_run(run: Run) -> Note:
    title = _("Mailing “%(mailing)s”, run of %(moment)s.") % {
        "mailing": run.mailing,
        "moment": words.moment_in_sentence(run.scheduled_for, run.mailing.zone),
    }
    said = []
    if run.failed_count:
        failed = ngettext(
            "%(count)s of %(all)s messages failed.", "%(count)s of %(all)s messages failed.",
            run.failed_count,
        )  # fmt: skip
        said.append(
            failed % {"count": words.figure(run.failed_count), "all": words.figure(run.targeted)}
        )
    if run.uncertain_count:
        uncertain = ngettext(
            "%(count)s message may have arrived or not: no answer came.",
            "%(count)s messages may have arrived or not: no answer came.",
            run.uncertain_count,
        )
        said.append(uncertain % {"count": words.figure(run.uncertain_count)})
    return Note(
        "is-wait",
        "triangle-alert",
        title,
        " ".join(said),
        run.get_absolute_url(),
        _("See why"),
    )

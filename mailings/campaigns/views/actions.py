"""What the owner does with a mailing: one button, one service."""

import math
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import View
from django.views.generic.detail import SingleObjectMixin

from accounts import zones
from mailings.campaigns import follow_ups, forecast, services
from mailings.errors import Refused
from mailings.models import Client, Mailing, Run
from mailings.states import FINAL, MailingStatus, RunStatus
from mailings.web import words
from mailings.web.asking import Asking
from mailings.web.views import Owned


class Action(Owned, SingleObjectMixin[Mailing], View):
    """A POST acts and returns to the mailing's page; a GET (after a new login) only returns."""

    model = Mailing
    service: Callable[..., None]

    def act(self, mailing: Mailing) -> None:
        type(self).service(mailing=mailing, by=self.user)

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return redirect(self.get_object())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        mailing = self.get_object()
        try:
            self.act(mailing)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, self.done(mailing))
        return redirect(mailing)

    def done(self, mailing: Mailing) -> str:
        raise NotImplementedError


class Started(Action):
    """An act after which mail may leave at once, unless it is taken back in time."""

    def act(self, mailing: Mailing) -> None:
        type(self).service(mailing=mailing, by=self.user, hold=services.undo_window())


class Schedule(Started):
    service = staticmethod(services.schedule_mailing)

    def act(self, mailing: Mailing) -> None:
        said = self.request.POST.get("agreed", "")
        if not forecast.of(mailing, timezone.now()).is_as_agreed(said):
            raise Refused(_("Look again: the button says now what will happen."))
        super().act(mailing)

    def done(self, mailing: Mailing) -> str:
        return scheduled(mailing)


class Unschedule(Action):
    service = staticmethod(services.unschedule_mailing)

    def done(self, mailing: Mailing) -> str:
        return _("Mailing “%(mailing)s” is a draft again. It will not start by itself.") % {
            "mailing": mailing
        }


class Pause(Action):
    service = staticmethod(services.pause_mailing)

    def done(self, mailing: Mailing) -> str:
        return _("Mailing “%(mailing)s” is paused. No message is lost.") % {"mailing": mailing}


class Resume(Started):
    service = staticmethod(services.resume_mailing)

    def done(self, mailing: Mailing) -> str:
        return _("Mailing “%(mailing)s” goes on.") % {"mailing": mailing}


def scheduled(mailing: Mailing) -> str:
    """Return what to tell about a mailing that was just scheduled."""
    at = mailing.next_run_at
    now = timezone.now()
    if at is not None and at > now and mailing.start_at <= now:
        return _(
            "Mailing “%(mailing)s” starts in %(count)d seconds. Until then it can be taken back."
        ) % {
            "mailing": mailing,
            "count": math.ceil((at - now).total_seconds()),
        }
    if at is None or at <= now:
        return _("Mailing “%(mailing)s” starts now.") % {"mailing": mailing}
    return _("Mailing “%(mailing)s” is scheduled. The first run is on %(moment)s (%(zone)s).") % {
        "mailing": mailing,
        "moment": words.moment_in_sentence(at, mailing.zone),
        "zone": zones.city(mailing.time_zone),
    }


class Cancel(Asking):
    model = Mailing
    section = "mailings"
    verb = gettext_lazy("End the mailing")
    keep = gettext_lazy("Do not end it")

    def question(self) -> str:
        return _("End mailing “%(mailing)s” for good?") % {"mailing": self.object}

    def consequences(self) -> list[str]:
        open_runs = self.object.runs.exclude(status__in=FINAL[RunStatus]).defer("html", "text")
        waiting = sum(run.pending_count + run.deferred_count for run in open_runs)
        sent = sum(run.sent_count for run in open_runs)
        said = [_("it does not run any more, and cannot be begun again;")]
        if waiting:
            lost = ngettext(
                "%(count)s message that waits is not sent;",
                "%(count)s messages that wait are not sent;",
                waiting,
            )
            said.append(lost % {"count": words.figure(waiting)})
        if sent:
            gone = ngettext(
                "%(count)s message is with the mail service already and cannot be taken back;",
                "%(count)s messages are with the mail service already and cannot be taken back;",
                sent,
            )
            said.append(gone % {"count": words.figure(sent)})
        return [*said, _("the log and the reports stay.")]

    def milder(self) -> str:
        if self.object.status in (MailingStatus.CREATED, MailingStatus.RUNNING):
            return _("If it only has to wait, go back and pause it.")
        return ""

    def act(self) -> None:
        services.cancel_mailing(mailing=self.object, by=self.user)

    def done(self) -> str:
        return _("Mailing “%(mailing)s” is cancelled. Its log stays.") % {"mailing": self.object}

    def after(self) -> str:
        return self.object.get_absolute_url()


class FollowUp(Asking):
    """Before a run is followed by a mailing that starts at once: to how many, with what text."""

    section = "mailings"
    number: int
    made: Mailing
    nobody: str | Promise = ""
    """What to say instead of asking when there is nobody to write to."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()
        self.number = self.candidates().count()
        if not self.number:
            messages.info(request, str(self.nobody))
            return redirect(self.object)
        return self.render_to_response(self.get_context_data(object=self.object))

    def candidates(self) -> QuerySet[Client]:
        raise NotImplementedError

    def consequences(self) -> list[str]:
        goes = ngettext(
            "a new mailing goes to %(count)s client at once;",
            "a new mailing goes to %(count)s clients at once;",
            self.number,
        )
        return [
            goes % {"count": words.figure(self.number)},
            *self.left_out(),
            _("it takes the message as it is now;"),
            _("its progress and report are its own; those of the old run stay as they are."),
        ]

    def left_out(self) -> list[str]:
        return []

    def said(self) -> str:
        return scheduled(self.made)

    def after(self) -> str:
        return self.made.get_absolute_url()


class RetryFailed(FollowUp):
    model = Run
    verb = gettext_lazy("Send again")
    keep = gettext_lazy("Do not send")
    nobody = gettext_lazy(
        "There is nobody to try again: the addresses do not work, or are on the suppression"
        " list, or were written to already."
    )

    def get_queryset(self) -> QuerySet[Run]:
        return super().get_queryset().select_related("mailing").defer("html", "text")

    def candidates(self) -> QuerySet[Client]:
        return follow_ups.may_go_again(self.object)

    def question(self) -> str:
        return _("Send “%(mailing)s” again to those who did not get it?") % {
            "mailing": self.object.mailing
        }

    def left_out(self) -> list[str]:
        rest = self.object.failed_count - self.number
        if rest <= 0:
            return []
        kept = ngettext(
            "%(count)s is left out: the address does not work, is suppressed, or was written"
            " to since;",
            "%(count)s are left out: the addresses do not work, are suppressed, or were written"
            " to since;",
            rest,
        )
        return [kept % {"count": words.figure(rest)}]

    def act(self) -> None:
        hold = services.undo_window()
        self.made = follow_ups.retry_failed(run=self.object, by=self.user, hold=hold)


class SendToAdded(FollowUp):
    model = Mailing
    verb = gettext_lazy("Send to them")
    keep = gettext_lazy("Do not send")
    nobody = gettext_lazy("Nobody has been added since the last run.")

    def candidates(self) -> QuerySet[Client]:
        run = follow_ups.newest_run(self.object)
        return follow_ups.came_since(run) if run else Client.objects.none()

    def question(self) -> str:
        return _("Send “%(mailing)s” to clients added since the last run?") % {
            "mailing": self.object
        }

    def milder(self) -> str:
        if self.object.next_run_at is None:
            return ""
        return _("The next run takes them anyway; this only writes to them sooner.")

    def act(self) -> None:
        hold = services.undo_window()
        self.made = follow_ups.send_to_added(mailing=self.object, by=self.user, hold=hold)


class Delete(Asking):
    model = Mailing
    section = "mailings"
    verb = gettext_lazy("Delete the mailing")
    keep = gettext_lazy("Keep the mailing")

    def question(self) -> str:
        return _("Delete mailing “%(mailing)s”?") % {"mailing": self.object}

    def consequences(self) -> list[str]:
        runs = self.object.runs.count()
        gone = ngettext(
            "its %(count)d run is deleted with the whole log;",
            "its %(count)d runs are deleted with the whole log;",
            runs,
        )
        return [
            gone % {"count": runs} if runs else _("it has never run;"),
            *([_("its sums stay in the reports, without names and addresses;")] if runs else []),
            _("message, lists and clients stay."),
        ]

    def act(self) -> None:
        services.delete_mailing(mailing=self.object, by=self.user)

    def done(self) -> str:
        return _("Mailing “%(mailing)s” is deleted.") % {"mailing": self.object}

    def after(self) -> str:
        return "mailings:mailing_list"

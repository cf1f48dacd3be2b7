"""The page of each kind of row: what a manager needs to judge it."""

from typing import Any
from urllib.parse import urlsplit

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin.widgets.button import HeaderButton

from mailings.campaigns import services
from mailings.cms import inspecting as page
from mailings.cms.inspecting import Facts, FactsView, Part, filtered, person, visible_to
from mailings.cms.stopping import can_be_allowed, can_be_stopped
from mailings.delivery.queue import daily_limit
from mailings.messages import content
from mailings.models import (
    Attempt,
    Delivery,
    Event,
    Mailing,
    Run,
    TrackedLink,
    Transport,
)
from mailings.models.transport import BreakerState
from mailings.reports.sums import with_leavers
from mailings.states import Actor, MailingStatus
from mailings.tracking import letters
from mailings.web import words


def moment(value: Any) -> str:
    return localize(timezone.localtime(value)) if value else ""


def who_set_status(mailing: Mailing) -> str:
    """Say who brought the mailing into its status: a person by name, or the service."""
    if mailing.status_actor == Actor.SYSTEM:
        return _("the service itself")
    role = str(Actor(mailing.status_actor).label)
    return f"{mailing.status_by} ({role})" if mailing.status_by else role


class MailingPage(FactsView):
    related = ("owner", "message", "status_by")
    stop_url_name = ""
    allow_url_name = ""

    @cached_property
    def header_buttons(self) -> list[HeaderButton]:
        if not self.user_has_permission("stop"):
            return []
        if can_be_allowed(self.object):
            return [self._button(_("Allow again"), self.allow_url_name, "success")]
        if can_be_stopped(self.object):
            return [self._button(_("Stop the mailing"), self.stop_url_name, "warning")]
        return []

    def _button(self, label: str, url_name: str, icon: str) -> HeaderButton:
        return HeaderButton(label, url=reverse(url_name, args=[self.object.pk]), icon_name=icon)

    def notes(self) -> list[tuple[str, str]]:
        mailing = self.object
        if mailing.status == MailingStatus.STOPPED:
            says = _("Stopped on %(when)s by %(who)s: %(reason)s")
        elif mailing.is_paused_by_system:
            says = _("Paused on %(when)s by %(who)s: %(reason)s")
        else:
            return []
        says %= {
            "when": moment(mailing.status_at),
            "who": who_set_status(mailing),
            "reason": mailing.status_reason or "–",
        }
        return [("critical" if mailing.status == MailingStatus.STOPPED else "warning", says)]

    def figures(self) -> Facts:
        return sums(visible_to(self, Run, mailing=self.object))

    def facts(self) -> Facts:
        mailing = self.object
        return [
            (_("Number"), mailing.pk),
            (_("Owner"), person(mailing.owner)),
            (_("Status"), mailing.get_status_display()),
            (_("Status since"), moment(mailing.status_at)),
            (_("Status set by"), who_set_status(mailing)),
            (_("Reason"), mailing.status_reason),
            (_("Schedule"), words.sentence(services.rule_of(mailing), mailing.next_occurrence)),
            (_("Start"), moment(mailing.start_at)),
            (_("Next run"), moment(mailing.next_run_at)),
            (_("Message"), words.readable(mailing.message.subject)),
            (_("Sender's name"), mailing.sender_name),
            (_("Sender's address"), mailing.sender_address),
            (_("Reply to"), mailing.reply_to),
            (_("All clients"), _("Yes") if mailing.to_all else _("No")),
            (_("Lists"), ", ".join(mailing.lists.values_list("name", flat=True)[:20])),
            (_("Segments"), ", ".join(mailing.segments.values_list("name", flat=True)[:20])),
            (_("Single clients"), mailing.clients.count()),
            (
                _("Except lists"),
                ", ".join(mailing.excluded_lists.values_list("name", flat=True)[:20]),
            ),
            (
                _("Except segments"),
                ", ".join(mailing.excluded_segments.values_list("name", flat=True)[:20]),
            ),
            (_("Except single clients"), mailing.excluded_clients.count()),
            (_("Created"), moment(mailing.created_at)),
        ]

    def parts(self) -> list[Part]:
        number = self.object.pk
        runs = page.runs_part(
            visible_to(self, Run, mailing=self.object),
            more_url=filtered("run", mailing=number),
        )
        # By the runs at hand: through the mailing the database would walk the log of everybody.
        attempts = visible_to(self, Attempt, delivery__run__in=[run.pk for run in runs.rows])
        return [
            runs,
            page.attempts_part(attempts, more_url=filtered("attempt", mailing=number)),
            page.log_part(self.object),
        ]


def sums(runs: Any) -> Facts:
    """Add up the counters of runs: with what is in the queue they make the recipients."""
    names = ("targeted", *(f"{name}_count" for name in Run.COUNTED))
    total = {
        name: value or 0
        for name, value in runs.aggregate(**{name: Sum(name) for name in names}).items()
    }
    return figures_of(Run(**total))


def figures_of(run: Run) -> Facts:
    return [(column.label, column.get_value(run) or 0) for column in page.figure_columns()]


class RunPage(FactsView):
    related = ("mailing", "mailing__owner")

    def get_page_subtitle(self) -> str:
        return f"{self.object.mailing.name}, {moment(self.object.scheduled_for)}"

    def figures(self) -> Facts:
        return figures_of(self.object)

    def facts(self) -> Facts:
        run = self.object
        left: Any = with_leavers(Run.objects.only("pk")).get(pk=run.pk)
        return [
            (_("Number"), run.pk),
            (_("Mailing"), run.mailing.name),
            (_("Owner"), person(run.mailing.owner)),
            (_("Status"), run.get_status_display()),
            (_("Reason"), run.reason),
            (_("Scheduled for"), moment(run.scheduled_for)),
            (_("Started"), moment(run.started_at)),
            (_("Finished"), moment(run.finished_at)),
            (_("Subject"), words.readable(run.subject)),
            (_("Sender"), f"{run.sender_name} <{run.sender_email}>" if run.sender_email else ""),
            (_("Unsubscribed through it"), left.unsubscribed or None),
            (_("Opened, people"), left.opened if run.track_opens else None),
            (_("Clicked, people"), left.clicked if run.track_clicks else None),
        ]

    def preview(self) -> str:
        """Return the letter with its links as its author meant them: a manager looks where they
        lead."""
        run = self.object
        if not run.track_clicks:
            return str(run.html)
        targets = TrackedLink.objects.filter(run=run).values_list("position", "url")
        return letters.led_on(run.html, dict(targets))

    def parts(self) -> list[Part]:
        number = self.object.pk
        attempts = visible_to(self, Attempt, delivery__run=self.object)
        return [
            page.deliveries_part(
                visible_to(self, Delivery, run=self.object),
                more_url=filtered("delivery", run=number),
            ),
            page.attempts_part(attempts, more_url=filtered("attempt", run=number)),
        ]


class DeliveryPage(FactsView):
    related = ("run", "run__mailing", "run__mailing__owner")

    def get_page_subtitle(self) -> str:
        return str(self.object.address)

    def facts(self) -> Facts:
        delivery = self.object
        return [
            (_("Number"), delivery.pk),
            (_("Address"), delivery.address),
            (_("Full name"), delivery.full_name),
            (_("Mailing"), delivery.run.mailing.name),
            (_("Owner"), person(delivery.run.mailing.owner)),
            (_("Run"), moment(delivery.run.scheduled_for)),
            (_("Status"), delivery.get_status_display()),
            (_("Reason"), delivery.get_reason_display()),
            (_("Attempts"), delivery.attempt_count),
            (_("Next attempt"), moment(delivery.next_attempt_at)),
            (_("Finished"), moment(delivery.finished_at)),
        ]

    def parts(self) -> list[Part]:
        return [
            page.attempts_part(
                visible_to(self, Attempt, delivery=self.object),
                more_url=filtered("attempt", delivery=self.object.pk),
                with_address=False,
            ),
            page.events_part(
                visible_to(self, Event, delivery=self.object),
                more_url=filtered("event", delivery=self.object.pk),
            ),
        ]


class AttemptPage(FactsView):
    related = (
        "delivery",
        "delivery__run__mailing__owner",
        "transport",
    )

    def get_page_subtitle(self) -> str:
        return f"{self.object.delivery.address}, {moment(self.object.started_at)}"

    def facts(self) -> Facts:
        attempt = self.object
        mailing = attempt.delivery.run.mailing
        return [
            (_("Address"), attempt.delivery.address),
            (_("Mailing"), mailing.name),
            (_("Owner"), person(mailing.owner)),
            (_("Attempt"), attempt.number),
            (_("Time"), moment(attempt.started_at)),
            (_("Took, ms"), attempt.duration_ms),
            (_("Mail service"), attempt.transport),
            (_("Step"), attempt.step),
            (_("Status"), attempt.get_outcome_display()),
            (_("Code"), attempt.code),
            (_("Enhanced code"), attempt.enhanced_code),
            (_("Server's reply"), attempt.reply),
        ]


class EventPage(FactsView):
    related = ("delivery", "run__mailing__owner")

    def get_page_subtitle(self) -> str:
        return f"{self.object.delivery.address}, {moment(self.object.happened_at)}"

    def facts(self) -> Facts:
        event = self.object
        mailing = event.run.mailing
        return [
            (_("Address"), event.delivery.address),
            (_("Mailing"), mailing.name),
            (_("Owner"), person(mailing.owner)),
            (_("Run"), moment(event.run.scheduled_for)),
            (_("Delivery's number"), event.delivery_id),
            (_("What happened"), event.get_kind_display()),
            (_("Time"), moment(event.happened_at)),
            (_("Source"), event.get_source_display()),
            (_("Code"), event.code),
            (_("Enhanced code"), event.enhanced_code),
            (_("Server's words"), event.diagnostic),
        ]

    def letter(self) -> str:
        return str(self.object.evidence)


class UnmatchedNoticePage(FactsView):
    def get_page_subtitle(self) -> str:
        return moment(self.object.received_at)

    def notes(self) -> list[tuple[str, str]]:
        return [
            ("info", _("It changed nothing. Anybody can write a mail that looks like a report."))
        ]

    def facts(self) -> Facts:
        row = self.object
        return [
            (_("Number"), row.pk),
            (_("Received"), moment(row.received_at)),
            (_("Source"), row.get_source_display()),
            (_("Why nothing followed"), row.get_reason_display()),
            (_("Whom it claims to be about"), row.address),
            (_("What it claims"), row.get_kind_display()),
            (_("Server's words"), row.diagnostic),
        ]

    def letter(self) -> str:
        return str(self.object.raw_text)


class ClientPage(FactsView):
    related = ("owner",)

    def facts(self) -> Facts:
        client = self.object
        return [
            (_("Number"), client.pk),
            (_("E-mail"), client.email),
            (_("Full name"), client.full_name),
            (_("Owner"), person(client.owner)),
            (_("Lists"), ", ".join(client.lists.values_list("name", flat=True)[:20])),
            (_("Comment"), client.comment),
            (
                _("Attributes"),
                ", ".join(f"{name}: {value}" for name, value in client.attributes.items()),
            ),
            (_("How they agreed"), client.consent_source),
            (_("When they agreed"), localize(client.consent_at) if client.consent_at else ""),
            (_("Added"), moment(client.created_at)),
        ]

    def parts(self) -> list[Part]:
        return [
            page.deliveries_part(visible_to(self, Delivery, client=self.object), more_url=""),
        ]


class MessagePage(FactsView):
    related = ("owner",)

    def facts(self) -> Facts:
        message = self.object
        return [
            (_("Number"), message.pk),
            (_("Subject"), words.readable(message.subject)),
            (_("Preheader"), words.readable(message.preheader)),
            (_("Owner"), person(message.owner)),
            (_("Created"), moment(message.created_at)),
            (_("Changed"), moment(message.updated_at)),
        ]

    def preview(self) -> str:
        return content.frozen_html(self.object)

    def parts(self) -> list[Part]:
        return [page.mailings_part(visible_to(self, Mailing, message=self.object))]


class SuppressionPage(FactsView):
    related = ("owner", "run__mailing")
    take_out_url_name = ""

    @cached_property
    def header_buttons(self) -> list[HeaderButton]:
        if self.object.owner_id is not None or not self.user_has_permission("take_out"):
            return []
        url = reverse(self.take_out_url_name, args=[self.object.pk])
        return [HeaderButton(_("Take off the list of everybody"), url=url, icon_name="bin")]

    def parts(self) -> list[Part]:
        return [page.log_part(self.object)]

    def get_page_subtitle(self) -> str:
        return self.object.address or _("erased; only its fingerprint is kept")

    def facts(self) -> Facts:
        row = self.object
        return [
            (_("Address"), row.address or _("erased; only its fingerprint is kept")),
            (_("Applies to"), person(row.owner) or _("everybody")),
            (_("Reason"), row.get_reason_display()),
            (_("Source"), row.source_in_words),
            (_("Mailing"), row.run.mailing.name if row.run else ""),
            (_("Run"), moment(row.run.scheduled_for) if row.run else ""),
            (_("Since"), moment(row.created_at)),
            (_("Since, as its file says"), localize(row.happened_on) if row.happened_on else ""),
        ]


def address_without_secret(transport: Transport) -> str:
    """Say where the mail service is, never how we sign in to it."""
    if not transport.url:
        return _("as the EMAIL_URL setting says")
    parts = urlsplit(transport.url)
    host = f"{parts.scheme}://{parts.hostname or ''}"
    return f"{host}:{parts.port}" if parts.port else host


class TransportPage(FactsView):
    edit_page_url_name = ""
    test_url_name = ""

    @cached_property
    def header_buttons(self) -> list[HeaderButton]:
        if not self.user_has_permission("change"):
            return []
        change = reverse(self.edit_page_url_name, args=[self.object.pk])
        test = reverse(self.test_url_name, args=[self.object.pk])
        return [
            HeaderButton(_("Change"), url=change, icon_name="edit"),
            HeaderButton(_("Test the connection"), url=test, icon_name="rotate"),
        ]

    def notes(self) -> list[tuple[str, str]]:
        transport = self.object
        if transport.breaker_state == BreakerState.CLOSED:
            return []
        says = _("The mail service does not take mail now. We try again at %(when)s.")
        return [("warning", says % {"when": moment(transport.breaker_until) or "–"})]

    def _warm_up(self) -> str:
        """Say how much of today is left, where days have a limit."""
        day = daily_limit.today(self.object, timezone.now())
        if day.allowed is None:
            return ""
        said = (
            _("it goes on: %(taken)s of today’s %(allowed)s mails are taken")
            if day.is_warm_up
            else _("none: %(taken)s of today’s %(allowed)s mails are taken")
        )
        return said % {"taken": words.figure(day.taken), "allowed": words.figure(day.allowed)}

    def facts(self) -> Facts:
        transport = self.object
        return [
            (pgettext("thing", "Name"), transport.name),
            (_("Address"), address_without_secret(transport)),
            (_("In use"), _("yes") if transport.is_active else _("no")),
            (_("Connections"), transport.max_connections),
            (_("Mails per connection"), transport.mails_per_connection),
            (_("Mails a minute"), transport.rate_per_minute or _("as many as it takes")),
            (_("Mails a day"), transport.mails_per_day or _("as many as there are")),
            (_("Warm-up"), self._warm_up()),
            (_("Limits of domains"), ", ".join(transport.domain_limits.splitlines())),
            (_("State"), transport.get_breaker_state_display()),
            (_("Faults in a row"), transport.breaker_failures),
            (_("Paused until"), moment(transport.breaker_until)),
            (_("Last success"), moment(transport.last_ok_at)),
            (_("Last fault"), moment(transport.last_error_at)),
            (_("What it answered"), transport.last_error),
        ]

    def parts(self) -> list[Part]:
        return [page.log_part(self.object)]


class WorkerPage(FactsView):
    def facts(self) -> Facts:
        worker = self.object
        return [
            (_("Host"), worker.host),
            (_("Process"), worker.pid),
            (_("Started"), moment(worker.started_at)),
            (_("Last heartbeat"), moment(worker.heartbeat_at)),
            (_("Alive"), _("yes") if worker.expires_at > timezone.now() else _("no")),
            (_("In hand"), len(worker.in_flight)),
        ]

"""A mailing: what, to whom, how often, from when to when – in the mailing's own zone."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import model_to_dict
from django.forms.utils import ErrorList
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import zones
from mailings import permissions
from mailings.addressing import senders
from mailings.campaigns import audience, editing, services
from mailings.campaigns.audience import CHOSEN, LEFT_OUT, PEOPLE
from mailings.campaigns.audience_form import AudienceForm
from mailings.campaigns.editing import MEASURES, TIMES, MailingInput
from mailings.campaigns.forecast import AT, NOW, Forecast
from mailings.campaigns.wall_clock import WallClockField, instant, wall
from mailings.delivery import signing
from mailings.delivery.runs import recipients
from mailings.delivery.runs.planning import rule_of
from mailings.messages import preview, proofreading
from mailings.models import Client, ClientList, Mailing, Message, Segment, SenderDomain
from mailings.states import MailingStatus
from mailings.timing.schedule import Frequency, Rule
from mailings.tracking import rule
from mailings.tracking.parameters import SAMPLE
from mailings.web import words

SPOKEN = ("message", "sender_name", "sender_address", *PEOPLE, *TIMES, "__all__")
"""Fields whose faults belong into “what will happen”."""

GONE = gettext_lazy("It is not there any more. Choose again.")


def zone_choices(also: str) -> list[tuple[str, str]]:
    """Return the zones to choose from, and the mailing's own whatever its spelling."""
    known = list(zones.choices())
    return known if also in dict(known) else [(also, also), *known]


class MailingForm(AudienceForm):
    when = forms.ChoiceField(
        label=gettext_lazy("First run"),
        required=False,
        choices=((NOW, gettext_lazy("Now")), (AT, gettext_lazy("At a time"))),
        widget=forms.RadioSelect(),
    )
    start_at = WallClockField(
        label=gettext_lazy("Date and time"),
        required=False,
        help_text=gettext_lazy("Of the first run, if it is not now."),
    )
    end_at = WallClockField(
        label=gettext_lazy("End"),
        required=False,
        help_text=gettext_lazy("Nothing is sent from this moment on."),
    )

    class Meta:
        model = Mailing
        fields = (
            "name", "message", "to_all", *CHOSEN, *LEFT_OUT, "sender_name", "sender_address",
            "reply_to", "frequency", "start_at", "end_at", "time_zone", *MEASURES,
            "link_parameters",
        )  # fmt: skip
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "frequency": forms.RadioSelect(),
            "to_all": forms.CheckboxInput(attrs={"class": "form-check-input"}),
            "sender_address": forms.EmailInput(attrs={"spellcheck": "false"}),
            "reply_to": forms.EmailInput(attrs={"spellcheck": "false"}),
            "link_parameters": forms.TextInput(
                attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": SAMPLE}
            ),
            **{name: forms.CheckboxInput(attrs={"class": "form-check-input"}) for name in MEASURES},
        }
        labels: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("Name of the mailing"),
            "message": gettext_lazy("Which message to send"),
            "sender_name": gettext_lazy("Sender’s name"),
            "sender_address": gettext_lazy("Sender’s address"),
            "to_all": gettext_lazy("All clients"),
            "reply_to": gettext_lazy("Answers go to"),
            "frequency": gettext_lazy("How often"),
            "time_zone": gettext_lazy("Time zone"),
            "track_opens": gettext_lazy("Who opened the letter"),
            "track_clicks": gettext_lazy("Who followed its links"),
            "link_parameters": gettext_lazy("Parameters for the links"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("Only you see it."),
            "link_parameters": gettext_lazy(
                "Put behind each link to a page, for the statistics of your site. {{ mailing }} is"
                " the name of the mailing, {{ date }} the day of its run."
            ),
        }
        error_messages: ClassVar[dict[str, Any]] = {
            "message": {"required": gettext_lazy("Choose a message."), "invalid_choice": GONE},
            **{
                name: {"invalid_choice": GONE, "invalid_pk_value": GONE}
                for name in (*CHOSEN, *LEFT_OUT)
            },
        }

    def __init__(
        self,
        *args: Any,
        scheduling: bool = False,
        instance: Mailing | None = None,
        **kwargs: Any,
    ) -> None:
        # Given the instance, Django would load every row of its four relations, one by one.
        super().__init__(*args, **kwargs)
        if instance is not None:
            self.instance = instance
            self.initial = {**_initial(instance), **self.initial}
        mailing = self.instance
        self.now = timezone.now()
        self.has_run = mailing.pk is not None and mailing.runs.exists()
        # What is under way must stay able to run; a draft may be half a mailing.
        self.scheduling = scheduling or mailing.status not in (MailingStatus.DRAFT, "")
        self.recipients_stay = mailing.follows_id is not None
        """A follow-up goes to the clients it was made for, who may be very many."""
        self._offer_own_rows()
        if not rule.is_allowed():
            for name in MEASURES:
                del self.fields[name]
        if self.recipients_stay:
            for name in (*PEOPLE, "find", "find_excluded"):
                del self.fields[name]
        self.chosen_message: Message | None = None
        self.read: Mailing = mailing
        """The mailing as the form would make it."""
        self.was_start_at = mailing.start_at if mailing.pk else None
        if mailing.pk:
            at_once = mailing.starts_at_once and not self.has_run
            self.initial["when"] = NOW if at_once else AT
            self.initial["start_at"] = None if at_once else wall(mailing.start_at, mailing.zone)
            self.initial["end_at"] = mailing.end_at and wall(mailing.end_at, mailing.zone)
        else:
            self.initial["when"] = NOW
            # Without lists there is nobody to choose from, unless a segment is asked for.
            self.initial.setdefault("to_all", not (self.own_lists or self.initial.get("segments")))
            self.initial.setdefault("sender_name", senders.name_of("", self.owner))
            self.initial.setdefault("reply_to", self.owner.email)
            for name in MEASURES:
                self.initial.setdefault(name, rule.is_on())
            self.initial.setdefault("time_zone", self.owner.time_zone)
        self.fields["start_at"].is_asked = True  # type: ignore[attr-defined]
        if not senders.name_of("", self.owner):
            self.fields["sender_name"].is_asked = True  # type: ignore[attr-defined]
            self.fields["sender_name"].help_text = _("Clients read it before the subject.")
        self._offer_sender_addresses()
        self.begins: str = AT if self.has_run else self.initial["when"]
        if self.has_run:
            # The first run has been: what follows is counted from it.
            self.fields["start_at"].disabled = self.fields["time_zone"].disabled = True
            del self.fields["when"]
            self.fields["start_at"].help_text = _("It has been, so it stays.")

    def _offer_own_rows(self) -> None:
        lists = permissions.owned(ClientList, self.owner)
        segments = permissions.owned(Segment, self.owner).select_related("owner")
        clients = permissions.owned(Client, self.owner)
        own = {
            "message": permissions.owned(Message, self.owner).order_by("-updated_at"),
            "lists": lists,
            "segments": segments,
            "clients": clients,
            "excluded_segments": segments,
            "excluded_lists": lists,
            "excluded_clients": clients,
        }
        for name, rows in own.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
        self.fields["message"].label_from_instance = lambda row: words.readable(row.subject)  # type: ignore[attr-defined]
        self.fields["message"].empty_label = _("Choose a message")  # type: ignore[attr-defined]
        self.fields["time_zone"] = forms.ChoiceField(
            label=self.fields["time_zone"].label,
            choices=zone_choices(self.instance.time_zone),
            error_messages={"invalid_choice": _("There is no such time zone. Choose another.")},
        )

    def _offer_sender_addresses(self) -> None:
        """Ask for the sender's address where there is a choice."""
        own = permissions.owned(SenderDomain, self.owner).order_by("domain")
        self.sender_domains = [row for row in own if row.may_send]
        self.service_address = signing.service_address()
        if not self.sender_domains and not self.instance.sender_address:
            del self.fields["sender_address"]
            return
        field = self.fields["sender_address"]
        field.widget.attrs["placeholder"] = self.service_address
        field.help_text = _(
            "At your domain: %(domains)s. Empty: letters leave from %(address)s."
        ) % {
            "domains": ", ".join(row.readable for row in self.sender_domains) or "–",
            "address": self.service_address,
        }

    # ------------------------------------------------------------ checking

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.chosen_message = self.cleaned_data.get("message")
        if "time_zone" in self.cleaned_data:
            self._read_times(ZoneInfo(self.cleaned_data["time_zone"]))
        self.read, faults = editing.laid_over(
            self.instance, self.input(), self.now, scheduling=self.scheduling
        )
        # Of several fields together nothing is said while one of them could not be read.
        for together in (PEOPLE, TIMES):
            if any(self.has_error(name) for name in together):
                for name in together:
                    faults.found.pop(name, None)
        self.add_faults(faults.found)
        return self.cleaned_data

    def _read_times(self, zone: ZoneInfo) -> None:
        """Make moments of what clocks show, and a choice of “now” or a time. A date that was
        written is meant, whatever is chosen beside it: mail that leaves later than somebody wished
        surprises nobody."""
        date = self.cleaned_data.get("start_at")
        self.begins = AT if date or self.has_run else self.cleaned_data.get("when") or NOW
        if self.begins == AT and not date and not self.has_error("start_at"):
            said = _("Choose the date and time of the first run, or “Now” above.")
            self.add_error("start_at", ValidationError(said, "required"))
        for name in ("start_at", "end_at"):
            wall_time = self.cleaned_data.get(name)
            if wall_time is None or timezone.is_aware(wall_time):
                continue
            try:
                self.cleaned_data[name] = self._instant(name, wall_time, zone)
            except ValidationError as error:
                self.add_error(name, error)

    def _instant(self, name: str, wall_time: datetime, zone: ZoneInfo) -> datetime:
        """Return the moment; one that was not touched keeps its seconds."""
        kept: datetime | None = getattr(self.instance, name) if self.instance.pk else None
        if kept and zone == self.instance.zone and wall(kept, zone) == wall_time.replace(second=0):
            return kept
        return instant(wall_time, zone)

    def input(self) -> MailingInput:
        """Return what was sent and could be read."""
        names = {field.name for field in dataclasses.fields(MailingInput)}
        data = {name: value for name, value in self.cleaned_data.items() if name in names}
        if "time_zone" not in data:  # no zone, no moment
            data.pop("start_at", None)
            data.pop("end_at", None)
        for name in [name for name in data if self.fields[name].disabled]:
            del data[name]
        return MailingInput(**data)

    def save(self, commit: bool = True, *, hold: timedelta = services.AT_ONCE) -> Mailing:
        """Save the mailing; `hold` as in `editing.change_mailing`."""
        data, by = self.input(), self.owner
        if self.instance.pk is None:
            return editing.create_mailing(data=data, owner=by, by=by)
        return editing.change_mailing(mailing=self.instance, data=data, by=by, hold=hold)

    # ------------------------------------------------------------ what the page shows

    @property
    def letter_to_mend(self) -> Message | None:
        """Return the chosen message, if it is what keeps the mailing from being scheduled."""
        return self.chosen_message if self.has_error("message") else None

    @property
    def has_no_messages(self) -> bool:
        return self.forecast.message is None and not self.fields["message"].queryset.exists()  # type: ignore[attr-defined]

    @property
    def measures_anything(self) -> bool:
        """Whether the part about openings and links has to be open."""
        names = ("link_parameters", *(name for name in MEASURES if name in self.fields))
        return any(self[name].value() or self.has_error(name) for name in names)

    @cached_property
    def forecast(self) -> Forecast:
        """Return what will happen, from what is filled in so far."""
        if self.recipients_stay:
            clients = self.instance.clients.all()
            found = audience.count_recipients(owner=self.owner, lists=(), clients=clients)
            return Forecast(recipients=found, singles=clients.count(), **self._known_so_far())
        everybody = bool(self["to_all"].value())
        lists = [] if everybody else [row for row, ticked in self.list_picks if ticked]
        segments = [] if everybody else [row for row, ticked in self.segment_picks if ticked]
        singles = [] if everybody else self.client_picks.chosen
        but_lists = [row for row, ticked in self.excluded_list_picks if ticked]
        but_segments = [row for row, ticked in self.excluded_segment_picks if ticked]
        but_singles = self.excluded_client_picks.chosen
        return Forecast(
            recipients=audience.count_recipients(
                owner=self.owner,
                lists=lists,
                clients=singles,
                everybody=everybody,
                segments=segments,
                but_segments=but_segments,
                but_lists=but_lists,
                but_clients=but_singles,
            ),
            everybody=everybody,
            lists=lists,
            segments=segments,
            but_segments=but_segments,
            singles=len(singles),
            but_lists=but_lists,
            but_singles=len(but_singles),
            **self._known_so_far(),
        )

    def _known_so_far(self) -> dict[str, Any]:
        """Return all of the forecast but to whom."""
        message, rule = self._message(), self._rule()
        return {
            "message": message,
            "rule": rule,
            "now": self.now,
            "has_run": self.has_run,
            "faults": self._faults(),
            "remarks": self._remarks(message),
            "chosen": self.begins,
            "is_draft": self.instance.status in (MailingStatus.DRAFT, ""),
            "moved": self._start_moves(rule),
        }

    def _start_moves(self, rule: Rule | None) -> bool:
        """Return whether the form would give a mailing a start that it has not got yet."""
        if self.instance.status in (MailingStatus.DRAFT, ""):
            return True
        is_new = rule is not None and rule.start_at != self.was_start_at
        return is_new and self.instance.status == MailingStatus.CREATED

    def _remarks(self, message: Message | None) -> list[str]:
        """Return what to look at in the letter, as the first client would get it."""
        if message is None:
            return []
        first = permissions.owned(Client, self.owner).order_by("full_name", "pk").first()
        read = preview.of(message, first)
        return [problem.message for problem in proofreading.remarks(message, read)]

    def _message(self) -> Message | None:
        if self.is_bound:
            return self.chosen_message
        chosen = str(self["message"].value() or "")
        own = permissions.owned(Message, self.owner)
        message = own.filter(pk=chosen).first() if chosen.isdecimal() else None
        if message:
            message.owner = self.owner
        return message

    def _rule(self) -> Rule | None:
        if not self.is_bound:
            if self.instance.pk:
                return rule_of(self.instance)
            frequency = Frequency(self["frequency"].value())
            return Rule(self.now, ZoneInfo(self.initial["time_zone"]), frequency)
        return None if any(self.has_error(name) for name in TIMES) else rule_of(self.read)

    def _faults(self) -> list[str]:
        """Return the faults worth telling beside the form; what is merely empty is not one."""
        return [
            str(error)
            for name in SPOKEN
            for fault in self.errors.get(name, ErrorList()).as_data()
            if fault.code != "required"
            for error in fault.messages
        ]


def _initial(mailing: Mailing) -> dict[str, Any]:
    people = {} if mailing.follows_id else recipients.chosen_ids(mailing)
    columns = set(MailingForm.Meta.fields).difference(CHOSEN, LEFT_OUT)
    return model_to_dict(mailing, columns) | people

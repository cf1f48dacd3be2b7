"""A mailing is written: made as a draft, or changed while that is possible. What is under way must
stay able to run; a draft may be half a mailing, until it is scheduled (`services`).
"""

from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.addressing import addresses, senders
from mailings.campaigns import audience, readiness, services
from mailings.campaigns.audience import CHOSEN, LEFT_OUT, PEOPLE
from mailings.errors import Invalid, Refused
from mailings.inputs import UNCHANGED, Faults, Unchanged, given, lay_over, one_line
from mailings.messages import proofreading
from mailings.models import Client, ClientList, Mailing, Message, Run, Segment
from mailings.states import FINAL, MailingStatus
from mailings.timing import clock
from mailings.tracking import parameters, rule
from mailings.web import words

TIMES = ("start_at", "end_at", "frequency", "time_zone")
MEASURES = ("track_opens", "track_clicks")
COLUMNS = (
    "name", "to_all", "sender_name", "sender_address", "reply_to", "starts_at_once",
    "link_parameters", *MEASURES, *TIMES,
)  # fmt: skip
SETTLED = (MailingStatus.STOPPED, *FINAL[MailingStatus])
"""A mailing in one of these is not changed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingInput:
    """What a mailing is to be; rows are of the same owner, moments are aware."""

    name: str | Unchanged = UNCHANGED
    message: Message | Unchanged = UNCHANGED
    to_all: bool | Unchanged = UNCHANGED
    lists: Collection[ClientList] | Unchanged = UNCHANGED
    segments: Collection[Segment] | Unchanged = UNCHANGED
    clients: Collection[Client] | Unchanged = UNCHANGED
    excluded_lists: Collection[ClientList] | Unchanged = UNCHANGED
    excluded_segments: Collection[Segment] | Unchanged = UNCHANGED
    excluded_clients: Collection[Client] | Unchanged = UNCHANGED
    sender_name: str | Unchanged = UNCHANGED
    sender_address: str | Unchanged = UNCHANGED
    """At a proven domain of the owner's; empty: the service's own address."""
    reply_to: str | Unchanged = UNCHANGED
    track_opens: bool | Unchanged = UNCHANGED
    """Of a new mailing: as the operator's rule has it."""
    track_clicks: bool | Unchanged = UNCHANGED
    link_parameters: str | Unchanged = UNCHANGED
    start_at: datetime | Unchanged | None = UNCHANGED
    """None: as soon as it is scheduled."""
    end_at: datetime | Unchanged | None = UNCHANGED
    frequency: str | Unchanged = UNCHANGED
    time_zone: str | Unchanged = UNCHANGED


class CannotChange(Refused):
    """The mailing has ended, or a manager has stopped it."""


class AudienceIsFixed(Refused):
    """A follow-up goes to the clients it was made for."""


@transaction.atomic
def create_mailing(
    *, data: MailingInput, owner: User, by: User, follows: Run | None = None
) -> Mailing:
    """Make a draft. `follows`: the run whose clients the caller gives it."""
    mailing = Mailing(owner=owner, time_zone=owner.time_zone, follows=follows)
    permissions.require_owner(mailing, by)
    return _write(mailing, data)


@transaction.atomic
def change_mailing(
    *, mailing: Mailing, data: MailingInput, by: User, hold: timedelta = services.AT_ONCE
) -> Mailing:
    """Change a mailing, and when it runs if that follows; return it as it is then.

    `hold`: as when it is scheduled.
    """
    permissions.require_owner(mailing, by)
    rows = Mailing.objects.select_for_update(no_key=True, of=("self",)).select_related("owner")
    held = rows.get(pk=mailing.pk)  # its status does not move meanwhile
    require_changeable(held)
    changed = _write(held, data)
    if changed.status != MailingStatus.DRAFT and _times_of(changed) != _times_of(held):
        services.reschedule_mailing(mailing=changed, by=by, hold=hold)
    return changed


def require_changeable(mailing: Mailing) -> None:
    if mailing.status in SETTLED:
        raise CannotChange(
            _("This mailing cannot be changed any more. Make a copy and change that.")
        )


def laid_over(
    mailing: Mailing, data: MailingInput, now: datetime, *, scheduling: bool = False
) -> tuple[Mailing, Faults]:
    """Return the mailing as it would be, not saved, and what is wrong with it.

    `scheduling`: also what keeps a draft from being scheduled.
    """
    values, faults = given(data), Faults()
    mailing = copy(mailing)
    if mailing._state.adding:
        values = {"name": "", "message": None, "start_at": None} | values
        values = dict.fromkeys(MEASURES, rule.is_on()) | values
    people = {name: values.pop(name) for name in (*CHOSEN, *LEFT_OUT) if name in values}
    if mailing.follows_id and (people or "to_all" in values):
        raise AudienceIsFixed(_("A follow-up goes to the clients it was made for."))
    _require_own(mailing, values.get("message"), people.values())
    _take_message(mailing, values, faults)
    _take_senders(values, faults)
    _take_measures(values, faults)
    _take_start(mailing, values, now, faults)
    lay_over(mailing, values, faults, set(values).intersection(COLUMNS))
    if set(TIMES).intersection(values) and not faults.any_of(TIMES):
        _require_end_later(mailing, now, faults)
    if mailing.to_all and any(_rows(mailing, people, name) for name in CHOSEN):
        said = _("All clients are chosen, and some of them as well. Take one of the two away.")
        faults.add("to_all", said, "both")
    if scheduling or mailing.status != MailingStatus.DRAFT:
        asked = (
            {*PEOPLE, "message", "sender_name", "sender_address"}
            if scheduling
            else {*values, *people}
        )
        _require_ready(mailing, people, asked, faults)
    return mailing, faults


def _write(mailing: Mailing, data: MailingInput) -> Mailing:
    is_new = mailing._state.adding
    written, faults = laid_over(mailing, data, clock.now())
    faults.refuse()
    values = given(data)
    if is_new:
        written.save()
    else:
        columns = {*values, "starts_at_once"}.difference(CHOSEN, LEFT_OUT)
        written.save(update_fields=columns | {"updated_at"})
    for name in (*CHOSEN, *LEFT_OUT):
        if name in values:
            getattr(written, name).set(values[name])
    return written


# ---------------------------------------------------------------- the rules, one by one


def _require_own(
    mailing: Mailing, message: Message | None, people: Iterable[Collection[Any]]
) -> None:
    rows = [row for chosen in people for row in chosen]
    if any(row.owner_id != mailing.owner_id for row in ([message] if message else []) + rows):
        raise PermissionDenied


def _take_message(mailing: Mailing, values: dict[str, Any], faults: Faults) -> None:
    if "message" in values and values["message"] is None:
        del values["message"]
        faults.add("message", _("Choose a message."), "required")


def _take_senders(values: dict[str, Any], faults: Faults) -> None:
    if "name" in values:
        values["name"] = values["name"].strip()
    if "sender_name" in values:
        with faults.of("sender_name"):
            values["sender_name"] = one_line(values["sender_name"])
            if values["sender_name"] and not senders.is_name(values["sender_name"]):
                said = _(
                    "This is an address. Write a name that clients know, like that of your shop."
                )
                raise ValidationError(said, "address")
    if values.get("sender_address", "").strip():
        with faults.of("sender_address"):
            values["sender_address"] = addresses.read(values["sender_address"].strip()).wire
            if not values["sender_address"].isascii():
                said = _("Before the @ write Latin letters only: many servers refuse others.")
                raise ValidationError(said, "ascii")
    elif "sender_address" in values:
        values["sender_address"] = ""
    if values.get("reply_to", "").strip():
        with faults.of("reply_to"):
            values["reply_to"] = addresses.read(values["reply_to"].strip()).wire
    elif "reply_to" in values:
        values["reply_to"] = ""


def _take_measures(values: dict[str, Any], faults: Faults) -> None:
    for name in MEASURES:
        if values.get(name) and not rule.is_allowed():
            said = _(
                "The operator of this service does not allow openings and clicks to be counted."
            )
            faults.add(name, said, "forbidden")
    if "link_parameters" in values:
        values["link_parameters"] = parameters.tidied(values["link_parameters"])
        with faults.of("link_parameters"):
            parameters.require_sound(values["link_parameters"])


def _take_start(mailing: Mailing, values: dict[str, Any], now: datetime, faults: Faults) -> None:
    """Make a moment of “at once”; what follows from a run that has been stays."""
    if mailing.pk and mailing.runs.exists():
        for name in ("start_at", "time_zone"):
            if name in values and values[name] != getattr(mailing, name):
                faults.add(name, _("It has been, so it stays."), "has_run")
        return
    if "start_at" not in values:
        return
    values["starts_at_once"] = at_once = values["start_at"] is None
    if at_once:
        begun = mailing.starts_at_once and mailing.status != MailingStatus.DRAFT
        values["start_at"] = mailing.start_at if begun else now.replace(microsecond=0)


def _require_end_later(mailing: Mailing, now: datetime, faults: Faults) -> None:
    if mailing.end_at is None:
        return
    if mailing.end_at <= mailing.start_at and not mailing.starts_at_once:
        said = _("The end comes before the first run. Set a date after %(start)s.")
        values = {"start": words.moment(mailing.start_at, mailing.zone)}
        faults.add("end_at", said % values, "before_start")
    elif mailing.end_at <= max(mailing.start_at, now):
        said = _("The end has passed already. Set a later one, or leave it empty.")
        faults.add("end_at", said, "passed")


def _require_ready(
    mailing: Mailing, people: dict[str, Collection[Any]], asked: set[str], faults: Faults
) -> None:
    """Find what keeps a mailing from running, as far as it is asked for."""
    if asked.intersection(PEOPLE) and not faults.any_of(PEOPLE):
        found = audience.count_recipients(
            owner=mailing.owner,
            lists=_rows(mailing, people, "lists"),
            clients=_rows(mailing, people, "clients"),
            everybody=mailing.to_all,
            segments=_rows(mailing, people, "segments"),
            but_segments=_rows(mailing, people, "excluded_segments"),
            but_lists=_rows(mailing, people, "excluded_lists"),
            but_clients=_rows(mailing, people, "excluded_clients"),
        )
        try:
            audience.require_somebody(found, to_all=mailing.to_all)
        except Invalid as refusal:
            faults.merge(refusal.faults.error_dict)
    if "message" in asked and mailing.message_id:
        for problem in proofreading.faults(mailing.message):
            faults.add("message", readiness.letter_refusal([problem]), "letter")
    if "sender_name" in asked and "sender_name" not in faults.found:
        try:
            readiness.require_sender_name(mailing)
        except readiness.SenderNameMissing as refusal:
            faults.add("sender_name", str(refusal), "missing")
    if "sender_address" in asked and "sender_address" not in faults.found:
        try:
            readiness.require_sender_address(mailing)
        except readiness.DomainNotReady as refusal:
            faults.add("sender_address", str(refusal), "domain")


def _rows(mailing: Mailing, people: dict[str, Collection[Any]], name: str) -> Collection[Any]:
    """Return the rows that are chosen, or those that stay."""
    if name in people or mailing.pk is None:
        return people.get(name, ())
    rows: Collection[Any] = getattr(mailing, name).all()
    return rows


def _times_of(mailing: Mailing) -> tuple[Any, ...]:
    return tuple(getattr(mailing, name) for name in TIMES)

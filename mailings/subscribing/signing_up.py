"""What visitors do: fill in a form, and confirm by the letter's button that it was they.

What is answered to whoever fills in a form is the same for every address; what is known of it, only
the letter to it tells. They are refused with

    Refused
    ├── Closed       the owner has closed the form, or nobody may send in their name
    ├── TooOften     from there, or into this form, too much came within an hour
    └── TooLate      the letter's button is too old, or its form is gone
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from mailings import permissions
from mailings.addressing import addresses
from mailings.clients import services as clients
from mailings.clients.services import ClientInput
from mailings.consents import ledger
from mailings.errors import Refused
from mailings.models import (
    Client,
    ClientList,
    ConsentText,
    SubscribeForm,
    SubscribeRequest,
    Suppression,
    staying,
)
from mailings.models.subscribing import MAX_AGENT, LetterKind
from mailings.models.suppression import SuppressionReason
from mailings.signals import subscribe_letters_wait
from mailings.subscribing import limits
from mailings.suppression import services as suppression
from mailings.suppression import stop_list
from mailings.timing import clock

log = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(days=7)
"""For so long the letter's button works."""


class Closed(Refused):
    """The form takes nobody in at present."""


class TooOften(Refused):
    """Too much came from there within an hour."""


class TooLate(Refused):
    """The button can no longer be pressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a visitor wrote, as the form's fields have read it."""

    email: str
    full_name: str
    attributes: Mapping[str, str]
    lists: Collection[ClientList]
    """Of the form's; those that were chosen, or all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """From where they wrote."""

    ip: str
    user_agent: str


def require_open(form: SubscribeForm) -> None:
    """Raise `Closed` unless the form takes people in."""
    try:
        permissions.require_sender(form.owner)
    except Refused:  # why, is none of a visitor's business
        raise Closed(_("This form is closed.")) from None
    if not form.is_open:
        raise Closed(_("This form is closed."))


def fill_in(
    *, form: SubscribeForm, answers: Answers, agreed_to: ConsentText, visitor: Visitor
) -> SubscribeRequest:
    """Take what a visitor wrote. Raises `Closed` and `TooOften`: then nothing is stored.

    Whom the form asks for no confirmation is a client at once, but only a newcomer: nobody else can
    change what is known of a client, or take them off the stop-list.
    """
    try:
        return _fill_in(form, answers, agreed_to, visitor)
    except clients.DuplicateClient:  # brought by an import, say, a moment ago: no newcomer
        return _fill_in(form, answers, agreed_to, visitor)


@transaction.atomic
def _fill_in(
    form: SubscribeForm, answers: Answers, agreed_to: ConsentText, visitor: Visitor
) -> SubscribeRequest:
    held = SubscribeForm.objects.select_related("owner").select_for_update(
        of=("self",), no_key=True
    )
    form = held.filter(pk=form.pk).first() or _gone()
    require_open(form)
    address, now = addresses.read(answers.email), clock.now()
    network = limits.network_of(visitor.ip)
    limits.hold("network", network)
    if limits.is_too_often(form, visitor.ip, network, now):
        log.info("subscribe_form_limited", extra={"form_id": form.pk})
        raise TooOften(_("Too much was sent from your network within an hour. Try again later."))
    limits.hold("mailbox", address.mailbox)
    client = Client.objects.filter(owner=form.owner, email_normalised=address.mailbox).first()
    barred = list(stop_list.entries_about(form.owner_id, address.mailbox))
    at_once = not asks_to_confirm(form) and client is None and not barred
    letter = (
        LetterKind.NONE if at_once else _letter_for(form, address.mailbox, answers, client, barred)
    )
    if letter and not limits.may_write_to(form, address.mailbox, now):
        letter = LetterKind.NONE
    request = SubscribeRequest.objects.create(
        form=form,
        email=address.typed,
        mailbox=address.mailbox,
        full_name=answers.full_name,
        attributes=dict(answers.attributes),
        list_ids=[row.pk for row in answers.lists],
        consent_text=agreed_to,
        ip=visitor.ip,
        network=network,
        user_agent=visitor.user_agent[:MAX_AGENT],
        requested_at=now,
        confirmed_at=None,
        letter=letter,
        letter_due_at=now if letter else None,
    )
    if at_once:
        _take_in(request, confirmed_at=None)
    if letter:
        transaction.on_commit(lambda: subscribe_letters_wait.send_robust(SubscribeRequest))
    log.info("subscribe_form_filled_in", extra={"form_id": form.pk, "letter": letter})
    return request


def _gone() -> SubscribeForm:
    raise Closed(_("This form is closed."))


def asks_to_confirm(form: SubscribeForm) -> bool:
    """Return whether the letter's button has to be pressed: always, unless the owner leaves it out
    and the operator still allows that."""
    return form.is_double or not settings.SINGLE_OPT_IN


def is_for_good(entry: Suppression) -> bool:
    """Return whether a person's filling in a form cannot lift the entry: they complained of spam,
    or it is for everybody."""
    return entry.owner_id is None or entry.reason == SuppressionReason.COMPLAINED


def _letter_for(
    form: SubscribeForm,
    mailbox: str,
    answers: Answers,
    client: Client | None,
    barred: Collection[Suppression],
) -> LetterKind:
    if any(map(is_for_good, barred)):
        return LetterKind.NONE
    if client is None or barred or not (client.consent_source or client.consent_at):
        return LetterKind.CONFIRM
    on = set(client.lists.values_list("pk", flat=True))
    is_known = all(row.pk in on for row in answers.lists)
    return LetterKind.KNOWN if is_known else LetterKind.CONFIRM


# ---------------------------------------------------------------- the letter's button


def waiting(request_id: int) -> SubscribeRequest:
    """Return what can be confirmed, or has been. Raises `TooLate`."""
    rows = SubscribeRequest.objects.select_related("form__owner", "consent_text")
    row = rows.filter(pk=request_id, letter=LetterKind.CONFIRM).first()
    if row is None:
        raise TooLate(_("This link is too old."))
    _require_in_time(row, clock.now())
    return row


@transaction.atomic
def confirm(request_id: int) -> tuple[SubscribeRequest, bool]:
    """Make a client of whoever holds the letter; return what they had written, and whether they get
    mail now. A second press changes nothing. Raises `Closed`, `TooLate` and, where what is known of
    them leaves no room for more, `Invalid`."""
    rows = SubscribeRequest.objects.select_related("form__owner", "consent_text")
    rows = rows.filter(pk=request_id, letter=LetterKind.CONFIRM)
    # Before any row: a deletion holds the clients first, and then lets their requests go.
    for owner_id in rows.values_list("form__owner", flat=True):
        staying.keep_all_of(owner_id)
    held = rows.select_for_update(of=("self",))
    row = held.first()
    if row is None:
        raise TooLate(_("This link is too old."))
    owner = row.form.owner
    if row.confirmed_at is None:
        now = clock.now()
        _require_in_time(row, now)
        _require_sender(row)
        SubscribeRequest.objects.filter(pk=row.pk).update(confirmed_at=now, letter_due_at=None)
        row.confirmed_at = now
        _take_in(row, confirmed_at=now)
        with translation.override(owner.language):
            said = _("They subscribed again by the form “%(form)s” and confirmed it by e-mail.")
            why = said % {"form": row.form.name}
        gets_mail = suppression.let_in(owner=owner, mailbox=row.mailbox, reason=why)
        log.info("subscribed", extra={"form_id": row.form_id, "request_id": row.pk})
    else:
        gets_mail = still_gets_mail(row)
    return row, gets_mail


def still_gets_mail(row: SubscribeRequest) -> bool:
    """Return whether whoever has pressed the button before gets mail now. Raises `TooLate` when
    they have left since: another letter brings them back, not this one."""
    barred = list(stop_list.entries_about(row.form.owner_id, row.mailbox))
    if not all(map(is_for_good, barred)):
        raise TooLate(_("This link is too old."))
    return not barred


def _require_in_time(row: SubscribeRequest, now: datetime) -> None:
    if row.confirmed_at is None and now - row.requested_at > CONFIRM_WITHIN:
        raise TooLate(_("This link is too old."))


def _require_sender(row: SubscribeRequest) -> None:
    """A form that was closed meanwhile still takes in whoever filled it in before."""
    if not row.form.owner.is_active:
        raise Closed(_("This form is closed."))


def _take_in(request: SubscribeRequest, *, confirmed_at: datetime | None) -> None:
    form, owner = request.form, request.form.owner
    with translation.override(owner.language):
        asked = _("Form “%(form)s”") % {"form": form.name}
    client = clients.take_in(
        owner=owner,
        data=ClientInput(
            email=request.email, full_name=request.full_name, attributes=request.attributes
        ),
        lists=list(ClientList.objects.filter(owner=owner, pk__in=request.list_ids)),
        asked=asked,
        on=request.requested_at.astimezone(ZoneInfo(owner.time_zone)).date(),
        newcomer=confirmed_at is None,
    )
    ledger.of_request(request, client, confirmed_at)

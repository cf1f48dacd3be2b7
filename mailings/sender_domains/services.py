"""What owners do with their domains, and what the service finds out by itself.

    Refused
    ├── Invalid       the name cannot be a sender domain
    ├── InUse         a mailing under way, or a run, sends from it
    └── AlreadyThere  the owner has added it before

Proof is a TXT record in the domain's own zone. DNS is asked outside of any transaction; what it
said is laid down with the row locked. What vanished is told at once and counts for `GRACE` more
(the key: `KEY_GRACE`); then mailings that send from the domain are paused. That DNS does not answer
proves nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.delivery import domain_keys
from mailings.delivery.runs import holding
from mailings.delivery.single_flight import never
from mailings.errors import Invalid, Refused
from mailings.inputs import Faults
from mailings.models import Mailing, SenderDomain
from mailings.models.sender_domain import DomainState, new_selector
from mailings.rendering.dkim import Algorithm
from mailings.sender_domains import checks, names
from mailings.sender_domains.checks import Check, Report, Verdict
from mailings.states import ACTIVE_MAILINGS, MailingStatus, RunStatus
from mailings.timing import clock

log = logging.getLogger(__name__)

MOST_DOMAINS = 20
"""Of one owner: each is asked for every day."""
GRACE = timedelta(days=3)
"""For so long a proof that vanished still counts: a zone that is moved comes back."""
KEY_GRACE = timedelta(hours=1)
"""The same for the key's record: without it DMARC calls the letters forged."""
WAITED_FOR = timedelta(days=7)
"""For so long after it was added, confirmed or found wanting a domain is looked at often."""
LOOK_AGAIN = timedelta(minutes=10)
"""Between two looks then; records take minutes to hours to be seen everywhere."""
LOOK_HOURLY = timedelta(hours=1)
"""At a confirmed one whose key has been missing for longer than that: new ones may be on their
way."""
LOOK_DAILY = timedelta(hours=24)
LOOKED_AT_ONCE = 50
"""Domains for which one task asks DNS: a silent one takes some seconds."""
PRESS_APART = timedelta(seconds=5)
"""Whoever presses “check” again sooner sees what was found just now."""


class InUse(Refused):
    """Something that is not over yet sends from the domain."""


class AlreadyThere(Refused):
    """The owner has it already."""

    def __init__(self, row: SenderDomain) -> None:
        super().__init__(_("You have added this domain already."))
        self.row = row


@dataclass(frozen=True, slots=True)
class DomainInput:
    """A domain as it was typed."""

    domain: str


# ---------------------------------------------------------------- the owner's


@transaction.atomic
def add(*, data: DomainInput, owner: User, by: User) -> SenderDomain:
    """Add a domain that is still to be proved, with keys of its own."""
    row = SenderDomain(owner=owner, added_at=clock.now())
    permissions.require_owner(row, by)
    try:
        row.domain = names.read(data.domain)
    except Refused as refusal:
        faults = Faults()
        faults.add("domain", str(refusal), "domain")
        raise Invalid(faults.found) from refusal
    own = permissions.owned(SenderDomain, owner)
    if there := own.filter(domain=row.domain).first():
        raise AlreadyThere(there)
    if own.count() >= MOST_DOMAINS:
        raise Refused(_("There are %(most)d domains already.") % {"most": MOST_DOMAINS})
    _make_keys(row)
    row.next_check_at = row.added_at + LOOK_AGAIN
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:  # added in another tab just now
        raise AlreadyThere(own.get(domain=row.domain)) from error
    audit.record(Action.ADD_DOMAIN, row, by)
    return row


@transaction.atomic
def remove(*, row: SenderDomain, by: User) -> None:
    """Remove a domain and its keys. Mail that left is still verified while its records stand."""
    permissions.require_owner(row, by)
    row = SenderDomain.objects.select_for_update().get(pk=row.pk)
    if used := users_of(row):
        raise InUse(
            _(
                "The mailing “%(mailing)s” sends from this domain. End it, or choose another"
                " sender’s address there first."
            )
            % {"mailing": used[0].name}
        )
    audit.record(Action.REMOVE_DOMAIN, row, by)
    row.delete()


def users_of(row: SenderDomain) -> list[Mailing]:
    """Return the owner's mailings that send from the domain and are not over, or a run of which is
    not."""
    at = f"@{row.domain}"
    under_way = Q(
        sender_address__iendswith=at, status__in=[*ACTIVE_MAILINGS, MailingStatus.PAUSED]
    ) | Q(
        runs__sender_email__iendswith=at,
        runs__status__in=[RunStatus.PREPARING, RunStatus.SENDING],
    )
    mailings = Mailing.objects.filter(under_way, owner_id=row.owner_id)
    return list(mailings.distinct().order_by("pk"))


@transaction.atomic
def renew_keys(*, row: SenderDomain, by: User) -> None:
    """Make new keys under a new name: the records of before may stay as long as mail is on its way.

    Until the new ones are published, nothing is sent from the domain.
    """
    permissions.require_owner(row, by)
    row = SenderDomain.objects.select_for_update().get(pk=row.pk)
    row.selector = new_selector()
    _make_keys(row)
    row.rsa_published = row.ed25519_published = False
    # What was found of the keys of before says nothing about these.
    row.report = {
        line: kept for line, kept in row.report.items() if line not in (Check.RSA, Check.ED25519)
    }
    row.next_check_at = clock.now() + LOOK_AGAIN
    row.save(
        update_fields=[
            "selector", "rsa_key", "ed25519_key", "rsa_published", "ed25519_published",
            "next_check_at", "report",
        ]
    )  # fmt: skip
    audit.record(Action.RENEW_KEYS, row, by)


def _make_keys(row: SenderDomain) -> None:
    row.rsa_key = domain_keys.make(Algorithm.RSA)
    row.ed25519_key = domain_keys.make(Algorithm.ED25519)


def check(*, row: SenderDomain, by: User) -> SenderDomain:
    """Ask DNS now, because somebody pressed the button; return the row as it is then."""
    permissions.require_owner(row, by)
    now = clock.now()
    if row.checked_at is None or now - row.checked_at >= PRESS_APART:
        take_in(row, checks.look(row), now)
    return SenderDomain.objects.get(pk=row.pk)


# ---------------------------------------------------------------- the service's


def check_due(now: datetime, *, stopping: Callable[[], bool] = never) -> int:
    """Look at the domains whose time has come; return how many. The task of every minute."""
    due = SenderDomain.objects.filter(next_check_at__lte=now)
    looked = 0
    for row in due.order_by("next_check_at")[:LOOKED_AT_ONCE]:
        if stopping():
            break
        # Whoever moves the time on looks: two workers do not ask twice.
        mine = SenderDomain.objects.filter(pk=row.pk, next_check_at=row.next_check_at)
        if mine.update(next_check_at=now + LOOK_AGAIN):
            take_in(row, checks.look(row), now)
            looked += 1
    return looked


def take_in(row: SenderDomain, report: Report, now: datetime) -> None:
    """Lay down what DNS had, and what follows from it."""
    try:
        lost = _take_in(row, report, now)
    except IntegrityError:  # another owner's proof stands: two cannot hold it
        SenderDomain.objects.filter(pk=row.pk).update(
            checked_at=now, next_check_at=_next_look(row, now), report=report.stored()
        )
        log.info("domain_proven_by_another", extra={"sender_domain_id": row.pk})
        return
    if lost:
        pause_users(row)


@transaction.atomic
def _take_in(row: SenderDomain, report: Report, now: datetime) -> bool:
    """Return whether the domain may not be sent from any more."""
    held = SenderDomain.objects.select_for_update().filter(pk=row.pk).first()
    if held is None or held.selector != row.selector:
        return False  # removed, or given new keys, while DNS was asked
    if held.checked_at and held.checked_at > now:
        return False  # somebody who asked later was answered sooner
    was_sending = held.may_send
    held.checked_at = now
    held.report = report.stored()
    if report.ed25519 is not Verdict.SILENT:
        held.ed25519_published = report.ed25519 is Verdict.RIGHT  # the other signature is enough
    _judge(held, report, now)
    held.next_check_at = _next_look(held, now)
    held.save(
        update_fields=[
            "state", "proven_at", "checked_at", "next_check_at", "missing_since", "rsa_published",
            "ed25519_published", "report",
        ]
    )  # fmt: skip
    return was_sending and not held.may_send


def _judge(held: SenderDomain, report: Report, now: datetime) -> None:
    """Move the domain on by what was seen of its proof and of the key that must be there."""
    proof, rsa = report.proof, report.rsa
    if rsa is Verdict.RIGHT:
        held.rsa_published = True
    if held.state != DomainState.PROVEN:
        if rsa is Verdict.WRONG:
            held.rsa_published = False
        if proof is Verdict.RIGHT:
            held.state, held.proven_at, held.missing_since = DomainState.PROVEN, now, None
            audit.record(Action.PROVE_DOMAIN, held, None)
    elif Verdict.WRONG in (proof, rsa if held.rsa_published else Verdict.RIGHT):
        held.missing_since = held.missing_since or now
        if rsa is Verdict.WRONG and now - held.missing_since >= KEY_GRACE:
            held.rsa_published = False
        if proof is Verdict.WRONG and now - held.missing_since >= GRACE:
            held.state = DomainState.LOST
            audit.record(Action.LOSE_DOMAIN, held, None)
    elif Verdict.SILENT not in (proof, rsa):
        held.missing_since = None


def _next_look(row: SenderDomain, now: datetime) -> datetime | None:
    """Return when to look again by ourselves; None: only when somebody asks."""
    is_well = row.may_send and row.missing_since is None
    began = max(filter(None, [row.added_at, row.proven_at, row.missing_since]))
    if not is_well and now - began < WAITED_FOR:
        return now + LOOK_AGAIN
    if row.state == DomainState.WAITING:
        return None
    # Also without a key: who has sold a domain must not hold it for ever.
    is_keyless = row.state == DomainState.PROVEN and not is_well
    return now + (LOOK_HOURLY if is_keyless else LOOK_DAILY)


def counts_until(row: SenderDomain) -> datetime | None:
    """Return until when letters still leave although a record has vanished; None: none has."""
    if row.missing_since is None:
        return None
    is_key = Report.of(row).findings.get(Check.RSA, checks.SILENT).verdict is Verdict.WRONG
    return row.missing_since + (KEY_GRACE if is_key else GRACE)


def pause_users(row: SenderDomain) -> None:
    """Pause what sends from a domain that may not be sent from any more."""
    for mailing in users_of(row):
        holding.pause_for_domain(mailing.pk, row.domain, are_keys_lost=False)

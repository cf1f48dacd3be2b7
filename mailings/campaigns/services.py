"""What people do with mailings: every door (site, admin, API, commands) calls these.

Each use case checks who asks, changes the rows by a conditional UPDATE, writes the log and, after
the commit, tells the workers. It refuses with `Refused` (what to mend, in the reader's language)
or with Django's `PermissionDenied` (it is not theirs to do).
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.campaigns import audience
from mailings.campaigns.readiness import (
    require_letter,
    require_sender_address,
    require_sender_name,
)
from mailings.clients.segments import uses
from mailings.delivery import signing
from mailings.delivery.runs import closing
from mailings.delivery.runs.planning import rule_of
from mailings.errors import Refused
from mailings.models import Attempt, Delivery, Mailing, Run
from mailings.signals import (
    deliveries_ready,
    figures_changed,
    mailing_scheduled,
)
from mailings.states import FINAL, Actor, MailingStatus
from mailings.timing import clock, schedule
from mailings.web import words

SETTLED_AT_ONCE = 5_000
"""Recipients that a web request settles itself when a mailing is cancelled; more are left to the
workers, so that the page answers."""

M = MailingStatus
AT_ONCE = timedelta()


def undo_window() -> timedelta:
    """Return how long a start that a person asks for at once can be taken back (`hold` below)."""
    return timedelta(seconds=settings.UNDO_SECONDS)


# ---------------------------------------------------------------- the owner's


@transaction.atomic
def schedule_mailing(*, mailing: Mailing, by: User, hold: timedelta = AT_ONCE) -> None:
    """Turn a draft into a created mailing; one whose start has passed runs at once.

    `hold`: for so long such a start can still be taken back (`unschedule_mailing`).
    """
    permissions.require_owner(mailing, by)
    permissions.require_sender(mailing.owner)
    require_sender_name(mailing)
    require_sender_address(mailing)
    require_letter(mailing.message)
    now = clock.now()
    if mailing.starts_at_once:
        mailing.start_at = now.replace(microsecond=0)
    number, at = _first_run(mailing, now, hold)
    audience.require_somebody(audience.of(mailing), to_all=mailing.to_all)
    _move(
        mailing, M.CREATED, by, now, among=[M.DRAFT],
        start_at=mailing.start_at, next_occurrence=number, next_run_at=at,
    )  # fmt: skip
    _announce(mailing, Action.SCHEDULE, by, run_at=at)


@transaction.atomic
def unschedule_mailing(*, mailing: Mailing, by: User) -> None:
    """Take a created mailing, none of whose runs has begun, back to draft."""
    permissions.require_owner(mailing, by)
    if Mailing.objects.with_status(M.RUNNING).filter(pk=mailing.pk).exists():
        raise Refused(_("The sending has begun already. Pause or end the mailing instead."))
    _move(mailing, M.DRAFT, by, clock.now(), next_run_at=None)
    _announce(mailing, Action.UNSCHEDULE, by)


@transaction.atomic
def reschedule_mailing(*, mailing: Mailing, by: User, hold: timedelta = AT_ONCE) -> None:
    """Follow an edit of the times of a mailing that is created, running or paused."""
    permissions.require_owner(mailing, by)
    now = clock.now()
    number: int
    at: datetime | None
    if mailing.status == M.CREATED:
        number, at = _first_run(mailing, now, hold)
    elif mailing.status in (M.RUNNING, M.PAUSED):
        number, at = _next_run(mailing, now)
    else:
        raise Refused(_("The times of this mailing can no longer be changed."))
    planned = None if mailing.status == M.PAUSED else at
    rows = Mailing.objects.filter(pk=mailing.pk, status=mailing.status)
    if not rows.update(next_occurrence=number, next_run_at=planned):
        raise Refused(_changed_meanwhile())
    mailing.refresh_from_db()
    _announce(mailing, Action.RESCHEDULE, by, run_at=planned)


@transaction.atomic
def pause_mailing(*, mailing: Mailing, by: User) -> None:
    """Hold everything that is not in a worker's hand; nothing is lost."""
    permissions.require_owner(mailing, by)
    _move(mailing, M.PAUSED, by, clock.now(), among=[M.CREATED, M.RUNNING], next_run_at=None)
    _announce(mailing, Action.PAUSE, by)


@transaction.atomic
def resume_mailing(*, mailing: Mailing, by: User, hold: timedelta = AT_ONCE) -> None:
    """Go on where the pause began; of the occurrences it swallowed the newest may still run.

    `hold` is for a mailing that has not begun yet: its start can be taken back as at first.
    """
    permissions.require_owner(mailing, by)
    permissions.require_sender(mailing.owner)
    require_sender_address(mailing)
    now = clock.now()
    if mailing.runs.exists():
        _require_time_left(mailing, now)
        _readdress(mailing)
        at = schedule.occurrence(rule_of(mailing), mailing.next_occurrence)
        _move(mailing, M.RUNNING, by, now, among=[M.PAUSED], next_run_at=at)
    else:
        require_sender_name(mailing)
        require_letter(mailing.message)
        number, at = _first_run(mailing, now, hold)
        _move(mailing, M.CREATED, by, now, among=[M.PAUSED], next_occurrence=number, next_run_at=at)
    _announce(mailing, Action.RESUME, by, run_at=at)
    transaction.on_commit(lambda: deliveries_ready.send_robust(Mailing))


@transaction.atomic
def cancel_mailing(*, mailing: Mailing, by: User) -> None:
    """End the mailing for good; what is not sent yet will not be."""
    permissions.require_owner(mailing, by)
    now = clock.now()
    _move(mailing, M.CANCELLED, by, now, next_run_at=None)
    waiting = sum(run.pending_count + run.deferred_count for run in _open_runs(mailing))
    if waiting <= SETTLED_AT_ONCE:
        closing.close(mailing, now)
    _announce(mailing, Action.CANCEL, by, run_at=now)


@transaction.atomic
def delete_mailing(*, mailing: Mailing, by: User) -> None:
    """Delete a mailing that is not under way, with its runs and their log."""
    permissions.require_owner(mailing, by)
    rows = Mailing.objects.filter(pk=mailing.pk)
    # Waits for whoever is just beginning a run of it, so that the run is seen.
    list(rows.select_for_update().values_list("pk"))
    allowed = rows.with_status(M.DRAFT, M.CREATED, *FINAL[M]).exclude(runs__in=_open_runs(mailing))
    if not allowed.exists():
        raise Refused(_("The mailing is under way. Cancel it first, then delete it."))
    # “Did not get this mailing” would be everybody without it.
    if asking := uses.of_mailing(mailing):
        said = _("The mailing is used by %(segments)s. Take it out of these segments first.")
        raise Refused(said % {"segments": words.quoted(asking)})
    audit.record(Action.DELETE, mailing, by)
    # The cascade would fetch every row into memory; a mailing may have a million of them.
    for model, path in ((Attempt, "delivery__run__mailing"), (Delivery, "run__mailing")):
        doomed = model._default_manager.filter(**{path: mailing})
        doomed._raw_delete(doomed.db)
    mailing.delete()
    _announce_figures()


# ---------------------------------------------------------------- the managers'


@transaction.atomic
def stop_mailing(*, mailing: Mailing, by: User, reason: str) -> None:
    """Forbid a mailing; only a manager may allow it again."""
    reason = _require_manager(by, reason)
    _move(
        mailing, M.STOPPED, by, clock.now(),
        next_run_at=None, status_actor=Actor.MANAGER, status_reason=reason,
    )  # fmt: skip
    _announce(mailing, Action.STOP, by, reason=reason)


@transaction.atomic
def allow_mailing(*, mailing: Mailing, by: User, reason: str) -> None:
    """Allow a stopped mailing again: it is paused then, and its owner decides when it goes on."""
    reason = _require_manager(by, reason)
    _move(
        mailing, M.PAUSED, by, clock.now(), among=[M.STOPPED],
        status_actor=Actor.MANAGER, status_reason=reason,
    )  # fmt: skip
    _announce(mailing, Action.ALLOW, by, reason=reason)


# ---------------------------------------------------------------- what they share


def _require_manager(by: User, reason: str) -> str:
    if not permissions.is_manager(by):
        raise PermissionDenied
    if not reason.strip():
        raise Refused(_("Say why: the owner and other managers will read it."))
    return reason.strip()


def _require_time_left(mailing: Mailing, now: datetime) -> None:
    if mailing.end_at is not None and mailing.end_at <= now:
        raise Refused(_("The end of the mailing has passed. Set a later end, or none."))


def _first_run(mailing: Mailing, now: datetime, hold: timedelta) -> tuple[int, datetime]:
    """Return the occurrence a mailing without runs begins with, and when: at its time, or `hold`
    from now when that has passed."""
    _require_time_left(mailing, now)
    rule = rule_of(mailing)
    if schedule.latest(rule, now) is not None:
        if mailing.end_at is not None and mailing.end_at <= now + hold:
            raise Refused(_("The mailing ends too soon for that. Set a later end, or none."))
        # An occurrence that comes meanwhile takes the place of the one that has passed.
        newest = schedule.latest(rule, now + hold)
        assert newest is not None
        return newest[0], now + hold
    found = schedule.following(rule, now)
    if found is None:
        raise Refused(_("The mailing would never run: its end comes before its start."))
    return found


def _next_run(mailing: Mailing, now: datetime) -> tuple[int, datetime | None]:
    """Return what follows by the edited times. A run that is due but not begun yet is kept."""
    _require_time_left(mailing, now)
    rule = rule_of(mailing)
    since = now
    if mailing.next_run_at is not None and mailing.next_run_at <= now:
        since = mailing.next_run_at - datetime.resolution
    found = schedule.following(rule, since)
    if found is not None:
        return found
    total = schedule.count(rule)
    return (total or mailing.next_occurrence), None


def _move(
    mailing: Mailing,
    to: MailingStatus,
    by: User,
    now: datetime,
    *,
    among: list[MailingStatus] | None = None,
    **changes: Any,
) -> None:
    """Move the mailing, or say why it cannot be; `mailing` holds the new values afterwards."""
    changes = {
        "status_at": now, "status_actor": Actor.OWNER, "status_by": by, "status_reason": "",
    } | changes  # fmt: skip
    if not Mailing.objects.filter(pk=mailing.pk).move(to, among=among, **changes):  # type: ignore[arg-type]
        raise Refused(_changed_meanwhile())
    mailing.refresh_from_db()


def _changed_meanwhile() -> str:
    return _("The mailing's status does not allow this, or has just changed. Reload the page.")


def _readdress(mailing: Mailing) -> None:
    """Let what is left of a run leave from the address chosen since, where it may not from its own:
    the pause for a lost domain advises that."""
    for run in _open_runs(mailing):
        try:
            signing.identity_of(run)
        except signing.SenderNotAllowed:
            mailing.runs.filter(pk=run.pk).update(sender_email=signing.sender_of(mailing))


def _open_runs(mailing: Mailing) -> models.QuerySet[Run]:
    return mailing.runs.with_status(*closing.OPEN_RUNS)


def _announce(
    mailing: Mailing, action: Action, by: User, *, reason: str = "", run_at: datetime | None = None
) -> None:
    audit.record(action, mailing, by, reason)
    _announce_figures()
    if run_at is not None:
        transaction.on_commit(lambda: mailing_scheduled.send_robust(Mailing, at=run_at))


def _announce_figures() -> None:
    transaction.on_commit(lambda: figures_changed.send_robust(Mailing))

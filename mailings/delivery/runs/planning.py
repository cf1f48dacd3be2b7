"""From a mailing whose time has come to a run with its recipients and content frozen.

Any number of schedulers may plan at once: the conditional UPDATE that takes the occurrence away
from the mailing lets one of them through, and all that follows is in the same transaction.
"""

import logging
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, CharField, DateTimeField, F, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import Concat, Lower, StrIndex, Substr
from django.db.models.lookups import Exact
from django.utils import translation
from django.utils.translation import gettext as _

from mailings.addressing import senders
from mailings.delivery import signing
from mailings.delivery.queue import chunks
from mailings.delivery.runs import closing, holding
from mailings.delivery.runs.composing import compile_run
from mailings.delivery.runs.recipients import has_segments, recipients_of
from mailings.messages import content, proofreading
from mailings.models import Delivery, Mailing, Run, TrackedLink, staying
from mailings.models.stateful import StatefulQuerySet
from mailings.rendering import compiler
from mailings.signals import deliveries_ready, figures_changed, mailing_scheduled
from mailings.states import (
    ACTIVE_MAILINGS,
    Actor,
    DeliveryStatus,
    Frequency,
    MailingStatus,
    RunStatus,
    SkipReason,
)
from mailings.suppression import stop_list
from mailings.timing import schedule
from mailings.tracking import rule as tracking

log = logging.getLogger(__name__)

GRACE: dict[Frequency, timedelta | None] = {
    Frequency.ONCE: None,
    Frequency.DAILY: timedelta(hours=6),
    Frequency.WEEKLY: timedelta(hours=24),
    Frequency.MONTHLY: timedelta(hours=24),
}
"""How late an occurrence may still run after downtime or a pause. None: until the mailing's end."""


def rule_of(mailing: Mailing) -> schedule.Rule:
    return schedule.Rule(
        mailing.start_at, mailing.zone, Frequency(mailing.frequency), mailing.end_at
    )


def due_mailings(now: datetime) -> StatefulQuerySet[Mailing]:
    """Return the mailings one of whose occurrences has come and may run."""
    rows = Mailing.objects.with_status(*ACTIVE_MAILINGS).filter(next_run_at__lte=now)
    return rows.filter(Q(end_at=None) | Q(end_at__gt=now), owner__is_active=True)


def next_starts(now: datetime, within: timedelta) -> list[datetime]:
    """Return the instants within the given time at which a mailing will be due."""
    rows = Mailing.objects.with_status(*ACTIVE_MAILINGS)
    starts = rows.filter(next_run_at__gt=now, next_run_at__lte=now + within)
    return [at for at in starts.values_list("next_run_at", flat=True).distinct() if at]


def plan(now: datetime, *, mailing_id: int | None = None) -> int:
    """Make the runs that are due and settle what has ended; return how many runs began."""
    began = 0
    due = due_mailings(now).order_by("next_run_at", "pk")
    if mailing_id is not None:
        due = due.filter(pk=mailing_id)
    for mailing in due.select_related("message__owner", "owner"):
        try:
            began += _plan_mailing(mailing, now)
        except signing.SenderNotAllowed as error:
            holding.pause_for_domain(mailing.pk, error.domain, are_keys_lost=error.are_keys_lost)
        except LetterFaulty as error:
            holding.pause_for_letter(mailing.pk, error.said)
        except compiler.RenderError as error:
            holding.pause_for_message(mailing.pk, str(error))
        except Exception:
            # One mailing in trouble, be it by a segment that cannot be asked, must not keep the
            # others waiting; the next sweep tries again.
            log.exception("mailing_not_planned", extra={"mailing_id": mailing.pk})
    closing.sweep(now)
    return began


@transaction.atomic
def _plan_mailing(mailing: Mailing, now: datetime) -> bool:
    """Take the due occurrence, and those missed before it; return whether a run began."""
    staying.keep_all_of(mailing.owner_id)
    rule = rule_of(mailing)
    newest = schedule.latest(rule, now)
    following = schedule.following(rule, now)
    if not _take(mailing, newest, following):
        return False
    if newest is None or newest[0] < mailing.next_occurrence:
        return False  # the times were edited meanwhile: nothing is due any more
    number, at = newest
    for k in range(mailing.next_occurrence, number):
        if (missed := schedule.occurrence(rule, k)) is not None:
            _record_unrun(mailing, k, missed, RunStatus.MISSED, now)
    # The first occurrence of a mailing created after its start is due since its creation.
    due_since = at if number > mailing.next_occurrence else (mailing.next_run_at or at)
    grace = GRACE[rule.frequency]
    if grace is not None and now - due_since > grace:
        _record_unrun(mailing, number, at, RunStatus.MISSED, now)
        return False
    runs = mailing.runs.filter(Q(status__in=closing.OPEN_RUNS) | Q(scheduled_for=at))
    in_the_way = list(runs.values_list("status", flat=True))
    if any(status in closing.OPEN_RUNS for status in in_the_way):
        _record_unrun(mailing, number, at, RunStatus.SKIPPED, now)
        return False
    if in_the_way:
        return False  # the times were edited back to an occurrence that ran already
    _begin(mailing, number, at, now)
    return True


def _take(
    mailing: Mailing,
    newest: tuple[int, datetime] | None,
    following: tuple[int, datetime] | None,
) -> bool:
    """Move the mailing on to its next occurrence; False: another scheduler did."""
    seen = Mailing.objects.with_status(*ACTIVE_MAILINGS).filter(
        pk=mailing.pk, next_occurrence=mailing.next_occurrence, next_run_at=mailing.next_run_at
    )
    after = newest[0] + 1 if newest else mailing.next_occurrence
    number, at = following or (after, None)
    if not seen.update(next_occurrence=number, next_run_at=at):
        return False
    if at is not None:
        transaction.on_commit(lambda: mailing_scheduled.send_robust(Mailing, at=at))
    return True


def _record_unrun(
    mailing: Mailing, number: int, at: datetime, status: RunStatus, now: datetime
) -> None:
    """Leave a trace of an occurrence that did not run, and why."""
    with translation.override(mailing.owner.language):
        reason = (
            _("The service was not working, or the mailing was paused, when its time came.")
            if status == RunStatus.MISSED
            else _("The previous run was still sending.")
        )
    Run.objects.get_or_create(
        mailing=mailing,
        scheduled_for=at,
        defaults={
            "occurrence": number, "status": status, "reason": reason, "finished_at": now,
        },
    )  # fmt: skip


class LetterFaulty(Exception):  # noqa: N818 - an answer, not an error
    """The letter was changed since the mailing was scheduled, and nobody should get it so."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def _require_letter(mailing: Mailing) -> None:
    with translation.override(mailing.owner.language):
        if found := proofreading.faults(mailing.message):
            raise LetterFaulty(" ".join(problem.message for problem in found))


def _begin(mailing: Mailing, number: int, at: datetime, now: datetime) -> None:
    _require_letter(mailing)
    message = mailing.message
    sender_name = senders.name_of(mailing.sender_name, mailing.owner)
    frozen = content.frozen(
        message, sender_name=sender_name, measures=tracking.measures(mailing, at)
    )
    run = Run.objects.create(
        mailing=mailing,
        occurrence=number,
        scheduled_for=at,
        subject=message.subject,
        preheader=message.preheader,
        html=frozen.html,
        text=frozen.text,
        track_opens=frozen.measures.opens,
        track_clicks=frozen.measures.clicks,
        sender_name=sender_name,
        sender_email=signing.sender_of(mailing),
        reply_to=mailing.reply_to or mailing.owner.email,
        started_at=now,
    )
    signing.identity_of(run)
    TrackedLink.objects.bulk_create(
        TrackedLink(owner_id=mailing.owner_id, run=run, **link._asdict()) for link in frozen.links
    )
    compile_run(run)  # what cannot be made is found out now, not by a thousand recipients
    total = _freeze_recipients(run, mailing, now)
    chunks.cut(run.pk)
    Run.objects.filter(pk=run.pk).move(
        RunStatus.SENDING,
        targeted=total,
        skipped_count=RawSQL(_SKIPPED, [run.pk]),  # noqa: S611 - constants
    )
    Mailing.objects.filter(pk=mailing.pk).move(
        MailingStatus.RUNNING,
        among=[MailingStatus.CREATED],
        status_at=now,
        status_actor=Actor.SYSTEM,
        status_by=None,
        status_reason="",
    )
    log.info("run_began", extra={"run_id": run.pk, "mailing_id": mailing.pk, "targeted": total})
    transaction.on_commit(lambda: deliveries_ready.send_robust(Run))
    transaction.on_commit(lambda: figures_changed.send_robust(Mailing))


_SKIPPED = (
    "SELECT COUNT(*) FROM mailings_delivery"  # noqa: S608 - constants
    f" WHERE run_id = %s AND status = '{DeliveryStatus.SKIPPED.value}'"
)


def _freeze_recipients(run: Run, mailing: Mailing, now: datetime) -> int:
    """Make the run's deliveries in one INSERT … SELECT, however many there are; return how many.

    An owner's clients have an address each. Should there be two with one after all, the second gets
    no delivery; to ask for that at once would make every row dearer by half.
    """
    insert, parameters = _freezing_of(run, mailing, now)
    with connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(insert, parameters)
        except IntegrityError:
            cursor.execute(f"{insert} ON CONFLICT DO NOTHING", parameters)
        return int(cursor.rowcount)


def _freezing_of(run: Run, mailing: Mailing, now: datetime) -> tuple[str, list[Any]]:
    """Return the statement that makes the run's deliveries, and its parameters."""
    if has_segments(mailing):
        # With values of its own: none of them may be taken for a mark.
        return _statement(run.pk, mailing, now)
    insert, places = _freezing(connection.vendor, mailing.to_all)
    known: dict[Any, Any] = {
        _RUN: run.pk,
        _MAILING: mailing.pk,
        _OWNER: mailing.owner_id,
        _NOW: connection.ops.adapt_datetimefield_value(now),
    }
    return insert, [known.get(place, place) for place in places]


# What stands in the statement where a mailing's own values go.
_RUN, _MAILING, _OWNER = -1, -2, -3
_NOW = datetime(1, 1, 1, tzinfo=UTC)


def _spelling() -> Case:
    """Return the local part as typed and the domain in ASCII; nothing where that is the mailbox."""
    at = StrIndex(F("email_normalised"), Value("@"))
    typed = Substr(F("email"), 1, at)
    return Case(
        When(email=F("email_normalised"), then=None),
        # Without the mailbox's own local part the text is of a time before it was checked.
        When(
            Exact(Lower(typed), Substr(F("email_normalised"), 1, at))
            & ~Exact(typed, Substr(F("email_normalised"), 1, at)),
            then=Concat(typed, Substr(F("email_normalised"), at + 1)),
        ),
        default=None,
        output_field=CharField(null=True),
    )


@cache
def _freezing(vendor: str, to_all: bool) -> tuple[str, tuple[Any, ...]]:
    """Return the statement for this kind of database, and its parameters with the marks above.

    It is the same for every mailing to all clients, and for every other one without segments. The
    ORM takes as long to write it as the database needs for a hundred recipients: a moment at which
    many mailings begin would be late.
    """
    marked = Mailing(pk=_MAILING, owner_id=_OWNER, to_all=to_all)
    insert, parameters = _statement(_RUN, marked, _NOW)
    now = connection.ops.adapt_datetimefield_value(_NOW)
    return insert, tuple(_NOW if parameter == now else parameter for parameter in parameters)


def _statement(run_id: int, mailing: Mailing, now: datetime) -> tuple[str, list[Any]]:
    suppressed = stop_list.is_suppressed(mailing.owner_id)
    columns: dict[str, str | Combinable] = {
        "run_id": Value(run_id, IntegerField()),
        "client_id": "pk",
        "address": "email_normalised",
        "spelling": _spelling(),
        "full_name": "full_name",
        "variables": "attributes",
        "status": Case(
            When(suppressed, then=Value(DeliveryStatus.SKIPPED.value)),
            default=Value(DeliveryStatus.PENDING.value),
            output_field=CharField(),
        ),
        "reason": Case(
            When(suppressed, then=Value(SkipReason.SUPPRESSED.value)),
            default=Value(""),
            output_field=CharField(),
        ),
        "finished_at": Case(
            When(suppressed, then=Value(now)), default=None, output_field=DateTimeField()
        ),
        **dict.fromkeys(
            ("tries", "attempt_count", "uncertain_resends", "lease_losses"),
            Value(0, IntegerField()),
        ),
    }
    rows = recipients_of(mailing, now).order_by("pk")
    select, parameters = rows.values_list(*columns.values()).query.sql_with_params()
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    table = connection.ops.quote_name(Delivery._meta.db_table)
    return f"INSERT INTO {table} ({names}) {select}", list(parameters)

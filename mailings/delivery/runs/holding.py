"""When the service itself pauses a mailing, so that its owner looks before more harm is done."""

from collections.abc import Callable

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from mailings import audit
from mailings.delivery.transports.base import Step
from mailings.models import Attempt, Mailing, Run
from mailings.signals import figures_changed
from mailings.states import Actor, MailingStatus, Outcome
from mailings.timing import clock

CONTENT_REFUSALS = 10
"""So many recipients in a row whose servers refuse the content: the others will as well."""

CONTENT_STEPS = (Step.DATA, Step.DOT, Step.HTTP)


def pause_for_sender(mailing_id: int, reply: str) -> bool:
    """The mail service does not let this sender write."""
    return _pause(
        mailing_id, lambda: _("The mail service refused the sender: %(reply)s") % {"reply": reply}
    )


def pause_for_message(mailing_id: int, error: str) -> bool:
    """The message cannot be turned into mail at all."""
    return _pause(mailing_id, lambda: _("The message cannot be made: %(error)s") % {"error": error})


def pause_for_letter(mailing_id: int, faults: str) -> bool:
    """The letter was changed so that nobody should get it; `faults` in the owner's language."""
    return _pause(
        mailing_id,
        lambda: _("The message has to be mended first: %(problem)s") % {"problem": faults},
    )


def pause_for_content(run_id: int, reply: str) -> bool:
    """Pause the run's mailing if its newest attempts are all refusals of the content."""
    newest = Attempt.objects.filter(delivery__run=run_id).order_by("-started_at", "-id")
    facts = newest.values_list("outcome", "step")[:CONTENT_REFUSALS]
    refusals = [outcome == Outcome.PERMANENT and step in CONTENT_STEPS for outcome, step in facts]
    if len(refusals) < CONTENT_REFUSALS or not all(refusals):
        return False
    return _pause(
        Run.objects.values_list("mailing_id", flat=True).get(pk=run_id),
        lambda: (
            _("%(count)d recipients in a row refused the content: %(reply)s")
            % {"count": CONTENT_REFUSALS, "reply": reply}
        ),
    )


def pause_for_returns(mailing_id: int, returned: int, sent: int) -> bool:
    """Too much of a run came back for good: the addresses are old, bought or guessed, and the
    receivers begin to refuse the rest."""
    return _pause(
        mailing_id,
        lambda: (
            _(
                "%(returned)d of %(sent)d letters of a run came back for good. Check where the"
                " addresses come from before you go on: receivers refuse senders like that."
            )
            % {"returned": returned, "sent": sent}
        ),
    )


def pause_for_complaints(mailing_id: int, complained: int, sent: int) -> bool:
    """Too many recipients of a run called its letter spam."""
    return _pause(
        mailing_id,
        lambda: (
            _(
                "%(complained)d of %(sent)d recipients of a run complained about spam. Check"
                " whether they agreed to get your letters before you go on."
            )
            % {"complained": complained, "sent": sent}
        ),
    )


@transaction.atomic
def _pause(mailing_id: int, reason: Callable[[], str]) -> bool:
    mailing = Mailing.objects.select_related("owner").get(pk=mailing_id)
    with translation.override(mailing.owner.language):
        words = reason()
    moved = Mailing.objects.filter(pk=mailing_id).move(
        MailingStatus.PAUSED,
        among=[MailingStatus.CREATED, MailingStatus.RUNNING],
        status_at=clock.now(),
        status_actor=Actor.SYSTEM,
        status_by=None,
        status_reason=words,
        next_run_at=None,
    )
    if moved:
        audit.record(audit.Action.PAUSE, mailing, None, words)
        transaction.on_commit(lambda: figures_changed.send_robust(Mailing))
    return bool(moved)

"""When the service itself pauses a mailing, so that its owner looks before more harm is done."""

from collections.abc import Callable, Sequence

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import audit, refusals
from mailings.addressing.domains import readable
from mailings.delivery.transports.base import Step
from mailings.models import Attempt, Mailing, Run
from mailings.signals import figures_changed
from mailings.states import Actor, MailingStatus, Outcome
from mailings.timing import clock

CONTENT_REFUSALS = 10
"""So many recipients in a row whose servers refuse the content: the others will as well."""

CONTENT_STEPS = (Step.DATA, Step.DOT, Step.HTTP)

ALIKE_REFUSALS = 10
"""So many recipients in a row who are refused in the same words, with nobody's mailbox blamed: the
others will be as well."""


def pause_for_sender(mailing_id: int, reply: str) -> bool:
    """The mail service does not let this sender write."""
    return _pause(
        mailing_id, lambda: _("The mail service refused the sender: %(reply)s") % {"reply": reply}
    )


def pause_for_size(mailing_id: int, reply: str) -> bool:
    """The mail service takes no letter of this size."""
    return _pause(
        mailing_id,
        lambda: _("The message is too large for the mail service: %(reply)s") % {"reply": reply},
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


def pause_for_domain(mailing_id: int, domain: str, *, are_keys_lost: bool) -> bool:
    """The sender's address is at a domain that is not confirmed any more, or cannot be signed."""
    said = _KEYS_LOST if are_keys_lost else _DOMAIN_NOT_CONFIRMED
    return _pause(mailing_id, lambda: str(said) % {"domain": readable(domain)})


_DOMAIN_NOT_CONFIRMED = gettext_lazy(
    "The domain %(domain)s is not confirmed any more, so letters cannot leave in its name. Open"
    " “Domains” and mend what is marked there, or choose another sender’s address."
)
_KEYS_LOST = gettext_lazy(
    "The signing keys of %(domain)s cannot be read any more. Open “Domains” and make new ones."
)


def pause_for_refusals(run_id: int, reply: str) -> bool:
    """Pause the run's mailing if its newest attempts are all refusals of the content, or all the
    same refusal that blames nobody's mailbox."""
    newest = Attempt.objects.filter(delivery__run=run_id).order_by("-started_at", "-id")
    last = list(newest[: max(CONTENT_REFUSALS, ALIKE_REFUSALS)])
    if _refuse_content(last[:CONTENT_REFUSALS]):
        words, count = _CONTENT_REFUSED, CONTENT_REFUSALS
    elif _are_alike(last[:ALIKE_REFUSALS]):
        words, count = _ALIKE_REFUSED, ALIKE_REFUSALS
    else:
        return False
    return _pause(
        Run.objects.values_list("mailing_id", flat=True).get(pk=run_id),
        lambda: str(words) % {"count": count, "reply": reply},
    )


_CONTENT_REFUSED = gettext_lazy("%(count)d recipients in a row refused the content: %(reply)s")
_ALIKE_REFUSED = gettext_lazy(
    "%(count)d recipients in a row were refused in the same words: %(reply)s"
)


def _refuse_content(attempts: Sequence[Attempt]) -> bool:
    return len(attempts) == CONTENT_REFUSALS and all(
        attempt.outcome == Outcome.PERMANENT and attempt.step in CONTENT_STEPS
        for attempt in attempts
    )


def _are_alike(attempts: Sequence[Attempt]) -> bool:
    if len(attempts) < ALIKE_REFUSALS or any(a.outcome != Outcome.PERMANENT for a in attempts):
        return False
    answers = {(a.code, refusals.classify(a.code, a.enhanced_code, a.reply).kind) for a in attempts}
    return len(answers) == 1 and answers.pop()[1] not in refusals.OF_MAILBOX


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

"""What must be right before mail may leave: asked when a mailing is scheduled and when it goes on.

The engine looks at the letter once more before each run (`delivery.runs.planning`): it may have
been changed meanwhile.
"""

from django.utils.translation import gettext as _

from mailings.addressing import senders
from mailings.addressing.domains import readable
from mailings.delivery import signing
from mailings.errors import Refused
from mailings.messages import proofreading
from mailings.messages.content import Problem
from mailings.models import Mailing, Message


class SenderNameMissing(Refused):
    """Neither the mailing nor its owner has a name that clients could read."""


class DomainNotReady(Refused):
    """The sender's address is at no domain that the owner may send from."""


class LetterNotReady(Refused):
    """The letter has faults, in `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(letter_refusal(problems))
        self.problems = problems


def letter_refusal(problems: list[Problem]) -> str:
    said = _("The message has to be mended first: %(problem)s")
    return said % {"problem": " ".join(problem.message for problem in problems)}


def name_wanted() -> str:
    return _("Write the sender’s name: clients read it before the subject. Not an address.")


def require_letter(message: Message) -> None:
    if problems := proofreading.faults(message):
        raise LetterNotReady(problems)


def require_sender_name(mailing: Mailing) -> None:
    if not senders.name_of(mailing.sender_name, mailing.owner):
        raise SenderNameMissing(name_wanted())


def require_sender_address(mailing: Mailing) -> None:
    """Also asked by the engine before each run: a domain may be lost meanwhile."""
    try:
        signing.sender_of(mailing)
    except signing.SenderNotAllowed as refusal:
        said = _(
            "Letters cannot leave in the name of %(domain)s: confirm the domain and publish its key"
            " under “Domains”, or choose another sender’s address."
        )
        raise DomainNotReady(said % {"domain": readable(refusal.domain)}) from refusal

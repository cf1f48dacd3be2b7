"""A newcomer's way to the first mailing: one step at a time, each with its button."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Subquery
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.models import Mailing, Message
from mailings.states import MailingStatus


@dataclass(frozen=True, slots=True)
class Step:
    what: str
    why: str
    verb: str
    url: str
    done: bool
    also: tuple[str, str] | None = None
    """Another way to the same: (verb, url)."""


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """They tick themselves off, and go once a mailing is scheduled."""

    steps: list[Step]

    @property
    def all(self) -> list[tuple[str, str, bool]]:
        """Return (what, where, whether it is done) of each."""
        return [(step.what, step.url, step.done) for step in self.steps]

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def next(self) -> Step | None:
        return next((step for step in self.steps if not step.done), None)

    @property
    def number(self) -> int:
        """Return which step is the next one, from 1."""
        return next((n for n, step in enumerate(self.steps, 1) if not step.done), 0)

    def __bool__(self) -> bool:
        return self.done < len(self.steps)


def of(owner: User, there: dict[str, bool]) -> FirstSteps:
    """Return the steps; `there` is what has been done (`dashboard.at_a_glance`)."""
    if there["has_scheduled"]:
        return FirstSteps([])
    newest_message, newest_draft = _newest(owner)
    return FirstSteps(
        [
            Step(
                _("Confirm your e-mail address"),
                _("We sent you a letter with a link. Without it no mailing can leave."),
                _("To the address"),
                reverse("account_email"),
                there["has_confirmed"],
            ),
            Step(
                _("Add clients"),
                _("Those who agreed to hear from you: one by one, or from a file."),
                _("Add a client"),
                reverse("mailings:client_create"),
                there["has_clients"],
                (_("From a file"), reverse("mailings:import_create")),
            ),
            Step(
                _("Write a message"),
                _("Choose how it looks, and put your own words and pictures in."),
                _("Write the message"),
                reverse("mailings:message_layouts"),
                there["has_messages"],
            ),
            Step(
                _("Send a test to yourself"),
                _("You see it in your own mail program, as clients will get it."),
                _("To the message"),
                newest_message,
                there["has_proofs"],
                (_("Skip, plan the mailing"), reverse("mailings:mailing_create")),
            ),
            Step(
                _("Plan the mailing"),
                _("Say to whom it goes and when: now, or at a time."),
                _("Plan the mailing"),
                newest_draft,
                there["has_scheduled"],
            ),
        ]
    )


def _newest(owner: User) -> tuple[str, str]:
    """Return where the newest message and the newest draft of a mailing are, by one query."""
    messages = permissions.owned(Message, owner).order_by("-updated_at")
    drafts = permissions.owned(Mailing, owner).filter(status=MailingStatus.DRAFT)
    found: Any = User.objects.filter(pk=owner.pk).values(
        message=Subquery(messages.values("pk")[:1]),
        draft=Subquery(drafts.order_by("-created_at").values("pk")[:1]),
    )[0]
    message, draft = found["message"], found["draft"]
    messages_page, new_mailing = "mailings:message_list", "mailings:mailing_create"
    return (
        reverse("mailings:message_detail", args=[message]) if message else reverse(messages_page),
        reverse("mailings:mailing_update", args=[draft]) if draft else reverse(new_mailing),
    )

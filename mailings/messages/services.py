"""What people do with a message: every door (site, API, commands) calls these.

They refuse with `Refused` (what to mend, in the reader's language; `Invalid`: of which field;
`drafts.Changed`: what somebody else wrote meanwhile) or with Django's `PermissionDenied` (it is not
theirs to do). What is written and not saved: `drafts`. Test sends: `proofs`.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.errors import Refused
from mailings.inputs import UNCHANGED, Faults, Unchanged, given, lay_over, one_line
from mailings.messages import content, drafts, proofreading
from mailings.models import Message
from mailings.web import words


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageInput:
    """What a message is to say."""

    subject: str | Unchanged = UNCHANGED
    preheader: str | Unchanged = UNCHANGED
    layout: str | Unchanged = UNCHANGED
    """A `Layout`."""
    body: str | Unchanged = UNCHANGED
    """HTML, also that of other programs: it is sanitised."""
    text: str | Unchanged = UNCHANGED
    """Empty: made of the body."""


@transaction.atomic
def create_message(
    *, data: MessageInput, owner: User, by: User, draft: drafts.Written | None = None
) -> Message:
    """Save a new message; `draft`: what it was written as."""
    message = Message(owner=owner)
    permissions.require_owner(message, by)
    _fill(message, data)
    message.save()
    if draft:
        drafts.settle(owner=owner, message=None, draft=draft)
    return message


@transaction.atomic
def change_message(
    *,
    message: Message,
    data: MessageInput,
    by: User,
    seen: int | None = None,
    draft: drafts.Written | None = None,
) -> Message:
    """Write over the version that was `seen` (None: over any); `draft`: what it was written as."""
    permissions.require_owner(message, by)
    changed = _fill(message, data)
    drafts.claim(message, seen, drafts.content_of(message))
    message.save(update_fields=changed | {"updated_at"})
    if draft:
        drafts.settle(owner=message.owner, message=message, draft=draft)
    return message


def check_message(message: Message, data: MessageInput) -> None:
    """Raise what writing this would raise, and write nothing."""
    _fill(copy(message), data)


@transaction.atomic
def delete_message(*, message: Message, by: User) -> None:
    """Delete a message that no mailing uses; `Refused` otherwise."""
    permissions.require_owner(message, by)
    users = message.mailings.order_by("-created_at")
    if users.exists():
        raise Refused(
            _(
                "The message is used by %(mailings)s."
                " Delete those first or give them another message."
            )
            % {"mailings": words.named_in_short(users)}
        )
    audit.record(Action.DELETE, message, by)
    message.delete()


def _fill(message: Message, data: MessageInput) -> set[str]:
    """Lay what is given over the message, made fit to be sent; return which columns that are.

    Raises `Invalid` for what would arrive broken: unknown variables, unclosed braces, lost links.
    """
    values, faults = given(data), Faults()
    for name in ("subject", "preheader"):
        if name in values:
            with faults.of(name):
                values[name] = one_line(values[name])
    if "text" in values:
        values["text"] = values["text"].strip()
    lay_over(message, values, faults, _columns(message, values))
    _find_problems(message, faults)
    if "body" in values:
        message.body = content.sanitise(message.body)
        if proofreading.foreign_pictures(message.owner, message.body):
            said = _("A picture is no longer in your library. Choose another.")
            faults.add("body", said, "picture")
    faults.refuse()
    return set(values)


def _columns(message: Message, values: dict[str, Any]) -> set[str]:
    """Return what a new message must have, or what of an old one is given. Of the body it is said
    in better words that it is empty."""
    return ({"subject"} | set(values) if message._state.adding else set(values)) - {"body"}


def _find_problems(message: Message, faults: Faults) -> None:
    """Find what would arrive broken, in the body as it was written."""
    texts = {name: getattr(message, name) for name in ("subject", "preheader", "body", "text")}
    known = proofreading.known_names(message.owner, texts.values())
    unfit = set(faults.found)
    for problem in content.problems(**texts, known_names=known):
        if problem.blocking and problem.field not in unfit:
            faults.add(problem.field, problem.message, "problem")

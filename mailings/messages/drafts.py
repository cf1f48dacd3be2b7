"""What somebody writes is never lost: a message's text is kept while it is written, and nobody
writes over what they have not seen – neither a saved message nor the draft of another tab.

    typed ─ keep ─> MessageDraft ─ put ─> Message
                        (a mailing never sees it)

Both compare with what the writer saw last: a draft's `revision`, a message's `version`.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.utils import IntegrityError
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.errors import Refused
from mailings.models import Message, MessageDraft, Run

FIELDS = ("subject", "preheader", "layout", "body", "text")
MOST = 600_000
"""Characters of a draft: more than a message may have, so that one too long is kept as well."""
MOST_NEW = 20
"""Drafts of new messages that one owner has at once."""
KEPT = timedelta(days=60)

Content = dict[str, str]


class Other(NamedTuple):
    """What stands where the writer's text would go, and what they must have seen to go on."""

    content: Content
    at: datetime
    is_saved: bool
    """The message itself; else the draft of another tab."""
    version: int
    revision: str


class Kept(NamedTuple):
    """The draft as it is kept now."""

    revision: str
    at: datetime


class Changed(Refused):
    """The message was saved by somebody else meanwhile."""

    def __init__(self, other: Other) -> None:
        said = _("This message was changed elsewhere while you wrote. Nothing is overwritten yet.")
        super().__init__(said)
        self.other = other


def content_of(row: Message | Mapping[str, Any]) -> Content:
    """Return what of a message, or of a posted form, is a draft's content."""
    if isinstance(row, Message):
        return {name: _plain(getattr(row, name)) for name in FIELDS}
    return {name: _plain(row.get(name) or "") for name in FIELDS}


def _plain(value: object) -> str:
    return str(value).replace("\r\n", "\n").replace("\x00", "")


def new_key() -> str:
    """Return a name for the draft of a message that is not saved yet: nobody can guess it."""
    return secrets.token_urlsafe(12)


def _rows(owner: User, message: Message | None, key: str) -> QuerySet[MessageDraft]:
    drafts = permissions.owned(MessageDraft, owner)
    if message is not None:
        return drafts.filter(message=message)
    return drafts.filter(message=None, key=key)


def of(owner: User, message: Message | None, key: str = "") -> MessageDraft | None:
    """Return the draft, if it says something else than the saved message."""
    draft = _rows(owner, message, key).first()
    if draft and message and content_of(draft.content) == content_of(message):
        return None
    return draft


def of_new_messages(owner: User) -> QuerySet[MessageDraft]:
    """Return the drafts of messages that were never saved, the newest first."""
    return permissions.owned(MessageDraft, owner).filter(message=None).order_by("-updated_at")


# ---------------------------------------------------------------- while one writes
@transaction.atomic
def keep(
    *,
    owner: User,
    message: Message | None,
    key: str,
    content: Content,
    seen: int,
    revision: str,
    now: datetime,
) -> Kept | Other:
    """Keep what is being written; where something else stands that the writer has not seen,
    return that and change nothing. `seen`: the message's version, `revision`: the draft's."""
    if not owner.is_active:
        raise PermissionDenied
    if sum(map(len, content.values())) > MOST:
        raise Refused(_("The text is too long to be kept here. Shorten it."))
    if message is not None:
        if content == content_of(message):
            _rows(owner, message, key).filter(revision=revision).delete()
            return Kept("", now)
        if message.version != seen:
            return _saved(message)
    fresh: dict[str, Any] = {"content": content, "began_with": seen, "updated_at": now}
    fresh["revision"] = secrets.token_urlsafe(9)
    if _rows(owner, message, key).filter(revision=revision).update(**fresh):
        return Kept(fresh["revision"], now)
    return _begin(owner, message, key, fresh)


def _begin(owner: User, message: Message | None, key: str, fresh: dict[str, Any]) -> Kept | Other:
    standing = _rows(owner, message, key).first()
    if standing is None:
        if message is None and of_new_messages(owner).count() >= MOST_NEW:
            raise Refused(
                _("You have %(most)d unsaved new messages. Save or delete some of them.")
                % {"most": MOST_NEW}
            )
        try:
            with transaction.atomic():
                row = {"owner": owner, "message": message, "key": "" if message else key}
                MessageDraft.objects.create(**row, **fresh)
        except IntegrityError:  # another tab was first by a moment
            standing = _rows(owner, message, key).first()
    if standing is None:
        return Kept(fresh["revision"], fresh["updated_at"])
    if standing.content == fresh["content"]:
        return Kept(standing.revision, standing.updated_at)
    return Other(
        content_of(standing.content),
        standing.updated_at,
        is_saved=False,
        version=standing.began_with,
        revision=standing.revision,
    )


def _saved(message: Message) -> Other:
    return Other(
        content_of(message), message.updated_at, is_saved=True, version=message.version, revision=""
    )


def discard(*, owner: User, message: Message | None, key: str) -> None:
    """Forget what was written and not saved."""
    _rows(owner, message, key).delete()


# ---------------------------------------------------------------- when it is saved
def claim(message: Message, seen: int | None, content: Content) -> None:
    """Take the right to write over the version that was seen, in the caller's transaction; raise
    `Changed` when there is another one that says something else. None: an old form, any version."""
    rows = Message.objects.filter(pk=message.pk)
    if seen is not None:
        rows = rows.filter(version=seen)
    if rows.update(version=F("version") + 1):
        return
    current = Message.objects.filter(pk=message.pk).first()
    if current is None:
        raise Refused(_("The message was deleted meanwhile. Save it as a new one."))
    if content_of(current) != content:
        raise Changed(_saved(current))


def settle(
    *, owner: User, message: Message | None, key: str, revision: str, content: Content
) -> None:
    """Delete the draft that has become the message; one of another tab that says more stays."""
    for draft in _rows(owner, message, key):
        if draft.revision == revision or content_of(draft.content) == content:
            draft.delete()


def started_since(message: Message, opened: datetime) -> str:
    """Return the name of a mailing that has begun to send the message since; empty: none has."""
    runs = Run.objects.filter(mailing__message=message, created_at__gt=opened)
    return runs.order_by("pk").values_list("mailing__name", flat=True).first() or ""


def prune(now: datetime) -> int:
    """Delete what nobody has come back to for so long; return how many."""
    return MessageDraft.objects.filter(updated_at__lt=now - KEPT).delete()[0]

"""The state machines: every status, what may follow it, how it is shown.

`TRANSITIONS[machine][status]` is the set of statuses that may follow; a status that is not a key
is final. docs/state_machine.md draws the same tables, and a test compares the two. The only code
that writes a `status` column is `models.stateful.StatefulQuerySet.move` and the engine's queue.
"""

from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings.timing.schedule import Frequency


class Status(models.TextChoices):
    """A status with the icon (lucide name) and the tone (css class) of the shared look."""

    icon: str
    tone: str

    def __new__(cls, value: str, icon: str = "", tone: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.icon = icon
        member.tone = tone
        return member


class MailingStatus(Status):
    DRAFT = "draft", "circle-dashed", "is-off", pgettext_lazy("mailing", "Draft")
    CREATED = "created", "calendar-clock", "", pgettext_lazy("mailing", "Created")
    RUNNING = "running", "circle-play", "is-go", pgettext_lazy("mailing", "Running")
    PAUSED = "paused", "circle-pause", "is-wait", pgettext_lazy("mailing", "Paused")
    STOPPED = "stopped", "octagon-x", "is-bad", pgettext_lazy("mailing", "Stopped by a manager")
    COMPLETED = "completed", "circle-check", "is-go", pgettext_lazy("mailing", "Completed")
    CANCELLED = "cancelled", "ban", "is-off", pgettext_lazy("mailing", "Cancelled")


class RunStatus(Status):
    PREPARING = "preparing", "circle-dashed", "is-go", pgettext_lazy("run", "Preparing")
    SENDING = "sending", "send", "is-go", pgettext_lazy("run", "Sending")
    DONE = "done", "circle-check", "is-go", pgettext_lazy("run", "Done")
    CANCELLED = "cancelled", "ban", "is-off", pgettext_lazy("run", "Cancelled")
    EXPIRED = "expired", "hourglass", "is-off", pgettext_lazy("run", "Expired")
    MISSED = "missed", "calendar-x", "is-wait", pgettext_lazy("run", "Missed")
    SKIPPED = "skipped", "skip-forward", "is-off", pgettext_lazy("run", "Skipped")


class DeliveryStatus(Status):
    PENDING = "pending", "circle", "is-off", pgettext_lazy("delivery", "Queued")
    SENDING = "sending", "send", "is-go", pgettext_lazy("delivery", "Sending")
    SENT = "sent", "check", "is-go", pgettext_lazy("delivery", "Sent")
    DEFERRED = "deferred", "clock", "is-wait", pgettext_lazy("delivery", "Deferred")
    FAILED = "failed", "circle-x", "is-bad", pgettext_lazy("delivery", "Failed")
    UNCERTAIN = (
        "uncertain",
        "circle-question-mark",
        "is-odd",
        pgettext_lazy("delivery", "Uncertain"),
    )
    SKIPPED = "skipped", "circle-minus", "is-off", pgettext_lazy("delivery", "Skipped")
    EXPIRED = "expired", "hourglass", "is-off", pgettext_lazy("delivery", "Expired")
    CANCELLED = "cancelled", "ban", "is-off", pgettext_lazy("delivery", "Cancelled")


class ImportStatus(Status):
    NEW = "new", "table-2", "", pgettext_lazy("import", "Columns to be named")
    CHECKING = "checking", "list-checks", "is-go", pgettext_lazy("import", "Being checked")
    CHECKED = "checked", "clipboard-check", "is-wait", pgettext_lazy("import", "Checked")
    IMPORTING = "importing", "upload", "is-go", pgettext_lazy("import", "Being imported")
    DONE = "done", "circle-check", "is-go", pgettext_lazy("import", "Imported")
    CANCELLED = "cancelled", "ban", "is-off", pgettext_lazy("import", "Cancelled")
    FAILED = "failed", "circle-x", "is-bad", pgettext_lazy("import", "Interrupted")


FREQUENCIES: dict[Frequency, Any] = {
    Frequency.ONCE: _("Once"),
    Frequency.DAILY: _("Every day"),
    Frequency.WEEKLY: _("Every week"),
    Frequency.MONTHLY: _("Every month"),
}
"""What the interface calls them. The schedule itself, which counts with them, knows no Django."""

FREQUENCY_CHOICES = [(frequency.value, label) for frequency, label in FREQUENCIES.items()]


class Actor(models.TextChoices):
    """Who brought a mailing into its present status."""

    OWNER = "owner", _("owner")
    MANAGER = "manager", _("manager")
    SYSTEM = "system", _("service")


class SkipReason(models.TextChoices):
    """Why a delivery will not be sent: it is skipped, expired or cancelled."""

    SUPPRESSED = "suppressed", _("the address is on the suppression list")
    CLIENT_DELETED = "client_deleted", _("the client was deleted")
    OWNER_BLOCKED = "owner_blocked", _("the sender's account is blocked")
    MAILING_STOPPED = "mailing_stopped", _("the mailing was stopped by a manager")
    MAILING_CANCELLED = "mailing_cancelled", _("the mailing was cancelled")
    MAILING_ENDED = "mailing_ended", _("the mailing's end came first")


class Outcome(models.TextChoices):
    """What became of one try (one attempt)."""

    ACCEPTED = "accepted", _("Sent")
    TEMPORARY = "temporary", _("Deferred")
    PERMANENT = "permanent", _("Failed")
    UNAVAILABLE = "unavailable", _("Mail service unavailable")
    UNCERTAIN = "uncertain", _("Uncertain")
    RENDER = "render", _("Message could not be made")
    LOST = "lost", _("Worker died")


HANDED_OVER = (Outcome.ACCEPTED, Outcome.UNCERTAIN, Outcome.LOST)
"""Outcomes after which a copy of the mail may lie in the recipient's mailbox."""


class EventKind(Status):
    """What became known of a delivery after it was handed over; it is shown like a status, and
    changes none."""

    BOUNCED_HARD = "bounced_hard", "mail-x", "is-bad", pgettext_lazy("event", "Returned for good")
    BOUNCED_SOFT = (
        "bounced_soft",
        "mail-warning",
        "is-wait",
        pgettext_lazy("event", "Returned for now"),
    )
    COMPLAINED = (
        "complained",
        "octagon-alert",
        "is-bad",
        pgettext_lazy("event", "Complained about spam"),
    )
    UNSUBSCRIBED = "unsubscribed", "mail-x", "is-off", pgettext_lazy("event", "Unsubscribed")


class HitKind(Status):
    """What a letter told of its reader, or of a machine that looked at it."""

    OPENED = "opened", "mail-open", "is-go", pgettext_lazy("hit", "Opened")
    CLICKED = "clicked", "mouse-pointer-click", "is-go", pgettext_lazy("hit", "Clicked")


RETURNED = (EventKind.BOUNCED_HARD, EventKind.BOUNCED_SOFT)
CAME_BACK = (*RETURNED, EventKind.COMPLAINED)
"""What others report of a letter; the rest is what its reader did here."""


M, R, D = MailingStatus, RunStatus, DeliveryStatus
F = ImportStatus

TRANSITIONS: dict[type[Status], dict[Any, set[Any]]] = {
    MailingStatus: {
        M.DRAFT: {M.CREATED},
        M.CREATED: {M.DRAFT, M.RUNNING, M.PAUSED, M.STOPPED, M.COMPLETED, M.CANCELLED},
        M.RUNNING: {M.PAUSED, M.STOPPED, M.COMPLETED, M.CANCELLED},
        M.PAUSED: {M.CREATED, M.RUNNING, M.STOPPED, M.COMPLETED, M.CANCELLED},
        M.STOPPED: {M.PAUSED, M.COMPLETED, M.CANCELLED},
    },
    RunStatus: {
        R.PREPARING: {R.SENDING, R.CANCELLED, R.EXPIRED},
        R.SENDING: {R.DONE, R.CANCELLED, R.EXPIRED},
    },
    DeliveryStatus: {
        # A first try is claimed by its chunk: the row changes once, when the outcome is known.
        D.PENDING: {
            D.SENT, D.DEFERRED, D.FAILED, D.UNCERTAIN, D.SKIPPED, D.EXPIRED, D.CANCELLED,
        },
        # Another try is claimed by its row; what was not handed over goes back where it was.
        D.SENDING: {
            D.SENT, D.DEFERRED, D.FAILED, D.UNCERTAIN, D.SKIPPED, D.EXPIRED, D.CANCELLED,
        },
        D.DEFERRED: {D.SENDING, D.FAILED, D.SKIPPED, D.EXPIRED, D.CANCELLED},
        # Sent once more, or left uncertain for good (`next_attempt_at` empty).
        D.UNCERTAIN: {D.SENDING, D.SKIPPED, D.EXPIRED, D.CANCELLED},
    },
    ImportStatus: {
        F.NEW: {F.CHECKING},
        F.CHECKING: {F.CHECKED, F.NEW},
        F.CHECKED: {F.CHECKING, F.IMPORTING, F.NEW},
        F.IMPORTING: {F.DONE, F.CANCELLED, F.FAILED},
        F.FAILED: {F.IMPORTING, F.CANCELLED},
    },
}  # fmt: skip

FINAL: dict[type[Status], frozenset[Any]] = {
    machine: frozenset(machine) - TRANSITIONS[machine].keys() for machine in TRANSITIONS
}
"""Statuses that never change again. An uncertain delivery without `next_attempt_at` is settled
too: nothing more will be tried, and nobody knows more than that."""

ACTIVE_MAILINGS = (M.CREATED, M.RUNNING)
"""What the home page counts as active and the planner looks at."""

OPEN_DELIVERIES = (D.PENDING, D.SENDING, D.DEFERRED)
"""Still to be sent; an uncertain one with `next_attempt_at` is open as well."""


def sources(target: Status) -> list[Status]:
    """Return the statuses from which `target` may be reached."""
    table = TRANSITIONS[type(target)]
    return [status for status, targets in table.items() if target in targets]


class Layout(models.TextChoices):
    """How a message is laid out; what each is for: `messages.layouts.HINTS`."""

    LETTER = "letter", _("Letter")
    ANNOUNCEMENT = "announcement", _("Announcement")
    DIGEST = "digest", _("Digest")
    PROMOTION = "promotion", _("Promotion")
    EVENT = "event", _("Event")

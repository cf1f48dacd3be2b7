"""What happened to a client beside the mail that was sent: added, agreed, unsubscribed, bounced."""

from datetime import date, datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from mailings import audit
from mailings.consents import ledger
from mailings.models import Client
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from mailings.web import words

_LOOKS = {
    SuppressionReason.UNSUBSCRIBED: ("mail-x", "is-off"),
    SuppressionReason.BOUNCED: ("circle-x", "is-bad"),
    SuppressionReason.COMPLAINED: ("octagon-alert", "is-bad"),
    SuppressionReason.MANUAL: ("ban", "is-off"),
    SuppressionReason.NO_CONSENT: ("mail-x", "is-off"),
}


SHOWN = 20
"""Times that somebody was taken off the stop-list."""


class Event(NamedTuple):
    at: datetime | None
    day: date | None
    """Where only the day is known."""
    icon: str
    tone: str
    what: str
    detail: str = ""


def events(client: Client) -> list[Event]:
    """Return what is known, the newest first; two events for everybody, one an entry of the
    stop-list, one for each time that they were taken off it, and what they agreed to."""
    found = [
        Event(
            None if e.happened_on else e.created_at,
            e.happened_on,
            *_LOOKS[SuppressionReason(e.reason)],
            words.suppressed(e.reason),
            ", ".join(filter(None, [e.source_in_words, e.words and f"“{e.words}”"])),
        )
        for e in stop_list.entries_about(client.owner_id, client.email_normalised)
    ]
    let_in = audit.entries_of(client, audit.Action.TAKE_OFF_STOP_LIST)[:SHOWN]
    found += [
        Event(
            entry.timestamp, None, "mail-check", "is-go",
            _("Taken off the suppression list"), audit.reason_of(entry),
        )
        for entry in let_in
    ]  # fmt: skip
    found.sort(key=lambda event: event.at or client.created_at, reverse=True)
    found.append(Event(client.created_at, None, "user-plus", "", _("Added to your clients")))
    return found + agreements(client)


def agreements(client: Client) -> list[Event]:
    """Return when they agreed, by the ledger; what it does not hold, as the client's own columns
    have it; one query."""
    look, agreed = ("circle-check", "is-go"), _("Agreed to get mail")
    lines = list(ledger.of_client(client)[:SHOWN])
    found = [
        Event(
            line.given_at, line.given_on, *look, agreed, f"{line.get_way_display()}: {line.source}"
        )
        for line in lines
    ]
    if not lines and (client.consent_at or client.consent_source):
        found.append(Event(None, client.consent_at, *look, agreed, client.consent_source))
    return found


def look_of(reason: str) -> tuple[str, str]:
    """Return icon and tone of a client who must not be written to."""
    return _LOOKS[SuppressionReason(reason)]

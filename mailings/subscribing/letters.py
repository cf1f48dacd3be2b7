"""The letters of subscribe forms: to confirm, or that one is subscribed already.

Mail of the service itself (`SYSTEM_EMAIL_URL`), in the sender's name. A row of `SubscribeRequest`
is the order; workers are woken for it, and a minutely sweep finds what was not sent. A letter is
tried again while the mail service is away, always with the same Message-ID: a worker that dies
between the server's answer and our commit sends it a second time, and mail programs show one.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import formataddr
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F
from django.urls import reverse
from django.utils import translation

from accounts import mails
from mailings.addressing import addresses, senders
from mailings.messages import preview
from mailings.models import ClientList, SubscribeRequest
from mailings.models.subscribing import LetterKind
from mailings.subscribing import tokens
from mailings.subscribing.signing_up import is_for_good
from mailings.suppression import stop_list

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Letters of one round; the sweep comes again in a minute."""
IN_HAND = timedelta(minutes=10)
"""A letter that a worker took and said nothing of is tried again after that."""
BACKOFF = tuple(timedelta(minutes=n) for n in (1, 5, 15, 60, 180, 360))
"""Until a letter is tried again; the last one from then on."""
GIVEN_UP_AFTER = timedelta(days=3)
KEPT = timedelta(days=8)
"""Of requests: a day longer than the button works, so that a late press is told why."""
PERMANENT = 500
"""From this reply code on a server refuses for good (RFC 5321 4.2.1)."""
TEMPLATES = {LetterKind.CONFIRM: "subscribe_confirm", LetterKind.KNOWN: "subscribe_known"}


def send_waiting(now: Callable[[], datetime], *, stopping: Callable[[], bool]) -> int:
    """Send what is due, letter after letter on one connection; return how many were taken."""
    sent, connection = 0, None
    try:
        for _number in range(AT_ONCE):
            row = None if stopping() else _claim(now())
            if row is None:
                break
            is_open = False
            try:
                if connection is None:
                    connection = get_connection()
                    connection.open()
                is_open = True
                _send(row, connection)
            except Exception as error:  # noqa: BLE001 - each backend has errors of its own
                _settle(row, error, now())
                if connection is not None:
                    connection.close()
                connection = None
                if not is_open:  # nor would it be for the others, and each would wait for it
                    break
            else:
                SubscribeRequest.objects.filter(pk=row.pk).update(
                    letter_due_at=None, letter_sent_at=now()
                )
                sent += 1
    finally:
        if connection is not None:
            connection.close()
    return sent


def _claim(now: datetime) -> SubscribeRequest | None:
    """Return a letter that is due, for this worker alone."""
    due = SubscribeRequest.objects.filter(letter_due_at__lte=now).order_by("letter_due_at", "pk")
    until = now + IN_HAND
    for pk, at in due.values_list("pk", "letter_due_at")[:AT_ONCE]:
        mine = SubscribeRequest.objects.filter(pk=pk, letter_due_at=at)
        if mine.update(letter_due_at=until, letter_tries=F("letter_tries") + 1):
            rows = SubscribeRequest.objects.select_related("form__owner")
            row = rows.filter(pk=pk, letter_due_at=until).first()
            if row is not None:  # else it was let go of in between, or the button pressed
                return row
    return None


def _send(row: SubscribeRequest, connection: Any) -> None:
    if not _may_be_sent(row):
        raise Unwanted
    letter = render(row)
    letter.connection = connection
    letter.send()
    log.info("subscribe_letter_sent", extra={"request_id": row.pk, "letter": row.letter})


class Unwanted(Exception):  # noqa: N818 - an answer, not an error
    """Since it was ordered, the sender was blocked, or the address became one never to write to."""


def _may_be_sent(row: SubscribeRequest) -> bool:
    barred = stop_list.entries_about(row.form.owner_id, row.mailbox)
    return row.form.owner.is_active and not any(map(is_for_good, barred))


def _settle(row: SubscribeRequest, error: Exception, now: datetime) -> None:
    """Say when a letter that was not taken is tried again, if it is."""
    is_over = (
        isinstance(error, Unwanted)
        or _is_refused_for_good(error)
        or now - row.requested_at > GIVEN_UP_AFTER
    )
    at = None if is_over else now + BACKOFF[min(row.letter_tries, len(BACKOFF)) - 1]
    # Only while it is in our hands: whoever has pressed the button meanwhile – the letter came, its
    # answer did not – or was written to by another worker since gets no more.
    mine = SubscribeRequest.objects.filter(pk=row.pk, letter_due_at=row.letter_due_at)
    mine.update(letter_due_at=at)
    log.warning(
        "subscribe_letter_failed",
        extra={"request_id": row.pk, "error": type(error).__name__, "again_at": at},
    )


def _is_refused_for_good(error: Exception) -> bool:
    """Return whether a mail server said of the recipient that it will never take it."""
    refused = getattr(error, "recipients", None)
    if not isinstance(refused, dict) or not refused:
        return False
    return all(isinstance(said, tuple) and said[0] >= PERMANENT for said in refused.values())


def render(row: SubscribeRequest) -> EmailMultiAlternatives:
    """Return the letter, in the form's language."""
    owner, kind = row.form.owner, LetterKind(row.letter)
    page = "subscribe_confirm" if kind == LetterKind.CONFIRM else "subscribe_choices"
    sender = preview.sender_address()
    name = senders.name_of("", owner)
    lists = ClientList.objects.filter(owner=owner, pk__in=row.list_ids)
    with translation.override(row.form.language):
        letter = mails.render(
            TEMPLATES[kind],
            row.email,
            None,
            {
                "form_title": row.form.title,
                "sender_name": name or row.form.title,
                "lists": ", ".join(lists.values_list("name", flat=True)),
                "subscribe_url": reverse(page, args=[tokens.token(row.pk)]),
            },
        )
    letter.to = [_as_sent(row)]
    letter.from_email = formataddr((name, sender)) if name else sender
    domain = addresses.mailbox(sender).rpartition("@")[2]
    made = int(row.requested_at.timestamp())
    letter.extra_headers = letter.extra_headers | {
        "Message-ID": f"<subscribe.{row.pk}.{made}@{domain}>"
    }
    return letter


def _as_sent(row: SubscribeRequest) -> str:
    return addresses.Address(row.email, row.mailbox).wire


def prune(now: datetime) -> int:
    """Delete requests whose button no longer works; return how many."""
    old = SubscribeRequest.objects.filter(requested_at__lt=now - KEPT)
    return old._raw_delete(old.db)

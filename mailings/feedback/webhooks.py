"""What HTTP APIs of mail services tell by webhook, as notices. anymail checks who tells it and
reads it; what it leaves out is here: whether it is for good, and what it says of the mailbox.

    Forged       it is not proved that the service tells it
    ValueError   it does, and nobody understands what
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from typing import Any, NamedTuple

from django.http import HttpRequest

from mailings.delivery.transports.http.config import APIS, TOKEN
from mailings.feedback import refusal_texts
from mailings.feedback.notices import Notice, NoticeKind, safe
from mailings.refusals import RefusalKind as Why

ID_LIMIT = 128  # characters

_KINDS = {
    "bounced": NoticeKind.BOUNCE,
    "rejected": NoticeKind.BOUNCE,  # the service itself did not want to
    "failed": NoticeKind.BOUNCE,
    "complained": NoticeKind.COMPLAINT,
    "deferred": NoticeKind.DELAY,
}
"""What anymail calls events that are looked at. Deliveries, opens and clicks are not; neither are
unsubscribings at a service: letters carry our own link."""

_WORDS: dict[str, dict[str, Why]] = {
    "brevo": {"invalid_email": Why.UNKNOWN_MAILBOX},
    "mailgun": {"suppress-bounce": Why.UNKNOWN_MAILBOX},
    "mailjet": {
        "user unknown": Why.UNKNOWN_MAILBOX,
        "mailbox inactive": Why.DISABLED_MAILBOX,
        "quota exceeded": Why.FULL_MAILBOX,
        "invalid domain": Why.BAD_DOMAIN,
        "no mail host": Why.BAD_DOMAIN,
        "relay/access denied": Why.POLICY,
        "sender blocked": Why.REPUTATION,
        "content blocked": Why.SPAM,
        "policy issue": Why.POLICY,
    },
    "mandrill": {
        "bad_mailbox": Why.UNKNOWN_MAILBOX,
        "invalid_domain": Why.BAD_DOMAIN,
        "mailbox_full": Why.FULL_MAILBOX,
    },
    "postmark": {
        "BadEmailAddress": Why.UNKNOWN_MAILBOX,
        "SpamNotification": Why.SPAM,
        "Blocked": Why.REPUTATION,
        "DMARCPolicy": Why.POLICY,
    },
    "resend": {"NoEmail": Why.UNKNOWN_MAILBOX, "MailboxFull": Why.FULL_MAILBOX},
    "sparkpost": {
        "10": Why.UNKNOWN_MAILBOX,
        "22": Why.FULL_MAILBOX,
        "23": Why.SIZE,
        "25": Why.POLICY,
        "30": Why.UNKNOWN_MAILBOX,
        "50": Why.REPUTATION,
        "51": Why.SPAM,
        "52": Why.SPAM,
        "53": Why.CONTENT,
    },
    "unisender-go": {
        "err_user_unknown": Why.UNKNOWN_MAILBOX,
        "err_user_inactive": Why.DISABLED_MAILBOX,
        "err_mailbox_discarded": Why.DISABLED_MAILBOX,
        "err_mailbox_full": Why.FULL_MAILBOX,
        "err_spam_rejected": Why.SPAM,
        "err_too_large": Why.SIZE,
        "err_domain_inactive": Why.BAD_DOMAIN,
    },
}
"""A service's own words for why, where the receiver's say nothing."""
_FOR_GOOD: dict[str, frozenset[str]] = {
    "brevo": frozenset({"hard_bounce", "invalid_email", "blocked"}),
    "mailersend": frozenset({"hard_bounced"}),
    "mailgun": frozenset({"permanent", "rejected"}),
    "mailjet": frozenset({"True"}),
    "mandrill": frozenset({"hard_bounce", "reject"}),
    "postal": frozenset({"HardFail"}),
    "postmark": frozenset(
        {
            "HardBounce", "BadEmailAddress", "SpamNotification", "Blocked", "DMARCPolicy",
            "ManuallyDeactivated", "Unconfirmed", "VirusNotification",
        }
    ),
    "resend": frozenset({"Permanent"}),
    "sparkpost": frozenset(
        {"10", "25", "30", "50", "51", "52", "53", "54", "policy_rejection"}
    ),
    "unisender-go": frozenset({"hard_bounced"}),
}  # fmt: skip
"""How each says that it will not be otherwise another time."""
_PLACES: dict[str, tuple[str, ...]] = {
    "brevo": ("event",),
    "mailersend": ("data.type",),
    "mailgun": ("event-data.severity", "event-data.event", "event-data.reason"),
    "mailjet": ("hard_bounce", "error"),
    "mandrill": ("event", "msg.bounce_description"),
    "postal": ("payload.status",),
    "postmark": ("Type",),
    "resend": ("data.bounce.type", "data.bounce.subType"),
    "sparkpost": ("msys.*.bounce_class", "msys.*.type"),
    "unisender-go": ("status", "delivery_info.delivery_status"),
}
"""Where such words stand in an event; `*`: whatever it is called."""
_CODES = {"mailgun": "event-data.delivery-status.code", "sparkpost": "msys.*.error_code"}
"""Where the receiver's code stands when it is not in its words."""
_SMTP_REFUSALS = range(400, 600)


class Forged(Exception):  # noqa: N818 - what happened, as `Refused`
    """Nothing proves that the service itself tells this."""


class Told(NamedTuple):
    """One event: its name with the service, its bytes, and what it says."""

    source_id: str
    raw: bytes
    notice: Notice


def read(service: str, secret: str, request: HttpRequest) -> list[Told]:
    """Return what a service tells, without what nobody looks at. Raises `Forged`, `ValueError`.

    The body must have been read: whoever asks bounds it.
    """
    view = _view(service, secret)
    try:
        view.run_validators(request)
    except Exception as error:
        # Whatever a stranger's bytes do to the library, they have not proved themselves.
        raise Forged(type(error).__name__) from error
    try:
        return list(_told(service, view.parse_events(request)))
    except Exception as error:
        raise ValueError(type(error).__name__) from error


def _view(service: str, secret: str) -> Any:
    """Return anymail's own view of the service: it knows its signatures and words."""
    module = import_module(f"anymail.webhooks.{service.replace('-', '_')}")
    found = next(
        value
        for name, value in vars(module).items()
        if name.endswith("TrackingWebhookView") and value.__module__ == module.__name__
    )
    given: dict[str, object] = {"webhook_secret": []}
    given[APIS[service].webhook] = secret
    return found(**given)


def _told(service: str, events: list[Any]) -> Iterator[Told]:
    for event in events:
        content = event.esp_event
        kind = _kind(service, event.event_type, content)
        if kind is None:
            continue
        # Without what proved it: managers read the rest.
        kept = {name: value for name, value in content.items() if name != "signature"}
        raw = json.dumps(kept, ensure_ascii=False, sort_keys=True, default=str)
        notice = safe(replace(_notice(service, kind, event), evidence=raw))
        yield Told(_name(service, event.event_id, raw), raw.encode(errors="replace"), notice)


def _kind(service: str, event_type: str, content: Mapping[str, Any]) -> NoticeKind | None:
    """Return what an event is, as far as anything may follow from it."""
    if service == "postmark":
        if content.get("RecordType") == "SubscriptionChange":
            return None  # it comes beside the bounce or complaint that caused it, and says less
        if content.get("Type") == "SpamNotification":
            return NoticeKind.BOUNCE  # of a filter, not of a person
    return _KINDS.get(event_type)


def _name(service: str, event_id: str | None, raw: str) -> str:
    """Return the service's own name of the event; without one, its fingerprint."""
    name = f"{service}:{event_id}"
    if event_id and len(name) <= ID_LIMIT and name.isprintable():
        return name
    told = str(event_id) if event_id else raw
    return f"{service}:{sha256(told.encode(errors='replace')).hexdigest()}"


def _notice(service: str, kind: NoticeKind, event: Any) -> Notice:
    content = event.esp_event
    words = {word for place in _PLACES[service] for word in _found(content, place.split("."))}
    is_final = kind is NoticeKind.BOUNCE and not words.isdisjoint(_FOR_GOOD[service])
    recipient = str(event.recipient or "")
    said = _said(service, event)
    saying = refusal_texts.read(said, domain=recipient.rpartition("@")[2], is_final=is_final)
    own = next((why for word, why in _WORDS.get(service, {}).items() if word in words), None)
    refusal = saying.refusal
    is_permanent = is_final and saying.is_permanent
    if own and refusal.kind is Why.UNKNOWN:
        refusal = replace(refusal, kind=own)
    return Notice(
        kind=kind,
        recipient=recipient,
        is_permanent=is_permanent,
        refusal=replace(refusal, is_permanent=is_permanent),
        code=saying.code,
        enhanced_code=saying.enhanced_code,
        diagnostic=saying.words,
        message_id=str(event.message_id or "").strip("<>"),
        token=_token(event),
        reporting_mta=service,
    )


def _said(service: str, event: Any) -> str:
    """Return the receiver's words, else the service's, with the code where it stands apart."""
    said = str(event.mta_response or event.description or "")
    code = next(iter(_found(event.esp_event, _CODES.get(service, "").split("."))), "")
    if code.isdecimal() and int(code[:4]) in _SMTP_REFUSALS and not said.startswith(code):
        return f"{code} {said}"
    return said


def _token(event: Any) -> str:
    metadata = event.metadata
    told = metadata.get(TOKEN) if isinstance(metadata, Mapping) else None
    return next((text for text in (told, *(event.tags or ())) if isinstance(text, str)), "")


def _found(content: object, place: list[str]) -> Iterator[str]:
    """Yield what stands at a place of an event, as text."""
    if not place:
        if isinstance(content, str | int):
            yield str(content)
    elif isinstance(content, Mapping):
        for name in content if place[0] == "*" else place[:1]:
            yield from _found(content.get(name), place[1:])

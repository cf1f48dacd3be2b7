"""Webhooks as the providers' documentation shows them, each with what proves it, about a letter
that carried `token` to `to`."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY = "a-secret-of-the-provider"
LOGIN = "vestnik:a-secret-of-the-provider"
_POSTAL = rsa.generate_private_key(65537, 2048)
_POSTAL_PUBLIC = b64encode(
    _POSTAL.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()

SECRETS = {
    "brevo": LOGIN,
    "mailersend": KEY,
    "mailgun": KEY,
    "mailjet": LOGIN,
    "mandrill": KEY,
    "postal": _POSTAL_PUBLIC,
    "postmark": LOGIN,
    "resend": LOGIN,
    "sparkpost": LOGIN,
    "unisender-go": KEY,
}

SAID = "550 5.1.1 <anna@example.com>: Recipient address rejected: User unknown"
FULL = "452 4.2.2 The email account that you tried to reach is over quota"


@dataclass(frozen=True)
class Post:
    """A request as a provider makes it."""

    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- what proves them


def _login(secret: str, body: bytes, url: str) -> Post:
    # That of Postal and others who sign proves nothing here, and is no login.
    told = b64encode(secret.encode()).decode()
    return Post(body, headers={"Authorization": f"Basic {told}"})


def _mailersend(secret: str, body: bytes, url: str) -> Post:
    return Post(body, headers={"Signature": _hmac(secret, body)})


def _mailgun(secret: str, body: bytes, url: str) -> Post:
    event = json.loads(body)
    signed = f"{event['signature']['timestamp']}{event['signature']['token']}"
    event["signature"]["signature"] = _hmac(secret, signed.encode())
    return Post(json.dumps(event).encode())


def _mandrill(secret: str, body: bytes, url: str) -> Post:
    signed = f"{url}mandrill_events{body.decode()}".encode()
    signature = b64encode(hmac.new(secret.encode(), signed, hashlib.sha1).digest()).decode()
    form = urlencode({"mandrill_events": body.decode()}).encode()
    return Post(form, "application/x-www-form-urlencoded", {"X-Mandrill-Signature": signature})


def _postal(secret: str, body: bytes, url: str) -> Post:
    key = _POSTAL if secret == _POSTAL_PUBLIC else rsa.generate_private_key(65537, 2048)
    signature = key.sign(body, padding.PKCS1v15(), hashes.SHA1())
    return Post(body, headers={"X-Postal-Signature": b64encode(signature).decode()})


def _unisender(secret: str, body: bytes, url: str) -> Post:
    auth = hashlib.md5(body.replace(b"@AUTH@", secret.encode())).hexdigest()
    return Post(body.replace(b"@AUTH@", auth.encode()))


def _hmac(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


_SIGN: dict[str, Callable[[str, bytes, str], Post]] = {
    "mailersend": _mailersend,
    "mailgun": _mailgun,
    "mandrill": _mandrill,
    "postal": _postal,
    "unisender-go": _unisender,
}


def post(service: str, event: object, *, secret: str = "") -> Post:
    """Return the request of a service, proved by its secret or by another."""
    body = json.dumps(event).encode()
    url = f"http://testserver/webhooks/{service}/"
    return _SIGN.get(service, _login)(secret or SECRETS[service], body, url)


# ---------------------------------------------------------------- what they say


def _brevo(kind: str, to: str, token: str) -> object:
    events = {
        "dead": {"event": "hard_bounce", "reason": SAID},
        "full": {"event": "soft_bounce", "reason": FULL},
        "later": {"event": "deferred", "reason": FULL},
        "complaint": {"event": "spam"},
        "delivered": {"event": "delivered"},
    }
    return {
        "id": 26224,
        "email": to,
        "date": "2026-11-30 10:00:00",
        "ts": 1796022000,
        "ts_event": 1796022000,
        "ts_epoch": 1796022000123,
        "message-id": "<202611300700.1@smtp-relay.mailin.fr>",
        "subject": "News",
        "X-Mailin-custom": json.dumps({"delivery": token}),
        "sending_ip": "192.0.2.1",
    } | events[kind]


def _mailersend_event(kind: str, to: str, token: str) -> object:
    name, morph = {
        "dead": ("hard_bounced", {"object": "recipient_bounce", "reason": SAID}),
        "full": ("soft_bounced", {"object": "recipient_bounce", "reason": FULL}),
        "later": ("sent", None),
        "complaint": ("spam_complaint", {"object": "spam_complaint", "reason": None}),
        "delivered": ("delivered", None),
    }[kind]
    return {
        "type": f"activity.{name}",
        "domain_id": "yv69oxl5kl785kw2",
        "created_at": "2026-11-30T07:00:00.123456Z",
        "webhook_id": "2351ndgwr4zqx8ko",
        "url": "https://example.org/webhooks/mailersend/",
        "data": {
            "object": "activity",
            "id": "62f114f8165fe0d8db0288e3",
            "type": name,
            "created_at": "2026-11-30T07:00:00.123456Z",
            "email": {
                "object": "email",
                "id": "62f114f7165fe0d8db0288e2",
                "from": "shop@example.org",
                "subject": "News",
                "status": "rejected",
                "tags": [token],
                "message": {"object": "message", "id": "62fb66bef54a112e920b5493"},
                "recipient": {"object": "recipient", "id": "62c69be104270ee9c6074d32", "email": to},
            },
            "morph": morph,
        },
    }


def _mailgun_event(kind: str, to: str, token: str) -> object:
    failed = {"event": "failed", "severity": "permanent", "reason": "bounce", "log-level": "error"}
    status = {"attempt-no": 1, "code": 550, "enhanced-code": "5.1.1", "description": ""}
    events: dict[str, dict[str, Any]] = {
        "dead": failed | {"delivery-status": status | {"message": "5.1.1 User unknown"}},
        "full": failed
        | {"delivery-status": status | {"code": 552, "enhanced-code": "", "message": FULL}},
        "later": failed
        | {"severity": "temporary", "delivery-status": status | {"code": 452, "message": FULL}},
        "complaint": {"event": "complained"},
        "delivered": {"event": "delivered", "delivery-status": status | {"message": "OK"}},
    }
    return {
        "signature": {
            "token": "7e1e0d9b1c0c9fa4df5b0d5b0d5e3fbb3d77b0f1d5c4f1f2a5",
            "timestamp": "1796022000",
        },
        "event-data": {
            "id": "Ase7i2zsRYeDXztHGENqRA",
            "timestamp": 1796022000.1,
            "recipient": to,
            "recipient-domain": to.partition("@")[2],
            "tags": [],
            "user-variables": {"delivery": token},
            "message": {
                "headers": {
                    "to": to,
                    "message-id": "20261130.1.1@mg.example.org",
                    "from": "shop@example.org",
                    "subject": "News",
                }
            },
        }
        | events[kind],
    }


def _mailjet_event(kind: str, to: str, token: str) -> object:
    recipient = {"error_related_to": "recipient", "comment": ""}
    events = {
        "dead": recipient | {"event": "bounce", "hard_bounce": True, "error": "user unknown"},
        "full": recipient | {"event": "bounce", "hard_bounce": False, "error": "quota exceeded"},
        "later": recipient | {"event": "bounce", "hard_bounce": False, "error": "greylisted"},
        "complaint": {"event": "spam", "source": "JMRPP"},
        "delivered": {"event": "sent", "smtp_reply": "sent (250 2.0.0 OK)"},
    }
    return [
        {
            "time": 1796022000,
            "MessageID": 13792286917004336,
            "email": to,
            "mj_campaign_id": 7276,
            "customcampaign": "",
            "CustomID": "",
            "Payload": json.dumps({"delivery": token}),
            "blocked": False,
        }
        | events[kind]
    ]


def _mandrill_event(kind: str, to: str, token: str) -> object:
    state, words = {
        "dead": ("hard_bounce", {"bounce_description": "bad_mailbox", "diag": f"smtp;{SAID}"}),
        "full": ("soft_bounce", {"bounce_description": "mailbox_full", "diag": f"smtp;{FULL}"}),
        "later": ("deferral", {"diag": FULL}),
        "complaint": ("spam", {}),
        "delivered": ("send", {}),
    }[kind]
    return [
        {
            "event": state,
            "ts": 1796022000,
            "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
            "msg": {
                "ts": 1796021990,
                "subject": "News",
                "email": to,
                "tags": [],
                "metadata": {"delivery": token},
                "state": "bounced",
                "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
                "_version": "exampleaaaaaaaaaaaaaaa",
                "sender": "shop@example.org",
                "template": None,
            }
            | words,
        }
    ]


def _postal_event(kind: str, to: str, token: str) -> object:
    message = {
        "id": 12345,
        "token": "abcdef123",
        "direction": "outgoing",
        "message_id": "5817a64332f44_4ec93ff59e79d154565eb@app34.mail",
        "to": to,
        "from": "shop@example.org",
        "subject": "News",
        "timestamp": 1796021990.1,
        "spam_status": "NotSpam",
        "tag": token,
    }
    status = {"message": message, "sent_with_ssl": True, "timestamp": 1796022000.1, "time": 0.22}
    name, payload = {
        "dead": ("MessageDeliveryFailed", {"status": "HardFail", "output": SAID, "details": ""}),
        "full": ("MessageBounced", {"bounce": message | {"id": 12346}}),
        "later": ("MessageDelayed", {"status": "SoftFail", "output": FULL, "details": ""}),
        "complaint": ("", {}),
        "delivered": ("MessageSent", {"status": "Sent", "output": "250 2.0.0 OK", "details": ""}),
    }[kind]
    if name == "MessageBounced":
        payload = {"original_message": message} | payload
        return {"event": name, "timestamp": 1796022000.1, "payload": payload, "uuid": f"u-{kind}"}
    content = status | payload
    return {"event": name, "timestamp": 1796022000.1, "payload": content, "uuid": f"u-{kind}"}


def _postmark_event(kind: str, to: str, token: str) -> object:
    bounce = {"RecordType": "Bounce", "ID": 4323372036854775807, "Inactive": True, "Details": SAID}
    events: dict[str, dict[str, Any]] = {
        "dead": bounce | {"Type": "HardBounce", "TypeCode": 1, "Name": "Hard bounce"},
        "full": bounce
        | {"Type": "SoftBounce", "TypeCode": 4096, "Name": "Soft bounce", "Details": FULL},
        "later": bounce | {"Type": "Transient", "TypeCode": 2, "Details": FULL},
        "complaint": bounce
        | {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512, "Details": ""},
        "filter": bounce
        | {"Type": "SpamNotification", "TypeCode": 16, "Details": "550 5.7.1 Rejected as spam"},
        "deactivated": {
            "RecordType": "SubscriptionChange",
            "Recipient": to,
            "Origin": "Recipient",
            "SuppressSending": True,
            "SuppressionReason": "HardBounce",
            "ChangedAt": "2026-11-30T07:00:00Z",
        },
        "delivered": {
            "RecordType": "Delivery",
            "Recipient": to,
            "DeliveredAt": "2026-11-30T07:00Z",
        },
    }
    return {
        "MessageStream": "broadcast",
        "Metadata": {"delivery": token},
        "ServerID": 23,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Tag": "",
        "Email": to,
        "From": "shop@example.org",
        "BouncedAt": "2026-11-30T07:00:00.1234567Z",
        "Subject": "News",
    } | events[kind]


def _resend_event(kind: str, to: str, token: str) -> object:
    dead = {"message": SAID, "type": "Permanent", "subType": "General"}
    name, more = {
        "dead": ("bounced", {"bounce": dead}),
        "full": (
            "bounced",
            {"bounce": {"message": FULL, "type": "Transient", "subType": "MailboxFull"}},
        ),
        "later": ("delivery_delayed", {}),
        "complaint": ("complained", {}),
        "delivered": ("delivered", {}),
    }[kind]
    return {
        "type": f"email.{name}",
        "created_at": "2026-11-30T07:00:00.126Z",
        "data": {
            "created_at": "2026-11-30T06:59:59.894719+00:00",
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "from": "Shop <shop@example.org>",
            "to": [to],
            "subject": "News",
            "headers": [{"name": "X-Metadata", "value": json.dumps({"delivery": token})}],
        }
        | more,
    }


def _sparkpost_event(kind: str, to: str, token: str) -> object:
    wrapped, event = {
        "dead": ("message_event", {"type": "bounce", "bounce_class": "10", "error_code": "550"}),
        "full": ("message_event", {"type": "bounce", "bounce_class": "22", "error_code": "452"}),
        "later": ("message_event", {"type": "delay", "bounce_class": "22", "error_code": "452"}),
        "complaint": ("message_event", {"type": "spam_complaint", "fbtype": "abuse"}),
        "delivered": ("message_event", {"type": "delivery"}),
    }[kind]
    said = FULL if kind in ("full", "later") else SAID
    return [
        {"msys": {}},  # a ping
        {
            "msys": {
                wrapped: {
                    "event_id": "92356927693813856",
                    "timestamp": "1796022000",
                    "transmission_id": "65832150921904138",
                    "message_id": "000443ee14578172be22",
                    "raw_rcpt_to": to,
                    "rcpt_to": to,
                    "raw_reason": said,
                    "reason": said,
                    "rcpt_meta": {"delivery": token},
                    "rcpt_tags": [],
                    "subject": "News",
                }
                | event
            }
        },
    ]


def _unisender_event(kind: str, to: str, token: str) -> object:
    status, info = {
        "dead": (
            "hard_bounced",
            {"delivery_status": "err_user_unknown", "destination_response": SAID},
        ),
        "full": (
            "hard_bounced",
            {"delivery_status": "err_mailbox_full", "destination_response": FULL},
        ),
        "later": (
            "soft_bounced",
            {"delivery_status": "err_will_retry", "destination_response": FULL},
        ),
        "complaint": ("spam", {}),
        "delivered": ("delivered", {}),
    }[kind]
    data = {
        "job_id": "1a3Q2V-0000OZ-S0",
        "metadata": {"delivery": token},
        "email": to,
        "status": status,
        "event_time": "2026-11-30 07:00:00",
        "url": "",
        "delivery_info": info,
    }
    event = {"event_name": "transactional_email_status", "event_data": data}
    return {
        "auth": "@AUTH@",
        "events_by_user": [
            {"user_id": 456, "project_id": "6432890213745872", "events": [event]},
        ],
    }


EVENTS: Mapping[str, Callable[[str, str, str], object]] = {
    "brevo": _brevo,
    "mailersend": _mailersend_event,
    "mailgun": _mailgun_event,
    "mailjet": _mailjet_event,
    "mandrill": _mandrill_event,
    "postal": _postal_event,
    "postmark": _postmark_event,
    "resend": _resend_event,
    "sparkpost": _sparkpost_event,
    "unisender-go": _unisender_event,
}
"""By service: a function of what happened (dead, full, later, complaint, delivered), to whom, and
the token. Postal knows no complaints."""

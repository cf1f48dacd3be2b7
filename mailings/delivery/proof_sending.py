"""Test sends: a message to its owner, by the renderer that makes the real mail, counted nowhere.

A row of `Proof` is the order; a worker is woken for it and writes the server's answer into it. No
transaction is open while the server is asked.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from mailings.delivery import event_loop, signing
from mailings.delivery.runs import composing
from mailings.delivery.transports import base, client, connector
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.config import Policy
from mailings.messages import preview
from mailings.models import Proof, Transport
from mailings.rendering import compiler, dkim
from mailings.states import Outcome
from mailings.timing import clock

log = logging.getLogger(__name__)

STALE = timedelta(minutes=10)
"""Nobody waits longer for a test: an older order is not carried out."""
KEPT = timedelta(days=7)

# Somebody looks at the page: a server that is slower than this is told as such.
PATIENCE = Policy(
    connect=10, banner=10, ehlo=10, tls=10, auth=10, mail=10, rcpt=15, data=15, block=15, dot=30,
    quit=1, whole_mail=45,
)  # fmt: skip


def send_waiting(now: datetime) -> int:
    """Send the tests that are waiting, each once; return how many."""
    Proof.objects.filter(requested_at__lt=now - KEPT).delete()
    waiting = Proof.objects.filter(started_at=None, requested_at__gt=now - STALE)
    sent = 0
    for proof in waiting.select_related("message__owner", "client").order_by("pk"):
        if Proof.objects.filter(pk=proof.pk, started_at=None).update(started_at=clock.now()):
            _send(proof)
            sent += 1
    return sent


def _send(proof: Proof) -> None:
    outcome, code, reply = _try(proof)
    Proof.objects.filter(pk=proof.pk).update(
        finished_at=clock.now(), outcome=outcome, code=code, reply=reply[: base.REPLY_LIMIT]
    )
    log.info("proof_sent", extra={"proof_id": proof.pk, "outcome": outcome.value})


def _try(proof: Proof) -> tuple[Outcome, int | None, str]:
    try:
        mail = render(proof, clock.now())
    except compiler.RenderError as error:
        return Outcome.RENDER, None, str(error)
    try:
        answer = _hand_over(preview.sender_address(), proof.address, mail)
    except ValueError as error:  # the mail service's address cannot be used
        return Outcome.UNAVAILABLE, None, str(error)
    reply = f"{answer.enhanced_code} {answer.reply}" if answer.enhanced_code else answer.reply
    if answer.enhanced_code and answer.reply.startswith(answer.enhanced_code):
        reply = answer.reply
    return Outcome(answer.name), answer.code, reply


def render(proof: Proof, now: datetime) -> bytes:
    """Return the mail: as the chosen client would get it, but addressed to the owner and marked."""
    message = proof.message
    with translation.override(message.owner.language):
        mark = _("[Test] ")
    frozen = replace(preview.content_of(message, mark=mark), reply_to=message.owner.email)
    compiled = compiler.compile_content(frozen)
    number = composing.unique_instant(proof.requested_at)
    recipient = preview.recipient_of(message.owner, proof.client)._replace(
        address=proof.address,
        message_id=f"<proof.{proof.pk}.{number}@{composing.sender_domain()}>",
    )
    mail = compiled.render(recipient, now)
    keys = signing.service_keys()
    return dkim.sign(mail, keys, now) if keys else mail


def _hand_over(sender: str, address: str, mail: bytes) -> base.SendResult:
    service = Transport.objects.filter(is_active=True).order_by("pk").first()
    url = (service.url if service else "") or settings.EMAIL_URL
    connect = connector(url, local_name=composing.sender_domain(), policy=PATIENCE)
    return event_loop.run(client.send(connect, Mail.of(sender, address, mail)))

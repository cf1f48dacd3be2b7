"""Test sends: a message to its owner only. Ordered and limited here, sent by the engine
(`delivery.proof_sending`)."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.errors import Refused
from mailings.models import Client, Message, Proof
from mailings.signals import proof_requested
from mailings.timing import clock

LIMITS = ((10, timedelta(minutes=10)), (60, timedelta(days=1)))
"""How many test sends an owner has within a time."""


@transaction.atomic
def request_proof(*, message: Message, client: Client | None, by: User) -> Proof:
    """Order a test send: to the owner's own confirmed address and nowhere else."""
    permissions.require_owner(message, by)
    permissions.require_sender(by)
    _require_few(by)
    proof = Proof.objects.create(owner=by, message=message, client=client, address=by.email)
    audit.record(Action.TEST_SEND, message, by)
    transaction.on_commit(lambda: proof_requested.send_robust(Proof))
    return proof


def _require_few(by: User) -> None:
    """Keep a test from becoming a mailing to oneself: the mail service counts every mail."""
    now = clock.now()
    for most, within in LIMITS:
        if Proof.objects.filter(owner=by, requested_at__gt=now - within).count() >= most:
            raise Refused(_("That were many tests. Wait a few minutes, then send the next one."))

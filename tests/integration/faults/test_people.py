"""What people do to a mailing while it is being sent takes effect at once, with the reason."""

import time

import pytest

from tests.integration.faults.conftest import CONNECTIONS
from tests.integration.faults.service import Service
from tests.site import wait_for

pytestmark = pytest.mark.slow

RECIPIENTS = 200 * CONNECTIONS
STILL = 1.5  # seconds without a mail
AT_THE_END = "Client.objects.order_by('-pk')[:50]"

MANAGER = """
from django.contrib.auth.models import Group
from accounts.roles import MANAGERS
manager = User.objects.create_user("manager@example.org", full_name="Марина Строгая")
manager.groups.add(Group.objects.get(name=MANAGERS))
"""
PAUSE = "services.pause_mailing(mailing=mailing, by=owner)"
RESUME = "services.resume_mailing(mailing=mailing, by=owner)"
STOP = MANAGER + "services.stop_mailing(mailing=mailing, by=manager, reason='Жалобы')"
CANCEL = "services.cancel_mailing(mailing=mailing, by=owner)"
BLOCK = "User.objects.filter(pk=owner.pk).update(is_active=False)"
UNBLOCK = "User.objects.filter(pk=owner.pk).update(is_active=True)"
END = """
from django.utils import timezone
Mailing.objects.filter(pk=mailing.pk).update(end_at=timezone.now())
"""
UNSUBSCRIBE = f"""
from mailings.models import Client
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
for client in {AT_THE_END}:
    stop_list.suppress(
        client.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=client.owner_id
    )
"""
DELETE_CLIENTS = f"""
from mailings.clients import services as client_services
from mailings.models import Client
for client in {AT_THE_END}:
    client_services.delete_client(client=client, by=owner)
"""
EDIT = """
mailing.message.subject = "Changed"
mailing.message.body = "<p>Changed</p>"
mailing.message.save()
"""
DELETE = """
try:
    services.delete_mailing(mailing=mailing, by=owner)
except services.Refused:
    result = "refused"
"""


@pytest.fixture
def mailing(service, relay) -> int:
    """Slow enough that there is something to hold."""
    relay.need(0.05)
    return service.mailing(RECIPIENTS)


def wait_until_still(service: Service) -> int:
    """Wait until no mail comes any more; return how many came."""

    def still() -> int | None:
        before = service.relay.count()
        time.sleep(STILL)
        return before if service.relay.count() == before else None

    return wait_for(still, timeout=20, message=service.trouble("mails still come"))


@pytest.mark.parametrize("hold", [PAUSE, STOP, BLOCK], ids=["pause", "stop", "block"])
def test_held_mailing_stops_at_once_and_forgets_nobody(service, relay, mailing, hold):
    with service.workers(2):
        service.wait_for_mails(20)
        service.act(mailing, hold)
        sent = wait_until_still(service)
        assert sent < RECIPIENTS
        wait_for(
            lambda: service.statuses() == {"sent": sent, "pending": RECIPIENTS - sent},
            timeout=30,
            message=service.trouble("not given back"),
        )
        service.check()
        relay.need(0)
        service.act(mailing, {PAUSE: RESUME, BLOCK: UNBLOCK}.get(hold, CANCEL))
        service.wait_until_settled()
    statuses = service.statuses()
    if hold == STOP:
        assert statuses == {"sent": sent, "cancelled": RECIPIENTS - sent}
    else:
        assert statuses == {"sent": RECIPIENTS}
    assert service.surplus() == 0
    service.check()


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [(CANCEL, "cancelled", "mailing_cancelled"), (END, "expired", "mailing_ended")],
    ids=["cancel", "end"],
)
def test_ended_mailing_settles_what_is_unsent(service, mailing, end, status, reason):
    with service.workers(2):
        service.wait_for_mails(20)
        service.act(mailing, end)
        service.wait_until_settled()
        sent = wait_until_still(service)
    assert service.statuses() == {"sent": sent, status: RECIPIENTS - sent}
    rows = service.sql("SELECT DISTINCT reason FROM mailings_delivery WHERE status = %s", status)
    assert rows == [(reason,)]
    service.check()


@pytest.mark.parametrize(
    ("act", "reason"),
    [(UNSUBSCRIBE, "suppressed"), (DELETE_CLIENTS, "client_deleted")],
    ids=["unsubscribe", "delete"],
)
def test_client_who_goes_while_it_runs_is_skipped_with_the_reason(
    service, relay, mailing, act, reason
):
    with service.workers(2):
        service.wait_for_mails(20)
        service.act(mailing, act)
        relay.need(0)
        service.wait_until_settled()
    assert service.statuses() == {"sent": RECIPIENTS - 50, "skipped": 50}
    rows = service.sql("SELECT DISTINCT reason FROM mailings_delivery WHERE status = 'skipped'")
    assert rows == [(reason,)]
    service.check()


def test_edit_changes_the_next_run_and_a_mailing_under_way_is_not_deleted(service, relay, mailing):
    with service.workers(2):
        service.wait_for_mails(20)
        service.act(mailing, EDIT)
        assert service.act(mailing, DELETE) == "refused"
        relay.need(0)
        service.wait_until_settled()
    assert service.statuses() == {"sent": RECIPIENTS}
    assert not [mail for mail in relay.mails() if "Changed" in mail.subject]
    service.check()

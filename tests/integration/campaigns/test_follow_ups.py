"""After a run: once more to those it failed for, or to those who came since."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import follow_ups, services
from mailings.clients import services as client_services
from mailings.delivery.runs import planning
from mailings.models import Client, Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories


@pytest.fixture
def mailing(owner) -> Mailing:
    return factories.make_mailing(
        owner,
        lists=[factories.make_list(owner)],
        name="Новинки",
        status="completed",
        sender_name="Двор",
        reply_to="shop@example.org",
    )


@pytest.fixture
def run(mailing) -> Run:
    return factories.make_run(mailing, status="done", targeted=1)


def failed(run: Run, code: int = 554, enhanced: str = "5.7.1", **fields) -> Client:
    """Return a client on the mailing's list whom the run failed for."""
    client = factories.make_client(run.mailing.owner, **fields)
    run.mailing.lists.get().clients.add(client)
    delivery = factories.make_delivery(
        run, client, status="failed", attempt_count=2, finished_at=timezone.now()
    )
    factories.make_attempt(delivery, number=1, outcome="temporary", code=451, enhanced_code="4.1.8")
    factories.make_attempt(
        delivery, number=2, outcome="permanent", code=code, enhanced_code=enhanced, step="rcpt"
    )
    Run.objects.filter(pk=run.pk).update(failed_count=run.deliveries.count())
    return client


def retry(run: Run) -> Mailing:
    return follow_ups.retry_failed(run=run, by=run.mailing.owner)


def test_those_who_failed_get_a_mailing_of_their_own_at_once(owner, run):
    again = failed(run)
    made = retry(run)
    assert list(made.clients.all()) == [again]
    assert (made.status, made.frequency, made.follows) == ("created", "once", run)
    assert made.message == run.mailing.message
    assert (made.sender_name, made.reply_to) == ("Двор", "shop@example.org")
    assert planning.plan(timezone.now()) == 1
    assert Delivery.objects.get(run__mailing=made).client == again


def test_the_old_run_stays_as_it_is(run):
    failed(run)
    before = list(Delivery.objects.values())
    retry(run)
    planning.plan(timezone.now())
    assert list(Delivery.objects.filter(run=run).values()) == before
    run.mailing.refresh_from_db()
    assert run.mailing.status == "completed"


def test_who_cannot_be_reached_is_left_out(owner, run):
    again = failed(run)
    failed(run, 550, "5.1.1")  # the address does not exist
    stopped = failed(run)
    stop_list.suppress(stopped.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    deleted = failed(run)
    client_services.delete_client(client=deleted, by=owner)
    factories.make_delivery(run, status="uncertain")
    factories.make_delivery(run, status="sent")
    assert list(follow_ups.may_go_again(run)) == [again]


def test_a_mended_address_goes_again(owner, run):
    mended = failed(run, 550, "5.1.1", email="anna@exmaple.org")
    assert not follow_ups.may_go_again(run).exists()
    mended.email = "anna@example.org"
    mended.save()
    assert list(follow_ups.may_go_again(run)) == [mended]


def test_a_second_click_finds_nobody(run):
    failed(run)
    retry(run)
    with pytest.raises(services.Refused):
        retry(run)
    assert Mailing.objects.filter(follows=run).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_mailing(owner, run):
    failed(run)
    start = threading.Barrier(2)

    def click():
        start.wait(30)
        try:
            retry(Run.objects.select_related("mailing").get(pk=run.pk))
        except services.Refused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Mailing.objects.filter(follows=run).count() == 1


def test_a_run_under_way_is_not_followed(run):
    failed(run)
    Run.objects.filter(pk=run.pk).update(status="sending", finished_at=None)
    run.refresh_from_db()
    with pytest.raises(services.Refused):
        retry(run)


def test_a_mailing_that_a_manager_stopped_is_not_followed(run):
    failed(run)
    factories.make_client(run.mailing.owner)
    Mailing.objects.filter(pk=run.mailing_id).update(status="stopped", status_actor="manager")
    for act in (
        lambda: retry(run),
        lambda: follow_ups.send_to_added(mailing=run.mailing, by=run.mailing.owner),
    ):
        with pytest.raises(services.Refused):
            act()
    assert Mailing.objects.count() == 1


def test_somebody_else_may_not(stranger, run):
    failed(run)
    with pytest.raises(PermissionDenied):
        follow_ups.retry_failed(run=run, by=stranger)
    assert Mailing.objects.count() == 1


def test_a_failed_follow_up_can_be_followed_itself(run):
    again = failed(run)
    made = retry(run)
    second = factories.make_run(made, status="done", targeted=1, failed_count=1)
    delivery = factories.make_delivery(second, again, status="failed", attempt_count=1)
    factories.make_attempt(delivery, outcome="permanent", code=554)
    assert list(retry(second).clients.all()) == [again]


# ------------------------------------------------------------------ clients added since


def test_clients_added_since_get_it_alone(owner, mailing, run):
    old, new, left_out = factories.make_clients(owner, 3)
    factories.make_delivery(run, old, status="sent")
    mailing.lists.get().clients.set([old, new, left_out])
    mailing.excluded_clients.set([left_out])
    made = follow_ups.send_to_added(mailing=mailing, by=owner)
    assert list(made.clients.all()) == [new]
    with pytest.raises(services.Refused):
        follow_ups.send_to_added(mailing=mailing, by=owner)


def test_a_client_who_was_deleted_and_came_back_is_not_new(owner, mailing, run):
    client = factories.make_client(owner, email="anna@example.org")
    factories.make_delivery(run, client, status="sent")
    client_services.delete_client(client=client, by=owner)
    back = factories.make_client(owner, email="anna@example.org")
    mailing.lists.get().clients.set([back])
    assert not follow_ups.came_since(run).exists()


def test_before_the_first_run_there_is_nothing_to_follow(owner, mailing):
    with pytest.raises(services.Refused):
        follow_ups.send_to_added(mailing=mailing, by=owner)


# ------------------------------------------------------------------ the pages


def test_the_page_asks_with_numbers_and_then_does_it(client, owner, run):
    client.force_login(owner)
    failed(run)
    failed(run, 550, "5.1.1")
    url = reverse("mailings:run_retry", args=[run.pk])
    assert url in client.get(run.get_absolute_url()).content.decode()
    asked = client.get(url)
    assert asked.context["consequences"][0].startswith("новая рассылка сразу уйдёт 1 ")
    assert Mailing.objects.count() == 1
    page = client.post(url, follow=True)
    made = Mailing.objects.get(follows=run)
    assert page.context["mailing"] == made
    assert made.name in str(next(iter(page.context["messages"])))
    assert made.get_absolute_url() in client.get(run.get_absolute_url()).content.decode()
    again = client.get(url, follow=True)
    assert again.redirect_chain[-1][0] == run.get_absolute_url()


def test_the_page_for_new_clients_asks_and_then_does_it(client, owner, mailing, run):
    client.force_login(owner)
    url = reverse("mailings:mailing_send_to_added", args=[mailing.pk])
    assert client.get(url).url == mailing.get_absolute_url()  # nobody is new
    mailing.lists.get().clients.add(factories.make_client(owner))
    Mailing.objects.filter(pk=mailing.pk).update(
        status="running", next_run_at=timezone.now() + timedelta(days=1)
    )
    asked = client.get(url)
    assert asked.context["milder"]
    client.post(url)
    assert Mailing.objects.get(follows=run).clients.count() == 1


def test_the_recipients_of_a_follow_up_stay_while_the_rest_may_change(client, owner, run):
    client.force_login(owner)
    again = failed(run)
    made = retry(run)
    url = reverse("mailings:mailing_update", args=[made.pk])
    page = client.get(url)
    assert page.context["forecast"].recipients.will_get == 1
    assert run.get_absolute_url() in page.content.decode()
    assert 'name="clients"' not in page.content.decode()
    other = factories.make_client(owner)
    data = {
        "action": "save",
        "name": "Другое имя",
        "message": made.message_id,
        "frequency": "once",
        "start_at": "",
        "end_at": "",
        "time_zone": "Europe/Moscow",
        "clients": [other.pk],
    }
    assert client.post(url, data).status_code == 302
    made.refresh_from_db()
    assert made.name == "Другое имя"
    assert list(made.clients.all()) == [again]


def test_too_many_single_clients_are_not_copied_into_a_form(client, owner, mailing, monkeypatch):
    client.force_login(owner)
    mailing.clients.set(factories.make_clients(owner, 3))
    url = reverse("mailings:mailing_create")
    assert len(client.get(url, {"copy": mailing.pk}).context["form"].initial["clients"]) == 3
    monkeypatch.setattr("mailings.campaigns.views.mailings.SINGLES_COPIED", 2)
    page = client.get(url, {"copy": mailing.pk})
    assert page.context["form"].initial["clients"] == []
    assert len(page.context["messages"]) == 1

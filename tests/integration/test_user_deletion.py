"""A user with mailings is deleted: with all that is theirs, by every door, and never by a 500."""

from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.models import User
from mailings.delivery.runs import invariants
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Mailing,
    Message,
    Picture,
    SenderDomain,
    Suppression,
    WorkerLease,
)
from mailings.reports.site import site_figures
from mailings.states import MailingStatus
from tests import factories
from tests.integration.desk import make_desk
from tests.sender_domains import make_proven

MODELS = (Mailing, Message, Client, Delivery, Attempt, Picture)


def furnish(user: User) -> None:
    """Give the user one of everything, a mailing under way among them."""
    make_desk(user)
    clients = factories.make_clients(user, 2)
    left_out = factories.make_list(user, clients)
    mailing = factories.make_mailing(user, clients=clients, lists=[left_out])
    mailing.excluded_lists.add(left_out)
    mailing.excluded_clients.add(clients[0])
    run = factories.make_run(mailing, status="done", targeted=2, sent_count=2)
    factories.make_mailing(user, follows=run)
    factories.make_picture(user)
    factories.make_import(user)
    make_proven(user, f"shop{user.pk}.example")
    Suppression.objects.create(owner=None, address_hash=f"all{user.pk}", reason="bounced", run=run)


def delete_url(user: User) -> str:
    return f"/cms/users/delete/{user.pk}/"


def bulk_url(*users: User) -> str:
    return "/cms/bulk/accounts/user/delete/?" + "&".join(f"id={user.pk}" for user in users)


def nothing_is_left_of(user: User) -> bool:
    gone = {"owner": user.pk}
    return not (
        User.objects.filter(pk=user.pk).exists()
        or Mailing.objects.filter(**gone).exists()
        or Client.objects.filter(**gone).exists()
        or Message.objects.filter(**gone).exists()
        or Suppression.objects.filter(**gone).exists()
        or SenderDomain.objects.filter(**gone).exists()
    )


@pytest.mark.parametrize("door", ["single", "bulk"])
def test_superuser_deletes_a_user_with_mailings(client, superuser, owner, stranger, door):
    furnish(owner)
    furnish(stranger)
    before = {model: model.objects.count() for model in MODELS}
    client.force_login(superuser)
    url = delete_url(owner) if door == "single" else bulk_url(owner)
    page = client.get(url)
    assert page.status_code == 200
    answer = client.post(url, follow=True)
    assert answer.status_code == 200
    assert nothing_is_left_of(owner)
    # The other's are all there, and the ledger holds nothing that hangs in the air.
    assert {model: model.objects.count() * 2 for model in MODELS} == before
    assert Suppression.objects.filter(owner=None).count() == 2
    now = timezone.now()
    assert not invariants._of_nothing(now).exists()
    assert not invariants._attempted_nothing(now).exists()


def test_the_page_says_with_numbers_what_goes_and_offers_the_milder_way(client, superuser, owner):
    owner.language = superuser.language = "en"
    superuser.save()
    furnish(owner)
    client.force_login(superuser)
    for url in (delete_url(owner), bulk_url(owner)):
        html = client.get(url).content.decode()
        for said in (
            "3 mailings",
            "1 of them is under way",
            "5 deliveries",
            "3 clients",
            "1 sender domain with",
        ):
            assert said in html, (url, said)
        assert "Blocking is milder" in html
    assert f"/cms/users/block/{owner.pk}/" in client.get(delete_url(owner)).content.decode()


def test_several_users_go_at_once_and_one_that_cannot_keeps_none_of_the_others(
    client, superuser, owner, stranger
):
    furnish(owner)
    furnish(stranger)
    hold_a_letter(stranger)
    client.force_login(superuser)
    answer = client.post(bulk_url(owner, stranger), follow=True)
    assert answer.status_code == 200
    assert nothing_is_left_of(owner)
    assert User.objects.filter(pk=stranger.pk).exists()


def hold_a_letter(user: User) -> WorkerLease:
    now = timezone.now()
    delivery = Delivery.objects.filter(run__mailing__owner=user).first()
    return WorkerLease.objects.create(
        pk=uuid4(), host="mail", pid=1, started_at=now, heartbeat_at=now,
        expires_at=now, in_flight=[delivery.pk],
    )  # fmt: skip


def test_while_a_letter_is_in_hand_it_is_refused_in_words_and_everything_stops(
    client, superuser, owner
):
    furnish(owner)
    lease = hold_a_letter(owner)
    client.force_login(superuser)
    answer = client.post(delete_url(owner))
    assert answer.status_code == 302
    owner.refresh_from_db()
    assert owner.is_blocked
    active = Mailing.objects.exclude(status__in=[MailingStatus.CANCELLED, MailingStatus.DRAFT])
    assert not active.exists()
    assert Delivery.objects.filter(run__mailing__owner=owner).exists()
    lease.delete()  # the worker has recorded what became of the letter
    client.post(delete_url(owner))
    assert nothing_is_left_of(owner)


@pytest.mark.parametrize("how", ["instance", "queryset"])
def test_rows_deleted_from_a_shell_need_no_order(owner, how):
    furnish(owner)
    if how == "instance":
        User.objects.get(pk=owner.pk).delete()
    else:
        User.objects.filter(pk=owner.pk).delete()
    assert nothing_is_left_of(owner)


def test_nobody_deletes_themselves_or_somebody_above_them(owner, manager, superuser):
    for user, by in ((superuser, superuser), (owner, manager), (superuser, owner), (owner, owner)):
        with pytest.raises(PermissionDenied):
            services.delete_user(user=user, by=by)
    assert User.objects.count() == 3


def test_a_deletion_costs_no_query_per_row(superuser, owner, stranger):
    counts = []
    for user, number in ((owner, 2), (stranger, 30)):
        clients = factories.make_clients(user, number)
        run = factories.make_run(factories.make_mailing(user, clients=clients))
        for one in clients:
            factories.make_attempt(factories.make_delivery(run, one))
        with CaptureQueriesContext(connection) as queries:
            services.delete_user(user=user, by=superuser)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_figures_of_the_service_outlive_the_user(superuser, owner, stranger):
    furnish(owner)
    furnish(stranger)
    Mailing.objects.filter(status=MailingStatus.DRAFT).update(status=MailingStatus.CANCELLED)
    before = site_figures().mailings
    services.delete_user(user=owner, by=superuser)
    assert site_figures().mailings == before


def test_the_log_names_the_deleted_by_number(client, superuser, owner):
    services.delete_user(user=owner, by=superuser)
    client.force_login(superuser)
    html = client.get("/cms/reports/site-history/").content.decode()
    assert owner.email not in html

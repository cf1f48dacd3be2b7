"""A manager stops a mailing and allows it again; a superuser mends a mail service."""

import pytest
from django.urls import reverse
from wagtail.models import ModelLogEntry

from mailings import audit
from mailings.models import Mailing
from mailings.states import Actor, MailingStatus
from tests import factories

REASON = "Twelve complaints about spam"


@pytest.fixture
def mailing(owner) -> Mailing:
    row = factories.make_mailing(owner, name="Autumn", clients=[factories.make_client(owner)])
    Mailing.objects.filter(pk=row.pk).update(status=MailingStatus.RUNNING)
    return Mailing.objects.get(pk=row.pk)


@pytest.fixture
def stopped(mailing, manager) -> Mailing:
    Mailing.objects.filter(pk=mailing.pk).update(
        status=MailingStatus.STOPPED,
        status_actor=Actor.MANAGER,
        status_by=manager,
        status_reason=REASON,
    )
    return Mailing.objects.get(pk=mailing.pk)


def stop_url(mailing: Mailing) -> str:
    return reverse("cms_mailing:stop", args=[mailing.pk])


def allow_url(mailing: Mailing) -> str:
    return reverse("cms_mailing:allow", args=[mailing.pk])


def test_manager_stops_with_a_reason_that_everybody_concerned_can_read(client, manager, mailing):
    client.force_login(manager)
    answer = client.post(stop_url(mailing), {"reason": REASON}, follow=True)

    mailing.refresh_from_db()
    assert (mailing.status, mailing.status_actor) == (MailingStatus.STOPPED, Actor.MANAGER)
    assert (mailing.status_by, mailing.status_reason) == (manager, REASON)
    page = answer.content.decode()
    assert REASON in page
    assert "Марина Строгая" in page
    entry = ModelLogEntry.objects.for_instance(mailing).get()
    assert (entry.action, entry.user, audit.reason_of(entry)) == ("mailings.stop", manager, REASON)


def test_site_history_tells_who_stopped_what_and_why(client, manager, mailing):
    client.force_login(manager)
    client.post(stop_url(mailing), {"reason": REASON})
    page = client.get(reverse("wagtailadmin_reports:site_history")).content.decode()
    assert REASON in page
    assert reverse("cms_mailing:inspect", args=[mailing.pk]) in page
    history = client.get(reverse("cms_mailing:history", args=[mailing.pk])).content.decode()
    assert REASON in history


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
def test_without_a_fit_reason_nothing_happens(client, manager, mailing, reason):
    client.force_login(manager)
    answer = client.post(stop_url(mailing), {"reason": reason})
    assert answer.status_code == 200
    assert answer.context["form"].errors["reason"]
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.RUNNING
    assert not ModelLogEntry.objects.for_instance(mailing).exists()


def test_manager_allows_again_and_the_mailing_waits_for_its_owner(client, manager, stopped):
    client.force_login(manager)
    asked = client.get(allow_url(stopped)).content.decode()
    assert REASON in asked
    client.post(allow_url(stopped), {"reason": "They promised"})
    stopped.refresh_from_db()
    assert stopped.status == MailingStatus.PAUSED
    entry = ModelLogEntry.objects.for_instance(stopped).get()
    assert (entry.action, audit.reason_of(entry)) == ("mailings.allow", "They promised")


def test_refusal_of_the_service_is_shown_and_the_reason_kept(client, manager, mailing):
    client.force_login(manager)
    # Somebody was first: the page was open while the mailing came to its end.
    Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.COMPLETED)
    answer = client.post(stop_url(mailing), {"reason": REASON})
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors()
    assert REASON in answer.content.decode()
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.COMPLETED


@pytest.mark.parametrize("status", [MailingStatus.COMPLETED, MailingStatus.CANCELLED])
def test_ended_mailing_offers_no_decision(client, manager, mailing, status):
    Mailing.objects.filter(pk=mailing.pk).update(status=status)
    client.force_login(manager)
    inspect = reverse("cms_mailing:inspect", args=[mailing.pk])
    for url in (stop_url(mailing), allow_url(mailing)):
        answer = client.get(url)
        assert answer.headers["Location"] == inspect
        assert url not in client.get(inspect).content.decode()
        assert url not in client.get(reverse("cms_mailing:index")).content.decode()


def test_list_and_page_offer_the_decision_that_is_possible(client, manager, mailing, stopped):
    client.force_login(manager)
    for page in (
        reverse("cms_mailing:index"),
        reverse("cms_mailing:inspect", args=[mailing.pk]),
    ):
        html = client.get(page).content.decode()
        assert allow_url(stopped) in html
        assert stop_url(stopped) not in html


def test_next_leads_back_to_the_list_but_never_off_the_site(client, manager, mailing):
    client.force_login(manager)
    index = reverse("cms_mailing:index")
    answer = client.post(stop_url(mailing), {"reason": REASON, "next": index})
    assert answer.headers["Location"] == index
    answer = client.post(allow_url(mailing), {"reason": "Fine", "next": "https://evil.example/"})
    assert answer.headers["Location"] == reverse("cms_mailing:inspect", args=[mailing.pk])

"""What else happens at the very moment that somebody presses the letter's button."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser

from mailings.clients import bulk
from mailings.clients import services as clients
from mailings.clients.services import ClientInput
from mailings.consents import ledger
from mailings.models import Client, Consent, SubscribeForm, SubscribeRequest
from mailings.models.subscribing import LetterKind
from mailings.subscribing import services as forms
from mailings.subscribing import signing_up
from tests import factories
from tests.integration.subscribing.conftest import link_in, post, send
from tests.integration.test_use_cases import both, wait_for_a_waiter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(form) -> str:
    """The letter has come."""
    post(Browser(), form)
    send()
    return link_in(mail.outbox[-1])


def one(client: Client) -> None:
    clients.delete_client(client=client, by=client.owner)


def many(client: Client) -> None:
    bulk.take_away(chosen=Client.objects.filter(pk=client.pk), by=client.owner)


@pytest.mark.parametrize("delete", [one, many])
def test_a_client_who_is_being_deleted_presses_it(
    owner, path, monkeypatch, delete: Callable[[Client], None]
):
    anna = factories.make_client(owner, email="anna@example.org")
    found: list[int] = []
    let_go = ledger.let_go

    def press() -> None:
        found.append(Browser().post(path).status_code)
        connection.close()

    pressing = Thread(target=press)

    def in_the_midst(*args: Any, **kwargs: Any) -> None:
        pressing.start()
        wait_for_a_waiter()
        let_go(*args, **kwargs)

    monkeypatch.setattr(ledger, "let_go", in_the_midst)
    delete(anna)
    pressing.join(20)
    assert found == [410]  # their letter is of before: it went with them
    assert not Client.objects.exists()
    assert not SubscribeRequest.objects.exists()


def test_an_import_brings_the_same_address(owner, form, path):
    def add() -> Client:
        data = ClientInput(email="Anna@example.org", comment="из файла")
        return clients.create_client(data=data, owner=owner, by=owner)

    assert both(add, lambda: Browser().post(path).status_code) == [200]
    anna = Client.objects.get()
    assert (anna.comment, anna.full_name) == ("из файла", "Анна")
    assert list(anna.lists.all()) == list(form.lists.all())
    assert Consent.objects.get().client == anna


def test_who_is_brought_meanwhile_is_no_newcomer(owner, form, settings):
    """Without the letter's button nobody changes a client who is there."""
    settings.SINGLE_OPT_IN = True
    SubscribeForm.objects.update(is_double=False)
    form.refresh_from_db()

    def add() -> Client:
        data = ClientInput(email="anna@example.org", full_name="Анна Иванова")
        return clients.create_client(data=data, owner=owner, by=owner)

    assert both(add, lambda: post(Browser(), form).status_code) == [200]
    assert Client.objects.get().full_name == "Анна Иванова"
    assert SubscribeRequest.objects.get().letter == LetterKind.CONFIRM
    assert not Consent.objects.exists()


def test_a_form_is_deleted_while_somebody_fills_it_in(owner, form):
    def fill_in() -> None:
        signing_up.fill_in(
            form=form,
            answers=signing_up.Answers(
                email="anna@example.org", full_name="", attributes={}, lists=[]
            ),
            agreed_to=form.consent_text,
            visitor=signing_up.Visitor(ip="203.0.113.7", user_agent=""),
        )

    def delete() -> str:
        forms.delete_form(form=SubscribeForm.objects.get(pk=form.pk), by=owner)
        return "deleted"

    assert both(fill_in, delete) == ["deleted"]
    assert not SubscribeForm.objects.exists()
    assert not SubscribeRequest.objects.exists()

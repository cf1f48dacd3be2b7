"""The consent ledger: lines are added by every way in, never changed, and prove what they say."""

import json
from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse
from django.utils import timezone

from mailings import tasks
from mailings.clients import bulk
from mailings.clients import services as clients
from mailings.clients.services import ClientInput
from mailings.consents import evidence, ledger
from mailings.models import Client, Consent, ConsentText, SubscribeRequest
from mailings.subscribing import services as forms
from mailings.subscribing import signing_up
from mailings.subscribing.services import FormInput
from mailings.suppression import fingerprints
from tests import factories
from tests.integration.clients.test_importing import imported

pytestmark = pytest.mark.django_db


def subscribe(owner, form=None, email="anna@example.org") -> Client:
    form = form or factories.make_form(owner)
    request = signing_up.fill_in(
        form=form,
        answers=signing_up.Answers(email=email, full_name="Анна", attributes={}, lists=[]),
        agreed_to=form.consent_text,
        visitor=signing_up.Visitor(ip="2001:db8::7", user_agent="Browser/1" + "x" * 900),
    )
    signing_up.confirm(request.pk)
    return Client.objects.get(owner=owner, email_normalised=email)


# ---------------------------------------------------------------- append-only


def test_other_words_change_no_proof(owner):
    form = factories.make_form(owner, consent="Старые слова.")
    anna = subscribe(owner, form)
    forms.change_form(form=form, data=FormInput(consent="Новые слова."), by=owner)
    subscribe(owner, form, "boris@example.org")
    [line] = ledger.of_client(anna)
    assert line.text.text == "Старые слова."
    assert line.text.digest == ledger.digest_of("Старые слова.", "")
    assert ConsentText.objects.count() == 2


def test_lines_and_texts_are_never_written_over(owner):
    subscribe(owner)
    for row in (Consent.objects.get(), ConsentText.objects.get()):
        with pytest.raises(TypeError):
            row.save()


# ---------------------------------------------------------------- by hand, with a file


def test_what_is_written_by_hand_is_a_line_each_time_it_changes(owner):
    anna = clients.create_client(
        data=ClientInput(email="a@example.org", consent_source="договор"), owner=owner, by=owner
    )
    clients.change_client(client=anna, data=ClientInput(full_name="Анна"), by=owner)
    clients.change_client(client=anna, data=ClientInput(consent_at=date(2026, 5, 1)), by=owner)
    clients.create_client(data=ClientInput(email="b@example.org"), owner=owner, by=owner)
    lines = [(line.way, line.source, line.given_on) for line in ledger.of_client(anna)]
    assert lines == [("hand", "договор", date(2026, 5, 1)), ("hand", "договор", None)]
    assert Consent.objects.count() == 2


def test_a_file_adds_a_line_for_each_consent_it_brings(owner):
    text = "email,согласие,дата согласия\na@example.org,сайт,2024-05-01\nb@example.org,,\n".encode()
    imported(owner, text)
    said = {line.client.email: line for line in Consent.objects.all()}
    line = said["a@example.org"]
    assert (line.way, line.source, line.given_on) == ("file", "сайт", date(2024, 5, 1))
    assert line.address_hash == fingerprints.address_hash("a@example.org")
    assert said["b@example.org"].source == "договор"  # what the whole file stands on
    imported(owner, text)  # the same again is nothing new
    assert Consent.objects.count() == 2


def test_a_chunk_of_a_file_is_one_statement(owner, django_assert_num_queries):
    people = factories.make_clients(owner, 5)
    foreign = factories.make_client(factories.make_user(), email="x@example.org")
    rows = [(one.email_normalised, "сайт", None) for one in [*people, foreign]]
    with django_assert_num_queries(1):
        ledger.from_file(owner.pk, rows, timezone.now())
    assert set(Consent.objects.values_list("client", flat=True)) == {one.pk for one in people}


# ---------------------------------------------------------------- what is forgotten


def test_the_browser_is_forgotten_after_its_time(owner, settings):
    settings.CONSENT_IP_DAYS = 30
    subscribe(owner)
    subscribe(owner, email="boris@example.org")
    old = Consent.objects.order_by("pk")[:1]
    Consent.objects.filter(pk__in=old.values("pk")).update(
        created_at=timezone.now() - timedelta(days=31)
    )
    tasks.prune_consents.call_local()
    assert [line.ip for line in Consent.objects.order_by("pk")] == [None, "2001:db8::7"]
    assert [len(line.user_agent) for line in Consent.objects.order_by("pk")] == [0, 300]
    assert all(line.confirmed_at for line in Consent.objects.all())


@pytest.mark.parametrize("way", ["one", "many"])
def test_with_a_client_goes_all_but_the_fingerprint(owner, way):
    anna = subscribe(owner)
    if way == "one":
        clients.delete_client(client=anna, by=owner)
    else:
        bulk.delete(chosen=Client.objects.filter(pk=anna.pk), by=owner)
    line = Consent.objects.get()
    assert (line.client, line.ip, line.user_agent) == (None, None, "")
    assert line.address_hash == fingerprints.address_hash("anna@example.org")
    assert not SubscribeRequest.objects.exists()
    again = factories.make_client(owner, email="Anna@example.org")
    assert list(ledger.of_client(again)) == [line]


# ---------------------------------------------------------------- evidence


def test_evidence_is_signed_and_tells_what_was_agreed_to(client, owner):
    form = factories.make_form(owner, consent="Я согласна.", policy_url="https://shop.example/p")
    anna = subscribe(owner, form)
    client.force_login(owner)
    answer = client.get(reverse("mailings:client_evidence", args=[anna.pk]))
    assert answer["Content-Disposition"].startswith('attachment; filename="consents-')
    document = json.loads(answer.content)
    assert evidence.is_ours(document)
    [line] = document["consents"]
    [text] = document["texts"]
    assert text["text"] == "Я согласна."
    assert line["text"] == text["sha256"]
    assert line["confirmed"]
    assert line["ip"] == "2001:db8::7"
    assert document["person"]["email"] == "anna@example.org"
    key = client.get(reverse("evidence_key")).json()
    assert key == document["signed_by"]
    page = client.get(reverse("mailings:client_consents", args=[anna.pk])).content.decode()
    assert "Я согласна." in page
    assert text["sha256"] in page


def altered(document):
    """Yield the document with one thing changed each time."""
    for change in (
        lambda d: d["consents"][0].update(given="2020-01-01"),
        lambda d: d["person"].update(email="other@example.org"),
        lambda d: d["texts"][0].update(text="Другое"),
        lambda d: d.update(extra=1),
        lambda d: d.update(signature="AAAA"),
        lambda d: d.update(signature="не подпись"),
        lambda d: d.pop("signature"),
    ):
        copy = deepcopy(document)
        change(copy)
        yield copy


def test_whatever_is_altered_is_no_evidence(owner):
    document = evidence.of_client(subscribe(owner))
    assert evidence.is_ours(document)
    assert not any(map(evidence.is_ours, altered(document)))


def test_evidence_outlives_a_change_of_the_secret(owner, settings):
    document = evidence.of_client(subscribe(owner))
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 50
    assert evidence.is_ours(document)
    settings.SECRET_KEY_FALLBACKS = []
    assert not evidence.is_ours(document)


def test_a_command_checks_a_document(owner, tmp_path, capsys):
    file = tmp_path / "consents.json"
    document = evidence.of_client(subscribe(owner))
    file.write_text(json.dumps(document, ensure_ascii=False, indent=1))
    call_command("check_evidence", str(file))
    assert "signed by this service" in capsys.readouterr().out
    file.write_text(json.dumps(document | {"made_at": "2020"}))
    with pytest.raises(CommandError):
        call_command("check_evidence", str(file))
    for wrong in ("{", "[]", "1", '"' + "x" * 100):
        file.write_text(wrong)
        with pytest.raises(CommandError):
            call_command("check_evidence", str(file))


# ---------------------------------------------------------------- what is shown


def test_the_history_of_a_client_tells_each_consent(client, owner):
    anna = subscribe(owner)
    clients.change_client(client=anna, data=ClientInput(consent_source="по телефону"), by=owner)
    client.force_login(owner)
    page = client.get(anna.get_absolute_url()).content.decode()
    assert "через форму: " in page
    assert "записано вручную: по телефону" in page
    assert reverse("mailings:client_consents", args=[anna.pk]) in page


def test_a_client_from_before_the_ledger_shows_what_is_known(client, owner):
    anna = factories.make_client(owner, consent_source="сайт")
    client.force_login(owner)
    assert "сайт" in client.get(anna.get_absolute_url()).content.decode()
    page = client.get(reverse("mailings:client_consents", args=[anna.pk])).content.decode()
    assert "Ничего не записано" in page


def test_with_a_user_go_forms_and_ledger(owner, superuser):
    from accounts.services import delete_user

    subscribe(owner)
    delete_user(user=owner, by=superuser)
    assert not Consent.objects.exists()
    assert not ConsentText.objects.exists()
    assert not SubscribeRequest.objects.exists()

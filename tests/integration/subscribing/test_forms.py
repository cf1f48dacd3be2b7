"""Forms as their owner makes them, in the cabinet."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailings.errors import Invalid, Refused
from mailings.messages.letter import READABLE, contrast, palette
from mailings.models import Consent, ConsentText, SubscribeForm
from mailings.models.subscribing import ConsentWay
from mailings.subscribing import services
from mailings.subscribing.questions import Kind, Question, name_for
from mailings.subscribing.services import FormInput
from mailings.subscribing.views.forms import subscribed
from mailings.suppression import fingerprints
from mailings.timing import clock
from tests import factories
from tests.integration.subscribing.conftest import post, send

pytestmark = pytest.mark.django_db


def sent(**fields):
    """Return what the page of a new form sends."""
    return {
        "name": "На сайте",
        "slug": "",
        "language": "ru",
        "title": "Подпишитесь",
        "intro": "",
        "button": "Хочу",
        "colour": "#0d5463",
        "name_asked": "optional",
        "consent": "Согласен.",
        "policy_url": "https://shop.example/policy",
        "thanks_text": "",
        "thanks_url": "",
        "is_open": "on",
        "q-TOTAL_FORMS": "2",
        "q-INITIAL_FORMS": "0",
        "q-0-label": "Ваш город",
        "q-0-kind": "choice",
        "q-0-choices": "Тверь, Казань,, Тверь",
        "q-0-name": "",
        "q-1-label": "",
        "q-1-kind": "text",
        "q-1-choices": "",
        "q-1-name": "",
    } | fields


@pytest.fixture
def signed_in(client, owner):
    client.force_login(owner)
    return client


def test_an_owner_makes_a_form_and_changes_it(signed_in, owner, lists):
    answer = signed_in.post(
        reverse("mailings:subscribe_form_create"), sent(lists=[row.pk for row in lists])
    )
    form = SubscribeForm.objects.get()
    assert answer.url == form.get_absolute_url()
    assert len(form.slug) == 18  # nobody guesses it
    assert set(form.lists.all()) == set(lists)
    assert form.questions == [
        {
            "name": "ваш_город",
            "label": "Ваш город",
            "kind": "choice",
            "required": False,
            "choices": ["Тверь", "Казань"],
        }
    ]
    page = signed_in.get(form.get_absolute_url()).content.decode()
    assert f"/s/{form.slug}/" in page
    assert "&lt;form action=" in page
    url = reverse("mailings:subscribe_form_update", args=[form.pk])
    assert "Тверь, Казань" in signed_in.get(url).content.decode()
    signed_in.post(url, sent(slug="dvor", consent="Другие слова.", **{"q-0-label": ""}))
    form.refresh_from_db()
    assert (form.slug, form.questions) == ("dvor", [])
    assert [(text.version, text.text) for text in form.consent_texts.order_by("version")] == [
        (1, "Согласен."),
        (2, "Другие слова."),
    ]


def test_saving_the_same_words_makes_no_version(owner, form):
    services.change_form(form=form, data=FormInput(title="Другой", consent="x"), by=owner)
    services.change_form(form=form, data=FormInput(title="Третий", consent="x"), by=owner)
    assert form.consent_texts.count() == 2


WRONG = [
    ({"slug": "ab"}, "slug"),
    ({"slug": "Кот"}, "slug"),
    ({"slug": "confirm"}, "slug"),
    ({"slug": "-abc"}, "slug"),
    ({"name": ""}, "name"),
    ({"consent": " \u200b"}, "consent"),
    ({"consent": "я" * 2001}, "consent"),
    ({"policy_url": "http://shop.example"}, "policy_url"),
    ({"thanks_url": "javascript:alert(1)"}, "thanks_url"),
    ({"thanks_url": "https://user@shop.example/"}, "thanks_url"),
    ({"thanks_url": "https://shop.example/\"; script-src *"}, "thanks_url"),
    ({"thanks_url": "//shop.example"}, "thanks_url"),
    ({"colour": "red"}, "colour"),
    ({"language": "de"}, "language"),
    ({"is_double": False}, "is_double"),
    ({"title": "я" * 121}, "title"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_what_a_form_may_not_be_is_said_at_its_field(owner, wrong, field):
    with pytest.raises(Invalid) as refusal:
        factories.make_form(owner, **wrong)
    assert list(refusal.value.faults.error_dict) == [field]
    assert not SubscribeForm.objects.exists()
    assert not ConsentText.objects.exists()


@pytest.mark.parametrize(
    "asked",
    [
        [Question(name="email", label="Ещё адрес")],
        [Question(name="began", label="Когда")],
        [Question(name="a b", label="Пробел")],
        [Question(name="a", label="Раз"), Question(name="a", label="Два")],
        [Question(name="a", label="Выбор", kind=Kind.CHOICE, choices=("один",))],
        [Question(name="a", label="")],
        [Question(name=f"a{n}", label="Много") for n in range(11)],
    ],
)
def test_questions_that_cannot_be_asked_are_refused(owner, asked):
    with pytest.raises(Invalid) as refusal:
        factories.make_form(owner, questions=asked)
    assert list(refusal.value.faults.error_dict) == ["questions"]


def test_a_variable_is_made_of_the_question():
    assert name_for("Ваш город?", []) == "ваш_город"
    assert name_for("Ваш город?", ["ваш_город"]) == "ваш_город_2"
    assert name_for("E-mail", []) == "e_mail"
    assert name_for("Email", []) == "email_2"
    assert name_for("!!!", []) == "answer"


def test_an_address_is_taken_once_over_all_owners(owner, stranger, form):
    with pytest.raises(services.DuplicateAddress):
        factories.make_form(stranger, slug=form.slug)


def test_lists_and_forms_of_others_are_out_of_reach(owner, stranger, form):
    with pytest.raises(PermissionDenied):
        factories.make_form(owner, lists=[factories.make_list(stranger)])
    with pytest.raises(PermissionDenied):
        services.change_form(form=form, data=FormInput(title="Чужой"), by=stranger)
    with pytest.raises(PermissionDenied):
        services.delete_form(form=form, by=stranger)


def test_there_are_so_many_forms_and_no_more(owner, monkeypatch):
    monkeypatch.setattr(services, "MOST_FORMS", 2)
    factories.make_form(owner)
    factories.make_form(owner)
    with pytest.raises(Refused):
        factories.make_form(owner)


@pytest.mark.parametrize(
    "colour", ["#ffffff", "#000000", "#ffff00", "#777777", "#0d5463", "#ff0000"]
)
def test_the_buttons_words_can_be_read_whatever_its_colour(colour):
    made = palette(colour)
    assert contrast(made["button"], made["on_button"]) >= READABLE
    assert contrast(made["dark_accent"], made["dark_on_accent"]) >= READABLE


def test_a_deleted_form_leaves_clients_and_proofs(client, owner, form):
    from django.core import mail

    from mailings.models import Client, Consent
    from tests.integration.subscribing.conftest import link_in

    post(client, form)
    send()
    client.post(link_in(mail.outbox[0]))
    client.force_login(owner)
    url = reverse("mailings:subscribe_form_delete", args=[form.pk])
    assert "подтверждением согласия" in client.get(url).content.decode()
    client.post(url)
    assert not SubscribeForm.objects.exists()
    assert Client.objects.count() == 1
    assert Consent.objects.get().text.text == "Я согласен получать письма."


def test_who_subscribes_twice_is_one_of_those_who_came(owner, form):
    for email in ("anna@example.org", "boris@example.org"):
        person = factories.make_client(owner, email=email)
        for _ in range(2):
            Consent.objects.create(
                owner=owner,
                client=person,
                address_hash=fingerprints.address_hash(email),
                way=ConsentWay.FORM,
                text=form.consent_text,
                created_at=clock.now(),
            )
    [shown] = subscribed(SubscribeForm.objects.all())
    assert shown.subscribed == 2


def test_the_list_of_forms_costs_the_same_for_one_and_for_many(signed_in, owner, lists):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert signed_in.get(reverse("mailings:subscribe_form_list")).status_code == 200
        return len(seen)

    factories.make_form(owner, lists=lists)
    few = queries()
    for _ in range(5):
        factories.make_form(owner, lists=lists)
    assert queries() == few


def test_an_operator_who_allows_it_sees_single_opt_in(signed_in, settings):
    url = reverse("mailings:subscribe_form_create")
    assert "is_double" not in signed_in.get(url).content.decode()
    settings.SINGLE_OPT_IN = True
    assert "is_double" in signed_in.get(url).content.decode()
    signed_in.post(url, sent())
    assert SubscribeForm.objects.get().is_double is False

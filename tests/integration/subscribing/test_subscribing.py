"""From a filled-in form to a client: by the letter's button, and by nothing else."""

import re
from datetime import timedelta
from html import unescape
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from mailings import audit
from mailings.clients import services as clients
from mailings.models import Client, Consent, SubscribeForm, SubscribeRequest, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.subscribing import letters, snippet
from mailings.suppression import stop_list
from tests import factories
from tests.integration.subscribing.conftest import (
    filled_in,
    letters_to,
    link_in,
    path_of,
    post,
    send,
)

pytestmark = pytest.mark.django_db


def subscribe(browser: Browser, form, **fields) -> str:
    """Fill in the form and return the path of the letter's button."""
    assert post(browser, form, **fields).status_code == 200
    send()
    return link_in(mail.outbox[-1])


# ---------------------------------------------------------------- the whole way


def test_a_visitor_becomes_a_client_by_the_letters_button(client, form, lists, owner):
    path = subscribe(client, form)
    assert not Client.objects.filter(owner=owner).exists()
    page = client.get(path)
    assert "anna@example.org" in page.content.decode()
    assert not Client.objects.filter(owner=owner).exists()  # scanners follow links
    assert "Вы подписаны" in client.post(path).content.decode()
    anna = Client.objects.get(owner=owner)
    assert (anna.email, anna.full_name) == ("anna@example.org", "Анна")
    assert list(anna.lists.all()) == lists[:1]
    assert anna.consent_source == f"Форма «{form.name}»"
    assert anna.consent_at is not None
    [line] = Consent.objects.filter(client=anna)
    assert (line.way, line.source, line.ip) == ("form", form.name, "203.0.113.7")
    assert line.text == form.consent_text
    assert line.given_at <= line.confirmed_at


def test_pages_take_no_session_and_set_no_cookie(form):
    browser = Browser(enforce_csrf_checks=True)
    assert browser.get(path_of(form)).cookies == {}
    answer = post(browser, form)
    assert answer.status_code == 200
    assert answer.cookies == {}
    send()
    answer = browser.post(link_in(mail.outbox[-1]))
    assert "Вы подписаны" in answer.content.decode()
    assert answer.cookies == {}
    assert browser.cookies == {}


def test_pages_are_stored_nowhere_and_found_by_no_search(client, form):
    path = subscribe(client, form)
    for address in (path_of(form), path):
        answer = client.get(address)
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert client.get(path)["Referrer-Policy"] == "no-referrer"


def test_a_second_press_changes_nothing(client, form, owner):
    path = subscribe(client, form)
    client.post(path)
    again = client.post(path)
    assert again.status_code == 200
    assert Consent.objects.count() == 1
    assert "уже нажали" in client.get(path).content.decode()


def test_a_button_works_for_seven_days(client, form, owner):
    path = subscribe(client, form)
    SubscribeRequest.objects.update(requested_at=timezone.now() - timedelta(days=7, minutes=1))
    assert client.get(path).status_code == 410
    assert client.post(path).status_code == 410
    assert not Client.objects.filter(owner=owner).exists()
    letters.prune(timezone.now() + timedelta(days=2))
    assert client.post(path).status_code == 410
    assert not SubscribeRequest.objects.exists()


@pytest.mark.parametrize("token", ["A" * 32, "x", "A" * 31 + "!", "é" * 32])
def test_a_token_that_was_not_made_here_is_a_404(client, blog, form, token):
    for page in ("confirm", "choices"):
        assert client.get(f"/s/{page}/{token}/").status_code == 404
        assert client.post(f"/s/{page}/{token}/").status_code == 404


def test_the_letter_of_a_known_person_confirms_nothing(client, form, owner):
    """Its token names a request, too; only its own page takes it."""
    client.post(subscribe(client, form))
    SubscribeRequest.objects.update(requested_at=timezone.now() - timedelta(days=2))
    SubscribeRequest.objects.update(letter_sent_at=timezone.now() - timedelta(days=2))
    path = subscribe(client, form)
    assert path.startswith("/s/choices/")
    assert client.post(path.replace("choices", "confirm")).status_code == 410


# ---------------------------------------------------------------- what is asked

CITY = {"name": "city", "label": "Город", "kind": "choice", "choices": ("Тверь", "Казань")}
QUESTIONS = [
    CITY | {"required": True},
    {"name": "born", "label": "Когда вы родились?", "kind": "date"},
    {"name": "pets", "label": "Сколько у вас кошек?", "kind": "number"},
    {"name": "shop", "label": "Вы были у нас?", "kind": "yes_no"},
    {"name": "wish", "label": "О чём писать?", "kind": "text"},
]


@pytest.fixture
def asking(owner, lists):
    from mailings.subscribing.questions import Kind, Question

    asked = [Question(**(one | {"kind": Kind(one["kind"])})) for one in QUESTIONS]
    return factories.make_form(owner, lists=lists, lets_choose=True, questions=asked)


ANSWERS = {"city": "Тверь", "born": "1990-02-28", "pets": "2,50", "shop": "yes", "wish": "О книгах"}


def test_answers_become_attributes_by_their_kind(client, asking, lists):
    client.post(subscribe(client, asking, lists=[lists[1].pk], **ANSWERS))
    anna = Client.objects.get()
    assert anna.attributes == {
        "city": "Тверь",
        "born": "1990-02-28",
        "pets": "2.5",
        "shop": "да",
        "wish": "О книгах",
    }
    assert list(anna.lists.all()) == [lists[1]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"city": "Псков"}, "Псков"),  # none of the answers
        ({"city": ""}, "Требуется заполнить"),
        ({"born": "вчера"}, "правильную дату"),
        ({"pets": "много"}, "Введите число"),
        ({"wish": "я" * 501}, "не более 500"),
        ({"wish": "a\x00b"}, "ноль-байт"),
        ({"email": "anna@localhost"}, "доменом целиком"),
        ({"email": "a@x.example,b@y.example"}, "адрес"),
        ({"agreed": ""}, "Без вашего согласия"),
        ({"lists": ["987654321"]}, "Выберите заново"),
        ({"lists": []}, "Выберите хотя бы"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client, asking, lists, wrong, words):
    given = {"lists": [lists[0].pk], **ANSWERS} | wrong
    page = post(client, asking, **given).content.decode()
    assert words in unescape(page)
    assert not SubscribeRequest.objects.exists()


def test_a_list_of_somebody_else_is_none_of_the_forms(client, asking, lists, stranger):
    foreign = factories.make_list(stranger)
    page = post(client, asking, lists=[lists[0].pk, foreign.pk], **ANSWERS)
    assert "Выберите заново" in page.content.decode()
    assert not SubscribeRequest.objects.exists()


def test_whoever_is_known_gets_the_new_answers_and_keeps_the_others(client, asking, owner, lists):
    anna = factories.make_client(
        owner, email="Anna@example.org", full_name="А.", attributes={"wish": "О цветах", "x": "1"}
    )
    anna.lists.add(lists[0])
    client.post(subscribe(client, asking, lists=[lists[1].pk], **(ANSWERS | {"wish": ""})))
    anna.refresh_from_db()
    assert anna.full_name == "Анна"
    assert anna.email == "Anna@example.org"
    assert anna.attributes["wish"] == "О цветах"
    assert anna.attributes["city"] == "Тверь"
    assert set(anna.lists.all()) == set(lists)


# ---------------------------------------------------------------- known, unsubscribed, complained


def known(owner, form):
    anna = factories.make_client(owner, email="anna@example.org", consent_source="договор")
    anna.lists.add(*form.lists.all())
    return anna


def test_a_known_address_gets_the_same_answer_and_another_letter(client, form, owner):
    known(owner, form)
    same = post(client, form).content
    other = post(client, form, email="boris@example.org").content
    assert without_nonce(same) == without_nonce(other)
    send()
    [letter] = letters_to("anna@example.org")
    assert "уже подписаны" in letter.subject
    [letter] = letters_to("boris@example.org")
    assert "Подтвердите" in letter.subject


def without_nonce(page: bytes) -> str:
    import re

    return re.sub(r'nonce="[^"]*"', "", page.decode())


def test_who_left_comes_back_by_the_button_only(client, form, owner):
    anna = known(owner, form)
    stop_list.suppress("anna@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    path = subscribe(client, form)
    assert "/s/confirm/" in path
    client.get(path)
    assert Suppression.objects.count() == 1
    client.post(path)
    assert not Suppression.objects.exists()
    [entry] = audit.entries_of(anna, audit.Action.TAKE_OFF_STOP_LIST)
    assert form.name in audit.reason_of(entry)
    assert Consent.objects.filter(client=anna, confirmed_at__isnull=False).count() == 1


@pytest.mark.parametrize("who", ["complained", "everybody"])
def test_a_complaint_and_what_is_for_everybody_stay(client, form, owner, who):
    stop_list.suppress(
        "anna@example.org",
        reason=SuppressionReason.COMPLAINED if who == "complained" else SuppressionReason.MANUAL,
        owner_id=owner.pk if who == "complained" else None,
    )
    assert post(client, form).status_code == 200
    assert send() == 0
    assert Suppression.objects.count() == 1


def test_a_complaint_between_letter_and_button_stays(client, form, owner):
    path = subscribe(client, form)
    stop_list.suppress("anna@example.org", reason=SuppressionReason.COMPLAINED, owner_id=owner.pk)
    assert "пока писем не получаете" in client.post(path).content.decode()
    assert Suppression.objects.count() == 1
    assert Consent.objects.count() == 1


def test_an_older_button_brings_nobody_back_and_says_why(client, form, owner):
    path = subscribe(client, form)
    client.post(path)
    stop_list.suppress("anna@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "Эта ссылка устарела" in answer.content.decode()
    assert Suppression.objects.count() == 1


def test_a_complaint_after_the_button_is_not_called_a_subscription(client, form, owner):
    path = subscribe(client, form)
    client.post(path)
    stop_list.suppress("anna@example.org", reason=SuppressionReason.COMPLAINED, owner_id=owner.pk)
    for answer in (client.get(path), client.post(path)):
        assert "пока писем не получаете" in answer.content.decode()


# ---------------------------------------------------------------- open and closed


@pytest.mark.parametrize("left", [0, 1])
def test_a_choice_whose_lists_were_deleted_still_takes_people_in(client, owner, lists, left):
    form = factories.make_form(owner, lists=lists, lets_choose=True)
    for row in lists[left:]:
        clients.delete_list(client_list=row, by=owner)
    chosen = [row.pk for row in lists[:left]]
    assert client.get(path_of(form)).status_code == 200
    client.post(subscribe(client, form, lists=chosen))
    assert list(Client.objects.get().lists.values_list("pk", flat=True)) == chosen


@pytest.mark.parametrize(
    "url",
    ["https://магазин.рф/спасибо", "https://shop.example;script-src/", "https://a,b.example/x"],
)
def test_an_address_of_thanks_leaves_the_policy_whole(client, form, url):
    SubscribeForm.objects.update(thanks_url=url)
    path = subscribe(client, form)
    policy = client.get(path)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    allowed = re.search(r"form-action ([^;]*)", policy)
    assert allowed
    assert allowed[1] in ("'self' https://xn--80aairftm.xn--p1ai", "'self'")
    assert "," not in policy
    assert client.post(path).status_code == 302


def test_a_blocked_owners_form_is_closed(client, form, owner):
    path = subscribe(client, form)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    answers = [client.get(path_of(form)), post(client, form), client.post(path)]
    assert [answer.status_code for answer in answers] == [410, 410, 410]
    assert "закрыта" in answers[0].content.decode()
    assert not Client.objects.exists()
    assert SubscribeRequest.objects.count() == 1


def test_a_closed_form_still_takes_in_who_filled_it_in_before(client, form):
    path = subscribe(client, form)
    type(form).objects.update(is_open=False)
    assert client.get(path_of(form)).status_code == 410
    assert post(client, form, email="b@example.org").status_code == 410
    assert client.post(path).status_code == 200
    assert Client.objects.count() == 1


def test_the_operator_decides_about_single_opt_in(client, form, settings, owner):
    settings.SINGLE_OPT_IN = True
    type(form).objects.update(is_double=False)
    assert "Вы подписаны" in post(client, form).content.decode()
    assert Client.objects.count() == 1
    assert Consent.objects.get().confirmed_at is None
    settings.SINGLE_OPT_IN = False
    post(client, form, email="boris@example.org")
    assert Client.objects.count() == 1
    assert send() == 1


@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_page_promises_the_letter_that_will_come(client, form, settings, is_allowed):
    """Also where the operator has taken the permission back since."""
    settings.SINGLE_OPT_IN = is_allowed
    type(form).objects.update(is_double=False, thanks_url="https://shop.example/thanks")
    page = client.get(path_of(form))
    assert ("Сначала придёт одно письмо" in page.content.decode()) is not is_allowed
    assert ("shop.example" in page["Content-Security-Policy"]) is is_allowed


def test_without_a_letter_nobody_changes_a_client_or_the_stop_list(client, form, settings, owner):
    settings.SINGLE_OPT_IN = True
    type(form).objects.update(is_double=False)
    factories.make_client(owner, email="anna@example.org", full_name="Анна Первая")
    stop_list.suppress("b@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    post(client, form, full_name="Кто-то")
    post(client, form, email="b@example.org")
    assert Client.objects.get().full_name == "Анна Первая"
    assert Suppression.objects.count() == 1
    assert send() == 2  # both are asked


def test_the_page_of_thanks_is_the_owners(client, form):
    type(form).objects.update(thanks_url="https://shop.example/thanks?a=1")
    path = subscribe(client, form)
    assert "form-action 'self' https://shop.example" in client.get(path)["Content-Security-Policy"]
    answer = client.post(path)
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.example/thanks?a=1")


# ---------------------------------------------------------------- the text that is agreed to


def test_who_saw_older_words_is_shown_the_new_ones(client, form, owner):
    from mailings.subscribing import services
    from mailings.subscribing.services import FormInput

    before = filled_in(form)
    services.change_form(form=form, data=FormInput(consent="Новые слова."), by=owner)
    page = client.post(path_of(form), before, REMOTE_ADDR="203.0.113.7").content.decode()
    assert "изменился" in page
    assert "Новые слова." in page
    assert "anna@example.org" in page
    assert not SubscribeRequest.objects.exists()


# ---------------------------------------------------------------- on another site


def test_the_html_for_other_sites_leads_to_the_forms_page(client, asking):
    html = snippet.html(asking)
    assert "<script" not in html
    assert "style=" not in html
    assert 'name="city"' in html
    assert html.count("\n\n") == 0
    answer = client.post(
        path_of(asking),
        {"email": "anna@example.org", "city": "Тверь", "website": ""},
        HTTP_ORIGIN="https://shop.example",
    )
    page = answer.content.decode()
    assert "Остался один шаг" in page
    assert 'value="anna@example.org"' in page
    assert '<option value="Тверь" selected>' in page
    assert not SubscribeRequest.objects.exists()


# ---------------------------------------------------------------- at the same moment


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_make_one_client(form, owner):
    path = subscribe(Browser(), form)
    start, answers = Barrier(4), []

    def press() -> None:
        start.wait()
        answers.append(Browser().post(path).status_code)
        connection.close()

    threads = [Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
    assert Client.objects.count() == Consent.objects.count() == 1

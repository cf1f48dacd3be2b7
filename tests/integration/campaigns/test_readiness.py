"""What must be right before mail leaves: the letter and the sender's name, at every door."""

from datetime import timedelta
from email import message_from_bytes, policy
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from mailings.addressing import senders
from mailings.campaigns import services
from mailings.campaigns.readiness import LetterNotReady, SenderNameMissing
from mailings.delivery.runs import composing, planning
from mailings.errors import Refused
from mailings.messages import preview, proofreading
from mailings.models import Mailing, Run
from mailings.states import Actor, MailingStatus
from tests import factories
from tests.integration.cabinet import mailing_data, make_cabinet, speak

NEW = reverse("mailings:mailing_create")
M = MailingStatus

FAULTY = {
    "sample link": {"body": '<p>Здравствуйте! <a href="https://example.org/">Узнать</a></p>'},
    "sample button": {"body": '<p>a</p><p class="button"><a href="https://www.example.org">b</a></p>'},
    "sample link in capitals": {"body": '<p><a href="HTTPS://EXAMPLE.ORG/x?y=1">b</a></p>'},
    "sample below a subdomain": {"body": '<p><a href="http://shop.example.com:8000/">b</a></p>'},
    "sample address": {"body": '<p><a href="mailto:info@example.net">b</a></p>'},
    "sample link as text": {"body": "<p>Смотрите https://example.org/novinki.</p>"},
    "sample link in the text version": {"text": "Ссылка: https://example.org/"},
    "unknown variable": {"body": "<p>{{ zzqq }}</p>"},
    "unclosed variable": {"subject": "Привет, {{ first_name"},
    "nothing": {"body": ""},
    "white space": {"body": "<p>&nbsp;</p><p>\u200b \u2800</p>"},
    "empty blocks": {"body": "<h2></h2><ul><li><p> </p></li></ul><hr><blockquote></blockquote>"},
    "a link without words": {"body": '<p><a href="https://shop.example/"></a></p>'},
    "no subject": {"subject": "\u200b "},
}  # fmt: skip


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    return make_cabinet(owner)


def draft(owner, **fields) -> Mailing:
    return factories.make_mailing(owner, clients=factories.make_clients(owner, 1), **fields)


def picture(owner, alt: str) -> str:
    return f'<p><img src="{factories.make_picture(owner).address}" alt="{alt}"></p>'


# ------------------------------------------------------------------ the letter


@pytest.mark.parametrize("kind", FAULTY)
def test_a_faulty_letter_is_neither_scheduled_nor_resumed(owner, kind):
    message = factories.make_message(owner, **FAULTY[kind])
    mailing = draft(owner, message=message)
    with pytest.raises(LetterNotReady):
        services.schedule_mailing(mailing=mailing, by=owner)
    Mailing.objects.update(status=M.PAUSED)
    mailing.refresh_from_db()
    with pytest.raises(LetterNotReady):
        services.resume_mailing(mailing=mailing, by=owner)
    assert not Run.objects.exists()


@pytest.mark.parametrize("kind", FAULTY)
def test_the_form_says_what_to_mend_and_where(client, owner, cabinet, kind):
    message = factories.make_message(owner, **FAULTY[kind])
    page = client.post(NEW, mailing_data(cabinet, message=message.pk))
    assert page.status_code == 200
    assert page.context["form"].errors["message"]
    assert reverse("mailings:message_update", args=[message.pk]) in page.content.decode()
    saved = client.post(NEW, mailing_data(cabinet, message=message.pk, action="save"))
    assert saved.status_code == 302  # a draft may wait for its letter
    page = client.get(saved.url).content.decode()
    assert "Before it can be sent:" in page
    assert reverse("mailings:mailing_schedule", args=[Mailing.objects.latest("pk").pk]) not in page


@pytest.mark.parametrize("kind", FAULTY)
def test_a_letter_spoilt_after_the_planning_pauses_the_mailing(owner, kind):
    mailing = draft(owner, frequency="daily")
    services.schedule_mailing(mailing=mailing, by=owner)
    for name, value in FAULTY[kind].items():
        setattr(mailing.message, name, value)
    mailing.message.save()
    assert planning.plan(timezone.now()) == 0
    mailing.refresh_from_db()
    assert (mailing.status, mailing.status_actor) == (M.PAUSED, Actor.SYSTEM)
    assert mailing.status_reason
    assert not Run.objects.exists()


def test_once_mended_it_goes_on(owner):
    mailing = draft(owner)
    services.schedule_mailing(mailing=mailing, by=owner)
    body, mailing.message.body = mailing.message.body, " "
    mailing.message.save()
    planning.plan(timezone.now())
    mailing.message.body = body
    mailing.message.save()
    mailing = Mailing.objects.get()
    services.resume_mailing(mailing=mailing, by=owner)
    assert planning.plan(timezone.now()) == 1


def test_a_picture_needs_a_word(owner):
    for alt, found in (("", 1), (" ", 1), ("Букет", 0)):
        message = factories.make_message(owner, body=picture(owner, alt))
        assert len(proofreading.faults(message)) == found


def test_a_picture_that_was_deleted_pauses_the_mailing(owner):
    image = factories.make_picture(owner)
    body = f'<p>Смотрите</p><p><img src="{image.address}" alt="Букет"></p>'
    mailing = draft(owner, message=factories.make_message(owner, body=body))
    services.schedule_mailing(mailing=mailing, by=owner)
    image.delete()
    assert planning.plan(timezone.now()) == 0
    assert Mailing.objects.get().status == M.PAUSED


@pytest.mark.parametrize(
    "body",
    [
        '<p><a href="https://shop.ru/?from=https://example.org/">Смотреть</a></p>',
        '<p><a href="https://myexample.org/">Смотреть</a></p>',
        '<p><a href="https://example.org.ru/">Смотреть</a></p>',
        "<p>{{ full_name }}</p>",
        '<p>{{ nobody_has_it|default:"друг" }}</p>',
    ],
)
def test_what_is_right_is_not_held_up(owner, body):
    assert proofreading.faults(factories.make_message(owner, body=body)) == []


def test_an_attribute_that_some_client_has_is_known_without_looking_at_all(owner):
    factories.make_client(owner, attributes={"city": "Тверь"})
    message = factories.make_message(owner, body="<p>{{ city }}, {{ first_name }}</p>")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert proofreading.faults(message) == []
    assert len(queries) <= 2
    assert not any("DISTINCT" in query["sql"] for query in queries)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"preheader": ""}, "There is no preheader"),
        ({"subject": "СКИДКИ ТОЛЬКО СЕГОДНЯ"}, "The subject is in capitals"),
        ({"subject": "Успейте!!!"}, "“!!!” in the subject"),
        ({"subject": "Заработок из дома"}, "“Заработок” in the subject"),
        ({"body": f"<p>{'я' * 20_000}</p>"}, "Gmail cuts off"),
    ],
)
def test_doubts_are_shown_and_block_nothing(client, owner, cabinet, fields, words):
    message = factories.make_message(owner, **({"preheader": "Коротко"} | fields))
    look = client.post(
        NEW,
        mailing_data(cabinet, message=message.pk, action=None),
        headers={"HX-Request": "true", "HX-Target": "forecast"},
    )
    assert words in look.content.decode()
    with translation.override("en"):
        read = preview.of(message, None)
        said = [p.message for p in proofreading.proofread(message, read).problems]
    assert any(words in text for text in said)
    assert client.post(NEW, mailing_data(cabinet, message=message.pk)).status_code == 302


def test_the_command_sends_no_faulty_letter_and_says_why(owner):
    mailing = draft(owner)
    services.schedule_mailing(mailing=mailing, by=owner)
    mailing.message.body = " "
    mailing.message.save()
    out = StringIO()
    call_command("sending_mail_command", mailing=mailing.pk, dry_run=True, stdout=out)
    assert "would be paused" in out.getvalue()
    with pytest.raises(CommandError, match=f"Mailing {mailing.pk} was paused"):
        call_command("sending_mail_command", mailing=mailing.pk, stdout=StringIO())
    assert not Run.objects.exists()


# ------------------------------------------------------------------ the sender's name


@pytest.fixture
def nameless(owner):
    owner.full_name = ""
    owner.save()
    return owner


@pytest.mark.parametrize("name", ["", "  ", "owner@example.org", "Ольга <olga@shop.ru>"])
def test_without_a_name_nothing_is_scheduled(nameless, name):
    mailing = draft(nameless, sender_name=name)
    with pytest.raises(SenderNameMissing) as refusal:
        services.schedule_mailing(mailing=mailing, by=nameless)
    assert isinstance(refusal.value, Refused)
    mailing.sender_name = "Книжный двор"
    mailing.save()
    services.schedule_mailing(mailing=mailing, by=nameless)


def test_the_form_asks_for_the_name_and_takes_no_address(client, nameless, cabinet):
    form = client.get(NEW).context["form"]
    assert not form["sender_name"].value()
    for name in ("", " ", nameless.email, "Двор (shop@mail.ru)"):
        page = client.post(NEW, mailing_data(cabinet, sender_name=name))
        assert page.context["form"].errors["sender_name"]
    assert client.post(NEW, mailing_data(cabinet, sender_name="Двор @ Тверь")).status_code == 302


def test_the_name_of_the_profile_is_enough(client, owner, cabinet):
    assert client.get(NEW).context["form"]["sender_name"].value() == owner.full_name
    assert client.post(NEW, mailing_data(cabinet, sender_name="")).status_code == 302


def test_a_mailing_planned_before_leaves_without_a_name_rather_than_with_an_address(nameless):
    mailing = draft(nameless, sender_name=nameless.email, status="created")
    Mailing.objects.filter(pk=mailing.pk).update(next_run_at=mailing.start_at)
    assert planning.plan(timezone.now()) == 1
    run = Run.objects.get()
    assert run.sender_name == ""
    assert nameless.email not in run.html.replace(run.reply_to, "")
    mail = composing.render(composing.compile_run(run), run.deliveries.get(), timezone.now())
    sender = message_from_bytes(mail, policy=policy.default)["From"].addresses[0]
    assert sender.display_name == ""


@pytest.mark.parametrize(
    "name", ["Смит, Джон", 'ООО "Ромашка"', "Acme, Inc. <best>", "Двор; «Книги»"]
)
def test_commas_and_quotes_stay_in_one_name(owner, name):
    mailing = draft(owner, sender_name=name)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    run = Run.objects.get()
    mail = composing.render(composing.compile_run(run), run.deliveries.get(), timezone.now())
    message = message_from_bytes(mail, policy=policy.default)
    [sender] = message["From"].addresses
    assert sender.display_name == name
    assert len(message["To"].addresses) == 1


def test_no_preview_shows_an_address_for_a_name(nameless):
    message = factories.make_message(nameless)
    assert senders.name_of("", nameless) == ""
    assert preview.content_of(message).sender_name == ""
    assert nameless.email not in preview.of(message, factories.make_client(nameless)).html


def test_a_window_of_two_days_is_no_way_around(owner):
    """The letter is looked at when the run begins, not only when it was agreed to."""
    mailing = draft(owner)
    services.schedule_mailing(mailing=mailing, by=owner, hold=timedelta(days=2))
    mailing.message.body = FAULTY["sample link"]["body"]
    mailing.message.save()
    assert planning.plan(timezone.now() + timedelta(days=3)) == 0

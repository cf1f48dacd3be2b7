"""Drafts of messages: kept while one writes, and nobody writes over what they have not seen."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client as Browser
from django.urls import reverse

from mailings import tasks
from mailings.messages import drafts
from mailings.models import Message, MessageDraft
from mailings.timing import clock
from mailings.web import kept_forms
from tests import factories
from tests.integration.cabinet import make_cabinet

AUTOSAVE = reverse("mailings:message_autosave")
NEW = reverse("mailings:message_create")
TEXT = {"subject": "Новое", "preheader": "", "layout": "letter", "body": "<p>Труд</p>", "text": ""}
pytestmark = pytest.mark.django_db


@pytest.fixture
def message(owner) -> Message:
    return factories.make_message(owner, subject="Старое", body="<p>Было</p>")


def edit(message: Message) -> str:
    return reverse("mailings:message_update", args=[message.pk])


def keep(client, message: Message | None = None, **fields):
    about = {"message": message.pk, "seen": message.version} if message else {"draft": "k1"}
    return client.post(AUTOSAVE, TEXT | about | fields)


def test_a_draft_is_kept_beside_the_message_and_shown_in_its_form(client, owner, message):
    client.force_login(owner)
    answer = keep(client, message)
    assert answer.status_code == 200
    assert answer.json()["revision"]
    message.refresh_from_db()
    assert (message.subject, message.body, message.version) == ("Старое", "<p>Было</p>", 1)
    page = client.get(edit(message))
    assert page.context["form"]["body"].value() == "<p>Труд</p>"
    assert page.context["draft"].content["subject"] == "Новое"
    preview = client.get(reverse("mailings:message_preview", args=[message.pk]))
    assert "Труд" not in preview.content.decode()


def test_saving_makes_the_draft_the_message_and_deletes_it(client, owner, message):
    client.force_login(owner)
    revision = keep(client, message).json()["revision"]
    client.post(edit(message), TEXT | {"message": message.pk, "seen": 1, "revision": revision})
    message.refresh_from_db()
    assert (message.subject, message.version) == ("Новое", 2)
    assert not MessageDraft.objects.exists()


def test_a_draft_of_a_new_message_is_kept_listed_and_becomes_a_message(client, owner):
    client.force_login(owner)
    revision = keep(client).json()["revision"]
    assert keep(client, revision=revision, body="<p>Дальше</p>").status_code == 200
    assert "?draft=k1" in client.get(reverse("mailings:message_list")).content.decode()
    page = client.get(NEW, {"draft": "k1"})
    assert page.context["form"]["body"].value() == "<p>Дальше</p>"
    assert list(page.context["waiting_drafts"]) == []
    assert len(client.get(NEW).context["waiting_drafts"]) == 1
    fields = page.context["keeping"]
    client.post(NEW, TEXT | fields)
    assert Message.objects.get().subject == "Новое"
    assert not MessageDraft.objects.exists()


def test_the_draft_of_another_tab_is_not_written_over(client, owner, message):
    client.force_login(owner)
    first = keep(client, message).json()["revision"]
    answer = keep(client, message, body="<p>Второй</p>")
    other = answer.json()["other"]
    assert other["content"]["body"] == "<p>Труд</p>"
    assert other["revision"] == first
    assert MessageDraft.objects.get().content["body"] == "<p>Труд</p>"
    # Who has seen it may.
    assert "other" not in keep(client, message, body="<p>Второй</p>", revision=first).json()
    # And now the first one has not.
    assert "other" in keep(client, message, body="<p>Опять</p>", revision=first).json()


def test_the_same_text_from_two_tabs_is_no_conflict(client, owner, message):
    client.force_login(owner)
    first = keep(client, message).json()["revision"]
    assert keep(client, message).json()["revision"] == first


def test_a_message_saved_meanwhile_is_shown_and_not_written_over(client, owner, message):
    client.force_login(owner)
    client.post(edit(message), TEXT | {"seen": 1, "body": "<p>Первый</p>"})
    page = client.post(edit(message), TEXT | {"seen": 1, "body": "<p>Второй</p>"})
    assert page.status_code == 200
    versions = page.context["versions"]
    assert versions["theirs"]["text"] == "Первый\n"
    assert versions["mine"]["text"] == "Второй\n"
    assert page.context["form"]["body"].value() == "<p>Второй</p>"
    message.refresh_from_db()
    assert message.body == "<p>Первый</p>"
    # Sent once more, it has been seen.
    fields = page.context["keeping"]
    client.post(edit(message), TEXT | fields | {"body": "<p>Второй</p>"})
    message.refresh_from_db()
    assert (message.body, message.version) == ("<p>Второй</p>", 3)


def test_autosave_after_somebody_saved_shows_the_saved_text(client, owner, message):
    client.force_login(owner)
    client.post(edit(message), TEXT | {"seen": 1, "body": "<p>Первый</p>"})
    answer = client.post(AUTOSAVE, TEXT | {"message": message.pk, "seen": 1})
    assert answer.json()["other"]["content"]["body"] == "<p>Первый</p>"
    assert answer.json()["other"]["seen"] == 2
    assert not MessageDraft.objects.exists()


def test_saving_one_tab_keeps_the_newer_draft_of_the_other(client, owner, message):
    client.force_login(owner)
    first = keep(client, message).json()["revision"]
    keep(client, message, body="<p>Из второй</p>", revision=first)
    client.post(edit(message), TEXT | {"seen": 1, "revision": first})
    assert MessageDraft.objects.get().content["body"] == "<p>Из второй</p>"
    page = client.get(edit(message))
    assert page.context["form"]["body"].value() == "<p>Из второй</p>"
    page = client.post(edit(message), TEXT | page.context["keeping"] | {"body": "<p>Ещё</p>"})
    assert page.context["versions"]["theirs"]["subject"] == "Новое"


def test_a_form_of_an_older_door_that_tells_no_version_still_saves(client, owner, message):
    client.force_login(owner)
    assert client.post(edit(message), TEXT).status_code == 302
    message.refresh_from_db()
    assert message.subject == "Новое"


def test_the_text_of_a_deleted_message_is_offered_as_a_new_one(client, owner, message):
    client.force_login(owner)
    keep(client, message)
    url, pk = edit(message), message.pk
    message.delete()
    assert not MessageDraft.objects.exists()
    assert client.post(AUTOSAVE, TEXT | {"message": pk, "seen": 1}).status_code == 404
    page = client.post(url, TEXT | {"message": pk, "seen": 1})
    assert page.status_code == 404
    said = page.content.decode()
    assert f'action="{NEW}"' in said
    assert "Труд" in said
    client.post(NEW, TEXT | page.context["keeping"])
    assert Message.objects.get().subject == "Новое"


def test_a_text_sent_to_somebody_elses_message_is_answered_as_to_none(client, stranger, message):
    client.force_login(stranger)
    page = client.post(edit(message), TEXT | {"seen": 1})
    assert page.status_code == 404
    assert "Было" not in page.content.decode()
    message.refresh_from_db()
    assert message.subject == "Старое"


def test_a_mailing_that_began_meanwhile_is_told_and_keeps_its_text(client, owner, message):
    client.force_login(owner)
    opened = int(clock.now().timestamp()) - 60
    mailing = factories.make_mailing(owner, message=message, name="Осенняя", status="running")
    run = factories.make_run(mailing, html="<p>Было</p>")
    answer = keep(client, message, opened=opened)
    assert "Осенняя" in answer.json()["started"]
    page = client.post(edit(message), TEXT | {"seen": 1, "opened": opened}, follow=True)
    assert any("Осенняя" in str(said) for said in page.context["messages"])
    run.refresh_from_db()
    assert run.html == "<p>Было</p>"
    assert "started" not in keep(client, message, seen=2, opened=opened + 3600).json()


def test_drafts_are_the_owners_alone(client, owner, stranger, message):
    client.force_login(owner)
    keep(client, message)
    keep(client)
    client.force_login(stranger)
    assert "k1" not in client.get(reverse("mailings:message_list")).content.decode()
    page = client.get(NEW, {"draft": "k1"})
    assert page.context["draft"] is None
    assert keep(client).status_code == 200  # a draft of their own by the same key
    client.post(reverse("mailings:message_discard"), {"draft": "k1"})
    assert MessageDraft.objects.filter(owner=owner).count() == 2


def test_a_blocked_owner_keeps_nothing(client, owner, message):
    client.force_login(owner)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    assert keep(client, message).status_code == 302
    with pytest.raises(PermissionDenied):
        drafts.keep(
            owner=owner, message=message, key="", content=TEXT, seen=1, revision="", now=clock.now()
        )


def test_drafts_have_bounds(client, owner):
    client.force_login(owner)
    answer = keep(client, body="a" * drafts.MOST)
    assert answer.json()["refused"]
    for number in range(drafts.MOST_NEW):
        assert keep(client, draft=f"d{number}").json()["revision"]
    assert keep(client, draft="more").json()["refused"]
    assert MessageDraft.objects.count() == drafts.MOST_NEW


def test_going_back_to_what_is_saved_deletes_the_draft(client, owner, message):
    client.force_login(owner)
    keep(client, message)
    client.post(reverse("mailings:message_discard"), {"message": message.pk})
    assert client.get(edit(message)).context["form"]["subject"].value() == "Старое"
    assert not MessageDraft.objects.exists()


def test_typing_it_back_deletes_the_draft(client, owner, message):
    client.force_login(owner)
    revision = keep(client, message).json()["revision"]
    same = drafts.content_of(message) | {"revision": revision}
    assert keep(client, message, **same).json()["revision"] == ""
    assert not MessageDraft.objects.exists()


def test_old_drafts_are_pruned_and_young_ones_stay(owner, message):
    now = clock.now()
    for key, age in (("old", drafts.KEPT + timedelta(hours=1)), ("young", timedelta(days=1))):
        drafts.keep(
            owner=owner, message=None, key=key, content=TEXT, seen=0, revision="", now=now - age
        )
    tasks.prune_drafts.call_local()
    assert [draft.key for draft in MessageDraft.objects.all()] == ["young"]


def test_keeping_takes_few_queries(client, owner, message, django_assert_max_num_queries):
    client.force_login(owner)
    revision = keep(client, message).json()["revision"]
    with django_assert_max_num_queries(8):
        keep(client, message, revision=revision, body="<p>x</p>", opened=1)


# ---------------------------------------------------------------- forms without a session
def fresh_form(client, url: str) -> dict[str, str]:
    page = client.get(url)
    return {"writer": page.context["writer"], "form_token": page.context["form_token"]}


@pytest.mark.parametrize(
    ("url", "fields", "field"),
    [
        (NEW, TEXT, "body"),
        (reverse("mailings:client_create"), {"email": "a@b.ru", "comment": "x\ny"}, "comment"),
        (reverse("mailings:mailing_create"), {"name": "Осень", "action": "schedule"}, "name"),
    ],
)
def test_a_form_sent_without_a_session_comes_back_after_signing_in(
    client, owner, url, fields, field
):
    make_cabinet(owner)  # without a client and a letter there is no form of a mailing
    messages = Message.objects.count()
    client.force_login(owner)
    hidden = fresh_form(client, url)
    client.logout()
    answer = client.post(url, fields | hidden)
    assert answer.url.startswith(reverse("account_login"))
    client.force_login(owner)
    page = client.get(reverse("mailings:kept_form"))
    kept = dict(page.context["kept"]["fields"])
    assert kept[field] == fields[field]
    assert "action" not in kept
    shown = client.post(page.context["kept"]["path"], kept | {"action": "again"})
    assert shown.status_code == 200
    assert shown.context["form"][field].value() == fields[field]
    assert Message.objects.count() == messages


def test_a_live_part_of_a_form_says_that_one_is_signed_out_and_does_not_reload_it(client, owner):
    make_cabinet(owner)
    url = reverse("mailings:mailing_create")
    client.force_login(owner)
    hidden = fresh_form(client, url)
    client.logout()
    answer = client.post(url, {"name": "Осень"} | hidden, headers={"hx-request": "true"})
    assert answer.headers["HX-Trigger"] == "signed-out"
    assert "HX-Refresh" not in answer.headers
    assert client.post(url, headers={"hx-request": "true"}).headers["HX-Refresh"] == "true"


def test_what_was_kept_is_shown_to_nobody_else(client, owner, stranger):
    client.force_login(owner)
    hidden = fresh_form(client, NEW)
    client.logout()
    client.post(NEW, TEXT | hidden)
    client.force_login(stranger)
    page = client.get(reverse("mailings:kept_form"))
    assert page.status_code == 302
    assert kept_forms._SESSION not in client.session


def test_a_stranger_makes_no_session_with_a_form(client):
    client.post(NEW, TEXT | {"writer": "1:forged"})
    assert not client.session.keys()


def test_an_old_token_gives_the_text_back_on_our_own_page_alone(owner):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(owner)
    page = browser.get(NEW)
    fields = TEXT | {"writer": page.context["writer"], "csrfmiddlewaretoken": "x" * 64}
    own = browser.post(NEW, fields, headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 403
    assert "&lt;p&gt;Труд&lt;/p&gt;" in own.content.decode()
    foreign = browser.post(NEW, fields, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert "Труд" not in foreign.content.decode()


def test_the_session_page_tells_who_is_signed_in_and_renews_the_token(client, owner):
    url = reverse("mailings:session")
    assert client.get(url).status_code == 302
    client.force_login(owner)
    answer = client.get(url)
    assert answer.json()["user"] == owner.pk
    assert len(answer.json()["token"]) == 64
    assert "no-store" in answer["Cache-Control"]


def test_the_link_window_is_answered_in_words(client, owner):
    client.force_login(owner)
    url = reverse("mailings:message_link")
    assert client.get(url, {"href": "tel:+74951234567"}).json()["href"] == "tel:+74951234567"
    slip = client.get(url, {"href": "htps://shop.example"}).json()
    assert (slip["href"], slip["instead"]) == ("", "https://shop.example")
    assert slip["fault"]

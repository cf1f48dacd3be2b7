"""Messages in the cabinet: written, checked, previewed, deleted."""

import pytest
from django.urls import reverse

from mailings.models import Message
from tests import factories
from tests.integration.cabinet import in_language, make_cabinet, speak

NEW = reverse("mailings:message_create")
SOUND = {"subject": "Новости", "preheader": "", "body": "<p>Здравствуйте, {{ full_name }}</p>"}


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return make_cabinet(owner)


def test_a_message_is_written_and_changed(client, owner, cabinet):
    client.post(NEW, SOUND)
    written = Message.objects.get(subject="Новости")
    assert written.owner == owner
    before = written.updated_at
    client.post(
        reverse("mailings:message_update", args=[written.pk]), SOUND | {"subject": "Другое"}
    )
    written.refresh_from_db()
    assert written.subject == "Другое"
    assert written.updated_at > before


def test_the_text_is_stored_without_scripts(client, cabinet):
    body = '<p onclick="x()">Раз<script>alert(1)</script><a href="javascript:x()">два</a></p>'
    client.post(NEW, SOUND | {"body": '<p onclick="x()">Раз<script>alert(1)</script></p>'})
    assert Message.objects.latest("pk").body == "<p>Раз</p>"
    page = client.post(NEW, SOUND | {"body": body})
    assert page.context["form"].errors["body"]


UNKNOWN = "No client has “%(name)s”. Known are: %(known)s."


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("subject", "Привет, {{ zzqq }}"),
        ("preheader", "{{ zzqq }}"),
        ("body", "<p>{{ zzqq }}</p>"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_known_ones(
    client, owner, cabinet, language, field, text
):
    speak(owner, language)
    factories.make_client(owner, attributes={"card": "7"})
    page = client.post(NEW, SOUND | {field: text})
    (said,) = page.context["form"].errors[field]
    assert said.startswith(in_language(language, UNKNOWN).partition("%")[0])
    assert "zzqq" in said
    assert "full_name" in said
    assert "card" in said
    assert "zzqq" in page.content.decode()
    assert not Message.objects.filter(**{field: text}).exists()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_an_unclosed_variable_is_an_error(client, owner, cabinet, language):
    speak(owner, language)
    page = client.post(NEW, SOUND | {"subject": "Привет, {{ full_name"})
    said = in_language(language, "“%(text)s” is not closed. Put }} behind the name.")
    assert page.context["form"].errors["subject"][0].endswith(said.rpartition("%(text)s")[2])


def test_an_attribute_of_a_client_may_be_used(client, owner, cabinet):
    factories.make_client(owner, attributes={"card": "7"})
    client.post(NEW, SOUND | {"subject": "Карта {{ card }}"})
    assert Message.objects.filter(subject="Карта {{ card }}").exists()


def test_an_attribute_of_somebody_elses_client_is_unknown(client, owner, stranger, cabinet):
    factories.make_client(stranger, attributes={"secret_card": "7"})
    page = client.post(NEW, SOUND | {"subject": "{{ secret_cart }}"})
    assert "secret_card" not in page.content.decode().replace("secret_cart", "")


@pytest.mark.parametrize("field", ["subject", "preheader"])
def test_a_line_break_in_a_header_is_refused(client, cabinet, field):
    page = client.post(NEW, SOUND | {field: "Новости\r\nBcc: b@y.ru"})
    assert page.context["form"].errors[field]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_message_in_use_is_not_deleted_and_the_mailing_is_named(client, owner, cabinet, language):
    speak(owner, language)
    url = reverse("mailings:message_delete", args=[cabinet.message.pk])
    page = client.post(url, follow=True)
    assert Message.objects.filter(pk=cabinet.message.pk).exists()
    refusal = in_language(
        language,
        "The message is used by %(mailings)s. Delete those first or give them another message.",
    )
    said = [str(message) for message in page.context["messages"]]
    assert said[0].startswith(refusal.partition("%")[0])
    assert cabinet.mailing.name in said[0]


def test_an_unused_message_is_deleted_after_asking(client, owner):
    client.force_login(owner)
    unused = factories.make_message(owner)
    url = reverse("mailings:message_delete", args=[unused.pk])
    assert client.get(url).status_code == 200
    client.post(url)
    assert not Message.objects.filter(pk=unused.pk).exists()


def test_the_preview_is_what_the_chosen_client_gets(client, owner, cabinet):
    reader = factories.make_client(owner, full_name="Ким <b>Анна</b>")
    letter = factories.make_message(owner, body="<p>Вам, {{ full_name }}</p>")
    url = reverse("mailings:message_preview", args=[letter.pk])
    page = client.get(url, {"client": reader.pk})
    assert "Вам, Ким &lt;b&gt;Анна&lt;/b&gt;" in page.content.decode()
    assert client.get(url).status_code == 200


def test_the_preview_may_run_nothing(client, cabinet):
    page = client.get(reverse("mailings:message_preview", args=[cabinet.message.pk]))
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy
    assert page["X-Frame-Options"] == "SAMEORIGIN"


def test_the_preview_without_clients_is_made_for_the_owner(client, stranger):
    client.force_login(stranger)
    letter = factories.make_message(stranger, body="<p>Вам, {{ full_name }}</p>")
    page = client.get(reverse("mailings:message_preview", args=[letter.pk]))
    assert f"Вам, {stranger.full_name}" in page.content.decode()


def test_the_editor_comes_with_nonces_only(client, cabinet):
    page = client.get(NEW)
    nonce = page["Content-Security-Policy"].split("'nonce-")[1].split("'")[0]
    scripts = page.content.decode().split("<script")[1:]
    assert scripts
    for script in scripts:
        tag = script.split(">")[0]
        assert f'nonce="{nonce}"' in tag or "application/json" in tag


@pytest.mark.parametrize(("language", "named"), [("ru", "[имя]"), ("en", "[first name]")])
def test_a_subject_is_named_as_a_reader_understands_it(client, owner, language, named):
    speak(owner, language)
    subject = '{{ first_name|default:"друг" }}, новости'
    letter = factories.make_message(owner, subject=subject)
    client.force_login(owner)
    for path in (
        reverse("mailings:message_list"),
        reverse("mailings:message_delete", args=[letter.pk]),
    ):
        page = client.get(path).text
        assert f"{named}, новости" in page
        assert "{{" not in page
    crumbs = client.get(reverse("mailings:message_update", args=[letter.pk])).text
    assert f">{named}, новости</a>" in crumbs

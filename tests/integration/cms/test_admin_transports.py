"""Mail services in the admin: managers look, a superuser changes, and a secret never comes out."""

import re

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from wagtail.models import ModelLogEntry

from mailings.cms import examining, transport_form
from mailings.delivery.queue import daily_limit
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.delivery.transports.smtp.probe import Finding
from mailings.models import Transport
from tests.http_api import HttpApi, reply
from tests.integration.cabinet import in_language, speak
from tests.servers import free_port
from tests.smtpd import SmtpServer

SECRET = "s3cret/%"
URL = "smtps://user:s3cret%2F%25@mx.example.org:465?local_name=us.example.org"
SHOWN = "smtps://mx.example.org:465?local_name=us.example.org"
ADD = reverse("cms_transport:add")


@pytest.fixture
def relay(db) -> Transport:
    return Transport.objects.create(name="Relay", url=URL, last_ok_at=timezone.now())


def url_of(view: str, transport: Transport) -> str:
    return reverse(f"cms_transport:{view}", args=[transport.pk])


def fields(**changes: object) -> dict[str, object]:
    """Return the form as a browser posts it, nothing changed."""
    data = {
        "name": "Relay",
        "is_active": "on",
        "address": SHOWN,
        "user": "user",
        "password": "",
        "max_connections": "1",
        "mails_per_connection": "200",
        "rate_per_minute": "",
        "domain_limits": "",
    } | changes
    return {name: value for name, value in data.items() if value is not None}


def post(client, transport: Transport, **changes: object):
    response = client.post(url_of("edit", transport), fields(**changes))
    transport.refresh_from_db()
    return response


# ---------------------------------------------------------------- who


def test_a_manager_reads_state_and_limits_and_changes_nothing(client, manager, relay):
    Transport.objects.update(
        rate_per_minute=600, domain_limits="gmail.com 60", breaker_state="open",
        last_error="auth: 535 5.7.8 no",
    )  # fmt: skip
    client.force_login(manager)
    page = client.get(url_of("inspect", relay)).content.decode()
    for shown in ("600", "gmail.com 60", "535 5.7.8 no", "smtps://mx.example.org:465"):
        assert shown in page
    for view in ("edit", "test"):
        assert url_of(view, relay) not in page
        assert client.post(url_of(view, relay), fields(name="Mine")).status_code == 302
    assert ADD not in client.get(reverse("cms_transport:index")).content.decode()
    client.post(ADD, fields(name="Mine"))
    assert list(Transport.objects.values_list("name", flat=True)) == ["Relay"]


# ---------------------------------------------------------------- secrets


def test_a_secret_is_never_shown_back(client, superuser, relay):
    client.force_login(superuser)
    pages = [client.get(url_of(view, relay)) for view in ("inspect", "edit", "history", "test")]
    pages.append(client.get(reverse("cms_transport:index")))
    # Also not in a form that was refused.
    pages.append(client.post(url_of("edit", relay), fields(name="", password="other-s3cret")))
    pasted = f"smtps://user:{SECRET}@mx.example.org"
    pages.append(client.post(url_of("edit", relay), fields(name="", address=pasted)))
    for response in pages:
        assert response.status_code == 200
        assert "s3cret" not in response.content.decode()
    assert f'value="{SHOWN}"' in pages[1].content.decode()


def test_an_empty_password_keeps_the_present_one(client, superuser, relay):
    client.force_login(superuser)
    post(client, relay, name="Relay 2", max_connections="4", is_active=None)
    assert (relay.name, relay.max_connections, relay.is_active) == ("Relay 2", 4, False)
    assert SmtpConfig.from_url(relay.url) == SmtpConfig.from_url(URL)
    post(client, relay, address="smtp+tls://mx.example.org:587")
    config = SmtpConfig.from_url(relay.url)
    assert (config.port, config.user, config.password) == (587, "user", SECRET)


@pytest.mark.parametrize(
    "changes", [{"address": "smtps://mx.evil.example"}, {"user": "somebody"}], ids=str
)
def test_the_password_does_not_follow_to_another_server_or_user(client, superuser, relay, changes):
    client.force_login(superuser)
    response = post(client, relay, **changes)
    assert response.context["form"].errors["password"]
    assert relay.url == URL
    post(client, relay, **changes, password="new: wörd")
    assert SmtpConfig.from_url(relay.url).password == "new: wörd"


def test_without_a_user_the_password_is_forgotten(client, superuser, relay):
    client.force_login(superuser)
    post(client, relay, user="")
    assert relay.url == SHOWN


def test_a_pasted_address_is_taken_apart(client, superuser, relay):
    client.force_login(superuser)
    post(client, relay, address="smtps://me%40x.org:n%3Aw@mx.example.org", user="", password="")
    config = SmtpConfig.from_url(relay.url)
    assert (config.user, config.password, config.host) == ("me@x.org", "n:w", "mx.example.org")


API = "unisender-go+https://go1.unisender.ru/ru/transactional/api/v1"


@pytest.mark.parametrize("sign_in", [":k3y@", "k3y@"])
def test_an_http_api_wants_its_key_and_shows_it_to_nobody(client, superuser, relay, sign_in):
    client.force_login(superuser)
    refused = post(client, relay, address=API, user="", password="")
    assert refused.context["form"].errors["password"]  # the present one is for another server
    post(client, relay, address=API.replace("//", f"//{sign_in}"), user="", password="")
    assert relay.url == API.replace("//", "//:k3y@")
    for view in ("edit", "inspect"):
        assert "k3y" not in client.get(url_of(view, relay)).content.decode()
    post(client, relay, address=API, user="", password="", max_connections="3")  # the key is kept
    assert relay.url == API.replace("//", "//:k3y@")


@pytest.mark.parametrize(
    "address",
    [
        "pigeon+https://api.example.org", "postmark+http://api.example.org",
        "mailjet+https://api.mailjet.com/v3.1", "postmark+https://api.example.org?colour=blue",
    ],
)  # fmt: skip
def test_an_http_api_that_cannot_be_used_is_refused(client, superuser, relay, address):
    client.force_login(superuser)
    refused = post(client, relay, address=address, user="", password="k3y")
    (words,) = refused.context["form"].errors["address"]
    assert "SMTP" not in words
    assert relay.url == URL


def test_the_connection_to_an_http_api_is_tested_without_its_key(client, superuser, relay):
    client.force_login(superuser)
    speak(superuser, "en")
    with HttpApi(reply(404)) as api:
        Transport.objects.update(url=api.url())
        page = client.post(url_of("test", relay)).content.decode()
        assert "The HTTP API answers within" in page
        assert "send yourself a test" in page
        assert "s3cret" not in f"{api.requests}{page}"
    page = client.post(url_of("test", relay)).content.decode()
    assert "No session: it ended at “reaching the mail service”" in page
    assert "refused" in page


def test_an_empty_address_means_the_setting_and_only_once(client, superuser, relay):
    client.force_login(superuser)
    post(client, relay, address="", user="")
    assert relay.url == ""
    other = Transport.objects.create(name="Other", url="smtp://mx2.example.org")
    refused = post(client, other, name="Other", address="", user="")
    assert refused.context["form"].errors["address"]
    assert other.url == "smtp://mx2.example.org"


# ---------------------------------------------------------------- change and add


def test_health_that_workers_write_meanwhile_is_kept(client, superuser, relay, monkeypatch):
    client.force_login(superuser)
    clean = transport_form.TransportForm.clean

    def and_meanwhile(form):
        Transport.objects.filter(pk=relay.pk).update(breaker_failures=7, last_error="421 busy")
        return clean(form)

    monkeypatch.setattr(transport_form.TransportForm, "clean", and_meanwhile)
    post(client, relay, name="Renamed")
    assert (relay.name, relay.breaker_failures, relay.last_error) == ("Renamed", 7, "421 busy")


def test_another_service_is_added(client, superuser, relay):
    client.force_login(superuser)
    assert ADD in client.get(reverse("cms_transport:index")).content.decode()
    response = client.post(
        ADD,
        fields(
            name="Second", address="smtp+tls://mx2.example.org", user="u", password=SECRET,
            max_connections="20", rate_per_minute="6000", mails_per_connection="50",
            domain_limits="Mail.ru 300\ngmail.com  600",
        ),
    )  # fmt: skip
    added = Transport.objects.get(name="Second")
    assert response.url == url_of("inspect", added)
    assert SmtpConfig.from_url(added.url).password == SECRET
    assert (added.max_connections, added.rate_per_minute) == (20, 6000)
    assert (added.mails_per_connection, added.domain_limits) == (50, "gmail.com 600\nmail.ru 300")


def test_a_warm_up_begins_anew_when_its_first_day_is_changed(client, superuser, relay):
    client.force_login(superuser)
    day = daily_limit.today(relay, timezone.now()).day
    Transport.objects.update(
        warm_up_from=200, warm_up_step=3, mails_per_day=5000, counted=900, counted_on=day
    )
    post(client, relay, warm_up_from="200", mails_per_day="6000")
    assert (relay.mails_per_day, relay.warm_up_step, relay.counted) == (6000, 3, 900)
    assert "900" in client.get(url_of("inspect", relay)).content.decode()
    post(client, relay, warm_up_from="500", mails_per_day="")
    assert (relay.mails_per_day, relay.warm_up_from, relay.warm_up_step) == (None, 500, 0)
    assert relay.counted == 900, "what went today has gone"


def test_changes_are_logged_by_field_without_values(client, superuser, relay):
    client.force_login(superuser)
    speak(superuser, "en")
    post(client, relay, max_connections="4", password="new-s3cret")
    entry = ModelLogEntry.objects.for_instance(relay).get()
    assert (entry.action, entry.user) == ("mailings.change", superuser)
    assert entry.data["reason"] == "Password, Connections"
    client.post(ADD, fields(name="Second", address="smtp://mx2.example.org", user=""))
    added = ModelLogEntry.objects.get(action="mailings.create")
    assert "mx2" not in f"{added.label}{added.data}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "http://mx.example.org"),  # not a mail service
        ("address", "mx.example.org"),
        ("address", "smtp://"),  # no host
        ("address", "smtp://mx.example.org:99999"),  # no such port
        ("address", "smtp://[::1"),
        ("address", "smtps://mx.example.org?verify=no"),  # no such option
        ("address", "smtps://mx.example.org?auth=none"),
        ("address", "smtp://mx.example.org?auth=plaintext"),  # a password in the clear
        ("address", "smtp://mx.example.org/" + "x" * 600),
        ("user", "us\x01er"),
        ("max_connections", "0"),  # would send nothing
        ("max_connections", "5000"),  # no service takes so many
        ("rate_per_minute", "0"),
        ("mails_per_day", "0"),
        ("warm_up_from", "0"),
        ("mails_per_connection", "0"),
        ("domain_limits", "gmail.com many"),
        ("domain_limits", "*.example.org 10"),
        ("name", ""),
    ],
)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_wrong_values_are_refused_with_what_to_mend(
    client, superuser, relay, field, value, language
):
    client.force_login(superuser)
    speak(superuser, language)
    response = post(client, relay, **({"password": "p"} | {field: value}))
    assert response.status_code == 200
    errors = [text for texts in response.context["form"].errors.values() for text in texts]
    assert errors
    if language == "ru":
        assert all(re.search("[а-яё]", text) for text in errors)
    assert (relay.name, relay.url) == ("Relay", URL)


def test_a_password_needs_a_user(client, superuser, relay):
    client.force_login(superuser)
    assert post(client, relay, user="", password="p").context["form"].errors["user"]


# ---------------------------------------------------------------- test the connection


def examine(client, transport: Transport) -> str:
    response = client.post(url_of("test", transport))
    assert response.status_code == 200
    return response.content.decode()


def test_looking_at_the_test_page_opens_nothing(client, superuser):
    client.force_login(superuser)
    with SmtpServer() as server:
        relay = Transport.objects.create(name="Relay", url=server.url)
        assert client.get(url_of("test", relay)).status_code == 200
        assert server.connections == 0


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_good_service_is_told_in_words(client, superuser, language):
    client.force_login(superuser)
    speak(superuser, language)
    with SmtpServer(extensions=["SIZE 35000000"]) as server:
        page = examine(client, Transport.objects.create(name="Relay", url=server.url))
        assert server.connections == 1
        assert server.messages == []
    assert in_language(language, "What “%(name)s” answered", name="Relay") in page
    assert in_language(language, "The connection is not encrypted.") in page
    assert in_language(language, "It takes letters of up to %(size)s MB.", size=35) in page
    assert "PIPELINING" in page
    assert page.count('class="v-status is-go"') == page.count('class="v-status is-wait"') == 2


def test_a_refused_sign_in_is_told_in_the_servers_words_without_the_secret(
    client, superuser, certificate
):
    client.force_login(superuser)
    speak(superuser, "en")
    users = {"user": "right"}
    with SmtpServer(security="smtps", certificate=certificate, users=users) as server:
        url = server.url.replace(":right@", ":s3cret@")
        assert url != server.url
        server.script["auth"] = "535 5.7.8 go away"
        page = examine(client, Transport.objects.create(name="Relay", url=url))
    assert "go away" in page
    assert "sign-in" in page
    assert "s3cret" not in page


def test_nobody_there_is_told(client, superuser, settings):
    client.force_login(superuser)
    speak(superuser, "en")
    settings.EMAIL_URL = f"smtp://127.0.0.1:{free_port()}"
    page = examine(client, Transport.objects.create(name="By the setting"))
    assert "connection" in page
    assert "firewall" in page


def test_hostile_words_of_a_server_are_text(client, superuser):
    client.force_login(superuser)
    with SmtpServer({"banner": "554 <script>alert(1)</script>"}) as server:
        page = examine(client, Transport.objects.create(name="Relay", url=server.url))
    assert "<script>alert(1)" not in page
    assert "alert(1)" in page


@pytest.mark.django_db(transaction=True)
def test_the_network_is_not_asked_inside_a_transaction(client, superuser, monkeypatch):
    client.force_login(superuser)
    relay = Transport.objects.create(name="Relay", url="smtp://mx.example.org")
    found = []

    def look(config):
        found.append(connection.in_atomic_block)
        return Finding(seconds=0.1)

    monkeypatch.setattr(examining, "probe", look)
    examine(client, relay)
    assert found == [False]


def test_memory_and_broken_addresses_are_told(client, superuser, settings):
    client.force_login(superuser)
    settings.EMAIL_URL = "memory://"
    assert "EMAIL_URL" in examine(client, Transport.objects.create(name="By the setting"))
    broken = Transport.objects.create(name="Broken", url="smtp://")
    assert "smtp+tls://mail.example.org" in examine(client, broken)

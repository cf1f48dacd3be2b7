"""Every letter about an account: both languages, text and HTML alike, a link that leads here."""

import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone, translation

from accounts import mails
from accounts.models import User
from tests.factories import make_user

pytestmark = pytest.mark.django_db

LINK = f"{settings.SITE_URL}/accounts/somewhere/key-1/"
AS_ALLAUTH_MAKES_IT = "https://evil.example/accounts/somewhere/key-1/"
"""With the host that the request named."""
LINKED = {
    "email_confirmation_signup": "activate_url",
    "email_confirmation": "activate_url",
    "password_reset_key": "password_reset_url",
    "account_already_exists": "password_reset_url",
    "unknown_account": "signup_url",
}
NOTIFICATIONS = [
    "password_changed", "password_set", "password_reset", "email_changed", "email_deleted",
    "totp_activated", "totp_deactivated", "recovery_codes_generated", "webauthn_added",
    "webauthn_removed",
]  # fmt: skip
CHANGE = {
    "ip": "192.0.2.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "from_email": "old@example.org",
    "to_email": "new@example.org",
    "deleted_email": "old@example.org",
}


def letter(name: str, language: str, **context: Any) -> tuple[str, str, str]:
    user = make_user(language=language, time_zone="Asia/Omsk")
    made = mails.render(name, "reader@example.org", user, context)
    ((html, kind),) = made.alternatives
    assert kind == "text/html"
    return made.subject, made.body, str(html)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(("name", "key"), LINKED.items())
def test_letter_has_its_link_in_text_and_html(name: str, key: str, language: str) -> None:
    subject, text, html = letter(name, language, **{key: AS_ALLAUTH_MAKES_IT})
    assert LINK in text
    assert "evil" not in text + html
    assert f'href="{LINK}"' in html
    assert "\n" not in subject
    assert f'<html lang="{language}"' in html
    assert "reader@example.org" in text


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_notification_tells_when_and_whence_and_what_to_do(name: str, language: str) -> None:
    now = timezone.now().replace(year=2026, month=11, day=24, hour=3, minute=5)
    _, text, html = letter(name, language, timestamp=now, **CHANGE)
    city = {"ru": "Омск", "en": "Omsk"}[language]
    month = {"ru": "24 ноября 2026", "en": "24 November 2026"}[language]
    for part in ("192.0.2.7", "Firefox 140, Linux", city, month, "9:05"):
        assert part in text
        assert part in html
    reset = settings.SITE_URL + "/accounts/password/reset/"
    assert reset in text
    assert f'href="{reset}"' in html
    assert f'<html lang="{language}"' in html


@pytest.mark.parametrize("name", [*LINKED, *NOTIFICATIONS])
def test_text_and_html_say_the_same(name: str) -> None:
    key = LINKED.get(name, "unused")
    _, text, html = letter(name, "en", timestamp=timezone.now(), **{key: LINK}, **CHANGE)
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    shown = " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())
    for line in filter(None, text.split("\n\n-- ")[0].splitlines()):
        assert " ".join(line.rstrip(":").split()) in shown


@pytest.mark.parametrize("name", [*LINKED, *NOTIFICATIONS])
def test_text_has_no_markup_and_no_gaps(name: str) -> None:
    _, text, _ = letter(name, "ru", timestamp=timezone.now(), **CHANGE)
    assert "<" not in text
    assert "&" not in text
    assert "\n\n\n" not in text


def test_hostile_browser_name_is_escaped_in_html() -> None:
    change = CHANGE | {"user_agent": "<script>alert(1)</script>"}
    _, _, html = letter("password_changed", "ru", timestamp=timezone.now(), **change)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_letter_goes_in_the_readers_language_not_in_that_of_the_request() -> None:
    with translation.override("en"):
        _, _, html = letter("password_reset_key", "ru", password_reset_url=LINK)
        assert translation.get_language() == "en"
    assert '<html lang="ru"' in html


def test_letter_bears_the_sites_name_and_asks_for_no_automatic_answer(settings) -> None:
    settings.SITE_NAME = "Почта & Ко"
    made = mails.render("email_confirmation_signup", "a@example.org", None, {"activate_url": LINK})
    assert "Почта & Ко" in made.subject
    assert "Почта & Ко" in made.body
    assert "Почта &amp; Ко" in str(made.alternatives[0][0])
    assert made.extra_headers["Auto-Submitted"] == "auto-generated"


def test_letter_does_not_carry_a_name_that_its_sender_chose(owner: User) -> None:
    """Else anybody could write what they like to strangers, in our name."""
    User.objects.filter(pk=owner.pk).update(full_name="Buy at evil.example")
    owner.refresh_from_db()
    made = mails.render("email_confirmation_signup", "a@example.org", owner, {"activate_url": LINK})
    assert "evil.example" not in made.body + str(made.alternatives[0][0])

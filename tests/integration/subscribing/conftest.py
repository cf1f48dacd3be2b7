"""A form with two lists, and a visitor who reads before they press."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from mailings.models import SubscribeForm
from mailings.subscribing import letters, tokens
from mailings.subscribing.views import public
from mailings.timing import clock
from tests import factories


@pytest.fixture(autouse=True)
def quick_reader(monkeypatch):
    """Time to read is not waited for; `test_abuse` asks for it."""
    monkeypatch.setattr(public, "LEAST_SECONDS", 0.0)


@pytest.fixture
def lists(owner):
    return [factories.make_list(owner, name=name) for name in ("Новости", "Акции")]


@pytest.fixture
def form(owner, lists) -> SubscribeForm:
    return factories.make_form(owner, lists=lists[:1], slug="dvor")


def path_of(form: SubscribeForm) -> str:
    return reverse("subscribe", args=[form.slug])


def filled_in(form: SubscribeForm, **fields: Any) -> dict[str, Any]:
    """Return what the form's own page sends."""
    text = form.consent_text
    assert text is not None
    return {
        "email": "anna@example.org",
        "full_name": "Анна",
        "agreed": "on",
        "began": tokens.stamp(form.slug),
        "text": text.digest,
    } | fields


def post(browser: Browser, form: SubscribeForm, ip: str = "203.0.113.7", **fields: Any):
    return browser.post(path_of(form), filled_in(form, **fields), REMOTE_ADDR=ip)


def send() -> int:
    """Send what is due."""
    return letters.send_waiting(clock.now, stopping=lambda: False)


def letters_to(address: str) -> list[Any]:
    return [letter for letter in mail.outbox if address in letter.to]


def link_in(letter: Any) -> str:
    found = re.search(r"https?://[^/\s]+(/s/\S+)", letter.body)
    assert found, letter.body
    return found[1]


def today() -> Any:
    return timezone.localdate()

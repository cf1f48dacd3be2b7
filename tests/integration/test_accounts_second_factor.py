"""The second factor: set up with an app, asked at sign-in, replaced by a recovery code."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client

from accounts import services
from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def code_for(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def sign_in(user: User) -> tuple[Client, object]:
    client = Client()
    return client, client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})


@pytest.fixture
def protected(owner: User) -> User:
    """A user who has set up an app; the session that did it is not kept."""
    cache.clear()
    services.confirm_address(user=owner)
    client, _ = sign_in(owner)
    asked = client.get("/accounts/2fa/totp/activate/")
    client.post(asked.url, {"password": PASSWORD})
    form = client.get("/accounts/2fa/totp/activate/").context["form"]
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert "code" in wrong.context["form"].errors
    done = client.post("/accounts/2fa/totp/activate/", {"code": code_for(form.secret)})
    assert done.status_code == 302
    cache.clear()  # the same code may be used again half a minute later
    return owner


def test_password_alone_does_not_open_the_account(protected: User) -> None:
    client, answer = sign_in(protected)
    assert answer.url.startswith("/accounts/2fa/authenticate/")
    assert client.get(answer.url).status_code == 200
    assert client.get("/accounts/profile/").status_code == 302
    client.post(answer.url, {"code": "000000"})
    assert client.get("/accounts/profile/").status_code == 302


def test_code_of_the_app_opens_it(protected: User) -> None:
    client, answer = sign_in(protected)
    secret = Authenticator.objects.get(user=protected, type="totp").data["secret"]
    client.post(answer.url, {"code": code_for(secret)})
    page = client.get("/accounts/2fa/")
    assert page.status_code == 200


def test_recovery_code_opens_it_once(protected: User) -> None:
    codes = Authenticator.objects.get(user=protected, type="recovery_codes")
    code = codes.wrap().get_unused_codes()[0]
    for opened in (True, False):
        client, answer = sign_in(protected)
        client.post(answer.url, {"code": code})
        assert (client.get("/accounts/profile/").status_code == 200) is opened


def test_user_blocked_between_password_and_code_stays_out(protected: User, superuser: User) -> None:
    client, answer = sign_in(protected)
    services.block_user(user=protected, by=superuser, reason="x")
    secret = Authenticator.objects.get(user=protected, type="totp").data["secret"]
    client.post(answer.url, {"code": code_for(secret)})
    assert client.get("/accounts/profile/").status_code == 302


@pytest.mark.parametrize(
    "path",
    ["totp/activate/", "totp/deactivate/", "recovery-codes/generate/", "webauthn/add/"],
)
def test_changes_to_the_second_factor_ask_for_the_password_again(
    protected: User, path: str
) -> None:
    client = Client()
    client.force_login(protected)
    asked = client.get(f"/accounts/2fa/{path}")
    assert asked.status_code == 302
    assert "/reauthenticate/" in asked.url or path == "totp/activate/"

"""The second factor: set up with an app, asked at sign-in, replaced by a recovery code."""

import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import is_mfa_enabled
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


# ---------------------------------------------------------------- asked again
GUARDED = {
    "switch the app off": "/accounts/2fa/totp/deactivate/",
    "new recovery codes": "/accounts/2fa/recovery-codes/generate/",
    "one more key": "/accounts/2fa/webauthn/add/",
    "new password": "/accounts/password/change/",
}


def secret_of(user: User) -> str:
    return str(Authenticator.objects.get(user=user, type="totp").data["secret"])


def stolen_session(user: User) -> Client:
    """Somebody who sits at another's browser, and has found out the password."""
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("door", GUARDED)
def test_the_password_alone_opens_nothing_of_who_has_a_second_factor(
    protected: User, door: str
) -> None:
    client = stolen_session(protected)
    asked = client.get(GUARDED[door])
    assert asked.status_code == 302
    assert asked.url.startswith("/accounts/2fa/reauthenticate/")
    for page in ("/accounts/reauthenticate/", asked.url):
        client.post(page, {"password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": GUARDED[door]})
    assert client.get(GUARDED[door]).url.startswith("/accounts/2fa/reauthenticate/")


@pytest.mark.parametrize("door", GUARDED)
@pytest.mark.parametrize("kind", ["app", "recovery code"])
def test_a_code_opens_it(protected: User, door: str, kind: str) -> None:
    client = stolen_session(protected)
    asked = client.get(GUARDED[door])
    assert b"/accounts/reauthenticate/" not in client.get(asked.url).content
    codes = Authenticator.objects.get(user=protected, type="recovery_codes").wrap()
    assert client.post(asked.url, {"code": "000000"}).status_code == 200
    code = code_for(secret_of(protected)) if kind == "app" else codes.get_unused_codes()[0]
    assert client.post(asked.url, {"code": code}).url == GUARDED[door]
    assert client.get(GUARDED[door]).status_code == 200


def test_posting_at_once_passes_no_guard(protected: User) -> None:
    client = stolen_session(protected)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    codes = Authenticator.objects.get(user=protected, type="recovery_codes")
    before = codes.wrap().get_unused_codes()
    other = "another-Fluss-9"
    client.post("/accounts/2fa/totp/deactivate/")
    client.post("/accounts/2fa/recovery-codes/generate/")
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": other})
    client.post("/accounts/email/", {"email": "thief@example.org", "action_add": ""})
    assert is_mfa_enabled(protected)
    codes.refresh_from_db()
    assert codes.wrap().get_unused_codes() == before
    protected.refresh_from_db()
    assert protected.check_password(PASSWORD)
    assert [row.email for row in EmailAddress.objects.filter(user=protected)] == [protected.email]
    assert client.get("/accounts/2fa/recovery-codes/download/").status_code != 200
    shown = client.get("/accounts/2fa/recovery-codes/", follow=True).content.decode()
    assert not any(code in shown for code in before)


def test_who_has_a_key_alone_is_asked_for_it_first(owner: User) -> None:
    services.confirm_address(user=owner)
    Authenticator.objects.create(user=owner, type="webauthn", data={"credential": {}, "name": "k"})
    Authenticator.objects.create(
        user=owner, type="recovery_codes", data={"seed": "x", "used_mask": 0}
    )
    client = stolen_session(owner)
    asked = client.get("/accounts/2fa/recovery-codes/generate/")
    assert asked.url.startswith("/accounts/2fa/webauthn/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    again = client.get("/accounts/2fa/recovery-codes/generate/")
    assert again.url.startswith("/accounts/2fa/webauthn/reauthenticate/")


def test_who_has_none_is_asked_for_the_password(owner: User) -> None:
    cache.clear()
    services.confirm_address(user=owner)
    client = stolen_session(owner)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked.url.startswith("/accounts/reauthenticate/")
    assert client.get("/accounts/password/change/").status_code == 200
    assert client.post(asked.url, {"password": PASSWORD}).url == "/accounts/2fa/totp/activate/"


def test_a_session_that_has_proved_itself_by_password_ends_with_the_new_factor(
    owner: User, django_capture_on_commit_callbacks
) -> None:
    cache.clear()
    services.confirm_address(user=owner)
    thief, _ = sign_in(owner)
    thief.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert thief.get("/accounts/2fa/totp/activate/").status_code == 200
    mine, _ = sign_in(owner)
    mine.post("/accounts/reauthenticate/", {"password": PASSWORD})
    form = mine.get("/accounts/2fa/totp/activate/").context["form"]
    with django_capture_on_commit_callbacks(execute=True):
        done = mine.post("/accounts/2fa/totp/activate/", {"code": code_for(form.secret)})
    assert done.status_code == 302
    assert is_mfa_enabled(owner)
    thief.post("/accounts/2fa/totp/deactivate/")
    assert is_mfa_enabled(owner)
    assert thief.get("/accounts/profile/").status_code == 302
    assert mine.get("/accounts/profile/").status_code == 200

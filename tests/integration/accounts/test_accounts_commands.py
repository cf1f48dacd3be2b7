"""`csu` and `cu`: accounts that can sign in, from options, settings or nothing but an error."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import services
from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

EMAIL = "anna@example.org"


def run(name: str, **options: str) -> str:
    output = io.StringIO()
    call_command(name, stdout=output, no_color=True, **options)
    return output.getvalue()


def can_sign_in(email: str, password: str = PASSWORD) -> bool:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return client.get("/accounts/profile/").status_code == 200


@pytest.mark.parametrize(("name", "is_superuser"), [("csu", True), ("cu", False)])
def test_account_from_options_can_sign_in(name: str, is_superuser: bool) -> None:
    said = run(name, email="Anna@Example.org", password=PASSWORD, full_name="Анна")
    user = User.objects.get(email=EMAIL)
    assert "created" in said
    assert (user.is_superuser, user.full_name) == (is_superuser, "Анна")
    assert can_sign_in(EMAIL)


@pytest.mark.parametrize("name", ["csu", "cu"])
def test_account_from_settings(name: str, settings) -> None:
    setattr(settings, f"{name.upper()}_EMAIL", EMAIL)
    setattr(settings, f"{name.upper()}_PASSWORD", PASSWORD)
    run(name)
    assert can_sign_in(EMAIL)


def test_second_run_updates_the_password_and_says_so() -> None:
    run("cu", email=EMAIL, password=PASSWORD)
    assert "updated password" in run("cu", email=EMAIL, password="drei-Berge-und-9")
    assert can_sign_in(EMAIL, "drei-Berge-und-9")
    assert User.objects.count() == 1


def test_second_run_with_the_same_password_keeps_sessions() -> None:
    run("csu", email=EMAIL, password=PASSWORD)
    before = User.objects.get(email=EMAIL).password
    assert "unchanged" in run("csu", email=EMAIL, password=PASSWORD)
    assert User.objects.get(email=EMAIL).password == before


def test_csu_lifts_an_ordinary_user_and_a_block(owner: User, superuser: User) -> None:
    services.block_user(user=owner, by=superuser, reason="x")
    said = run("csu", email=owner.email, password=PASSWORD)
    owner.refresh_from_db()
    assert "rank" in said
    assert "block" in said
    assert owner.is_superuser
    assert owner.is_active
    assert owner.blocked_reason == ""


def test_cu_neither_demotes_a_superuser_nor_unblocks(owner: User, superuser: User) -> None:
    with pytest.raises(CommandError, match="use csu"):
        run("cu", email=superuser.email, password=PASSWORD)
    services.block_user(user=owner, by=superuser, reason="x")
    with pytest.raises(CommandError, match="blocked"):
        run("cu", email=owner.email, password=PASSWORD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"email": "no address", "password": PASSWORD}, "not an e-mail"),
        ({"email": EMAIL, "password": "12345678"}, "too common"),
        ({"password": PASSWORD}, "--email"),  # no terminal to ask at
        ({"email": EMAIL}, "CU_PASSWORD"),
    ],
)
def test_faulty_input_is_one_line_and_makes_nobody(
    options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match=message) as error:
        run("cu", **options)
    assert "\n" not in str(error.value)
    assert not User.objects.exists()

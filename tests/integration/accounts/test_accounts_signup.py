"""Sign-up, confirmation, sign-in, password: the way in, and what a stranger can learn from it."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import translation

from accounts import services
from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "maria@example.org"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def confirmed(owner: User) -> User:
    services.confirm_address(user=owner)
    return owner


def sign_up(client: Client, email: str = NEW, **fields: str) -> object:
    data = {"email": email, "password1": PASSWORD, "full_name": "Мария Лебедева", "promise": "on"}
    return client.post("/accounts/signup/", data | fields)


def sign_in(client: Client, email: str = NEW, password: str = PASSWORD) -> object:
    return client.post("/accounts/login/", {"login": email, "password": password})


def link_in(letter: object) -> str:
    assert isinstance(letter, mail.EmailMultiAlternatives)
    (html, _type) = letter.alternatives[0]
    found = re.search(r"http://localhost:8000(/\S+)", letter.body)
    assert found, letter.body
    assert found.group(0) in str(html)
    return found.group(1)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_sign_up_letter_confirm_and_sign_in(client: Client) -> None:
    assert sign_up(client).status_code == 302
    user = User.objects.get(email=NEW)
    assert user.full_name == "Мария Лебедева"
    assert not is_signed_in(client)

    link = link_in(mail.outbox[0])
    elsewhere = Client()
    assert elsewhere.get(link).status_code == 200
    assert not EmailAddress.objects.get(user=user).verified, "a mail scanner's GET must not confirm"
    elsewhere.post(link)
    assert EmailAddress.objects.get(user=user).verified
    assert not is_signed_in(elsewhere), "only the browser that signed up is let in by the link"

    sign_in(elsewhere, NEW.upper())
    assert is_signed_in(elsewhere)


def test_the_browser_that_signed_up_is_signed_in_by_the_link(client: Client) -> None:
    sign_up(client)
    client.post(link_in(mail.outbox[0]))
    assert is_signed_in(client)


def test_unconfirmed_user_is_not_let_in_and_gets_the_link_again(client: Client) -> None:
    sign_up(client)
    cache.clear()  # three minutes later
    response = sign_in(Client())
    assert response.url == "/accounts/confirm-email/"
    assert len(mail.outbox) == 2
    assert link_in(mail.outbox[1])


def test_confirmation_letters_to_one_address_are_limited(client: Client) -> None:
    sign_up(client)
    for _ in range(3):
        sign_in(Client())
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("language", ["ru", "en"])
def test_new_user_gets_the_language_of_the_request(client: Client, language: str) -> None:
    client.post("/accounts/language/", {"language": language})
    sign_up(client)
    assert User.objects.get(email=NEW).language == language
    expected = {"ru": "Europe/Moscow", "en": "Europe/Moscow"}[language]
    assert User.objects.get(email=NEW).time_zone == expected


def test_sign_up_of_a_known_address_answers_like_that_of_an_unknown_one(confirmed: User) -> None:
    new, known = Client(), Client()
    answers = [sign_up(new, NEW), sign_up(known, confirmed.email)]
    pages = [new.get(answers[0].url), known.get(answers[1].url)]
    assert answers[0].url == answers[1].url
    assert answers[0].status_code == answers[1].status_code
    assert set(answers[0].cookies) == set(answers[1].cookies)
    assert without_tokens(pages[0]) == without_tokens(pages[1])
    assert [letter.to for letter in mail.outbox] == [[NEW], [confirmed.email]]
    assert User.objects.count() == 2


def test_reset_for_an_unknown_address_answers_like_that_for_a_known_one(confirmed: User) -> None:
    bodies = []
    for address in (confirmed.email, "nobody@example.org"):
        client = Client()
        answer = client.post("/accounts/password/reset/", {"email": address})
        assert answer.status_code == 302
        bodies.append((answer.url, without_tokens(client.get(answer.url))))
    assert bodies[0] == bodies[1]
    assert [letter.to[0] for letter in mail.outbox] == [confirmed.email, "nobody@example.org"]


def without_tokens(response: object) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    return re.sub(r'nonce="[^"]+"', "", page)


def test_wrong_password_and_unknown_address_get_the_same_words(confirmed: User) -> None:
    pages = [
        sign_in(Client(), address, "wrong-password-1").content.decode()
        for address in (confirmed.email, "nobody@example.org")
    ]
    errors = [re.findall(r'role="alert">(.*?)</div></div>', page, re.S) for page in pages]
    assert errors[0] == errors[1]
    assert errors[0]


def test_too_many_wrong_passwords_shut_the_door_for_the_right_one(confirmed: User) -> None:
    for _ in range(5):
        sign_in(Client(), confirmed.email, "wrong-password-1")
    client = Client()
    assert sign_in(client, confirmed.email).status_code == 200
    assert not is_signed_in(client)


def test_forged_forwarded_address_does_not_help_against_the_limit(confirmed: User) -> None:
    statuses = [
        Client().post(
            "/accounts/login/",
            {"login": f"user{n}@example.org", "password": "wrong-password-1"},
            headers={"x-forwarded-for": f"203.0.113.{n}"},
        ).status_code
        for n in range(31)
    ]  # fmt: skip
    assert statuses[-1] == 429


def test_password_is_set_anew_by_the_letter_and_ends_other_sessions(confirmed: User) -> None:
    other = Client()
    sign_in(other, confirmed.email)
    client = Client()
    client.post("/accounts/password/reset/", {"email": confirmed.email})
    form = client.get(link_in(mail.outbox[0]), follow=True)
    done = client.post(form.request["PATH_INFO"], {"password1": "drei-Berge-und-9"}, follow=True)
    assert done.status_code == 200
    assert other.get("/accounts/profile/").status_code == 302
    sign_in(client, confirmed.email, "drei-Berge-und-9")
    assert is_signed_in(client)
    used = Client().get(link_in(mail.outbox[0]), follow=True)
    assert "/accounts/password/reset/" in used.content.decode(), "a used link offers a new one"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "a@example.org, b@example.org"),
        ("email", "a@example.org\nBcc: b@example.org"),
        ("password1", "12345678"),
        ("password1", "maria@example.org"),
        ("full_name", "Maria\r\nBcc: b@example.org"),
        ("full_name", "я" * 151),
        ("promise", ""),
    ],
)
def test_faulty_sign_up_makes_no_user_and_says_where(
    client: Client, field: str, value: str
) -> None:
    response = sign_up(client, **{field: value})
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not User.objects.filter(email=NEW).exists()
    assert mail.outbox == []


def test_sign_up_cannot_set_rank_or_groups(client: Client) -> None:
    sign_up(client, is_superuser="on", is_staff="on", groups="1", is_active="")
    user = User.objects.get(email=NEW)
    assert not user.is_superuser
    assert not user.is_staff
    assert not user.groups.exists()


def test_address_is_changed_only_by_the_link_in_the_letter(confirmed: User) -> None:
    old = confirmed.email
    client = Client()
    sign_in(client, old)
    asked = client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    assert asked.url.startswith("/accounts/reauthenticate/"), "a stolen session is not enough"
    client.post(asked.url, {"password": PASSWORD})
    confirmed.refresh_from_db()
    assert confirmed.email == old
    client.post(link_in(mail.outbox[0]))
    confirmed.refresh_from_db()
    assert confirmed.email == "new@example.org"
    assert [row.email for row in EmailAddress.objects.filter(user=confirmed)] == [confirmed.email]
    assert mail.outbox[1].to == [old], "the old address learns of the change"


def test_lost_mail_service_is_said_and_the_account_is_kept(client: Client, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    with translation.override("en"):
        client.cookies["django_language"] = "en"
        response = sign_up(client)
        page = client.get(response.url).content.decode()
    assert "did not take our letter" in page
    assert User.objects.filter(email=NEW).exists()

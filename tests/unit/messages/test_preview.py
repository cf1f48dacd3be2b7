"""A preview is the letter itself."""

from accounts.models import User
from mailings.messages import preview
from mailings.models import Client, Message


def message() -> Message:
    owner = User(email="olga@example.org", full_name="Ольга", language="ru")
    return Message(owner=owner, subject="{{ full_name }}", body="<p>{{ city }}, {{ email }}</p>")


def test_a_client_sees_their_own_values():
    client = Client(
        email="a@x.org", email_normalised="a@x.org", full_name="Анна", attributes={"city": "Тверь"}
    )
    read = preview.of(message(), client)
    assert read.subject == "Анна"
    assert "Тверь, a@x.org" in read.html
    assert "Тверь, a@x.org" in read.text


def test_a_sender_with_a_name_in_the_settings_does_not_break_it(settings):
    settings.DEFAULT_FROM_EMAIL = "Вестник <vestnik@example.org>"
    assert preview.of(message(), None).subject == "Ольга"

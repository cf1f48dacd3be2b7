"""The log of what people did: who, what, why, and nobody's address."""

from wagtail.models import ModelLogEntry

from mailings import audit
from mailings.audit import Action
from tests import factories


def test_entry_keeps_who_did_what_and_why(owner, superuser):
    mailing = factories.make_mailing(owner, name="Autumn")
    audit.record(Action.STOP, mailing, superuser, "Complaints came in")

    entry = ModelLogEntry.objects.for_instance(mailing).get()
    assert (entry.action, entry.user, entry.label) == ("mailings.stop", superuser, "Autumn")
    assert audit.reason_of(entry) == "Complaints came in"
    assert "Complaints came in" in entry.message


def test_every_action_has_words(owner):
    mailing = factories.make_mailing(owner)
    for action in Action:
        entry = audit.record(action, mailing, None)
        assert entry.message == str(action.label)
        assert entry.user_display_name


def test_deleted_client_leaves_no_address_in_the_log(owner):
    client = factories.make_client(owner, email="secret@example.org", full_name="Анна Тайная")
    number = client.pk
    audit.record(Action.DELETE, client, owner)
    client.delete()

    entry = ModelLogEntry.objects.get(object_id=str(number))
    assert entry.deleted
    assert entry.label.endswith(f" {number}")
    assert "secret" not in f"{entry.label}{entry.data}"
    assert "Тайная" not in entry.label

"""Every page of the cabinet × everybody who is not its owner. A new URL needs an entry here."""

import re

import pytest
from django.urls import reverse

from mailings.urls import urlpatterns
from tests.integration.cabinet import Cabinet, make_cabinet

pytestmark = pytest.mark.slow

OWN_ROW = {
    "client_detail": "client",
    "client_update": "client",
    "client_delete": "client",
    "client_consents": "client",
    "client_evidence": "client",
    "subscribe_form_detail": "subscribe_form",
    "subscribe_form_update": "subscribe_form",
    "subscribe_form_delete": "subscribe_form",
    "client_deletion": "deletion",
    "list_detail": "list",
    "list_update": "list",
    "list_delete": "list",
    "segment_detail": "segment",
    "segment_update": "segment",
    "segment_copy": "segment",
    "segment_delete": "segment",
    "message_detail": "message",
    "message_update": "message",
    "message_delete": "message",
    "message_preview": "message",
    "message_test": "message",
    "picture_delete": "picture",
    "mailing_detail": "mailing",
    "mailing_update": "mailing",
    "mailing_delete": "mailing",
    "mailing_schedule": "mailing",
    "mailing_unschedule": "mailing",
    "mailing_pause": "mailing",
    "mailing_resume": "mailing",
    "mailing_cancel": "mailing",
    "mailing_send_to_added": "mailing",
    "mailing_runs_export": "mailing",
    "run_detail": "run",
    "run_retry": "run",
    "run_export": "run",
    "import_detail": "imported",
    "import_columns": "imported",
    "import_words": "imported",
    "import_start": "imported",
    "import_cancel": "imported",
    "import_delete": "imported",
    "import_report": "imported",
    "stop_list_entry": "suppression",
    "domain_detail": "sender_domain",
    "domain_check": "sender_domain",
    "domain_keys": "sender_domain",
    "domain_remove": "sender_domain",
}
"""Pages about one row: URL name → kind of row."""

WHOLE = {
    "dashboard", "client_list", "client_create", "list_list", "list_create", "segment_list",
    "segment_create", "subscribe_form_list", "subscribe_form_create", "message_list",
    "message_create", "message_layouts", "message_sample", "picture_list", "mailing_list",
    "mailing_create", "report", "report_export", "import_list",
    "import_create", "stop_list", "stop_list_export", "stop_list_add", "stop_list_take_out",
    "domain_list", "domain_create",
}  # fmt: skip
"""Pages about whatever the reader owns."""

POSTED = {"message_draft", "message_check"}
"""Parts of the editor that answer a posted form and nothing else."""

ASKED = {"session", "message_link", "kept_form"}
"""What the editor's script, or who signs in again, asks for."""

KEEPING = {"message_autosave", "message_discard"}
"""What keeps a text that is being written, and forgets it: posted, about one's own message."""

MORE = {
    "mailing_runs_export": {"kind": "csv"},
    "run_export": {"table": "deliveries", "kind": "csv"},
    "report_export": {"table": "failures", "kind": "csv"},
    "stop_list_export": {"kind": "csv"},
}
"""What else stands in the addresses of downloads."""

UNKNOWN_ID = 987_654_321
METHODS = ("get", "post")


@pytest.fixture
def cabinet(owner) -> Cabinet:
    return make_cabinet(owner)


def address(name: str, cabinet: Cabinet) -> str:
    return of(name, cabinet.row(OWN_ROW[name]).pk) if name in OWN_ROW else of(name)


def of(name: str, pk: int | None = None) -> str:
    row = {} if pk is None else {"pk": pk}
    return reverse(f"mailings:{name}", kwargs=row | MORE.get(name, {}))


def content(response) -> bytes:
    return b"".join(response) if response.streaming else response.content


def body(response, pk: int) -> str:
    """Return the page without what differs from request to request, and without the id."""
    text = re.sub(
        r'nonce="[^"]*"|value="[A-Za-z0-9]{64}"|\b\d\d:\d\d\b', "", response.content.decode()
    )
    return text.replace(f"/{pk}/", "/ID/")


def test_every_page_has_an_entry():
    assert {pattern.name for pattern in urlpatterns} == (
        OWN_ROW.keys() | WHOLE | POSTED | ASKED | KEEPING
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(OWN_ROW.keys() | WHOLE | POSTED | ASKED | KEEPING))
def test_anonymous_is_sent_to_the_login(client, cabinet, name, method):
    url = address(name, cabinet)
    response = getattr(client, method)(url)
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(OWN_ROW))
@pytest.mark.parametrize("who", ["stranger", "manager", "superuser"])
def test_a_row_of_somebody_else_is_the_same_404_as_an_unknown_one(
    client, cabinet, request, who, name, method
):
    client.force_login(request.getfixturevalue(who))
    pk = cabinet.row(OWN_ROW[name]).pk
    foreign = getattr(client, method)(of(name, pk))
    unknown = getattr(client, method)(of(name, UNKNOWN_ID))
    assert foreign.status_code == unknown.status_code
    assert foreign.status_code in (404, 405)  # 405: the page takes no POST, whoever asks
    assert body(foreign, pk) == body(unknown, UNKNOWN_ID)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_stranger_sees_nothing_of_the_owners_rows(client, cabinet, stranger, name):
    client.force_login(stranger)
    page = client.get(address(name, cabinet))
    assert page.status_code == 200
    said = content(page).decode()
    for shown in (
        cabinet.client.email,
        cabinet.list.name,
        cabinet.segment.name,
        cabinet.mailing.name,
        str(cabinet.imported),
    ):
        assert shown not in said


@pytest.mark.parametrize("name", sorted(POSTED))
def test_a_part_of_the_editor_shows_nothing_of_somebody_elses_client(
    client, cabinet, stranger, name
):
    own = make_cabinet(stranger)
    client.force_login(stranger)
    url = address(name, cabinet)
    assert client.get(url).status_code == 405
    for asked in (cabinet.client.pk, UNKNOWN_ID, "1 OR 1=1"):
        assert client.post(url, {"client": asked, "body": "<p>a</p>"}).status_code == 404
    page = client.post(url, {"client": own.client.pk, "body": "<p>{{ email }}</p>"})
    assert own.client.email in page.content.decode()


@pytest.mark.parametrize("name", sorted(KEEPING))
def test_nothing_is_kept_of_somebody_elses_message(client, cabinet, stranger, name):
    client.force_login(stranger)
    foreign = {"message": cabinet.message.pk, "subject": "Чужое", "seen": 1}
    for asked in (cabinet.message.pk, UNKNOWN_ID, "1 OR 1=1"):
        assert client.post(of(name), foreign | {"message": asked}).status_code == 404
    assert client.get(of(name)).status_code == 405
    assert not cabinet.message.drafts.exists()


def test_a_test_cannot_be_filled_in_as_for_somebody_elses_client(client, cabinet, stranger):
    own = make_cabinet(stranger)
    client.force_login(stranger)
    url = address("message_test", own)
    assert client.post(url, {"client": cabinet.client.pk}).status_code == 404
    assert not stranger.proofs.exists()


@pytest.mark.parametrize("name", sorted(OWN_ROW.keys() | WHOLE))
def test_the_owner_gets_every_page(client, cabinet, owner, name):
    client.force_login(owner)
    response = client.get(address(name, cabinet))
    assert response.status_code in (200, 302)
    assert cabinet.mailing.runs.count() == 1


@pytest.mark.parametrize(
    ("page", "field", "kind"),
    [
        ("mailing_create", "copy", "mailing"),
        ("mailing_create", "message", "message"),
        ("message_create", "copy", "message"),
        ("message_create", "client", "client"),
        ("message_detail", "client", "client"),
        ("report", "mailing", "mailing"),
        ("report_export", "mailing", "mailing"),
    ],
)
def test_a_foreign_id_in_the_address_is_a_404(client, cabinet, stranger, page, field, kind):
    own = make_cabinet(stranger)
    client.force_login(stranger)
    url = address(page, own)
    assert client.get(url, {field: cabinet.row(kind).pk}).status_code == 404
    assert client.get(url, {field: "1 OR 1=1"}).status_code == 404
    assert client.get(url, {field: own.row(kind).pk}).status_code == 200


def test_a_blocked_owner_is_signed_out(client, cabinet, owner):
    client.force_login(owner)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    response = client.get(reverse("mailings:client_list"))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))

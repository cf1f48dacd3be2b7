"""The managers' list for everybody: added with a reason, taken off with a reason, and logged."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail.models import ModelLogEntry

from mailings import audit
from mailings.models import Suppression
from mailings.models.suppression import SuppressionReason
from mailings.suppression import services, stop_list
from mailings.suppression.services import as_seen

INDEX, ADD = reverse("cms_suppression:index"), reverse("cms_suppression:add")
ANNA = "anna@mail.example"
R = SuppressionReason

pytestmark = pytest.mark.django_db


def entry(owner=None, reason=R.MANUAL, address=ANNA) -> Suppression:
    stop_list.suppress(address, reason=reason, owner_id=owner and owner.pk)
    return Suppression.objects.get(owner=owner, address=address)


def take_out(row: Suppression) -> str:
    return reverse("cms_suppression:take_out", args=[row.pk])


def posted(client, row: Suppression, **fields):
    (seen,) = as_seen([row]).values()
    return client.post(take_out(row), {"seen": seen, "reason": "it was not"} | fields)


def test_a_manager_bars_addresses_for_everybody(client, manager, owner):
    client.force_login(manager)
    page = client.post(
        ADD,
        {"addresses": f"{ANNA}\nboris@mail.example", "reason": "complained", "note": "a trap"},
        follow=True,
    )
    assert page.redirect_chain[0][0] == INDEX
    assert stop_list.reasons_among(owner.pk, [ANNA]) == {ANNA: "complained"}
    row = Suppression.objects.get(address=ANNA)
    assert (row.owner, row.source) == (None, "a trap")
    logged = ModelLogEntry.objects.for_instance(row).get()
    assert (logged.user, audit.reason_of(logged)) == (manager, "a trap")
    shown = client.get(reverse("cms_suppression:inspect", args=[row.pk])).content.decode()
    assert take_out(row) in shown
    assert "a trap" in shown


@pytest.mark.parametrize(
    ("fields", "faulty"), [({"note": ""}, "note"), ({"addresses": f"{ANNA}\nx"}, "addresses")]
)
def test_what_is_wrong_is_said_and_nothing_is_lost(client, manager, fields, faulty):
    client.force_login(manager)
    sound = {"addresses": ANNA, "reason": "manual", "note": "a trap"}
    page = client.post(ADD, sound | fields)
    assert page.status_code == 200
    assert page.context["form"].errors[faulty]
    assert ANNA in page.content.decode()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("who", ["editor", "owner", "stranger"])
def test_nobody_else_adds_or_takes_off(request, client, who):
    row = entry()
    client.force_login(request.getfixturevalue(who))
    client.post(ADD, {"addresses": "boris@mail.example", "reason": "manual", "note": "mine"})
    posted(client, row)
    assert Suppression.objects.get() == row


def test_an_entry_for_everybody_is_taken_off_with_a_reason(client, manager):
    client.force_login(manager)
    row = entry()
    assert posted(client, row, reason="").context["form"].errors["reason"]
    assert posted(client, row).url == INDEX
    assert not Suppression.objects.exists()
    logged = ModelLogEntry.objects.get(object_id=str(row.pk), action=audit.Action.DELETE.value)
    assert (logged.user, audit.reason_of(logged)) == (manager, "it was not")


def test_a_complaint_asks_to_be_confirmed(client, manager):
    client.force_login(manager)
    row = entry(reason=R.COMPLAINED)
    assert posted(client, row).context["form"].errors["confirmed"]
    assert posted(client, row, confirmed="on").url == INDEX


def test_an_entry_that_changed_meanwhile_is_looked_at_again(client, manager):
    client.force_login(manager)
    row = entry()
    (seen,) = as_seen([row]).values()
    Suppression.objects.update(reason=R.COMPLAINED)
    page = client.post(take_out(row), {"seen": seen, "reason": "it was not"})
    assert page.context["form"].non_field_errors()
    said = page.content.decode()
    assert "it was not" in said
    assert 'name="confirmed"' in said
    row.refresh_from_db()
    (fresh,) = as_seen([row]).values()
    assert fresh in said


def test_what_is_an_owners_is_not_a_managers_to_take_off(client, manager, owner):
    client.force_login(manager)
    row = entry(owner)
    inspect = reverse("cms_suppression:inspect", args=[row.pk])
    assert client.get(take_out(row)).url == inspect
    posted(client, row)
    assert Suppression.objects.get() == row
    assert take_out(row) not in client.get(inspect).content.decode()


def test_the_list_is_narrowed_to_everybodys(client, manager, owner):
    client.force_login(manager)
    entry(owner, address="boris@mail.example")
    entry()
    for asked, shown, hidden in (
        ("yes", ANNA, "boris@mail.example"),
        ("no", "boris@mail.example", ANNA),
    ):
        page = client.get(INDEX, {"everybody": asked}).content.decode()
        assert shown in page
        assert hidden not in page
    download = b"".join(client.get(INDEX, {"everybody": "yes", "export": "csv"})).decode()
    assert ANNA in download
    assert "boris" not in download


# ---------------------------------------------------------------- a file of them


def upload(client, content: bytes, name="list.csv", **fields):
    data = {"reason": "manual", "note": "bought list", "addresses": ""} | fields
    return client.post(ADD, data | {"file": SimpleUploadedFile(name, content)}, follow=True)


def test_a_manager_bars_the_addresses_of_a_file_for_everybody(client, manager, owner):
    client.force_login(manager)
    entry(address="vera@mail.example")
    content = (
        "Имя;E-mail;Кто внёс\n"
        "Анна;Anna@Mail.example;admin@shop.example\n"
        "Борис;boris@mail.example;\n"
        "Вера;vera@mail.example;admin@shop.example\n"
        "Никто;нет адреса;\n"
    ).encode("cp1251")
    page = upload(client, content)
    assert page.redirect_chain[0][0] == INDEX
    listed = dict(Suppression.objects.filter(owner=None).values_list("address", "source"))
    assert listed == {
        ANNA: "bought list", "boris@mail.example": "bought list", "vera@mail.example": "",
    }  # fmt: skip
    (said,) = [str(message) for message in page.context["messages"]]
    assert [int(n) for n in re.findall(r"\d+", said)] == [2, 1, 1]  # new, there, without
    row = Suppression.objects.get(address=ANNA)
    logged = ModelLogEntry.objects.for_instance(row).get()
    assert (logged.user, audit.reason_of(logged)) == (manager, "bought list")
    assert stop_list.reasons_among(owner.pk, [ANNA]) == {ANNA: "manual"}


@pytest.mark.parametrize(
    ("content", "fields", "faulty"),
    [
        (b"no addresses here\n", {}, "file"),
        (b"\x00\x01\x02", {}, "file"),
        (f"{ANNA}\n".encode(), {"note": ""}, "note"),
        (f"{ANNA}\n".encode(), {"addresses": ANNA}, "file"),
    ],
)
def test_a_file_that_will_not_do_bars_nobody(client, manager, content, fields, faulty):
    client.force_login(manager)
    assert upload(client, content, **fields).context["form"].errors[faulty]
    assert not Suppression.objects.exists()


def test_neither_addresses_nor_a_file_is_no_list(client, manager):
    client.force_login(manager)
    page = client.post(ADD, {"addresses": " ", "reason": "manual", "note": "x"})
    assert page.context["form"].errors["addresses"]


def test_a_file_of_too_many_is_refused_whole(client, manager, monkeypatch):
    monkeypatch.setattr(services, "MOST_IN_FILE", 2)
    client.force_login(manager)
    content = "".join(f"c{n}@mail.example\n" for n in range(3)).encode()
    assert upload(client, content).context["form"].errors["file"]
    assert not Suppression.objects.exists()


def test_a_long_file_takes_statements_by_the_thousand(manager):
    content = "".join(f"c{n}@mail.example\n" for n in range(2_500)).encode()
    with CaptureQueriesContext(connection) as queries:
        done = services.add_file(content=content, reason=R.MANUAL, note="x", by=manager)
    assert done.added.new == Suppression.objects.count() == 2_500
    assert len(queries) < 150


@pytest.mark.parametrize("who", ["editor", "owner"])
def test_nobody_else_brings_a_file(request, client, who):
    client.force_login(request.getfixturevalue(who))
    upload(client, f"{ANNA}\n".encode())
    with pytest.raises(PermissionDenied):
        services.add_file(
            content=f"{ANNA}\n".encode(), reason=R.MANUAL, note="x",
            by=request.getfixturevalue(who),
        )  # fmt: skip
    assert not Suppression.objects.exists()

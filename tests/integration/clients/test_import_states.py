"""Nobody who left another service, or never agreed, gets mail because their row was imported."""

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailings.clients import exporting
from mailings.clients.importing import outcome, running
from mailings.clients.importing import services as imports
from mailings.clients.importing.mail_states import Says
from mailings.clients.importing.running import CHUNK
from mailings.errors import Refused
from mailings.models import Client, ClientList, Import, Suppression
from mailings.models.importing import ImportKind
from mailings.models.suppression import SuppressionReason
from mailings.spreadsheets import downloads
from mailings.suppression import stop_list
from tests import factories
from tests import nasty_files as files
from tests.integration.cabinet import speak
from tests.integration.clients.test_cabinet_imports import answers as columns_answers
from tests.integration.clients.test_cabinet_imports import at
from tests.integration.clients.test_importing import checked, imported, kinds, work

pytestmark = pytest.mark.django_db

MAILCHIMP = files.csv(
    ("Email Address", "First Name", "Last Name", "Status", "UNSUB_TIME"),
    ("a1@mail.example", "Anna", "One", "subscribed", ""),
    ("a2@mail.example", "Boris", "Two", "unsubscribed", "2026-05-01 10:00:00"),
    ("a3@mail.example", "Vera", "Three", "cleaned", ""),
    ("a4@mail.example", "Gleb", "Four", "pending", ""),
    delimiter=",",
)
CONSENT = files.csv(
    ("email", "ФИО", "Согласие"),
    ("s1@mail.example", "Да Да", "да"),
    ("s2@mail.example", "Нет Нет", "нет"),
    ("s3@mail.example", "Ложь", "FALSE"),
)


def sendable(owner) -> set[str]:
    every = set(Client.objects.filter(owner=owner).values_list("email_normalised", flat=True))
    return every - stop_list.suppressed_among(owner.pk, every)


def reasons(owner) -> dict[str, str]:
    return dict(Suppression.objects.filter(owner=owner).values_list("address", "reason"))


def test_only_the_subscribed_of_another_service_get_mail(owner):
    row = checked(owner, MAILCHIMP)
    assert row.counts == {"new": 1, "unsubscribed": 1, "bounced": 1, "no_consent": 1}
    assert row.examples["unsubscribed"] == [
        [3, "a2@mail.example", "Status: unsubscribed", "Boris Two"]
    ]
    assert outcome.balance(row) == (1, 3, 0, 0)
    assert not Suppression.objects.exists()

    imports.start(row=row, by=owner)
    work()
    row.refresh_from_db()
    assert row.status == "done"
    assert sendable(owner) == {"a1@mail.example"}
    assert reasons(owner) == {
        "a2@mail.example": "unsubscribed",
        "a3@mail.example": "bounced",
        "a4@mail.example": "no_consent",
    }
    left = Suppression.objects.get(address="a2@mail.example")
    assert left.happened_on == date(2026, 5, 1)
    assert left.source.endswith("· Status: unsubscribed")
    assert left.is_imported
    assert Client.objects.get(email="a3@mail.example").full_name == "Vera Three"
    assert kinds(row)[5] == "no_consent"


def test_a_second_import_of_the_states_changes_nothing(owner):
    imported(owner, MAILCHIMP)
    before = list(Suppression.objects.order_by("pk").values())
    row = imported(owner, MAILCHIMP)
    assert row.counts == {"unchanged": 1, "suppressed": 3}
    assert list(Suppression.objects.order_by("pk").values()) == before


def test_whom_the_file_says_not_to_write_to_may_be_left_out(owner):
    row = imported(owner, MAILCHIMP, leaves_out=True)
    assert row.counts == {"new": 1, "out": 3}
    assert not Suppression.objects.exists()
    assert set(Client.objects.values_list("email", flat=True)) == {"a1@mail.example"}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_consent_that_says_no_is_none(owner, kind):
    content = CONSENT
    if kind == "xlsx":
        rows = [line.split(";") for line in CONSENT.decode().splitlines()]
        content = files.xlsx([*rows[:3], [*rows[3][:2], False], ["s4@mail.example", "Пусто", None]])
    row = imported(owner, content)
    assert sendable(owner) == {"s1@mail.example"}
    assert row.counts == {"new": 1, "no_consent": 2 + (kind == "xlsx")}
    yes, no = (Client.objects.get(email=f"s{n}@mail.example") for n in (1, 2))
    assert (yes.consent_source, no.consent_source) == ("договор", "")


def test_an_empty_consent_before_the_first_yes_is_no_consent_either(owner):
    lines = [(f"e{n}@mail.example", "") for n in range(3)]
    row = checked(owner, files.csv(("email", "Согласие"), *lines, ("y@mail.example", "да")))
    assert row.counts == {"new": 1, "no_consent": 3}
    imports.start(row=row, by=owner)
    work()
    assert sendable(owner) == {"y@mail.example"}


def test_a_consent_with_dates_and_sources_is_kept(owner):
    content = files.csv(
        ("email", "Согласие"), ("d@mail.example", "12.03.2024"), ("s@mail.example", "визитка"),
        ("e@mail.example", ""),
    )  # fmt: skip
    assert imported(owner, content).counts == {"new": 3}
    found = Client.objects.order_by("email").values_list("consent_source", "consent_at")
    assert list(found) == [("договор", date(2024, 3, 12)), ("договор", None), ("визитка", None)]


UNKNOWN = files.csv(
    ("email", "Статус подписки"),
    ("v1@mail.example", "VIP"),
    ("v2@mail.example", "vip "),
    ("g@mail.example", "подписан"),
    ("o@mail.example", "обычный"),
    ("e@mail.example", ""),
    ("u@mail.example", "отписан"),
)


def test_unknown_words_are_asked_about_and_nothing_starts_before(owner):
    row = checked(owner, UNKNOWN)
    assert row.counts == {"new": 1, "asked": 4, "unsubscribed": 1}
    asked = [(q.word, q.shown, q.number, q.row_number) for q in outcome.questions(row)]
    assert asked == [("vip", "VIP", 2, 2), ("обычный", "обычный", 1, 5), ("", "", 1, 6)]
    with pytest.raises(Refused):
        imports.start(row=row, by=owner)

    said = {"1": {"vip": Says.OK, "обычный": Says.MANUAL, "": Says.OUT, "foreign": Says.OK}}
    imports.answer(row=row, by=owner, answers=said)
    work()
    row.refresh_from_db()
    assert row.counts == {"new": 3, "manual": 1, "out": 1, "unsubscribed": 1}
    assert "foreign" not in row.answers["1"]
    imports.start(row=row, by=owner)
    work()
    assert sendable(owner) == {"v1@mail.example", "v2@mail.example", "g@mail.example"}
    assert reasons(owner) == {"o@mail.example": "manual", "u@mail.example": "unsubscribed"}
    assert not Client.objects.filter(email="e@mail.example").exists()


def test_another_owner_cannot_answer(owner, stranger):
    from django.core.exceptions import PermissionDenied

    row = checked(owner, UNKNOWN)
    with pytest.raises(PermissionDenied):
        imports.answer(row=row, by=stranger, answers={"1": {"vip": Says.OK}})


def test_a_state_far_down_in_a_column_that_was_skipped_is_asked_about(owner):
    lines = [(f"c{n}@mail.example", "VIP") for n in range(imports.GUESS_ROWS + 50)]
    content = files.csv(("email", "Статус"), *lines, ("u@mail.example", "отписан"))
    row = checked(owner, content)
    assert row.mapping == ["email", ""]
    assert row.counts["asked"] == 1
    with pytest.raises(Refused):
        imports.start(row=row, by=owner)


def test_a_column_of_customers_is_no_state(owner):
    content = files.csv(("email", "Статус"), ("v@mail.example", "VIP"), ("n@x.example", "обычный"))
    assert imported(owner, content).counts == {"new": 2}
    assert sendable(owner) == {"v@mail.example", "n@x.example"}


def test_a_row_that_forbids_counts_after_one_that_allows(owner):
    content = files.csv(
        ("email", "Status"),
        ("a@mail.example", "subscribed"), ("b@mail.example", "cleaned"),
        ("c@mail.example", "unsubscribed"),
        ("a@mail.example", "unsubscribed"), ("a@mail.example", "complained"),
        ("b@mail.example", "unsubscribed"), ("b@mail.example", "subscribed"),
        ("c@mail.example", "subscribed"),
    )  # fmt: skip
    row = checked(owner, content)
    balance = outcome.balance(row)
    assert (balance.get_mail, balance.asked) == (0, 0)
    imports.start(row=row, by=owner)
    work()
    assert sendable(owner) == set()
    assert reasons(owner) == {
        "a@mail.example": "unsubscribed",
        "b@mail.example": "unsubscribed",  # a person's wish is stricter than a dead address
        "c@mail.example": "unsubscribed",
    }


def test_a_row_that_forbids_counts_even_if_such_rows_are_left_out(owner):
    content = files.csv(
        ("email", "Status"), ("a@mail.example", "subscribed"), ("A@mail.example ", "subscribed"),
        ("a@mail.example", "unsubscribed"),
    )  # fmt: skip
    imported(owner, content, leaves_out=True)
    assert reasons(owner) == {"a@mail.example": "unsubscribed"}


def test_a_fault_elsewhere_in_the_row_keeps_nobody_off_the_list(owner):
    factories.make_client(owner, email="a@mail.example")
    content = files.csv(
        ("email", "name", "Дата согласия", "Status"),
        ("a@mail.example", "x" * 300, "31.02.2024", "unsubscribed"),
    )
    assert imported(owner, content).counts == {"unsubscribed": 1}
    assert sendable(owner) == set()


def test_a_clients_own_wish_takes_the_place_of_a_reason_that_may_be_lifted(owner):
    for address, reason in (("a2@mail.example", "bounced"), ("a3@mail.example", "complained")):
        stop_list.suppress(address, reason=SuppressionReason(reason), owner_id=owner.pk)
    imported(owner, MAILCHIMP)
    assert reasons(owner)["a2@mail.example"] == "unsubscribed"
    assert Suppression.objects.get(address="a2@mail.example").is_imported
    assert reasons(owner)["a3@mail.example"] == "complained"


THREE_FILES = {
    "unsubscribed_members_export_ab12cd34.csv": ("UNSUB_TIME", "unsubscribed"),
    "cleaned_members_export_ab12cd34.csv": ("CLEAN_TIME", "bounced"),
}


@pytest.mark.parametrize("as_clients", [True, False])
@pytest.mark.parametrize("name", THREE_FILES)
def test_the_separate_files_of_those_who_left_bring_nobody_in(owner, name, as_clients):
    head, reason = THREE_FILES[name]
    content = files.csv(
        ("Email Address", "First Name", head, "UNSUB_CAMPAIGN_TITLE"),
        ("z@mail.example", "Zoe", "2025-01-02 03:04:05", "May"),
        delimiter=",",
    )
    row = factories.make_import(owner, content, name=name)
    assert (row.kind, row.reason) == ("stop_list", reason)
    kind = ImportKind.CLIENTS if as_clients else row.kind
    imports.check(
        row=row, by=owner, mapping=row.mapping, target=None, new_list="", consent="договор",
        updates=True, kind=kind, reason=row.reason,
    )  # fmt: skip
    work()
    imports.start(row=row, by=owner)
    work()
    assert reasons(owner) == {"z@mail.example": reason}
    assert Suppression.objects.get().happened_on == date(2025, 1, 2)
    assert Client.objects.exists() is as_clients


def test_a_suppression_list_is_imported_as_such(owner):
    known = factories.make_client(owner, email="known@mail.example", full_name="Known")
    content = b"known@mail.example\nnew@mail.example\nNEW@mail.example\nnot an address\n"
    row = factories.make_import(owner, content, name="стоп-лист.csv")
    assert (row.kind, row.reason) == ("stop_list", "manual")
    listed = factories.make_list(owner)
    imports.check(
        row=row, by=owner, mapping=row.mapping, target=listed, new_list="Все", consent="",
        updates=True, kind=row.kind, reason="complained",
    )  # fmt: skip
    work()
    row.refresh_from_db()
    assert row.counts["complained"] >= 2
    imports.start(row=row, by=owner)
    work()
    row.refresh_from_db()
    assert row.status == "done"
    assert reasons(owner) == dict.fromkeys(["known@mail.example", "new@mail.example"], "complained")
    assert list(Client.objects.all()) == [known]
    assert listed.clients.count() == 0
    assert not ClientList.objects.filter(name="Все").exists()


STATES = {
    "sends@x.example": None,
    "left@x.example": ("unsubscribed", "link"),
    "click@x.example": ("unsubscribed", "one-click"),
    "dead@x.example": ("bounced", "550 5.1.1 no such user"),
    "angry@x.example": ("complained", "feedback loop"),
    "hand@x.example": ("manual", "asked by phone"),
    "never@x.example": ("no_consent", "members.csv · Status: pending"),
    "erased@x.example": ("unsubscribed", "link"),
}


@pytest.fixture
def everybody(owner) -> None:
    for address, entry in STATES.items():
        factories.make_client(owner, email=address, full_name=f"Имя {address[:4]}")
        if entry:
            reason, source = entry
            stop_list.suppress(
                address, reason=SuppressionReason(reason), owner_id=owner.pk, source=source
            )
    Suppression.objects.filter(address="left@x.example").update(happened_on=date(2021, 2, 3))
    Suppression.objects.filter(address="erased@x.example").update(address="")


def table(user, kind: str) -> bytes:
    rows = exporting.clients(user, Client.objects.filter(owner=user))
    return b"".join(downloads.parts(rows, kind))


def told(user) -> list[tuple]:
    """Return what an export says of each client, without when they were added."""
    return [tuple(row[:-1]) for row in exporting.clients(user, Client.objects.filter(owner=user))]


@pytest.mark.parametrize("is_fresh", [True, False], ids=["fresh database", "another owner"])
@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_our_export_keeps_every_state_elsewhere(
    owner, stranger, everybody, kind, language, is_fresh
):
    from django.utils import translation

    speak(owner, language)
    with translation.override(language):
        content, before = table(owner, kind), told(owner)
        stored = {
            entry.address or "erased@x.example": (entry.reason, entry.source)
            for entry in Suppression.objects.all()
        }
        if is_fresh:
            Client.objects.all().delete()
            Suppression.objects.all().delete()
        row = imported(stranger, content, consent="x")
        assert (row.status, row.counts["new"]) == ("done", 1)
        Client.objects.filter(owner=stranger).update(consent_source="")
        assert told(stranger) == before
    assert sendable(stranger) == {"sends@x.example"}
    entries = Suppression.objects.filter(owner=stranger)
    assert {e.address: (e.reason, e.source) for e in entries} == stored
    assert entries.get(address="left@x.example").happened_on == date(2021, 2, 3)


def test_an_export_of_before_brings_nobody_back_either(owner):
    content = files.csv(
        ("E-mail", "Полное имя", "Комментарий", "Согласие", "Дата согласия", "город", "Списки",
         "Состояние", "Добавлен"),
        ("a@x.example", "А", "", "форма", "", "Тверь", "", "Получает письма", "2025-01-01"),
        ("b@x.example", "Б", "", "форма", "", "Псков", "", "В стоп-листе", "2025-01-01"),
    )  # fmt: skip
    row = imported(owner, content)
    assert row.mapping[5:] == ["attr:город", "", "state", ""]
    assert sendable(owner) == {"a@x.example"}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_exported_suppression_list_is_imported_with_its_reasons(
    client, owner, stranger, everybody, kind
):
    client.force_login(owner)
    response = client.get(reverse("mailings:stop_list_export", args=[kind]))
    content = b"".join(response.streaming_content)
    client.force_login(stranger)
    upload = SimpleUploadedFile(f"file.{kind}", content)
    response = client.post(f"{reverse('mailings:import_create')}?kind=stop_list", {"file": upload})
    row = Import.objects.get()
    assert row.is_stop_list
    data = columns_answers(row, consent="", kind="stop_list", reason="manual")
    assert client.post(response.url, data).status_code == 302
    work()
    client.post(at("start", row))
    work()
    readable = {address: entry[0] for address, entry in STATES.items() if entry}
    del readable["erased@x.example"]  # nobody can tell it any more
    assert reasons(stranger) == readable
    assert not Client.objects.filter(owner=stranger).exists()


def test_the_page_asks_shows_and_goes_on(client, owner):
    client.force_login(owner)
    row = checked(owner, UNKNOWN)
    page = client.get(row.get_absolute_url()).content.decode()
    assert "v1@mail.example" in page
    assert at("start", row) not in page
    client.post(at("start", row), follow=True)  # a second tab, an old page
    row.refresh_from_db()
    assert row.status == "checked"
    response = client.post(at("words", row), {"w0": "send", "w1": "stop"}, follow=True)
    assert len(response.context["messages"]) == 1  # one word is not answered
    client.post(at("words", row), {"w0": "send", "w1": "stop", "w2": "out"})
    work()
    page = client.get(row.get_absolute_url())
    assert page.context["balance"] == (3, 2, 1, 0)
    assert at("start", row) in page.content.decode()
    client.post(at("start", row))
    work()
    report = b"".join(client.get(at("report", row)).streaming_content).decode()
    assert "Статус подписки: обычный" in report


def test_the_suggested_answer_is_never_to_send(client, owner):
    client.force_login(owner)
    content = files.csv(
        ("email", "Отписан", "Status"), ("a@x.example", "VIP", ""), ("b@x.example", "", "cleaned"),
    )  # fmt: skip
    row = checked(owner, content, mapping=["email", "state", "attr:status"])
    page = client.get(row.get_absolute_url())
    suggested = {q.shown: field.value() for q, field in page.context["words"].rows()}
    assert suggested == {"VIP": "out", "cleaned": "stop"}


def test_the_stop_list_shows_own_entries_only(client, owner, stranger, everybody):
    stop_list.suppress("q@x.example", reason=SuppressionReason.MANUAL, owner_id=stranger.pk)
    stop_list.suppress("w@x.example", reason=SuppressionReason.MANUAL, owner_id=None)
    client.force_login(owner)
    page = client.get(reverse("mailings:stop_list"))
    assert len(page.context["page"]) == 7
    text = page.content.decode()
    assert "q@x.example" not in text
    assert "w@x.example" not in text
    assert "550 5.1.1" in text
    found = client.get(reverse("mailings:stop_list"), {"reason": "unsubscribed", "q": "left"})
    assert [entry.address for entry in found.context["page"]] == ["left@x.example"]
    assert client.get(reverse("mailings:stop_list_export", args=["pdf"])).status_code == 404


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ярмарка.csv", "Ярмарка"),
        ("Ярмарка_весна_2026-05-01.xlsx", "Ярмарка весна"),
        ("clients 01.05.2026 (2).csv", "Clients"),
        ("subscribed_members_export_ab12cd34ef.csv", "Subscribed members export"),
        ("shop-customers-20260501.csv", "Shop-customers"),
        ("Клиенты – копия (3).xlsx", "Клиенты"),
        ("export.tar.csv", "Export.tar"),
    ],
)
def test_a_list_named_after_the_file_is_proposed(owner, name, expected):
    row = factories.make_import(owner, name=name)
    assert row.new_list == expected


def test_a_proposed_list_is_a_new_one_and_takes_the_imported_clients(client, owner):
    client.force_login(owner)
    factories.make_list(owner, name="Ярмарка")
    row = factories.make_import(owner, MAILCHIMP, name="ярмарка.csv")
    page = client.get(at("columns", row))
    form = page.context["form"]
    assert (form["target"].value(), form["new_list"].value()) == ("new", "Ярмарка 2")
    data = columns_answers(row, target="new", new_list="Ярмарка 2")
    client.post(at("columns", row), data)
    work()
    client.post(at("start", row))
    work()
    made = ClientList.objects.get(name="Ярмарка 2")
    assert [c.email for c in made.clients.all()] == ["a1@mail.example"]


def test_a_proposed_list_is_not_made_unless_it_is_chosen(owner):
    listed = factories.make_list(owner, name="Старый")
    row = factories.make_import(owner, MAILCHIMP, name="ярмарка.csv")
    imports.check(
        row=row, by=owner, mapping=row.mapping, target=listed, consent="форма", updates=True
    )
    work()
    imports.start(row=row, by=owner)
    work()
    assert list(ClientList.objects.all()) == [listed]
    assert [c.email for c in listed.clients.all()] == ["a1@mail.example"]


@pytest.mark.parametrize("name", ["2026-05-01.csv", "12345.csv", "---.csv"])
def test_a_name_that_says_nothing_gives_the_day(owner, name):
    assert "202" in factories.make_import(owner, name=name).new_list


def test_people_who_came_as_unsubscribed_are_no_figure_of_a_report(client, owner):
    imported(owner, MAILCHIMP)
    stop_list.suppress("here@x.example", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    client.force_login(owner)
    page = client.get(reverse("mailings:report"))
    assert sum(part.unsubscribed for part in page.context["asked"].parts()) == 1


def test_statements_grow_with_the_chunks_not_with_the_states(owner):
    number = CHUNK * 2 + 100
    words = ("subscribed", "unsubscribed", "cleaned", "pending")
    lines = [(f"c{n}@mail.example", words[n % 4]) for n in range(number)]
    row = checked(owner, files.csv(("email", "Status"), *lines))
    imports.start(row=row, by=owner)
    with CaptureQueriesContext(connection) as captured:
        work()
    row.refresh_from_db()
    assert sum(row.counts.values()) == number
    assert len(captured) < 3 * 13 + 15
    assert Suppression.objects.count() == number - row.counts["new"]


def test_a_worker_that_stops_between_chunks_bars_everybody_all_the_same(owner):
    lines = [(f"c{n}@mail.example", "subscribed") for n in range(CHUNK)]
    content = files.csv(("email", "Status"), *lines, ("c0@mail.example", "unsubscribed"))
    row = checked(owner, content)
    imports.start(row=row, by=owner)
    pauses = iter([False, False])
    work(stopping=lambda: next(pauses, True))
    row.refresh_from_db()
    assert (row.status, row.position) == ("importing", CHUNK)
    work()
    assert reasons(owner) == {"c0@mail.example": "unsubscribed"}
    row.refresh_from_db()
    assert outcome.balance(row).get_mail == CHUNK - 1


def test_so_many_words_are_no_states_and_are_not_all_kept(owner):
    lines = [(f"c{n}@mail.example", f"word{n}") for n in range(200)]
    row = checked(owner, files.csv(("email", "email status"), *lines))
    assert row.counts == {"asked": 200}
    assert len(outcome.questions(row)) == running.MAX_WORDS

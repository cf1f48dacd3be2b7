"""The owner's pages of the stop-list: found, counted, added, taken off, downloaded, brought in."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailings.clients.importing import services as imports
from mailings.models import Client, Suppression
from mailings.models.importing import ImportKind
from mailings.models.suppression import SuppressionReason
from mailings.suppression import services, stop_list
from mailings.suppression.fingerprints import address_hash
from mailings.suppression.views.stop_list import told
from mailings.web import keyset
from tests import factories
from tests.integration.cabinet import in_language, speak
from tests.integration.clients.test_importing import checked, work

R = SuppressionReason
LIST, ADD, TAKE_OUT = (
    reverse(f"mailings:{name}") for name in ("stop_list", "stop_list_add", "stop_list_take_out")
)
CSV = reverse("mailings:stop_list_export", args=["csv"])
ANNA = "anna@mail.example"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def signed_in(client, owner):
    client.force_login(owner)


def entry(owner, address=ANNA, reason=R.MANUAL, **fields) -> Suppression:
    row = Suppression.objects.create(
        owner=owner, address=address, address_hash=address_hash(address), reason=reason
    )
    Suppression.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


def shown(client, **query) -> list[str]:
    return [row.address for row in client.get(LIST, query).context["page"]]


def text(response) -> str:
    return response.content.decode()


# ---------------------------------------------------------------- found


def test_a_whole_address_or_a_part_of_it_finds_the_entry(client, owner):
    entry(owner)
    entry(owner, "boris@other.example")
    assert shown(client, q="ANNA@mail.example") == [ANNA]
    assert shown(client, q="other.ex") == ["boris@other.example"]
    assert shown(client, q="nobody") == []


def test_an_erased_address_is_found_by_whoever_knows_it(client, owner):
    row = entry(owner, address="", address_hash=address_hash("anna@münchen.example"))
    for sought in ("Anna@münchen.example", "anna@xn--mnchen-3ya.example"):
        assert [r.pk for r in client.get(LIST, {"q": sought}).context["page"]] == [row.pk]
    assert shown(client, q="münchen") == []
    page = text(client.get(row.get_absolute_url()))
    assert in_language(owner.language, "erased address") in page


def test_reason_origin_and_days_narrow_the_list(client, owner):
    owner.time_zone = "Asia/Vladivostok"
    owner.save(update_fields=["time_zone"])
    # 23:30 on the 1st in UTC is the 2nd there.
    entry(owner, created_at=datetime(2026, 5, 1, 23, 30, tzinfo=UTC))
    entry(owner, "b@mail.example", R.BOUNCED, created_at=datetime(2026, 5, 3, 1, tzinfo=UTC))
    entry(owner, "c@mail.example", R.UNSUBSCRIBED, is_imported=True)
    assert shown(client, since="2026-05-02", until="2026-05-02") == [ANNA]
    assert shown(client, until="2026-05-02", since="2026-05-03") == ["b@mail.example", ANNA]
    assert shown(client, reason="bounced") == ["b@mail.example"]
    assert shown(client, origin="file") == ["c@mail.example"]
    assert shown(client, origin="here") == ["b@mail.example", ANNA]
    assert len(shown(client, reason="nonsense", since="0001-01-01", until="9999-12-31")) == 3


def test_nonsense_in_the_address_is_no_error(client, owner):
    entry(owner)
    for query in (
        {"since": "0001-01-01"}, {"until": "0001-01-01"}, {"since": "9999-12-31"},
        {"until": "9999-12-31"}, {"run": "9" * 30}, {"mailing": "x"}, {"q": "\x00@"},
        {"after": "x"},
    ):  # fmt: skip
        assert client.get(LIST, query).status_code == 200


def test_the_newest_stand_first_and_pages_follow_each_other(client, owner):
    now = timezone.now()
    for number in range(keyset.PAGE_SIZE + 5):
        entry(owner, f"n{number:02}@mail.example", created_at=now - timedelta(hours=number))
    first = client.get(LIST).context
    assert first["found"].number == keyset.PAGE_SIZE + 5
    seen = [row.address for row in first["page"]]
    seen += shown(client, after=first["page"].following)
    assert seen == sorted(seen)
    assert len(seen) == keyset.PAGE_SIZE + 5


@pytest.mark.parametrize(
    "query", [{}, {"q": "mail"}, {"q": ANNA}, {"reason": "manual", "since": "2020-01-01"}]
)
def test_queries_do_not_grow_with_the_entries(client, owner, query):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(LIST, query).status_code == 200
        return len(captured)

    entry(owner)
    count()
    few = count()
    Suppression.objects.bulk_create(
        Suppression(
            owner=owner, address=f"n{n}@mail.example", address_hash=f"{n:064}", reason=R.MANUAL
        )
        for n in range(200)
    )
    assert count() == few <= 15


def test_what_bars_everybody_is_said_to_whoever_asks_for_that_very_address(client, owner):
    entry(None, reason=R.COMPLAINED)
    for is_empty in (True, False):
        if not is_empty:
            entry(owner, "boris@mail.example")
        assert client.get(LIST, {"q": "Anna@mail.example"}).context["for_everybody"]
        assert client.get(LIST, {"q": "anna"}).context["for_everybody"] is None
        assert ANNA not in text(client.get(LIST))


def test_figures_lead_to_those_they_count(client, owner):
    run = factories.make_run(factories.make_mailing(owner), targeted=1)
    factories.make_leaving(run, ANNA)
    entry(owner, "b@mail.example", R.UNSUBSCRIBED, run=None)
    entry(owner, "c@mail.example", R.UNSUBSCRIBED, is_imported=True)
    report = client.get(reverse("mailings:report")).context
    assert report["unsubscribed"] == 2
    assert len(client.get(report["leavers_url"]).context["page"]) == 2
    one = client.get(reverse("mailings:report"), {"mailing": run.mailing_id}).context
    assert [r.address for r in client.get(one["leavers_url"]).context["page"]] == [ANNA]
    assert shown(client, run=run.pk, reason="unsubscribed") == [ANNA]
    assert f"{LIST}?run={run.pk}&amp;" in text(client.get(run.get_absolute_url()))
    assert f'href="{LIST}"' in text(client.get(reverse("mailings:dashboard")))


def test_the_run_of_somebody_else_shows_nothing(client, owner, stranger):
    run = factories.make_run(factories.make_mailing(stranger))
    entry(stranger, reason=R.UNSUBSCRIBED, run=run)
    entry(owner, "own@mail.example")
    assert shown(client, run=run.pk) == shown(client, mailing=run.mailing_id) == []


# ---------------------------------------------------------------- why this one gets nothing


def test_list_and_page_of_a_client_lead_to_the_reason(client, owner):
    anna = factories.make_client(owner, email=ANNA)
    row = entry(owner, reason=R.COMPLAINED)
    for url in (reverse("mailings:client_list"), anna.get_absolute_url()):
        assert f'href="{row.get_absolute_url()}"' in text(client.get(url))
    page = text(client.get(row.get_absolute_url()))
    assert anna.get_absolute_url() in page
    assert f"{TAKE_OUT}?chosen={row.pk}" in page


def test_a_client_barred_for_everybody_leads_nowhere_and_says_so(client, owner):
    anna = factories.make_client(owner, email=ANNA)
    row = entry(None)
    page = text(client.get(anna.get_absolute_url()))
    assert in_language(
        owner.language, "for everybody: the whole service does not write there"
    ) in page  # fmt: skip
    assert row.get_absolute_url() not in page
    assert client.get(row.get_absolute_url()).status_code == 404


# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize("language", ["ru", "en"])
def test_addresses_are_added_and_it_is_said_how_many(client, owner, language):
    speak(owner, language)
    entry(owner, "b@mail.example", R.BOUNCED)
    page = client.post(
        ADD,
        {"addresses": f"{ANNA}\nb@mail.example", "reason": "complained", "note": "=1+1"},
        follow=True,
    )
    assert page.redirect_chain[0][0] == LIST
    said = text(page)
    assert str(told(services.Added(1, 1, 0))) in said
    assert dict(Suppression.objects.values_list("address", "reason")) == {
        ANNA: "complained", "b@mail.example": "complained",
    }  # fmt: skip


def test_a_faulty_line_loses_nothing_that_was_typed(client):
    typed = {"addresses": "anna@mail.example\n<script>\n", "reason": "complained", "note": "told"}
    page = client.post(ADD, typed)
    assert page.status_code == 200
    said = text(page)
    assert "anna@mail.example\n&lt;script&gt;" in said.replace("\r", "")
    assert "<script>\n" not in said
    assert 'value="told"' in said
    assert page.context["form"].errors["addresses"]
    assert not Suppression.objects.exists()


def test_what_was_typed_outlives_the_session(client, owner):
    page = client.get(ADD)
    writer = page.context["writer"]
    client.logout()
    answer = client.post(ADD, {"addresses": ANNA, "reason": "manual", "writer": writer})
    assert answer.status_code == 302
    assert not Suppression.objects.exists()
    client.force_login(owner)
    kept = client.get(reverse("mailings:kept_form"))
    assert ANNA in text(kept)
    again = client.post(ADD, {"addresses": ANNA, "reason": "manual", "action": "again"})
    assert ANNA in text(again)
    assert not Suppression.objects.exists()


def test_nobody_found_offers_to_add_the_address(client, owner):
    entry(owner, "boris@mail.example")
    assert f"{ADD}?address=anna%40mail.example" in text(client.get(LIST, {"q": ANNA}))
    assert ANNA in text(client.get(ADD, {"address": ANNA}))


# ---------------------------------------------------------------- off the list


def posted(client, *rows: Suppression, **fields):
    page = client.get(TAKE_OUT, {"chosen": [row.pk for row in rows]})
    seen = list(page.context["seen"].values())
    return client.post(TAKE_OUT, {"seen": seen, "reason": "a typing error"} | fields)


def test_chosen_ones_are_taken_off_with_a_reason(client, owner):
    one, two = entry(owner), entry(owner, "boris@mail.example")
    stays = entry(owner, "vera@mail.example")
    assert posted(client, one, two).url == LIST
    assert list(Suppression.objects.all()) == [stays]


def test_an_own_wish_asks_to_be_confirmed_and_says_what_it_means(client, owner):
    row = entry(owner, reason=R.UNSUBSCRIBED)
    asked = client.get(TAKE_OUT, {"chosen": row.pk})
    assert 'name="confirmed"' in text(asked)
    answer = posted(client, row)
    assert answer.status_code == 200
    assert answer.context["form"].errors["confirmed"]
    assert "a typing error" in text(answer)
    assert posted(client, row, confirmed="on").url == LIST
    assert not Suppression.objects.exists()
    by_hand = entry(owner)
    assert 'name="confirmed"' not in text(client.get(TAKE_OUT, {"chosen": by_hand.pk}))


def test_who_spoke_meanwhile_is_shown_as_they_are_now(client, owner):
    row = entry(owner)
    seen = list(client.get(TAKE_OUT, {"chosen": row.pk}).context["seen"].values())
    Suppression.objects.update(reason=R.UNSUBSCRIBED)
    answer = client.post(TAKE_OUT, {"seen": seen, "reason": "mine"})
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors()
    assert 'name="confirmed"' in text(answer)
    fresh = list(answer.context["seen"].values())
    assert fresh != seen
    assert client.post(TAKE_OUT, {"seen": fresh, "reason": "mine", "confirmed": "on"}).url == LIST


def test_a_second_click_says_that_it_is_done(client, owner):
    row = entry(owner)
    seen = list(client.get(TAKE_OUT, {"chosen": row.pk}).context["seen"].values())
    for _click in range(2):
        page = client.post(TAKE_OUT, {"seen": seen, "reason": "mine"}, follow=True)
        assert page.status_code == 200
        assert page.redirect_chain[0][0] == LIST


@pytest.mark.parametrize("chosen", ["", "x", "-1", "9" * 40, "²"])
def test_nothing_sensible_chosen_is_no_error(client, chosen):
    page = client.get(TAKE_OUT, {"chosen": chosen})
    assert page.status_code == 200
    assert not page.context["entries"]
    answer = client.post(TAKE_OUT, {"seen": f"{chosen}-x", "reason": "mine"})
    assert answer.url == LIST


def test_nobody_takes_off_or_sees_what_is_a_strangers(client, owner, stranger):
    foreign = entry(stranger)
    page = client.get(TAKE_OUT, {"chosen": foreign.pk})
    assert ANNA not in text(page)
    (value,) = services.as_seen([foreign]).values()
    client.post(TAKE_OUT, {"seen": value, "reason": "mine", "confirmed": "on"})
    assert Suppression.objects.get() == foreign


# ---------------------------------------------------------------- as a file


def rows_of(response) -> list[list[str]]:
    content = b"".join(response).decode("utf-8-sig")
    delimiter = ";" if content.count(";") > content.count(",") else ","
    return list(csv.reader(io.StringIO(content), delimiter=delimiter))[1:]


def test_the_download_holds_what_the_page_shows_and_no_formulas(client, owner):
    entry(owner, source="=HYPERLINK(1)")
    entry(owner, "b@mail.example", R.BOUNCED)
    (row,) = rows_of(client.get(CSV, {"reason": "manual"}))
    assert row[0] == ANNA
    assert not row[3].startswith("=")
    assert len(rows_of(client.get(CSV, {"q": "mail.example"}))) == 2


def test_what_is_downloaded_can_be_brought_in_elsewhere(client, owner, stranger):
    for number, reason in enumerate(R):
        entry(owner, f"n{number}@mail.example", reason, source=f"{number}: =so it was")
    content = b"".join(client.get(CSV))
    row = checked(stranger, content, kind=ImportKind.STOP_LIST)
    imports.start(row=row, by=stranger)
    work()
    said = ("address", "reason", "source")
    assert set(Suppression.objects.filter(owner=stranger).values_list(*said)) == set(
        Suppression.objects.filter(owner=owner).values_list(*said)
    )
    assert not Client.objects.filter(owner=stranger).exists()


MAILCHIMP_UNSUBSCRIBED = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,"
    "UNSUB_REASON,LEID,EUID\n"
    'anna@mail.example,Anna,One,2,"2020-01-01 10:00:00","2024-05-01 12:00:00",May,NORMAL,1,a\n'
)
MAILCHIMP_CLEANED = (
    "Email Address,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,LEID\n"
    'anna@mail.example,Anna,"2024-05-01 12:00:00",May,1\n'
)
UNISENDER = (
    "email;email_status;email_availability;email_add_time\n"
    "anna@mail.example;unsubscribed;available;2020-01-01 10:00:00\n"
    "boris@mail.example;active;unreachable;2020-01-01 10:00:00\n"
)
SENDSAY = "Email;Статус;Дата отписки\nanna@mail.example;отписан;01.05.2024\n"
MAILUP = "Email;OptOut_Date;idList\nanna@mail.example;2024-05-01;1\n"
RUSENDER = "anna@mail.example\nboris@mail.example\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("unsubscribed_export.csv", MAILCHIMP_UNSUBSCRIBED, {ANNA: ("unsubscribed", 2024)}),
        ("cleaned_export.csv", MAILCHIMP_CLEANED, {ANNA: ("bounced", 2024)}),
        ("export.csv", UNISENDER, {
            ANNA: ("unsubscribed", None), "boris@mail.example": ("bounced", None),
        }),
        ("sendsay.csv", SENDSAY, {ANNA: ("unsubscribed", 2024)}),
        ("mailup.csv", MAILUP, {ANNA: ("unsubscribed", 2024)}),
        ("отписавшиеся.txt", RUSENDER, {
            ANNA: ("unsubscribed", None), "boris@mail.example": ("unsubscribed", None),
        }),
    ],
)  # fmt: skip
def test_lists_of_other_services_come_in_with_reasons_and_days(owner, name, content, expected):
    row = imports.upload(
        owner=owner, name=name, content=content.encode(), kind=ImportKind.STOP_LIST
    )
    imports.check(
        row=row, by=owner, mapping=row.mapping, target=None, kind=ImportKind.STOP_LIST,
        reason=row.reason or R.MANUAL,
    )  # fmt: skip
    work()
    row.refresh_from_db()
    assert sum(row.counts.values()) == len(expected)
    assert not Suppression.objects.exists()  # so far it is only said what will be
    imports.start(row=row, by=owner)
    work()
    found = Suppression.objects.values_list("address", "reason", "happened_on__year")
    assert {address: (reason, year) for address, reason, year in found} == expected
    assert not Client.objects.exists()


def test_a_file_never_weakens_what_a_person_wished(owner):
    stop_list.suppress(ANNA, reason=R.COMPLAINED, owner_id=owner.pk)
    row = checked(owner, "email\nanna@mail.example\n", kind=ImportKind.STOP_LIST)
    imports.start(row=row, by=owner)
    work()
    assert Suppression.objects.get().reason == R.COMPLAINED

"""The doors behind a tracked letter: what is answered, and what is written before."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import block_user, delete_user
from mailings.campaigns import services
from mailings.clients import bulk, deleting
from mailings.clients import services as clients
from mailings.delivery.runs import invariants
from mailings.models import Client, Delivery, Hit, Mailing, PastRun, Suppression, TrackedLink
from mailings.models.tracking import forget_hits
from mailings.states import DeliveryStatus
from mailings.tracking import hits, links
from mailings.tracking.machines import BURST, Asked, Why
from tests import factories
from tests.integration.feedback.test_events import sent_delivery
from tests.integration.test_use_cases import wait_for_a_waiter

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
LATER = timedelta(minutes=5)

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(owner) -> Delivery:
    """A letter that was taken some minutes ago, with three links."""
    made = sent_delivery(owner)
    earlier(made, LATER)
    for _ in range(3):
        factories.make_link(made.run)
    return made


@pytest.fixture
def browser() -> Browser:
    return Browser(headers={"User-Agent": PERSON})


def earlier(delivery: Delivery, by: timedelta) -> None:
    at = timezone.now() - by
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=at)
    delivery.attempts.update(started_at=at)


def token_of(delivery: Delivery) -> str:
    return links.token(delivery.run_id, delivery.pk)


def link(delivery: Delivery, position: int = 1) -> str:
    return reverse("tracked_link", args=[token_of(delivery), position])


def picture(delivery: Delivery) -> str:
    return reverse("tracked_opening", args=[token_of(delivery)])


def written(delivery: Delivery) -> dict[tuple[str, int, str], int]:
    """Return how often: by kind, link, and by what a machine was known; empty: a person."""
    rows = Hit.objects.filter(delivery=delivery)
    assert all(row.is_machine == bool(row.why) for row in rows)
    return {(row.kind, row.link, row.why): row.count for row in rows}


def ledger_holds() -> bool:
    return list(invariants.broken(timezone.now())) == []


# ---------------------------------------------------------------- answers


def test_addresses_in_letters_are_those_of_the_pages(delivery):
    pattern = links.link_pattern(7).replace(links.HOLE, token_of(delivery))
    assert pattern.endswith(link(delivery, 7))
    assert (
        links.picture_pattern().replace(links.HOLE, token_of(delivery)).endswith(picture(delivery))
    )


def test_the_picture_is_a_gif_that_nobody_keeps(browser, delivery):
    answer = browser.get(picture(delivery))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert written(delivery) == {("opened", 0, ""): 1}
    assert ledger_holds()


def test_a_link_leads_on_at_once_and_tells_the_page_nothing(browser, delivery):
    answer = browser.get(link(delivery, 2))
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.example/2")
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies
    # Who follows a link has opened the letter, though its pictures were not shown.
    assert written(delivery) == {
        ("clicked", 0, ""): 1, ("clicked", 2, ""): 1, ("opened", 0, ""): 1,
    }  # fmt: skip
    assert ledger_holds()


def test_a_picture_costs_few_statements_and_a_link_few_more(browser, delivery):
    for url, most in ((picture(delivery), 1), (link(delivery), 3)):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            browser.get(url)
        assert len(asked) <= most, [query["sql"] for query in asked]


def test_a_person_is_counted_once_and_how_often_is_kept(browser, delivery):
    for _ in range(3):
        browser.get(picture(delivery))
        browser.get(link(delivery, 1))
    assert written(delivery) == {
        ("opened", 0, ""): 6, ("clicked", 0, ""): 3, ("clicked", 1, ""): 3,
    }  # fmt: skip


def test_ten_thousand_loads_store_one_row_and_a_bounded_number(browser, delivery, monkeypatch):
    browser.get(picture(delivery))
    Hit.objects.update(count=Hit.MOST_COUNTED - 1)
    for _ in range(3):
        browser.get(picture(delivery))
    assert written(delivery) == {("opened", 0, ""): Hit.MOST_COUNTED}


# ---------------------------------------------------------------- people and machines


@pytest.mark.parametrize(
    ("method", "headers", "why"),
    [
        ("head", {}, Why.HEAD),
        ("get", {"User-Agent": ""}, Why.NAMELESS),
        ("get", {"User-Agent": "Mozilla/5.0"}, Why.PRIVACY_PROXY),
        ("get", {"User-Agent": "curl/8.5.0"}, Why.PROGRAM),
        ("get", {"Sec-Purpose": "prefetch;prerender"}, Why.PREFETCH),
        ("get", {"Purpose": "prefetch"}, Why.PREFETCH),
        ("get", {"X-Moz": "prefetch"}, Why.PREFETCH),
    ],
)
def test_a_machine_is_led_on_and_counted_apart(browser, delivery, method, headers, why):
    answer = getattr(browser, method)(link(delivery), headers=headers)
    assert answer["Location"] == "https://shop.example/1"
    getattr(browser, method)(picture(delivery), headers=headers)
    assert written(delivery) == {
        ("clicked", 0, why): 1, ("clicked", 1, why): 1, ("opened", 0, why): 1,
    }  # fmt: skip
    browser.get(link(delivery))  # then comes the person
    assert ("clicked", 0, "") in written(delivery)
    assert not Suppression.objects.exists()
    assert ledger_holds()


def test_a_proxy_that_shows_a_letter_is_a_person(browser, delivery):
    browser.get(picture(delivery), headers={"User-Agent": PROXY})
    assert written(delivery) == {("opened", 0, ""): 1}


def test_nobody_reads_what_was_taken_just_now(browser, delivery):
    earlier(delivery, timedelta(seconds=1))
    browser.get(picture(delivery))
    assert written(delivery) == {("opened", 0, Why.TOO_SOON): 1}


def test_a_burst_of_links_is_a_machines_from_its_beginning(browser, delivery, monkeypatch):
    monkeypatch.setattr("mailings.tracking.machines.BURST", timedelta(hours=1))
    for position in (1, 2, 3, 3):
        browser.get(link(delivery, position))
    assert {key[2] for key in written(delivery)} == {Why.BURST}
    assert {key[:2] for key in written(delivery)} == {
        ("clicked", 0), ("clicked", 1), ("clicked", 2), ("clicked", 3),
    }  # fmt: skip
    assert ledger_holds()


def test_a_burst_takes_nothing_from_the_person_who_read_before(browser, delivery):
    browser.get(picture(delivery))
    browser.get(link(delivery, 1))
    Hit.objects.update(first_at=timezone.now() - 10 * BURST)
    browser.get(link(delivery, 2))
    Hit.objects.filter(link=2).update(first_at=timezone.now() + BURST)  # however slow this is
    browser.get(link(delivery, 3))
    assert written(delivery).keys() == {
        ("opened", 0, ""), ("clicked", 0, ""), ("clicked", 1, ""),
        ("clicked", 0, Why.BURST), ("clicked", 2, Why.BURST), ("clicked", 3, Why.BURST),
    }  # fmt: skip


def test_the_same_link_twice_is_a_person_with_a_quick_finger(browser, delivery):
    for _ in range(2):
        browser.get(link(delivery, 1))
    assert {key[2] for key in written(delivery)} == {""}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (DeliveryStatus.PENDING, Why.UNSENT),  # its gateway looks before it answers
        (DeliveryStatus.FAILED, Why.UNSENT),
        (DeliveryStatus.UNCERTAIN, ""),
    ],
)
def test_who_reads_what_was_never_taken_is_a_gateway(browser, delivery, status, why):
    Delivery.objects.filter(pk=delivery.pk).update(status=status)
    browser.get(picture(delivery))
    assert written(delivery) == {("opened", 0, why): 1}


# ---------------------------------------------------------------- what changes nothing


@pytest.mark.parametrize("method", ["get", "head"])
def test_bad_tokens_lead_nowhere_and_write_nothing(browser, blog, delivery, method):
    good = token_of(delivery)
    for bad in ("x", "A" * 32, good[:-1], good + "A", good[:-1] + "!", good.swapcase()):
        answer = getattr(browser, method)(reverse("tracked_link", args=[bad, 1]))
        assert answer.status_code == 404
        assert getattr(browser, method)(reverse("tracked_opening", args=[bad])).status_code == 200
    for position in (0, 4, 32_768, 10**30):
        assert getattr(browser, method)(link(delivery, position)).status_code == 404
    assert not Hit.objects.exists()


def test_the_page_of_a_link_that_leads_nowhere_says_so(browser, blog, delivery):
    page = browser.get(link(delivery, 9), headers={"Accept-Language": "en"})
    html = page.content.decode()
    assert "This link leads nowhere any more" in html
    assert "noindex" in page["X-Robots-Tag"]
    assert "no-store" in page["Cache-Control"]


def test_a_token_of_another_run_opens_no_link_of_this_one(browser, blog, delivery, stranger):
    other = sent_delivery(stranger)
    mixed = links.token(other.run_id, delivery.pk)
    assert browser.get(reverse("tracked_link", args=[mixed, 1])).status_code == 404
    factories.make_link(other.run, url="https://other.example/")
    # Signed by us, but no such delivery: what the run has is shown, and nothing is written.
    answer = browser.get(reverse("tracked_link", args=[mixed, 1]))
    assert answer["Location"] == "https://other.example/"
    assert not Hit.objects.exists()


def test_what_comes_months_later_is_led_on_and_not_counted(browser, delivery):
    earlier(delivery, hits.COUNTED_WITHIN + timedelta(days=1))
    assert browser.get(link(delivery)).status_code == 302
    assert browser.get(picture(delivery)).status_code == 200
    assert not Hit.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_is_sent_to_these_addresses(browser, delivery, method):
    assert getattr(browser, method)(link(delivery)).status_code == 405
    assert getattr(browser, method)(picture(delivery)).status_code == 405
    assert not Hit.objects.exists()


def test_a_scanner_that_follows_every_link_unsubscribes_nobody(browser, delivery):
    from mailings.suppression import unsubscribe_links

    owner_id = delivery.run.mailing.owner_id
    url = unsubscribe_links.url(owner_id, delivery.pk, delivery.address).partition("/u/")[2]
    for path in (f"/u/{url}", link(delivery, 1), link(delivery, 2), picture(delivery)):
        assert browser.get(path, headers={"User-Agent": "Barracuda"}).status_code in (200, 302)
    assert not Suppression.objects.exists()


# ---------------------------------------------------------------- what is gone


def test_the_links_of_a_deleted_mailing_still_lead_on(browser, owner, delivery):
    urls = [link(delivery), picture(delivery)]
    browser.get(urls[0])
    browser.get(urls[1], headers={"User-Agent": "curl/8"})
    mailing = Mailing.objects.get(pk=delivery.run.mailing_id)
    services.delete_mailing(mailing=mailing, by=owner)
    assert not Hit.objects.exists()
    assert PastRun.objects.values_list("opened", "clicked").get() == (1, 1)

    assert browser.get(urls[0])["Location"] == "https://shop.example/1"
    assert browser.get(urls[1]).status_code == 200
    assert not Hit.objects.exists()
    assert ledger_holds()


def test_all_goes_with_its_owner(browser, blog, owner, superuser, delivery):
    url = link(delivery)
    browser.get(url)
    delete_user(user=owner, by=superuser)
    assert not Hit.objects.exists()
    assert not TrackedLink.objects.exists()
    assert browser.get(url).status_code == 404


def test_letters_of_a_blocked_owner_lead_nowhere(browser, blog, owner, superuser, delivery):
    block_user(user=owner, by=superuser, reason="phishing")
    answer = browser.get(link(delivery), headers={"Accept-Language": "en"})
    assert answer.status_code == 410
    assert "is blocked" in answer.content.decode()
    assert browser.get(picture(delivery)).status_code == 200
    assert not Hit.objects.exists()


def delete_one(client: Client, by: User) -> None:
    clients.delete_client(client=client, by=by)


def delete_ticked(client: Client, by: User) -> None:
    bulk.delete(chosen=Client.objects.filter(pk=client.pk), by=by)


def delete_later(client: Client, by: User) -> None:
    deletion = bulk.take_away(chosen=Client.objects.filter(pk=client.pk), by=by)
    while deleting.step(deletion.pk, timezone.now()):
        pass


def lose(client: Client, by: User) -> None:
    """As by hand in the database; then the ledger is mended."""
    rows = Client._base_manager.filter(pk=client.pk)
    rows._raw_delete(rows.db)
    assert invariants.mend() == 1


@pytest.mark.parametrize("delete", [delete_one, delete_ticked, delete_later, lose])
def test_what_a_client_read_goes_with_the_client(browser, owner, delivery, delete):
    other = factories.make_delivery(delivery.run, status="sent", finished_at=timezone.now())
    factories.make_attempt(other)
    factories.make_hit(other)
    browser.get(link(delivery))
    delete(delivery.client, owner)
    assert list(Hit.objects.values_list("delivery", flat=True)) == [other.pk]
    # The letter is still in their mailbox, and they are nobody to its sender.
    assert browser.get(link(delivery)).status_code == 302
    assert browser.get(picture(delivery)).status_code == 200
    assert list(Hit.objects.values_list("delivery", flat=True)) == [other.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("delete", [delete_one, delete_ticked])
def test_who_clicks_while_their_client_is_deleted_leaves_nothing(
    owner, delivery, delete, monkeypatch
):
    """Neither waits for the other to end: PostgreSQL would end one of them."""
    token, found = links.read(token_of(delivery)), []

    def click() -> None:
        try:
            found.append(hits.opened(token, Asked(user_agent=PERSON)))
        except DatabaseError as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=click)

    def forget_and_go_on(deliveries) -> None:
        forget_hits(deliveries)
        thread.start()
        wait_for_a_waiter()

    hits.opened(token, Asked(user_agent=PERSON))
    for module in (bulk, clients):
        monkeypatch.setattr(module, "forget_hits", forget_and_go_on)
    delete(delivery.client, owner)
    thread.join(20)
    assert found == [None]
    assert not Hit.objects.exists()
    assert not Client.objects.exists()


def test_a_reader_is_led_on_though_nothing_can_be_written(browser, delivery, monkeypatch):
    from django.db import OperationalError

    def away(*args, **kwargs):
        raise OperationalError("disk is full")

    monkeypatch.setattr(hits, "_write", away)
    assert browser.get(link(delivery))["Location"] == "https://shop.example/1"
    assert browser.get(picture(delivery)).content.startswith(b"GIF89a")


# ---------------------------------------------------------------- the ledger


def test_the_ledger_knows_of_hits(owner, delivery):
    hit = factories.make_hit(delivery)
    assert ledger_holds()
    Hit.objects.filter(pk=hit.pk).update(run_id=hit.run_id + 1)
    assert "A hit of no delivery" in next(invariants.broken(timezone.now()))
    Hit.objects.filter(pk=hit.pk).update(run_id=hit.run_id)
    Delivery.objects.filter(pk=delivery.pk).update(client=None)
    assert "A hit of no delivery, of nobody" in next(invariants.broken(timezone.now()))
    Delivery.objects.filter(pk=delivery.pk).update(client=delivery.client_id)
    delivery.run.refresh_from_db()
    type(delivery.run).objects.filter(pk=delivery.run_id).update(
        track_opens=False, track_clicks=False
    )
    assert "A hit of no delivery" in next(invariants.broken(timezone.now()))


def test_people_who_read_what_never_left_break_the_ledger(owner):
    mailing = factories.make_mailing(owner, status="completed")
    run = factories.make_run(mailing, status="done", targeted=1, failed_count=1)
    unsent = factories.make_delivery(run, status="failed", finished_at=timezone.now())
    factories.make_hit(unsent, is_machine=True, why=Why.UNSENT)
    assert ledger_holds()
    factories.make_hit(unsent)
    assert "never handed over" in next(invariants.broken(timezone.now()))

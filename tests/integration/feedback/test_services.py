"""Reports and what follows from them: only what is proved changes anything, and only once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailings.campaigns import services as campaigns
from mailings.delivery import bounce_addresses
from mailings.delivery.runs import invariants
from mailings.feedback import consequences, services
from mailings.feedback.services import Taken
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Mailing,
    Run,
    Suppression,
    UnmatchedNotice,
    WorkerLease,
)
from mailings.models.feedback import EventSource
from mailings.states import EventKind, MailingStatus, Outcome
from mailings.suppression import stop_list, unsubscribe_links
from tests import factories, reports
from tests.integration.feedback.test_events import sent_delivery

DEAD = {"status": "5.1.1", "said": "550 5.1.1 <{recipient}>: No such user here"}
SPAM = {"status": "5.7.1", "said": "550 5.7.1 Message rejected as spam"}
FULL = {"status": "4.2.2", "said": "452 4.2.2 The mailbox is full"}


@pytest.fixture(autouse=True)
def domain(settings):
    settings.BOUNCE_DOMAIN = "returns.example.org"


@pytest.fixture
def delivery(owner) -> Delivery:
    return sent_delivery(owner)


@pytest.fixture(autouse=True)
def sound_ledger(db):
    yield
    assert list(invariants.broken(timezone.now())) == []


def address_of(delivery: Delivery) -> str:
    return bounce_addresses.sender("", delivery.pk, delivery.address)


def take(raw: bytes, to: str = "") -> list[Taken]:
    return services.take(raw, source=EventSource.PIPE, envelope_to=to)


def bounced(delivery: Delivery, **form) -> list[Taken]:
    return take(reports.bounce(delivery.address, **form), address_of(delivery))


def complained(delivery: Delivery, **form) -> list[Taken]:
    return take(reports.complaint(delivery.address, **form), address_of(delivery))


def reasons(delivery: Delivery) -> list[str]:
    owner_id = delivery.run.mailing.owner_id
    return list(
        stop_list.entries_about(owner_id, delivery.address).values_list("reason", flat=True)
    )


# ---------------------------------------------------------------- bounces


def test_a_dead_mailbox_is_an_event_with_its_evidence_and_goes_on_the_stop_list(delivery):
    assert bounced(delivery, **DEAD) == [Taken.RECORDED]
    event = Event.objects.get()
    assert (event.delivery, event.run_id) == (delivery, delivery.run_id)
    assert (event.kind, event.code, event.enhanced_code) == ("bounced_hard", 550, "5.1.1")
    assert "No such user here" in event.diagnostic
    assert delivery.address in event.evidence
    entry = Suppression.objects.get()
    assert (entry.reason, entry.run_id) == ("bounced", delivery.run_id)
    assert "No such user here" in entry.source
    delivery.refresh_from_db()
    assert delivery.status == "sent"


def test_the_same_report_changes_nothing_again_and_neither_does_another_of_that_letter(delivery):
    bounced(delivery, **DEAD)
    before = list(Event.objects.values()), list(Suppression.objects.values())
    assert bounced(delivery, **DEAD) == [Taken.KNOWN]
    assert bounced(delivery, **FULL) == [Taken.KNOWN]  # the copy of an uncertain one, say
    assert (list(Event.objects.values()), list(Suppression.objects.values())) == before
    assert not UnmatchedNotice.objects.exists()


def test_a_letter_refused_for_what_it_is_stops_nobody(delivery):
    assert bounced(delivery, **SPAM) == [Taken.RECORDED]
    assert Event.objects.get().kind == EventKind.BOUNCED_HARD
    assert reasons(delivery) == []


def test_a_mailbox_that_is_full_for_good_as_its_server_says_is_full_for_now(delivery):
    bounced(delivery, status="5.2.2", said="552 5.2.2 The mailbox is full")
    assert Event.objects.get().kind == EventKind.BOUNCED_SOFT
    assert reasons(delivery) == []


def test_a_dead_mailbox_behind_the_address_stops_not_the_address(delivery):
    """A list of people, or somebody whose mail is sent on."""
    raw = reports.bounce("gone@elsewhere.example", **DEAD)
    assert take(raw, address_of(delivery)) == [Taken.RECORDED]
    assert Event.objects.get().kind == EventKind.BOUNCED_SOFT
    assert reasons(delivery) == []


def test_a_delay_and_an_answer_of_a_machine_are_nothing(delivery):
    raw = reports.bounce(delivery.address, **FULL, action="delayed")
    assert take(raw, address_of(delivery)) == [Taken.IGNORED]
    away = reports.out_of_office(delivery.address)
    assert take(away, address_of(delivery)) == [Taken.IGNORED]
    assert not Event.objects.exists()
    assert not UnmatchedNotice.objects.exists()


# ---------------------------------------------------------------- letters for now


def written_to(client: Client, days_ago: float) -> Delivery:
    at = timezone.now() - timedelta(days=days_ago)
    delivery = sent_delivery(client.owner, client=client, address=client.email_normalised)
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=at)
    Run.objects.filter(pk=delivery.run_id).update(started_at=at, finished_at=at)
    delivery.attempts.update(started_at=at)
    return delivery


def came_back_for_now(client: Client, days_ago: float) -> Delivery:
    delivery = written_to(client, days_ago)
    bounced(delivery, **FULL)
    at = timezone.now() - timedelta(days=days_ago)
    delivery.events.update(happened_at=at, recorded_at=at)
    return delivery


def test_five_letters_that_come_back_for_now_are_too_many(owner):
    client = factories.make_client(owner)
    for days_ago in (16, 12, 8, 4):
        assert reasons(came_back_for_now(client, days_ago)) == []
    assert reasons(came_back_for_now(client, 0)) == ["bounced"]


def test_a_letter_that_stayed_in_between_begins_the_count_anew(owner):
    client = factories.make_client(owner)
    for days_ago in (24, 20, 16, 12):
        came_back_for_now(client, days_ago)
    written_to(client, 8)
    assert reasons(came_back_for_now(client, 0)) == []


def test_one_that_may_still_come_back_does_not(owner):
    client = factories.make_client(owner)
    for days_ago in (12, 9, 6, 4):
        came_back_for_now(client, days_ago)
    written_to(client, 1)
    assert reasons(came_back_for_now(client, 0)) == ["bounced"]


def test_those_of_long_ago_do_not_count(owner, settings):
    settings.SOFT_BOUNCES, settings.SOFT_BOUNCE_DAYS = 2, 10
    client = factories.make_client(owner)
    came_back_for_now(client, 11)
    assert reasons(came_back_for_now(client, 0)) == []
    assert reasons(came_back_for_now(client, 0)) == ["bounced"]


def test_another_owners_letters_do_not_count(owner, stranger, settings):
    settings.SOFT_BOUNCES = 2
    mine = factories.make_client(owner, email="anna@example.org")
    theirs = factories.make_client(stranger, email="anna@example.org")
    came_back_for_now(mine, 3)
    assert reasons(came_back_for_now(theirs, 0)) == []


# ---------------------------------------------------------------- complaints


def test_a_complaint_stops_the_owner_at_once_on_all_lists_and_nobody_else(delivery, stranger):
    assert complained(delivery) == [Taken.RECORDED]
    assert Event.objects.get().kind == EventKind.COMPLAINED
    assert reasons(delivery) == ["complained"]
    assert not stop_list.suppressed_among(stranger.pk, [delivery.address])


def test_a_complaint_is_their_own_wish_whatever_stood_there(delivery, owner):
    stop_list.suppress(delivery.address, reason="manual", owner_id=owner.pk)
    complained(delivery)
    assert reasons(delivery) == ["complained"]


def test_a_complaint_after_unsubscribing_leaves_their_first_word(delivery, owner):
    stop_list.suppress(delivery.address, reason="unsubscribed", owner_id=owner.pk)
    complained(delivery)
    assert reasons(delivery) == ["unsubscribed"]
    assert Event.objects.count() == 1


def test_what_is_no_spam_after_all_is_no_complaint(delivery):
    assert complained(delivery, kind="not-spam") == [Taken.IGNORED]
    assert reasons(delivery) == []


def test_a_letter_may_come_back_and_be_complained_of(delivery):
    bounced(delivery, **SPAM)
    complained(delivery)
    assert Event.objects.count() == 2


# ---------------------------------------------------------------- what proves nothing


def kept() -> list[str]:
    return list(UnmatchedNotice.objects.order_by("pk").values_list("reason", flat=True))


def test_a_report_without_proof_changes_nothing_and_is_kept_as_it_came(delivery):
    headers = f"Message-ID: <{delivery.pk}.{delivery.run_id}@localhost>"  # anybody can count
    raw = reports.bounce(delivery.address, **DEAD, headers=headers)
    assert take(raw, "shop@example.org") == [Taken.KEPT]
    row = UnmatchedNotice.objects.get()
    assert (row.reason, row.address, row.kind) == ("unproven", delivery.address, "bounced_hard")
    assert bytes(row.raw) == raw
    assert take(raw, "shop@example.org") == [Taken.KNOWN]
    assert not Event.objects.exists()
    assert reasons(delivery) == []


@pytest.mark.parametrize("forge", [bounced, complained])
def test_a_forged_address_proves_nothing(delivery, monkeypatch, forge):
    good = address_of(delivery)
    last = "0" if good.partition("@")[0][-1] != "0" else "1"
    forged = good.replace("@", "@", 1)
    local, _at, host = forged.partition("@")
    monkeypatch.setitem(globals(), "address_of", lambda _: f"{local[:-1]}{last}@{host}")
    assert forge(delivery) == [Taken.KEPT]
    assert kept() == ["unproven"]
    assert reasons(delivery) == []


def test_the_address_of_one_letter_says_nothing_of_another(owner):
    mine, other = sent_delivery(owner), sent_delivery(owner)
    assert take(reports.complaint(other.address), address_of(mine)) == [Taken.RECORDED]
    assert Event.objects.get().delivery == mine
    assert reasons(other) == []


@pytest.mark.parametrize("make", [reports.bounce, reports.complaint])
def test_the_unsubscribe_link_of_a_returned_letter_proves_it(delivery, make):
    link = unsubscribe_links.url(delivery.run.mailing.owner_id, delivery.pk, delivery.address)
    folded = f"List-Unsubscribe: <{link[:60]}\n {link[60:]}>"
    assert take(make(delivery.address, headers=folded), "shop@example.org") == [Taken.RECORDED]
    assert len(reasons(delivery)) == 1


def test_the_link_of_a_letter_that_is_no_longer_there_is_kept(delivery):
    link = unsubscribe_links.url(delivery.run.mailing.owner_id, delivery.pk, delivery.address)
    Mailing.objects.get().delete()
    raw = reports.bounce("anna@example.org", headers=f"List-Unsubscribe: <{link}>")
    assert take(raw) == [Taken.KEPT]
    assert kept() == ["no_delivery"]


def test_a_database_built_anew_takes_no_letter_for_another(delivery):
    """The same number, another recipient."""
    raw = reports.bounce("boris@example.org", **DEAD)
    assert take(raw, bounce_addresses.sender("", delivery.pk, "boris@example.org")) == [Taken.KEPT]
    assert kept() == ["unproven"]


def test_a_secret_of_before_still_proves(delivery, settings):
    to = address_of(delivery)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" * 8
    assert take(reports.bounce(delivery.address), to.upper()) == [Taken.RECORDED]


def test_a_letter_that_was_never_handed_over_cannot_come_back(delivery):
    Attempt.objects.update(outcome=Outcome.PERMANENT, code=550)
    Delivery.objects.update(status="failed")
    Run.objects.update(sent_count=0, failed_count=1)
    assert bounced(delivery) == [Taken.KEPT]
    assert kept() == ["not_sent"]


def test_one_that_is_in_flight_can(owner):
    """The server may be quicker than our commit."""
    mailing = factories.make_mailing(owner)
    delivery = factories.make_delivery(factories.make_run(mailing, targeted=1))
    now = timezone.now()
    WorkerLease.objects.create(
        host="here", pid=1, started_at=now, heartbeat_at=now,
        expires_at=now + timedelta(hours=1), in_flight=[delivery.pk],
    )  # fmt: skip
    assert bounced(delivery, **DEAD) == [Taken.RECORDED]
    assert reasons(delivery) == ["bounced"]


def test_a_bounce_after_a_month_changes_nothing_but_a_complaint_does(owner):
    delivery = written_to(factories.make_client(owner), 31)
    assert bounced(delivery, **DEAD) == [Taken.KEPT]
    assert kept() == ["too_late"]
    assert complained(delivery) == [Taken.RECORDED]
    assert reasons(delivery) == ["complained"]


@pytest.mark.parametrize("raw", [b"", b"\0\xff" * 200_000, "Привет!".encode()])
def test_what_is_no_report_is_kept_within_bounds(db, raw):
    assert take(raw) == [Taken.KEPT]
    row = UnmatchedNotice.objects.get()
    assert row.reason == "not_understood"
    assert bytes(row.raw) == raw[: 64 * 1024]
    assert len(row.raw_text) <= UnmatchedNotice.SHOWN


def test_what_is_kept_is_forgotten_in_time_and_never_too_much(db, monkeypatch):
    monkeypatch.setattr(services, "KEPT_MOST", 3)
    for number in range(5):
        take(f"{number}".encode())
    UnmatchedNotice.objects.filter(raw=b"4").update(
        received_at=timezone.now() - services.KEPT - timedelta(hours=1)
    )
    services.prune(timezone.now())
    assert [bytes(row.raw) for row in UnmatchedNotice.objects.order_by("pk")] == [b"2", b"3"]


# ---------------------------------------------------------------- the mailing is paused


def running(owner, sent: int) -> list[Delivery]:
    """Return ten deliveries of a run under way that has sent so many letters."""
    mailing = factories.make_mailing(owner)
    at = timezone.now() - timedelta(minutes=5)
    Mailing.objects.filter(pk=mailing.pk).update(status="running", status_at=at)
    run = factories.make_run(mailing, started_at=at, targeted=10, sent_count=10)
    rows = []
    for _ in range(10):
        delivery = factories.make_delivery(
            run, status="sent", attempt_count=1, finished_at=timezone.now()
        )
        factories.make_attempt(delivery, started_at=at)
        rows.append(delivery)
    return rows


@pytest.fixture
def few(settings):
    settings.BOUNCE_PAUSE_LEAST = settings.COMPLAINT_PAUSE_LEAST = 2
    settings.BOUNCE_PAUSE_PERCENT = settings.COMPLAINT_PAUSE_PERCENT = 20


@pytest.mark.parametrize(
    ("come", "words"), [(bounced, "came back for good"), (complained, "complained about spam")]
)
def test_a_run_of_which_too_much_comes_back_pauses_its_mailing_in_words(owner, few, come, words):
    owner.language = "en"
    owner.save()
    rows = running(owner, 10)
    for delivery in rows[:2]:  # a fifth is not more than a fifth
        come(delivery)
        assert Mailing.objects.get().status == MailingStatus.RUNNING
    come(rows[2])
    mailing = Mailing.objects.get()
    assert mailing.is_paused_by_system
    assert "3 of 10" in mailing.status_reason
    assert words in mailing.status_reason


def test_a_mailing_is_paused_although_whoever_heard_first_died_before_it(owner, few, monkeypatch):
    rows = running(owner, 10)
    bounced(rows[0])
    bounced(rows[1])
    with monkeypatch.context() as dying:
        dying.setattr(consequences, "pause", failing)
        with pytest.raises(RuntimeError):
            bounced(rows[2])
    assert Event.objects.count() == 3
    assert Mailing.objects.get().status == MailingStatus.RUNNING
    assert bounced(rows[2]) == [Taken.KNOWN]  # handed in again
    assert Mailing.objects.get().is_paused_by_system


def failing(*arguments: object) -> bool:
    raise RuntimeError


def test_a_run_that_is_deleted_before_its_mailing_is_paused_has_nothing_to_pause(owner, few):
    rows = running(owner, 10)
    run_id = rows[0].run_id
    Mailing.objects.all().delete()
    assert not consequences.pause([(run_id, EventKind.BOUNCED_HARD)])


def test_a_mailing_that_its_owner_lets_go_on_is_judged_by_what_comes_then(owner, few):
    rows = running(owner, 10)
    for delivery in rows[:3]:
        bounced(delivery)
    mailing = Mailing.objects.get()
    campaigns.resume_mailing(mailing=mailing, by=owner)
    for delivery in rows[3:5]:
        bounced(delivery)
    assert Mailing.objects.get().status == MailingStatus.RUNNING
    bounced(rows[5])
    assert Mailing.objects.get().is_paused_by_system


def test_a_few_of_a_few_pause_nothing(owner, settings):
    for delivery in running(owner, 10)[:9]:
        bounced(delivery)
    assert Mailing.objects.get().status == MailingStatus.RUNNING


def test_letters_that_come_back_for_now_pause_nothing(owner, few):
    for delivery in running(owner, 10):
        bounced(delivery, **FULL)
    assert Mailing.objects.get().status == MailingStatus.RUNNING


def test_a_mailing_that_is_over_stays_so(owner, few):
    rows = running(owner, 10)
    Mailing.objects.update(status=MailingStatus.COMPLETED)
    Run.objects.update(status="done", finished_at=timezone.now())
    for delivery in rows:
        bounced(delivery)
    assert Mailing.objects.get().status == MailingStatus.COMPLETED

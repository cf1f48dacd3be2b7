"""Webhooks of HTTP APIs: each provider's documented events reach the delivery that they prove,
once; what is forged, unknown or of no interest changes nothing."""

import json
from collections import Counter

import pytest
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailings.delivery import bounce_addresses
from mailings.delivery.runs import invariants
from mailings.feedback import services
from mailings.models import (
    Attempt,
    Delivery,
    Event,
    Mailing,
    Run,
    Suppression,
    UnmatchedNotice,
)
from mailings.models.suppression import SuppressionReason
from mailings.states import MailingStatus, Outcome
from mailings.suppression import stop_list
from site_config.mail_api import WEBHOOKS
from tests import factories, webhooks
from tests.integration.feedback.test_events import sent_delivery
from tests.webhooks import EVENTS, SECRETS, Post, post


@pytest.fixture(autouse=True)
def secrets(settings):
    settings.WEBHOOK_SECRETS = SECRETS


@pytest.fixture
def delivery(owner) -> Delivery:
    return sent_delivery(owner)


@pytest.fixture(autouse=True)
def sound_ledger(db):
    yield
    assert list(invariants.broken(timezone.now())) == []


def deliver(service: str, request: Post):
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    return browser.post(
        f"/webhooks/{service}/",
        request.body,
        content_type=request.content_type,
        headers=request.headers,
    )


def event_of(service: str, kind: str, delivery: Delivery) -> object:
    token = bounce_addresses.token(delivery.pk, delivery.address)
    return EVENTS[service](kind, delivery.address, token)


def tell(service: str, kind: str, delivery: Delivery, **changes: str):
    return deliver(service, post(service, event_of(service, kind, delivery), **changes))


def nothing_happened() -> bool:
    return not (
        Event.objects.exists() or Suppression.objects.exists() or UnmatchedNotice.objects.exists()
    )


def test_every_api_with_webhooks_has_its_events_here():
    assert set(WEBHOOKS) == EVENTS.keys() == SECRETS.keys()


@pytest.mark.parametrize("service", WEBHOOKS)
def test_a_dead_mailbox_is_an_event_of_the_right_delivery_once(owner, delivery, service):
    sent_delivery(owner)
    assert tell(service, "dead", delivery).status_code == 200
    event = Event.objects.get()
    assert (event.delivery, event.kind, event.source) == (delivery, "bounced_hard", "webhook")
    assert event.source_id.startswith(f"{service}:")
    assert delivery.address in event.evidence
    entry = Suppression.objects.get()
    assert (entry.address, entry.reason) == (delivery.address, "bounced")
    assert tell(service, "dead", delivery).status_code == 200
    assert Event.objects.count() == Suppression.objects.count() == 1
    assert not UnmatchedNotice.objects.exists()


@pytest.mark.parametrize("service", sorted(set(WEBHOOKS) - {"mailjet"}))
def test_the_receivers_words_and_codes_are_kept(delivery, service):
    tell(service, "dead", delivery)
    event = Event.objects.get()
    assert (event.code, event.enhanced_code) == (550, "5.1.1")
    assert "User unknown" in event.diagnostic


@pytest.mark.parametrize("service", WEBHOOKS)
def test_a_full_mailbox_is_for_now(delivery, service):
    assert tell(service, "full", delivery).status_code == 200
    assert Event.objects.get().kind == "bounced_soft"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("service", sorted(set(WEBHOOKS) - {"postal"}))
def test_a_complaint_stops_the_owner(delivery, service):
    assert tell(service, "complaint", delivery).status_code == 200
    assert Event.objects.get().kind == "complained"
    assert Suppression.objects.get().reason == "complained"


@pytest.mark.parametrize("kind", ["later", "delivered"])
@pytest.mark.parametrize("service", WEBHOOKS)
def test_what_is_tried_again_or_was_delivered_is_no_event(delivery, service, kind):
    assert tell(service, kind, delivery).status_code == 200
    assert nothing_happened()


@pytest.mark.parametrize("service", WEBHOOKS)
def test_a_wrong_secret_changes_nothing(delivery, service):
    assert tell(service, "dead", delivery, secret="nobody:knows-this-one").status_code == 403
    bare = Post(json.dumps(event_of(service, "dead", delivery)).encode())
    assert deliver(service, bare).status_code == 403
    for nonsense in (b"", b"\xff", b"[]", b"[" * 100_000):
        assert deliver(service, Post(nonsense)).status_code == 403
    assert nothing_happened()


@pytest.mark.parametrize("service", WEBHOOKS)
def test_without_a_secret_there_is_no_such_address(delivery, service, settings):
    settings.WEBHOOK_SECRETS = {name: SECRETS[name] for name in WEBHOOKS if name != service}
    assert tell(service, "dead", delivery).status_code == 404
    assert nothing_happened()
    assert Browser().get(f"/webhooks/{service}/").status_code == 404


def test_a_service_that_nobody_knows_has_no_address(db):
    assert Browser().post("/webhooks/scaleway/").status_code == 404
    assert Browser().post("/webhooks/nobody/").status_code == 404


@pytest.mark.parametrize("service", WEBHOOKS)
def test_who_sets_it_up_may_ask_whether_it_is_there(service):
    assert Browser().head(f"/webhooks/{service}/").status_code == 200
    assert Browser().get(f"/webhooks/{service}/").status_code == 200
    assert Browser().put(f"/webhooks/{service}/").status_code == 405


@pytest.mark.parametrize("service", WEBHOOKS)
def test_an_event_without_the_token_of_a_letter_is_kept_and_changes_nothing(delivery, service):
    """Whoever else sends through the account, or guesses numbers."""
    other = bounce_addresses.token(delivery.pk, "eva@example.org")
    for token in ("", other):
        event = EVENTS[service]("dead", delivery.address, token)
        assert deliver(service, post(service, event)).status_code == 200
    assert not Event.objects.exists()
    assert not Suppression.objects.exists()
    assert {row.reason for row in UnmatchedNotice.objects.all()} == {"unproven"}
    assert {row.source for row in UnmatchedNotice.objects.all()} == {"webhook"}


def test_the_token_of_one_letter_does_not_stop_another_address(owner, delivery):
    other = sent_delivery(owner)
    token = bounce_addresses.token(delivery.pk, delivery.address)
    deliver("postmark", post("postmark", EVENTS["postmark"]("dead", other.address, token)))
    assert Event.objects.get().kind == "bounced_soft"  # of `delivery`, behind a forwarding say
    assert not Suppression.objects.exists()


def test_a_spam_filter_is_no_complaint(delivery):
    tell("postmark", "filter", delivery)
    assert Event.objects.get().kind == "bounced_hard"
    assert not Suppression.objects.exists()


def test_that_a_service_has_deactivated_an_address_says_less_than_the_bounce(delivery):
    tell("postmark", "deactivated", delivery)
    assert nothing_happened()
    tell("postmark", "dead", delivery)
    assert Event.objects.get().kind == "bounced_hard"


def test_many_events_of_one_request(owner):
    deliveries = [sent_delivery(owner) for _ in range(3)]
    events = [event_of("mailjet", "dead", one)[0] for one in deliveries]
    assert deliver("mailjet", post("mailjet", events + events)).status_code == 200
    assert Counter(Event.objects.values_list("delivery", flat=True)) == Counter(
        one.pk for one in deliveries
    )


def test_what_a_service_says_and_nobody_understands_is_kept(db):
    assert deliver("postmark", post("postmark", ["x"])).status_code == 200
    row = UnmatchedNotice.objects.get()
    assert (row.reason, bytes(row.raw)) == ("not_understood", b'["x"]')


def test_signatures_are_not_kept(delivery):
    tell("mailgun", "dead", delivery)
    assert "1796022000" in Event.objects.get().evidence
    assert "7e1e0d9b1c" not in Event.objects.get().evidence


def test_a_body_is_bounded(delivery, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 200
    assert tell("postmark", "dead", delivery).status_code == 413
    assert nothing_happened()


def test_when_the_database_is_away_the_service_is_to_tell_it_again(delivery, monkeypatch):
    def away(*args):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(services, "record_all", away)
        assert tell("postmark", "dead", delivery).status_code == 503
    assert tell("postmark", "dead", delivery).status_code == 200
    assert Event.objects.count() == 1


def test_no_secret_is_logged(delivery, caplog):
    caplog.set_level("DEBUG")
    for service in WEBHOOKS:
        tell(service, "dead", delivery, secret="nobody:knows-this-one")
        tell(service, "dead", delivery)
    assert "webhook_not_proved" in caplog.text
    told = caplog.text + str([vars(record) for record in caplog.records])
    for secret in (webhooks.KEY, "knows-this-one", "Basic "):
        assert secret not in told


# ---------------------------------------------------------------- a thousand at once


def told_at_once(owner, number: int) -> tuple[list[Delivery], Post]:
    """Return deliveries and one request about all of them: dead, full, complained, and one in ten
    of a letter that nobody here has sent."""
    run = sent_delivery(owner).run
    now = timezone.now()
    clients = factories.make_clients(owner, number)
    rows = Delivery.objects.bulk_create(
        Delivery(
            run=run, client=client, address=client.email_normalised, status="sent",
            attempt_count=1, finished_at=now,
        )
        for client in clients
    )  # fmt: skip
    Attempt.objects.bulk_create(
        Attempt(delivery=row, number=1, started_at=now, outcome=Outcome.ACCEPTED, code=250)
        for row in rows
    )
    Run.objects.filter(pk=run.pk).update(targeted=number + 1, sent_count=number + 1)
    events = []
    for n, row in enumerate(rows):
        token = bounce_addresses.token(row.pk, row.address if n % 10 else "x@y.example")
        kind = ("dead", "full", "complaint")[n % 3]
        wrapper = EVENTS["sparkpost"](kind, row.address, token)[1]
        (content,) = wrapper["msys"].values()
        content["event_id"] = str(n)
        events.append(wrapper)
    return rows, post("sparkpost", events)


def test_a_thousand_events_take_as_many_queries_as_a_few(owner):
    counts = []
    for number in (30, 1_000):
        rows, request = told_at_once(owner, number)
        Event.objects.all().delete()
        UnmatchedNotice.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            assert deliver("sparkpost", request).status_code == 200
        counts.append(len(queries))
        found = Counter(Event.objects.values_list("kind", flat=True))
        proved = [n for n in range(number) if n % 10]
        assert found == {
            "bounced_hard": sum(n % 3 == 0 for n in proved),
            "bounced_soft": sum(n % 3 == 1 for n in proved),
            "complained": sum(n % 3 == 2 for n in proved),
        }
        assert UnmatchedNotice.objects.count() == number - len(proved)
        listed = dict(Suppression.objects.values_list("address", "reason"))
        for n, row in enumerate(rows):
            expected = {0: "bounced", 2: "complained"}.get(n % 3) if n % 10 else None
            assert listed.get(row.address) == expected
        with CaptureQueriesContext(connection) as queries:
            assert deliver("sparkpost", request).status_code == 200
        assert Event.objects.count() == len(proved), "told again it changes nothing"
        counts.append(len(queries))
    # SQLite writes rows by the hundred at most: a statement for so many.
    assert max(counts) <= (40 if connection.vendor == "postgresql" else 80)


def test_one_request_says_the_same_thing_twice(delivery):
    token = bounce_addresses.token(delivery.pk, delivery.address)
    _ping, first = EVENTS["sparkpost"]("dead", delivery.address, token)
    _ping, second = EVENTS["sparkpost"]("full", delivery.address, token)
    second["msys"]["message_event"]["event_id"] = "another"
    assert deliver("sparkpost", post("sparkpost", [first, first, second])).status_code == 200
    assert [event.kind for event in Event.objects.all()] == ["bounced_hard"]


def test_a_complaint_beside_a_bounce_is_their_own_wish(delivery):
    token = bounce_addresses.token(delivery.pk, delivery.address)
    _ping, bounce = EVENTS["sparkpost"]("dead", delivery.address, token)
    _ping, complaint = EVENTS["sparkpost"]("complaint", delivery.address, token)
    complaint["msys"]["message_event"]["event_id"] = "another"
    deliver("sparkpost", post("sparkpost", [bounce, complaint]))
    assert Event.objects.count() == 2
    assert Suppression.objects.get().reason == "complained"


def test_a_complaint_raises_a_milder_entry(owner, delivery):
    stop_list.suppress(delivery.address, reason=SuppressionReason.MANUAL, owner_id=owner.pk)
    tell("sparkpost", "complaint", delivery)
    entry = Suppression.objects.get()
    assert (entry.reason, entry.run_id) == ("complained", delivery.run_id)


def test_a_thousand_complaints_of_many_runs_pause_each_mailing_that_is_to_be(owner, settings):
    settings.COMPLAINT_PAUSE_LEAST = 2
    told = []
    for number in (1, 3):
        row = sent_delivery(owner)
        Mailing.objects.filter(pk=row.run.mailing_id).update(status=MailingStatus.RUNNING)
        for _ in range(number):
            other = factories.make_delivery(
                row.run, status="sent", attempt_count=1, finished_at=timezone.now()
            )
            factories.make_attempt(other)
            token = bounce_addresses.token(other.pk, other.address)
            wrapper = EVENTS["sparkpost"]("complaint", other.address, token)[1]
            wrapper["msys"]["message_event"]["event_id"] = f"of {other.pk}"
            told.append(wrapper)
        Run.objects.filter(pk=row.run_id).update(targeted=number + 1, sent_count=number + 1)
    deliver("sparkpost", post("sparkpost", told))
    paused = Mailing.objects.order_by("pk").values_list("status", flat=True)
    assert list(paused) == [MailingStatus.RUNNING, MailingStatus.PAUSED]
    Mailing.objects.update(status=MailingStatus.COMPLETED)

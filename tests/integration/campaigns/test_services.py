"""What people may do with mailings, when, and who is refused."""

from datetime import datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from wagtail.models import ModelLogEntry

from mailings.campaigns import audience, services
from mailings.clients import services as client_services
from mailings.errors import Refused
from mailings.messages import services as message_services
from mailings.models import Attempt, Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.signals import deliveries_ready, figures_changed, mailing_scheduled
from mailings.states import FINAL, Actor, MailingStatus, RunStatus
from mailings.suppression import stop_list
from tests import factories

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
M = MailingStatus


@pytest.fixture
def draft(owner) -> Mailing:
    return factories.make_mailing(owner, clients=factories.make_clients(owner, 2))


def in_status(mailing: Mailing, status: MailingStatus) -> Mailing:
    Mailing.objects.filter(pk=mailing.pk).update(status=status)
    mailing.refresh_from_db()
    return mailing


def add_run(mailing: Mailing, status: RunStatus = RunStatus.DONE) -> Run:
    final = timezone.now() if status in FINAL[RunStatus] else None
    return Run.objects.create(
        mailing=mailing, scheduled_for=mailing.start_at, status=status, finished_at=final
    )


def heard(signal, capture) -> list[dict]:
    """Return what `signal` told while the commit hooks captured in `capture` ran."""
    told: list[dict] = []

    def listen(**kwargs):
        told.append(kwargs)

    signal.connect(listen)
    try:
        for callback in capture:
            callback()
    finally:
        signal.disconnect(listen)
    return told


def test_draft_whose_start_has_passed_is_due_now(draft, owner, django_capture_on_commit_callbacks):
    before = timezone.now()
    with django_capture_on_commit_callbacks() as callbacks:
        services.schedule_mailing(mailing=draft, by=owner)
    assert draft.status == M.CREATED
    assert draft.next_occurrence == 0
    assert before - HOUR < draft.next_run_at < timezone.now() + timedelta(seconds=5)
    assert [told["at"] for told in heard(mailing_scheduled, callbacks)] == [draft.next_run_at]
    assert heard(figures_changed, callbacks)
    entry = ModelLogEntry.objects.for_instance(draft).get()
    assert (entry.action, entry.user) == ("mailings.schedule", owner)


def test_draft_with_a_later_start_waits_for_it(owner):
    start = timezone.now() + DAY
    mailing = factories.make_mailing(
        owner, clients=factories.make_clients(owner, 1), start_at=start
    )
    services.schedule_mailing(mailing=mailing, by=owner)
    assert mailing.next_run_at == start


def test_recurring_draft_begins_with_its_newest_occurrence_not_with_a_backlog(owner):
    mailing = factories.make_mailing(
        owner,
        clients=factories.make_clients(owner, 1),
        start_at=timezone.now() - 10 * DAY - HOUR,
        frequency="daily",
    )
    services.schedule_mailing(mailing=mailing, by=owner)
    assert mailing.next_occurrence == 10


def test_mailing_without_recipients_is_refused(owner):
    mailing = factories.make_mailing(owner, lists=[factories.make_list(owner)])
    with pytest.raises(audience.NobodyToWriteTo, match=r"никто не получит|Nobody would get"):
        services.schedule_mailing(mailing=mailing, by=owner)
    assert Mailing.objects.get().status == M.DRAFT


def test_mailing_to_nobody_but_suppressed_is_refused(owner):
    client = factories.make_client(owner, email="Anna@example.org")
    stop_list.suppress("anna@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    mailing = factories.make_mailing(owner, clients=[client])
    with pytest.raises(Refused):
        services.schedule_mailing(mailing=mailing, by=owner)


def test_end_in_the_past_is_refused(owner):
    mailing = factories.make_mailing(
        owner,
        clients=factories.make_clients(owner, 1),
        start_at=timezone.now() - 2 * DAY,
        end_at=timezone.now() - DAY,
    )
    with pytest.raises(Refused):
        services.schedule_mailing(mailing=mailing, by=owner)


def test_unconfirmed_sender_is_refused(draft, owner):
    EmailAddress.objects.create(user=owner, email=owner.email, verified=False, primary=True)
    with pytest.raises(Refused):
        services.schedule_mailing(mailing=draft, by=owner)


def test_blocked_sender_is_refused_even_to_a_superuser(draft, owner, superuser):
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    with pytest.raises(Refused):
        services.schedule_mailing(mailing=draft, by=superuser)


OWNERS = [
    services.schedule_mailing,
    services.unschedule_mailing,
    services.reschedule_mailing,
    services.pause_mailing,
    services.resume_mailing,
    services.cancel_mailing,
    services.delete_mailing,
]


@pytest.mark.parametrize("use_case", OWNERS)
def test_a_mailing_is_its_owners_alone(use_case, draft, stranger, manager):
    for person in (stranger, manager):
        with pytest.raises(PermissionDenied):
            use_case(mailing=draft, by=person)
    assert Mailing.objects.get() == draft


@pytest.mark.parametrize("use_case", [services.stop_mailing, services.allow_mailing])
def test_only_managers_stop_and_allow(use_case, draft, owner, stranger):
    for person in (owner, stranger):
        with pytest.raises(PermissionDenied):
            use_case(mailing=draft, by=person, reason="because")


ALLOWED = {
    services.schedule_mailing: {M.DRAFT},
    services.unschedule_mailing: {M.CREATED},
    services.reschedule_mailing: {M.CREATED, M.RUNNING, M.PAUSED},
    services.pause_mailing: {M.CREATED, M.RUNNING},
    services.resume_mailing: {M.PAUSED},
    services.cancel_mailing: {M.CREATED, M.RUNNING, M.PAUSED, M.STOPPED},
    services.delete_mailing: {M.DRAFT, M.CREATED, M.COMPLETED, M.CANCELLED},
}


@pytest.mark.parametrize("status", list(M))
@pytest.mark.parametrize("use_case", OWNERS)
def test_each_use_case_works_in_its_statuses_only(use_case, status, draft, owner):
    in_status(draft, status)
    if status in ALLOWED[use_case]:
        use_case(mailing=draft, by=owner)
        return
    with pytest.raises(Refused):
        use_case(mailing=draft, by=owner)
    assert Mailing.objects.get().status == status


def test_owner_cannot_get_round_a_managers_stop(draft, owner, manager):
    in_status(draft, M.RUNNING)
    services.stop_mailing(mailing=draft, by=manager, reason="Complaints")
    assert (draft.status, draft.status_actor, draft.status_reason) == (
        M.STOPPED, Actor.MANAGER, "Complaints",
    )  # fmt: skip
    for use_case in (services.pause_mailing, services.resume_mailing, services.schedule_mailing):
        with pytest.raises(Refused):
            use_case(mailing=draft, by=owner)
    services.allow_mailing(mailing=draft, by=manager, reason="Talked to them")
    assert draft.status == M.PAUSED
    services.resume_mailing(mailing=draft, by=owner)
    assert draft.status == M.CREATED


def test_a_stop_needs_a_reason(draft, manager):
    in_status(draft, M.RUNNING)
    with pytest.raises(Refused):
        services.stop_mailing(mailing=draft, by=manager, reason="  ")


def test_resumed_mailing_goes_on_with_the_occurrence_it_was_paused_before(
    draft, owner, django_capture_on_commit_callbacks
):
    start = timezone.now() - 3 * DAY
    Mailing.objects.filter(pk=draft.pk).update(
        frequency="daily", start_at=start, next_occurrence=2, status=M.RUNNING
    )
    draft.refresh_from_db()
    add_run(draft)
    services.pause_mailing(mailing=draft, by=owner)
    assert draft.next_run_at is None
    with django_capture_on_commit_callbacks() as callbacks:
        services.resume_mailing(mailing=draft, by=owner)
    assert draft.status == M.RUNNING
    assert draft.next_run_at == start + 2 * DAY
    assert heard(deliveries_ready, callbacks)


def test_rescheduled_running_mailing_follows_the_new_times(draft, owner):
    in_status(draft, M.RUNNING)
    add_run(draft)
    new_start = timezone.now() + HOUR
    Mailing.objects.filter(pk=draft.pk).update(start_at=new_start, frequency="weekly")
    draft.refresh_from_db()
    services.reschedule_mailing(mailing=draft, by=owner)
    assert (draft.next_occurrence, draft.next_run_at) == (0, new_start)


def test_rescheduling_keeps_a_run_that_is_due_but_not_begun(draft, owner):
    due = timezone.now() - timedelta(minutes=5)
    Mailing.objects.filter(pk=draft.pk).update(
        status=M.RUNNING, start_at=due - DAY, frequency="daily", next_occurrence=1, next_run_at=due
    )
    draft.refresh_from_db()
    add_run(draft)
    services.reschedule_mailing(mailing=draft, by=owner)
    assert (draft.next_occurrence, draft.next_run_at) == (1, due)


def test_deleted_mailing_takes_its_runs_and_their_log_along(draft, owner):
    in_status(draft, M.COMPLETED)
    run = add_run(draft)
    delivery = Delivery.objects.create(run=run, address="a@example.org", status="sent")
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=timezone.now(), outcome="accepted"
    )
    kept = factories.make_mailing(owner)
    services.delete_mailing(mailing=draft, by=owner)
    assert list(Mailing.objects.all()) == [kept]
    assert not Run.objects.exists()
    assert not Delivery.objects.exists()
    assert not Attempt.objects.exists()


def test_message_in_use_is_refused_by_the_names_of_its_mailings(draft, owner):
    with pytest.raises(Refused, match=draft.name):
        message_services.delete_message(message=draft.message, by=owner)
    services.delete_mailing(mailing=draft, by=owner)
    message_services.delete_message(message=draft.message, by=owner)
    assert not owner.messages.exists()


def test_list_of_a_mailing_that_goes_on_is_refused(owner):
    client_list = factories.make_list(owner, factories.make_clients(owner, 1))
    mailing = factories.make_mailing(owner, lists=[client_list])
    with pytest.raises(Refused, match=mailing.name):
        client_services.delete_list(client_list=client_list, by=owner)
    in_status(mailing, M.COMPLETED)
    client_services.delete_list(client_list=client_list, by=owner)
    assert owner.clients.count() == 1


def test_deletions_are_the_owners_alone(draft, owner, stranger, manager):
    client = owner.clients.first()
    for person in (stranger, manager):
        with pytest.raises(PermissionDenied):
            client_services.delete_client(client=client, by=person)
        with pytest.raises(PermissionDenied):
            message_services.delete_message(message=draft.message, by=person)
    client_services.delete_client(client=client, by=owner)
    assert owner.clients.count() == 1


def test_recipients_are_counted_once_each_and_less_the_suppressed(owner, stranger):
    anna, boris, vera = factories.make_clients(owner, 3)
    foreign = factories.make_client(stranger)
    lists = [factories.make_list(owner, [anna, boris]), factories.make_list(owner, [boris])]
    stop_list.suppress(boris.email_normalised, reason=SuppressionReason.COMPLAINED, owner_id=None)
    stop_list.suppress(vera.email_normalised, reason=SuppressionReason.MANUAL, owner_id=stranger.pk)
    found = audience.count_recipients(owner=owner, lists=lists, clients=[anna, vera, foreign])
    assert (found.total, found.suppressed, found.will_get) == (3, 1, 2)


def test_rule_has_the_mailings_zone(owner):
    start = datetime.fromisoformat("2027-03-27T02:30:00+01:00")
    mailing = factories.make_mailing(
        owner, start_at=start, frequency="daily", time_zone="Europe/Berlin"
    )
    assert services.rule_of(mailing).zone.key == "Europe/Berlin"

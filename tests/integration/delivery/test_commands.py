"""Sending from the shell, and asking whether the ledger is sound."""

from datetime import timedelta
from email import message_from_bytes
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from wagtail.models import Site

from accounts import site_address
from mailings.campaigns import services
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.transports import memory
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Mailing,
    Run,
    SenderDomain,
    Suppression,
    Transport,
)
from tests import factories
from tests.articles import make_site_root
from tests.sender_domains import make_proven


@pytest.fixture(autouse=True)
def empty_outbox(transactional_db):  # a session's threads must see the rows
    memory.service.reset()
    yield
    memory.service.reset()


def scheduled(owner, count: int = 3, **fields) -> Mailing:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count), **fields)
    services.schedule_mailing(mailing=mailing, by=owner)
    return mailing


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_command_plans_sends_and_sums_up(owner):
    scheduled(owner)
    assert "Runs begun: 1. Attempts: accepted 3." in run("sending_mail_command")
    assert len(memory.service.taken) == 3
    assert "Runs begun: 0. Attempts: none." in run("sending_mail_command")


def test_letters_leave_with_the_address_that_the_admin_has_set(owner):
    make_site_root()
    scheduled(owner, 2)
    site_address.remember("https://old.example.org")
    Site.objects.update(hostname="mail.example.org", port=443)
    site_address.forget()  # another process: it has never asked
    run("sending_mail_command")
    assert len(memory.service.taken) == 2
    for mail in memory.service.taken:
        letter = message_from_bytes(mail.body)
        address = "https://mail.example.org/u/"
        assert "".join(letter["List-Unsubscribe"].split()).startswith(f"<{address}")
        assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_dry_run_says_of_a_lost_domain_that_nothing_would_leave(owner):
    row = make_proven(owner)
    mailing = scheduled(owner, sender_address=f"news@{row.domain}")
    SenderDomain.objects.update(state="lost")
    said = run("sending_mail_command", "--dry-run")
    assert f"Mailing {mailing.pk} would be paused: {row.domain}" in said
    assert "would run" not in said


def test_command_says_that_the_day_is_used_up(owner):
    scheduled(owner)
    default_transport()
    Transport.objects.update(mails_per_day=2)
    with pytest.raises(CommandError, match="takes no more today"):
        run("sending_mail_command")
    assert len(memory.service.taken) == 2


def test_dry_run_says_what_would_be_sent_and_sends_nothing(owner):
    mailing = scheduled(owner)
    assert f"Mailing {mailing.pk} would run for 3 recipients." in run(
        "sending_mail_command", "--dry-run"
    )
    assert not memory.service.taken
    assert not Run.objects.exists()


def test_command_for_one_mailing_sends_no_other(owner):
    first, second = scheduled(owner), scheduled(owner)
    run("sending_mail_command", f"--mailing={first.pk}")
    assert list(Run.objects.values_list("mailing", flat=True)) == [first.pk]
    second.refresh_from_db()
    assert second.status == "created"


def test_command_says_in_one_line_what_is_wrong(owner):
    draft = factories.make_mailing(owner)
    with pytest.raises(CommandError, match="draft"):
        run("sending_mail_command", f"--mailing={draft.pk}")
    with pytest.raises(CommandError, match="no mailing 0"):
        run("sending_mail_command", "--mailing=0")


def test_future_mailing_is_left_alone(owner):
    mailing = scheduled(owner, start_at=timezone.now() + timedelta(hours=1))
    assert "none" in run("sending_mail_command", f"--mailing={mailing.pk}")


def test_sound_ledger_is_said_so(owner):
    scheduled(owner)
    run("sending_mail_command")
    assert "1 runs, 3 deliveries, 3 attempts" in run("check_ledger")


def later(hours: int = 1):
    return timezone.now() + timedelta(hours=hours)


DAMAGES = [
    ("counters", lambda d: Run.objects.update(sent_count=2)),
    ("finished run has open", lambda d: Delivery.objects.filter(pk=d.pk).update(status="pending")),
    ("exactly one accepted", lambda d: d.attempts.update(outcome="temporary")),
    (
        "More copies",
        lambda d: Attempt.objects.create(
            delivery=d, number=2, started_at=timezone.now(), outcome="lost"
        ),
    ),
    (
        "no living worker",
        lambda d: Delivery.objects.filter(pk=d.pk).update(
            status="sending", lease_owner="11111111-1111-1111-1111-111111111111"
        ),
    ),
    (
        "after the address was suppressed",
        lambda d: (
            Suppression.objects.create(
                address=d.address.lower(), address_hash="x", reason="unsubscribed"
            ),
            Attempt.objects.filter(delivery=d).update(started_at=later()),
        ),
    ),
    ("after its run", lambda d: d.attempts.update(started_at=later())),
    ("numbered", lambda d: d.attempts.update(number=2)),
    (
        "earlier than the one before",
        lambda d: Attempt.objects.create(
            delivery=d, number=2, started_at=later(-9), outcome="temporary"
        ),
    ),
    ("no date", lambda d: Delivery.objects.filter(pk=d.pk).update(finished_at=None)),
]


@pytest.mark.parametrize(("words", "damage"), DAMAGES, ids=[words for words, _ in DAMAGES])
def test_damage_to_the_ledger_is_named(owner, words, damage, capsys):
    scheduled(owner)
    run("sending_mail_command")
    damage(Delivery.objects.order_by("pk").first())
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("check_ledger", stdout=out)
    assert stopped.value.code == 1
    assert words in out.getvalue()


def test_foreign_rows_in_the_ledger_are_named(owner, stranger):
    scheduled(owner)
    run("sending_mail_command")
    Client.objects.filter(pk=Client.objects.first().pk).update(owner=stranger)
    Mailing.objects.update(message=factories.make_message(stranger))
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_ledger", stdout=out)
    assert "somebody else's client" in out.getvalue()
    assert "somebody else's message" in out.getvalue()

"""A domain is proved by what its own zone holds, by one owner at a time, and can be lost."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from mailings import audit
from mailings.audit import Action
from mailings.campaigns import services as campaigns
from mailings.errors import Invalid, Refused
from mailings.models import SenderDomain
from mailings.sender_domains import checks, lookups, records, services
from mailings.sender_domains.checks import Check, Finding, Verdict
from mailings.sender_domains.services import DomainInput
from mailings.states import MailingStatus
from tests import factories
from tests.dns_server import SERVFAIL, SILENT
from tests.sender_domains import make_domain, make_proven, publish

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def add(owner, domain: str) -> SenderDomain:
    return services.add(data=DomainInput(domain), owner=owner, by=owner)


def looked_at(row: SenderDomain, **later) -> SenderDomain:
    """Return the domain after a look, so much later."""
    services.take_in(row, checks.look(row), timezone.now() + timedelta(**later))
    return SenderDomain.objects.get(pk=row.pk)


def verdicts(row: SenderDomain) -> dict[Check, tuple[Verdict, str]]:
    return {check: (f.verdict, f.why) for check, f in checks.look(row).findings.items()}


# ---------------------------------------------------------------- adding


def test_what_is_nobodys_own_is_refused_at_its_field(owner):
    with pytest.raises(Invalid) as refused:
        add(owner, "gmail.com")
    assert refused.value.faults.error_dict.keys() == {"domain"}
    assert not SenderDomain.objects.exists()


def test_an_added_domain_waits_with_keys_of_its_own(owner):
    row, other = add(owner, "shop.example"), add(owner, "other.example")
    assert (row.state, row.may_send) == ("waiting", False)
    assert len(row.token) == 32
    assert row.token != other.token
    assert row.rsa_key != other.rsa_key
    assert "PRIVATE" not in row.rsa_key + row.ed25519_key
    assert [entry.action for entry in audit.entries_of(row)] == ["mailings.add_domain"]


def test_nobody_adds_for_another_and_nobody_has_too_many(owner, stranger, monkeypatch):
    with pytest.raises(PermissionDenied):
        services.add(data=DomainInput("shop.example"), owner=owner, by=stranger)
    row = make_domain(owner)
    with pytest.raises(services.AlreadyThere) as refused:
        add(owner, "SHOP.example.")
    assert refused.value.row == row
    monkeypatch.setattr(services, "MOST_DOMAINS", 1)
    with pytest.raises(Refused, match="1"):
        add(owner, "second.example")


# ---------------------------------------------------------------- proving


def test_a_domain_with_its_records_may_be_sent_from(owner, zone):
    row = make_domain(owner)
    publish(zone, row)
    row = services.check(row=row, by=owner)
    assert (row.state, row.may_send, row.ed25519_published) == ("proven", True, True)
    assert row.proven_at
    assert [entry.action for entry in audit.entries_of(row)] == ["mailings.prove_domain"]


def test_it_is_looked_at_by_itself_for_some_days(owner, zone):
    row = make_domain(owner, next_check_at=timezone.now())
    now = timezone.now()
    assert services.check_due(now) == 1
    row.refresh_from_db()
    assert row.state == "waiting"
    assert now < row.next_check_at <= now + HOUR
    assert services.check_due(now) == 0  # not before its time
    publish(zone, row)
    assert services.check_due(now + HOUR) == 1
    row.refresh_from_db()
    assert row.may_send
    assert row.next_check_at == now + HOUR + DAY
    old = make_domain(owner, "old.example", next_check_at=now, added_at=now - 8 * DAY)
    services.check_due(now)
    old.refresh_from_db()
    assert old.next_check_at is None


def test_without_the_key_nothing_may_be_sent(owner, zone):
    row = make_domain(owner)
    zone.text(records.proof(row).name, records.proof(row).value)
    row = looked_at(row)
    assert (row.state, row.may_send) == ("proven", False)
    assert row.missing_since is None


@pytest.mark.parametrize("answer", [SERVFAIL, SILENT])
def test_a_server_that_does_not_answer_says_nothing(owner, zone, monkeypatch, answer):
    monkeypatch.setattr(lookups, "TIMEOUT", 0.3)
    waiting, proven = make_domain(owner, "new.example"), make_proven(owner)
    for row in (waiting, proven):
        for name in (records.proof(row).name, f"{row.selector}r._domainkey.{row.domain}"):
            zone.put(name, "TXT", answer)
    assert verdicts(waiting)[Check.PROOF] == (Verdict.SILENT, "silent")
    assert looked_at(waiting).state == "waiting"
    proven = looked_at(proven)
    assert proven.may_send
    assert proven.missing_since is None
    assert looked_at(proven, days=30).may_send


def test_what_stands_there_instead_is_told(owner, zone):
    row = make_domain(owner)
    proof = records.proof(row)
    assert verdicts(row)[Check.PROOF] == (Verdict.WRONG, "absent")  # no such name
    zone.put(proof.name, "A", "192.0.2.1")
    assert verdicts(row)[Check.PROOF] == (Verdict.WRONG, "absent")  # nothing of that kind
    zone.text(proof.name, "vestnik-verification=0123")
    assert verdicts(row)[Check.PROOF] == (Verdict.WRONG, "other")
    zone.text(proof.name, "something else", proof.value)
    assert verdicts(row)[Check.PROOF] == (Verdict.RIGHT, "")
    zone.put(proof.name, "TXT", f'"{proof.value[:20]}" "{proof.value[20:]}"')  # two strings
    assert verdicts(row)[Check.PROOF] == (Verdict.RIGHT, "")


def test_a_proof_elsewhere_proves_nothing(owner, zone):
    """Many shops point every name of theirs to one platform."""
    row = make_domain(owner)
    proof = records.proof(row)
    zone.put(proof.name, "CNAME", "shops.platform.example.")
    zone.text("shops.platform.example", proof.value)
    found = checks.look(row).findings[Check.PROOF]
    assert (found.verdict, found.why, found.at) == (
        Verdict.WRONG, "alias", "shops.platform.example",
    )  # fmt: skip
    assert looked_at(row).state == "waiting"
    zone.text(row.domain, proof.value)  # nor at the name itself, or at a name below it
    zone.text(f"_vestnik.sub.{row.domain}", proof.value)
    assert looked_at(row).state == "waiting"


def test_keys_may_stand_behind_a_cname_and_be_written_otherwise(owner, zone):
    row = make_domain(owner)
    publish(zone, row)
    name = f"{row.selector}r._domainkey.{row.domain}"
    value = "".join(part.strip('"') for part in zone.zone[(name, "TXT")][0].split('" "'))
    zone.forget(name)
    zone.put(name, "CNAME", "keys.dns.example.")
    zone.text("keys.dns.example", value.replace("; ", ";").replace("k=rsa;", "") + ";")
    assert verdicts(row)[Check.RSA] == (Verdict.RIGHT, "")
    zone.text("keys.dns.example", value[:255])
    assert verdicts(row)[Check.RSA] == (Verdict.WRONG, "cut")
    zone.text("keys.dns.example", value, "v=DKIM1; p=")
    assert verdicts(row)[Check.RSA] == (Verdict.WRONG, "several")
    zone.text("keys.dns.example", "v=DKIM1; p=AAAA")
    assert verdicts(row)[Check.RSA] == (Verdict.WRONG, "other")


def test_two_owners_may_wait_for_a_domain_and_one_has_it(owner, stranger, zone):
    mine, theirs = make_domain(owner), make_domain(stranger)
    name = records.proof(mine).name
    zone.text(name, records.proof(mine).value)
    assert looked_at(theirs).state == "waiting"  # another's token proves nothing of theirs
    assert looked_at(mine).state == "proven"
    zone.text(name, records.proof(mine).value, records.proof(theirs).value)
    assert looked_at(theirs).state == "waiting"
    # The domain was sold: the old proof goes, and after the grace the new owner has it.
    zone.text(name, records.proof(theirs).value)
    assert looked_at(mine).state == "proven"
    assert looked_at(theirs).state == "waiting"
    assert looked_at(mine, days=3).state == "lost"
    assert looked_at(theirs, days=3).state == "proven"


def test_an_answer_that_is_older_than_the_one_laid_down_changes_nothing(owner, zone):
    """The button and a worker, or two tabs, ask at the same time."""
    row = make_domain(owner)
    before, now = checks.look(row), timezone.now()
    publish(zone, row)
    assert looked_at(row, seconds=1).may_send
    services.take_in(row, before, now)
    row = SenderDomain.objects.get(pk=row.pk)
    assert (row.may_send, row.missing_since, row.checked_at > now) == (True, None, True)


def test_a_worker_that_stops_leaves_the_rest(owner, zone):
    make_domain(owner, next_check_at=timezone.now())
    assert services.check_due(timezone.now(), stopping=lambda: True) == 0
    assert zone.asked == []


# ---------------------------------------------------------------- losing


def test_a_proof_that_vanished_is_told_and_counts_for_a_while(owner, zone):
    row = make_proven(owner)
    publish(zone, row)
    zone.forget(records.proof(row).name)
    row = looked_at(row)
    assert (row.may_send, row.missing_since is None) == (True, False)
    publish(zone, row)
    row = looked_at(row, days=1)
    assert (row.may_send, row.missing_since) == (True, None)


def test_a_key_that_vanished_counts_for_an_hour(owner, zone):
    row = make_proven(owner)
    publish(zone, row)
    name = f"{row.selector}r._domainkey.{row.domain}"
    zone.forget(name)
    row = looked_at(row)
    assert row.may_send
    assert services.counts_until(row) == row.missing_since + services.KEY_GRACE
    assert looked_at(row, minutes=50).may_send
    row = looked_at(row, hours=2)
    assert (row.state, row.may_send) == ("proven", False)
    publish(zone, row)
    assert looked_at(row, hours=3).may_send


def test_a_proven_domain_is_looked_at_for_ever_with_or_without_a_key(owner, zone):
    row = make_proven(owner, rsa_published=False, added_at=timezone.now() - 30 * DAY)
    publish(zone, row)
    zone.forget(f"{row.selector}r._domainkey.{row.domain}")
    row.proven_at = row.added_at
    row.save(update_fields=["proven_at"])
    row = looked_at(row)
    assert row.next_check_at == row.checked_at + HOUR  # new keys are found soon
    zone.forget(records.proof(row).name)
    looked_at(row, days=1)
    row = looked_at(row, days=5)
    assert (row.state, row.next_check_at) == ("lost", row.checked_at + services.LOOK_AGAIN)
    row = looked_at(row, days=9)
    assert (row.state, row.next_check_at) == ("lost", row.checked_at + DAY)


def test_a_lost_domain_pauses_what_sends_from_it(owner, stranger, zone):
    row = make_proven(owner)
    publish(zone, row)
    mailing = factories.make_mailing(
        owner, clients=factories.make_clients(owner, 1), sender_address=f"news@{row.domain}"
    )
    campaigns.schedule_mailing(mailing=mailing, by=owner)
    other = factories.make_mailing(stranger, status="created")
    zone.forget(records.proof(row).name)
    looked_at(row)
    looked_at(row, days=4)
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.PAUSED
    assert row.domain in mailing.status_reason
    assert Action.LOSE_DOMAIN in [entry.action for entry in audit.entries_of(row)]
    other.refresh_from_db()
    assert other.status == MailingStatus.CREATED
    with pytest.raises(Refused, match=r"shop\.example"):
        campaigns.resume_mailing(mailing=mailing, by=owner)
    publish(zone, row)
    assert looked_at(SenderDomain.objects.get(pk=row.pk), days=5).may_send
    campaigns.resume_mailing(mailing=mailing, by=owner)


def test_a_domain_in_use_stays_and_another_goes_with_its_keys(owner, stranger):
    row = make_proven(owner)
    mailing = factories.make_mailing(owner, status="paused", sender_address=f"news@{row.domain}")
    with pytest.raises(PermissionDenied):
        services.remove(row=row, by=stranger)
    with pytest.raises(services.InUse, match=mailing.name):
        services.remove(row=row, by=owner)
    mailing.status = "completed"
    mailing.save(update_fields=["status"])
    run = factories.make_run(mailing, status="sending", sender_email=f"news@{row.domain}")
    with pytest.raises(services.InUse):
        services.remove(row=row, by=owner)
    run.delete()
    services.remove(row=row, by=owner)
    assert not SenderDomain.objects.exists()


def test_new_keys_stand_under_a_new_name_and_wait_for_their_record(owner, zone):
    row = make_proven(owner)
    publish(zone, row)
    before = row.selector
    row = looked_at(row)
    assert row.report[Check.RSA]["verdict"] == Verdict.RIGHT
    stale = checks.look(row)
    services.renew_keys(row=row, by=owner)
    services.take_in(row, stale, timezone.now())  # an answer about the keys of before
    row = SenderDomain.objects.get(pk=row.pk)
    assert Check.RSA not in row.report  # nor what is kept of them
    assert row.selector != before
    assert (row.state, row.may_send) == ("proven", False)
    publish(zone, row)
    assert looked_at(row).may_send


def test_keys_outlive_a_change_of_the_secret_only_with_the_old_one_beside_it(owner, zone, settings):
    row = make_proven(owner)
    publish(zone, row)
    before = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 8, [before]
    assert verdicts(row)[Check.RSA] == (Verdict.RIGHT, "")
    settings.SECRET_KEY_FALLBACKS = []
    assert verdicts(row)[Check.RSA] == (Verdict.WRONG, "unreadable")
    services.renew_keys(row=row, by=owner)
    assert verdicts(SenderDomain.objects.get(pk=row.pk))[Check.RSA] == (Verdict.WRONG, "absent")


# ---------------------------------------------------------------- the other lines


def test_a_line_that_is_late_keeps_nobody_waiting(owner, zone, monkeypatch):
    over = threading.Event()

    def late(domain: str) -> Finding:
        over.wait(10)
        return Finding(Verdict.RIGHT)

    monkeypatch.setattr(checks, "mx", late)
    monkeypatch.setattr(checks, "LOOK_MOST", 0.01)
    found = verdicts(make_domain(owner))
    over.set()
    assert found[Check.MX] == (Verdict.SILENT, "silent")
    assert list(found) == list(Check)


def test_a_policy_is_looked_for_at_a_bounded_number_of_names(zone):
    domain = ".".join([*"abcdefghijklmnop", "shop", "example"])
    zone.text(f"_dmarc.{domain.partition('.')[2]}", "v=DMARC1; p=none")  # too far up for receivers
    assert checks.dmarc(domain).why == "absent"
    names = [name for name, _kind in zone.asked]
    assert names == [f"_dmarc.{domain}"] + [
        f"_dmarc.{'.'.join(domain.split('.')[-count:])}" for count in (7, 6, 5, 4, 3, 2)
    ]


def test_policies_and_hosts_are_looked_at(owner, zone):
    row = make_domain(owner, "news.shop.example")
    assert verdicts(row)[Check.DMARC] == (Verdict.WEAK, "absent")
    assert verdicts(row)[Check.MX] == (Verdict.WRONG, "absent")
    zone.text("_dmarc.shop.example", "v=DMARC1; p=reject; sp=quarantine")
    assert checks.dmarc(row.domain).at == "shop.example"
    assert verdicts(row)[Check.DMARC] == (Verdict.RIGHT, "quarantine")
    zone.text(f"_dmarc.{row.domain}", "v=DMARC1; p=none", "v=spf1 -all")
    assert verdicts(row)[Check.DMARC] == (Verdict.RIGHT, "none")
    zone.text(f"_dmarc.{row.domain}", "v=DMARC1; p=none", "v=DMARC1; p=reject")
    assert verdicts(row)[Check.DMARC] == (Verdict.WRONG, "several")
    zone.text(f"_dmarc.{row.domain}", "v=DMARC1; p=perhaps")
    assert verdicts(row)[Check.DMARC] == (Verdict.WRONG, "policy")
    zone.put(row.domain, "A", "192.0.2.1")
    assert verdicts(row)[Check.MX] == (Verdict.WEAK, "address")
    zone.put(row.domain, "MX", "0 .")
    assert verdicts(row)[Check.MX] == (Verdict.WRONG, "null")
    zone.put(row.domain, "MX", "20 b.example.", "10 a.example.")
    assert checks.mx(row.domain).found == ["a.example", "b.example"]


def test_spf_is_that_of_the_returned_mail(owner, zone, settings):
    row = make_domain(owner)
    settings.BOUNCE_DOMAIN = "returns.example.org"
    spf = {
        "v=spf1 include:_spf.example.org -all": (Verdict.RIGHT, ""),
        "v=spf1 +all": (Verdict.WRONG, "open"),
        "v=spf1 -all": (Verdict.WRONG, "nobody"),
        "v=spf10 a": (Verdict.WRONG, "absent"),
    }
    for text, verdict in spf.items():
        zone.text("returns.example.org", text, "another record")
        assert verdicts(row)[Check.SPF] == verdict, text
    zone.text("returns.example.org", "v=spf1 a -all", "v=spf1 mx -all")
    assert verdicts(row)[Check.SPF] == (Verdict.WRONG, "several")

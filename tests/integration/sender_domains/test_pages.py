"""What an owner sees of their domains, and does there."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.models import SenderDomain
from mailings.sender_domains import checklist, checks, explaining, records
from mailings.sender_domains.checks import Check, Finding, Verdict
from mailings.states import EventKind
from tests import factories
from tests.sender_domains import make_domain, make_proven, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(owner, client):
    owner.language = "en"
    owner.save(update_fields=["language"])
    client.force_login(owner)
    return owner


def page_of(client, row: SenderDomain) -> str:
    return client.get(row.get_absolute_url()).content.decode()


def test_from_nothing_to_letters_in_ones_own_name(client, owner, zone):
    assert "No domain yet" in client.get(reverse("mailings:domain_list")).content.decode()
    answer = client.post(
        reverse("mailings:domain_create"), {"domain": "Shop.Example."}, follow=True
    )
    row = SenderDomain.objects.get(owner=owner)
    page = answer.content.decode()
    record = records.proof(row)
    assert record.name in page
    assert record.value in page
    assert "Not looked at yet" in page
    check = reverse("mailings:domain_check", args=[row.pk])
    assert "not to be seen yet" in client.post(check, follow=True).content.decode()
    publish(zone, row)
    SenderDomain.objects.update(checked_at=None)
    page = client.post(check, follow=True).content.decode()
    assert "Letters may leave from every address at this domain" in page
    assert "There is no policy" in page
    assert "v=DMARC1; p=none" in page


def test_faults_are_said_at_the_field_and_the_same_domain_leads_to_its_page(client, owner):
    create = reverse("mailings:domain_create")
    page = client.post(create, {"domain": "gmail.com"}).content.decode()
    assert "belongs to a mail service" in page
    assert 'value="gmail.com"' in page
    row = make_domain(owner)
    assert client.post(create, {"domain": row.domain}).url == row.get_absolute_url()


def test_pressing_again_at_once_asks_nobody(client, owner, zone):
    row = make_domain(owner)
    check = reverse("mailings:domain_check", args=[row.pk])
    client.post(check)
    asked = len(zone.asked)
    assert asked
    client.post(check)
    assert len(zone.asked) == asked


def test_no_private_key_stands_on_any_page(client, owner, superuser):
    row = make_proven(owner)
    for url in (row.get_absolute_url(), reverse("mailings:domain_keys", args=[row.pk])):
        page = client.get(url).content.decode()
        assert "PRIVATE" not in page
        assert row.rsa_key not in page
        assert row.ed25519_key not in page


def test_every_finding_has_words(owner):
    row = make_domain(owner)
    for check, why in explaining._SAID:
        verdict = Verdict.RIGHT if not why else Verdict.WRONG
        line = explaining.line(check, Finding(verdict, why))
        assert str(line.said).endswith(".")
        assert str(line.title)
    for check in Check:
        assert "DNS did not answer" in str(explaining.line(check, checks.SILENT).said)
    for why in ("absent", "other", "several", "cut", "unreadable"):
        assert explaining.line(Check.ED25519, Finding(Verdict.WRONG, why)).said
    assert explaining.lines(row) == []


def test_a_record_that_vanished_and_another_owner_are_told(client, owner, stranger):
    row = make_proven(owner, missing_since=timezone.now())
    assert "has vanished from DNS" in page_of(client, row)
    theirs = make_proven(stranger, "theirs.example")
    page = page_of(client, make_domain(owner, theirs.domain))
    assert "Another account here has confirmed this domain" in page
    assert stranger.email not in page
    assert theirs.token not in page


def test_keys_that_cannot_be_read_are_told_and_made_anew(client, owner, zone, settings):
    row = make_proven(owner, checked_at=None)
    settings.SECRET_KEY = "another" * 8
    client.force_login(owner)
    client.post(reverse("mailings:domain_check", args=[row.pk]))
    page = page_of(client, row)
    assert "cannot be read any more" in page
    assert "_domainkey" not in page
    client.post(reverse("mailings:domain_keys", args=[row.pk]))
    row.refresh_from_db()
    assert f"{row.selector}r._domainkey.{row.domain}" in page_of(client, row)


def test_removing_asks_first_and_is_refused_while_a_mailing_needs_it(client, owner):
    row = make_proven(owner)
    mailing = factories.make_mailing(owner, status="running", sender_address=f"a@{row.domain}")
    remove = reverse("mailings:domain_remove", args=[row.pk])
    assert "Remove the domain" in client.get(remove).content.decode()
    page = client.post(remove, follow=True).content.decode()
    assert mailing.name in page
    assert SenderDomain.objects.exists()
    mailing.delete()
    assert client.post(remove).url == reverse("mailings:domain_list")
    assert not SenderDomain.objects.exists()


def test_the_form_of_a_mailing_offers_the_address_where_there_is_a_choice(client, owner):
    message = factories.make_message(owner)
    factories.make_client(owner)
    create = reverse("mailings:mailing_create")
    page = client.get(create).content.decode()
    assert "Send from your own domain" in page
    assert "sender_address" not in page
    make_domain(owner, "waiting.example")
    make_proven(owner, "own.example")
    page = client.get(create).content.decode()
    assert "At your domain: own.example." in page
    sent = {
        "name": "Autumn", "message": message.pk, "to_all": "on", "sender_name": "Shop",
        "sender_address": "news@waiting.example", "reply_to": owner.email, "frequency": "once",
        "when": "now", "time_zone": "Europe/Moscow", "action": "schedule",
    }  # fmt: skip
    page = client.post(create, sent).content.decode()
    assert "Letters cannot leave in the name of waiting.example" in page
    client.post(create, sent | {"sender_address": "news@own.example", "action": "save"})
    assert owner.mailings.get().sender_address == "news@own.example"


def test_the_overview_tells_of_records_that_vanished(client, owner):
    url = reverse("mailings:dashboard")
    make_proven(owner, "well.example")
    make_domain(owner, "waits.example")
    assert "well.example" not in client.get(url).content.decode()
    make_proven(owner, "gone.example", missing_since=timezone.now())
    make_domain(owner, "lost.example", state="lost")
    page = client.get(url).content.decode()
    assert "A DNS record of gone.example has vanished." in page
    assert "The domain lost.example is no longer confirmed." in page
    assert "waits.example" not in page


# ---------------------------------------------------------------- what receivers ask for


def verdicts(row: SenderDomain) -> list[Verdict]:
    row.report = checks.look(row).stored()
    return [demand.verdict for demand in checklist.of(row, timezone.now())]


def test_the_checklist_fills_itself_in(owner, zone, settings):
    row = make_proven(owner)
    publish(zone, row)
    zone.text(f"_dmarc.{row.domain}", "v=DMARC1; p=none")
    settings.BOUNCE_DOMAIN = "returns.example.org"
    zone.text("returns.example.org", "v=spf1 a -all")
    settings.EMAIL_URL = "smtp+tls://user:word@relay.example.org"
    run = factories.make_run(
        factories.make_mailing(owner), sent_count=1000, started_at=timezone.now()
    )
    right = [Verdict.RIGHT]
    assert verdicts(row)[:4] == right * 4
    assert verdicts(row)[5:] == right * 2
    settings.EMAIL_URL = "smtp://relay.example.org"
    assert verdicts(row)[5] == Verdict.WRONG
    for count, verdict in ((1, Verdict.WEAK), (3, Verdict.WRONG)):
        while run.events.count() < count:
            delivery = factories.make_delivery(run)
            factories.make_event(delivery, kind=EventKind.COMPLAINED)
        assert verdicts(row)[6] == verdict
    run.started_at = timezone.now() - timedelta(days=31)
    run.save(update_fields=["started_at"])
    assert verdicts(row)[6] == Verdict.SILENT


@pytest.mark.parametrize(
    ("address", "verdict"),
    [("https://post.example.org", Verdict.RIGHT), ("http://post.example.org", Verdict.WRONG)],
)
def test_one_click_needs_https(owner, monkeypatch, address, verdict):
    monkeypatch.setattr(checklist.site_address, "url", lambda: address)
    assert checklist.of(make_domain(owner), timezone.now())[4].verdict == verdict

"""Letters leave as `@their-domain`, signed; verified by another implementation, dkimpy."""

from collections import Counter
from datetime import timedelta
from email import message_from_bytes

import dkim as dkimpy
import pytest
from django.utils import timezone

from mailings.campaigns import editing, follow_ups
from mailings.campaigns import services as campaigns
from mailings.campaigns.editing import MailingInput
from mailings.delivery import proof_sending, signing, worker
from mailings.delivery.queue import chunks, claiming
from mailings.delivery.runs import planning
from mailings.delivery.session import feeder
from mailings.delivery.session.buffer import Buffer
from mailings.errors import Invalid, Refused
from mailings.messages import proofs
from mailings.models import Mailing, SenderDomain, Transport
from mailings.rendering import dkim
from mailings.rendering.dkim import Algorithm
from mailings.sender_domains import records, services
from mailings.states import MailingStatus, Outcome
from tests import factories
from tests.http_api import HttpApi, take
from tests.sender_domains import make_domain, make_proven
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings):
    with SmtpServer() as server:
        settings.EMAIL_URL = server.url
        settings.DEFAULT_FROM_EMAIL = "Vestnik <post@service.example>"
        yield server


def begun(owner, count: int = 2, **fields) -> Mailing:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count), **fields)
    campaigns.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing


def send() -> dict:
    return worker.send_due(stopping=lambda: False)


def verified(mail: bytes, *published: dkim.Key) -> list[tuple[str, bool]]:
    """Return for each signature its domain, and whether it holds."""
    found = {f"{record.name}.": record.value for record in map(records.key_record, published)}
    signatures = message_from_bytes(mail).get_all("DKIM-Signature", [])
    verifier = dkimpy.DKIM(mail)
    return [
        (
            records.tags(signature)["d"],
            verifier.verify(idx=n, dnsfunc=lambda name, timeout=5: found[name.decode()].encode()),
        )
        for n, signature in enumerate(signatures)
    ]


def test_letters_leave_in_the_name_of_the_domain_with_both_signatures(owner, server, settings):
    settings.BOUNCE_DOMAIN = "returns.service.example"
    row = make_proven(owner)
    mailing = begun(owner, 3, sender_address=f"news@{row.domain}")
    assert send() == {Outcome.ACCEPTED: 3}
    for letter in server.messages:
        assert letter.sender.endswith("@returns.service.example")
        assert f"<news@{row.domain}>" in message_from_bytes(letter.content)["From"]
        held = verified(letter.content, *signing.keys_of(row))
        assert held == [(row.domain, True), (row.domain, True)]
    assert mailing.runs.get().sender_email == f"news@{row.domain}"


def test_without_a_domain_for_returns_the_envelope_is_the_services(owner, server):
    row = make_proven(owner, ed25519_published=False)
    begun(owner, 1, sender_address=f"news@{row.domain}")
    send()
    (letter,) = server.messages
    assert letter.sender == "post@service.example"
    # A key that receivers would not find signs nothing.
    assert verified(letter.content, *signing.keys_of(row)) == [(row.domain, True)]


def test_other_mailings_leave_as_before(owner, server):
    make_proven(owner)
    begun(owner, 1)
    send()
    (letter,) = server.messages
    assert "post@service.example" in message_from_bytes(letter.content)["From"]
    assert b"DKIM-Signature" not in letter.content


def test_the_services_own_key_signs_its_letters_and_tests(owner, server, settings):
    settings.DKIM_DOMAIN, settings.DKIM_SELECTOR = "service.example", "own"
    settings.DKIM_PRIVATE_KEY = dkim.new_private(Algorithm.RSA)
    begun(owner, 1)
    send()
    proofs.request_proof(message=factories.make_message(owner), client=None, by=owner)
    proof_sending.send_waiting(timezone.now())
    for letter in server.messages:
        held = verified(letter.content, *signing.service_keys())
        assert held == [("service.example", True)]
    settings.DEFAULT_FROM_EMAIL = "post@elsewhere.example"
    assert signing.service_keys() == ()


def test_http_apis_sign_by_themselves(owner):
    row = make_proven(owner)
    with HttpApi(choose=take) as api:
        Transport.objects.create(name="API", url=api.url(), max_connections=1)
        begun(owner, 1, sender_address=f"news@{row.domain}")
        assert send() == {Outcome.ACCEPTED: 1}
        (request,) = api.requests
        assert "news@shop.example" in str(request.body)
        assert "dkim" not in str(request.body).lower()


def test_only_ones_own_proven_domain_can_be_chosen(owner, stranger):
    proven = make_proven(stranger)
    make_domain(owner, "waiting.example")
    make_proven(owner, "unpublished.example", rsa_published=False)
    own = make_proven(owner, "own.example")
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
    for domain in (proven.domain, "waiting.example", "unpublished.example", "sub.own.example"):
        data = MailingInput(sender_address=f"news@{domain}")
        editing.change_mailing(mailing=mailing, data=data, by=owner)  # a draft may be half
        mailing.refresh_from_db()
        with pytest.raises(Refused, match=domain):
            campaigns.schedule_mailing(mailing=mailing, by=owner)
    data = MailingInput(sender_address=f"News@{own.domain.upper()}")
    editing.change_mailing(mailing=mailing, data=data, by=owner)
    mailing.refresh_from_db()
    assert mailing.sender_address == f"News@{own.domain}"
    campaigns.schedule_mailing(mailing=mailing, by=owner)
    data = MailingInput(sender_address="news@waiting.example")
    with pytest.raises(Invalid) as refused:  # what is under way must stay able to run
        editing.change_mailing(mailing=mailing, data=data, by=owner)
    assert refused.value.faults.error_dict.keys() == {"sender_address"}


@pytest.mark.parametrize(
    "typed", ["news", "a@b@own.example", "имя@own.example", "a@own.example, b@c.de"]
)
def test_what_is_no_address_is_refused(owner, typed):
    make_proven(owner, "own.example")
    mailing = factories.make_mailing(owner)
    with pytest.raises(Invalid) as refused:
        editing.change_mailing(mailing=mailing, data=MailingInput(sender_address=typed), by=owner)
    assert refused.value.faults.error_dict.keys() == {"sender_address"}


def test_a_domain_lost_before_the_run_pauses_the_mailing(owner, server):
    row = make_proven(owner)
    start = timezone.now() + timedelta(hours=1)
    mailing = factories.make_mailing(
        owner, clients=factories.make_clients(owner, 1), start_at=start,
        sender_address=f"news@{row.domain}",
    )  # fmt: skip
    campaigns.schedule_mailing(mailing=mailing, by=owner)
    SenderDomain.objects.update(state="lost")
    planning.plan(start)
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.PAUSED
    assert row.domain in mailing.status_reason
    assert not mailing.runs.exists()


@pytest.mark.parametrize("harm", ["lost", "keys"])
def test_a_domain_lost_before_a_worker_begins_sends_nothing(owner, server, settings, harm):
    row = make_proven(owner)
    mailing = begun(owner, 2, sender_address=f"news@{row.domain}")
    if harm == "lost":
        SenderDomain.objects.update(state="lost")
    else:
        SenderDomain.objects.update(rsa_key="sealed otherwise")
    send()
    mailing.refresh_from_db()
    assert server.messages == []
    assert mailing.status == MailingStatus.PAUSED
    assert row.domain in mailing.status_reason
    assert mailing.runs.get().pending_count == 2  # nobody is lost
    SenderDomain.objects.update(state="proven", rsa_key=row.rsa_key)
    campaigns.resume_mailing(mailing=mailing, by=owner)
    assert send() == {Outcome.ACCEPTED: 2}


@pytest.mark.parametrize("harm", ["lost", "renewed", "renewed and published"])
def test_a_worker_heeds_what_becomes_of_a_domain_while_it_sends(owner, server, monkeypatch, harm):
    monkeypatch.setattr(chunks, "SIZE", 5)
    monkeypatch.setattr(feeder, "LOW", 1)
    row = make_proven(owner)
    mailing = begun(owner, 10, sender_address=f"news@{row.domain}")
    claim = claiming.claim

    def claim_and_harm(*arguments):
        claimed = claim(*arguments)
        monkeypatch.setattr(claiming, "claim", claim)
        if harm == "lost":
            SenderDomain.objects.update(state="lost")
        else:
            services.renew_keys(row=row, by=owner)
        if harm == "renewed and published":
            SenderDomain.objects.update(rsa_published=True)
        return claimed

    monkeypatch.setattr(claiming, "claim", claim_and_harm)
    send()
    mailing.refresh_from_db()
    if harm == "renewed and published":
        assert mailing.status == MailingStatus.COMPLETED
        selectors = Counter(selector_in(letter.content) for letter in server.messages)
        row.refresh_from_db()
        new = signing.selector_of(row, Algorithm.RSA)
        assert len(selectors) == 2
        assert selectors[new] == 5
    else:
        assert mailing.status == MailingStatus.PAUSED
        assert row.domain in mailing.status_reason
        assert len(server.messages) <= 5
        assert mailing.runs.get().pending_count >= 5


def selector_in(mail: bytes) -> str:
    signature = message_from_bytes(mail).get_all("DKIM-Signature", [])[0]
    return records.tags(signature)["s"]


@pytest.mark.parametrize("domain", ["", "other.example"])
def test_the_rest_of_a_run_leaves_from_the_address_chosen_after_its_domain_was_lost(
    owner, server, domain
):
    row = make_proven(owner)
    mailing = begun(owner, 2, sender_address=f"news@{row.domain}")
    SenderDomain.objects.update(state="lost")
    send()
    if domain:
        make_proven(owner, domain)
    mailing.refresh_from_db()
    chosen = f"news@{domain}" if domain else ""
    editing.change_mailing(mailing=mailing, data=MailingInput(sender_address=chosen), by=owner)
    mailing.refresh_from_db()
    campaigns.resume_mailing(mailing=mailing, by=owner)
    assert send() == {Outcome.ACCEPTED: 2}
    for letter in server.messages:
        assert (chosen or "post@service.example") in message_from_bytes(letter.content)["From"]
        assert (b"DKIM-Signature" in letter.content) == bool(domain)


def test_what_is_signed_ahead_is_bounded_by_its_bytes(owner, server, monkeypatch):
    monkeypatch.setattr(feeder, "SIGNED_MOST", 1)
    held: list[tuple[int, int]] = []
    add = Buffer.add

    def add_and_look(self, prefetched):
        add(self, prefetched)
        held.append((len(prefetched.signed), self.signed_bytes))
        buffers.append(self)

    buffers: list[Buffer] = []
    monkeypatch.setattr(Buffer, "add", add_and_look)
    row = make_proven(owner)
    begun(owner, 8, sender_address=f"news@{row.domain}")
    assert send() == {Outcome.ACCEPTED: 8}
    assert [number for number, _ in held] == [1]
    assert all(b"DKIM-Signature" in letter.content for letter in server.messages)
    assert buffers[0].signed_bytes == 0


def test_a_follow_up_keeps_the_address(owner, server):
    row = make_proven(owner)
    mailing = begun(owner, 1, sender_address=f"news@{row.domain}")
    send()
    mailing.lists.add(factories.make_list(owner, factories.make_clients(owner, 1)))
    made = follow_ups.send_to_added(mailing=mailing, by=owner)
    assert made.sender_address == f"news@{row.domain}"


def test_a_client_whose_letter_cannot_be_made_keeps_no_other_from_leaving(owner, server):
    row = make_proven(owner)
    mailing = begun(owner, 3, sender_address=f"news@{row.domain}")
    mailing.runs.get().deliveries.filter(pk=mailing.runs.get().deliveries.first().pk).update(
        address="no address"
    )
    assert send() == {Outcome.ACCEPTED: 2, Outcome.RENDER: 1}

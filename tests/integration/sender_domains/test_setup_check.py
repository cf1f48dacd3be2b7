"""`manage.py setup_check`: a line for each check, and an exit code."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mailings import setup_checks
from mailings.models import Transport
from mailings.rendering import dkim
from mailings.rendering.dkim import Algorithm
from mailings.sender_domains import records
from mailings.setup_checks import Level
from tests.dns_server import SERVFAIL
from tests.http_api import HttpApi
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, dict[str, str]]:
    """Return the exit code, and subject → its line."""
    out = StringIO()
    try:
        call_command("setup_check", *arguments, stdout=out, no_color=True)
        code = 0
    except SystemExit as end:
        code = end.code
    lines = out.getvalue().splitlines()
    return code, {line[5:].partition(":")[0]: line for line in lines}


@pytest.fixture
def good(settings, zone, monkeypatch):
    """An installation in which all is well, but for a worker."""
    settings.DEFAULT_FROM_EMAIL = "Vestnik <post@service.example.org>"
    settings.BOUNCE_DOMAIN = "returns.example.org"
    settings.DKIM_DOMAIN, settings.DKIM_SELECTOR = "example.org", "own"
    settings.DKIM_PRIVATE_KEY = dkim.new_private(Algorithm.ED25519)
    monkeypatch.setattr(setup_checks.site_address, "url", lambda: "https://post.example.org")
    for domain in ("service.example.org", "returns.example.org"):
        zone.put(domain, "MX", "10 mx.example.org.")
    zone.text("returns.example.org", "v=spf1 ip4:192.0.2.7 -all")
    zone.text("_dmarc.example.org", "v=DMARC1; p=reject")
    record = records.key_record(setup_checks.signing.service_keys()[0])
    zone.text(record.name, record.value)
    zone.put("7.2.0.192.in-addr.arpa", "PTR", "mx.example.org.")
    zone.put("mx.example.org", "A", "192.0.2.7")
    with SmtpServer(users={"user": "word"}) as server:
        settings.EMAIL_URL = server.url
        yield server


def test_all_is_well(good):
    code, lines = run("--ip", "192.0.2.7")
    assert code == 0
    assert {name for name, line in lines.items() if not line.startswith("ok")} == {"Workers"}
    assert "mx.example.org" in lines["PTR of 192.0.2.7"]
    assert "lets us in" in lines["Mail service EMAIL_URL"]
    assert good.messages == []


def test_each_fault_is_told_with_what_to_mend(good, zone, monkeypatch):
    monkeypatch.setattr(setup_checks.site_address, "url", lambda: "http://localhost:8000")
    zone.text("_dmarc.example.org", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    zone.forget("own._domainkey.example.org")
    zone.put("service.example.org", "MX", "0 .")
    zone.text("returns.example.org", "v=spf1 +all")
    zone.put("mx.example.org", "A", "192.0.2.8")
    zone.put("8.2.0.192.in-addr.arpa", "A", "192.0.2.8")
    code, lines = run("--ip", "192.0.2.7", "--ip", "192.0.2.8")
    assert code == 1
    failed = {name for name, line in lines.items() if line.startswith("fail")}
    assert failed == {
        "Site address", "DMARC of service.example.org", "DKIM of service.example.org",
        "MX of service.example.org", "SPF of returns.example.org", "PTR of 192.0.2.7",
        "PTR of 192.0.2.8",
    }  # fmt: skip
    assert "own._domainkey.example.org" in lines["DKIM of service.example.org"]
    assert "does not lead back" in lines["PTR of 192.0.2.7"]


def test_dns_that_does_not_answer_is_no_fault(good, zone):
    zone.put("_dmarc.service.example.org", "TXT", SERVFAIL)
    code, lines = run()
    assert code == 0
    assert lines["DMARC of service.example.org"].startswith("warn")


def test_what_is_not_set_up_is_told(good, settings):
    settings.DKIM_DOMAIN = "elsewhere.example"
    assert "the key is for elsewhere.example" in run()[1]["DKIM of service.example.org"]
    settings.BOUNCE_DOMAIN = settings.DKIM_PRIVATE_KEY = ""
    code, lines = run()
    assert lines["Bounce domain"].startswith("warn")
    assert lines["DKIM of service.example.org"].startswith("warn")
    assert lines["SPF of service.example.org"].startswith("fail")
    settings.DEFAULT_FROM_EMAIL = "vestnik@localhost"
    code, lines = run()
    assert code == 1
    assert "no public address" in lines["Sender"]


def test_mail_services_are_spoken_to_without_a_mail(good, settings):
    Transport.objects.create(name="wrong word", url=good.url.replace("//", "//user:guess@"))
    Transport.objects.create(name="nobody there", url="smtp://127.0.0.1:9")
    Transport.objects.create(name="memory", url="memory://")
    Transport.objects.create(name="nonsense", url="smtp://:0")
    Transport.objects.create(name="resting", url="smtp://127.0.0.1:9", is_active=False)
    with HttpApi() as api:
        Transport.objects.create(name="api", url=api.url())
        code, lines = run()
    assert code == 1
    assert lines["Mail service api"].startswith("ok")
    assert "connect:" in lines["Mail service nobody there"]
    for name in ("wrong word", "nobody there", "memory", "nonsense"):
        assert lines[f"Mail service {name}"].startswith("fail"), name
    assert "Mail service resting" not in lines
    assert "guess" not in "".join(lines.values())
    assert good.messages == []


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, Level.OK), (-20, Level.WARN), (3600, Level.FAIL)]
)
def test_a_clock_that_is_wrong_is_told(seconds, level):
    there = timezone.now() + timedelta(seconds=seconds)
    assert setup_checks.host_clock(there).level == level


def test_an_address_must_be_one():
    with pytest.raises(CommandError):
        run("--ip", "mx.example.org")

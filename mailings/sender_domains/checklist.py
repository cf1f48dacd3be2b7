"""What Gmail, Yahoo, Mail.ru and Yandex ask of who sends many letters, as far as this service can
tell by itself whether it is so; docs/sender_domains.md has the sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import site_address
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.models import SenderDomain, Transport
from mailings.reports import complaints
from mailings.sender_domains.checks import Check, Report, Verdict
from mailings.sender_domains.explaining import LOOKS, Look, Text

COMPLAINTS_WANTED, COMPLAINTS_MOST = 0.1, 0.3
"""Per cent of letters: below the first all is well, from the second on receivers refuse (Gmail,
Yahoo)."""
COMPLAINTS_OF = timedelta(days=30)

ALL = "Gmail, Yahoo, Mail.ru, Yandex"
STRICT = "Gmail, Yahoo"
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Demand:
    """One of their rules, and whether it is met."""

    title: Text
    asked_by: str
    verdict: Verdict
    said: str

    @property
    def status(self) -> Look:
        return LOOKS[self.verdict]


def of(row: SenderDomain, now: datetime) -> list[Demand]:
    """Return the rules for letters from the domain."""
    return [*_of_records(row), _one_click(), _encrypted(), _complaints(row, now)]


_FROM_RECORDS = (
    (Check.RSA, gettext_lazy("Letters are signed (DKIM), with a key of 2048 bits"), ALL),
    (Check.RSA, gettext_lazy("The signature and the sender’s address have one domain"), ALL),
    (Check.SPF, gettext_lazy("SPF for the address that returned letters come to"), ALL),
    (Check.DMARC, gettext_lazy("A DMARC policy"), STRICT),
)


def _of_records(row: SenderDomain) -> Iterator[Demand]:
    findings = Report.of(row).findings
    for check, title, asked_by in _FROM_RECORDS:
        finding = findings.get(check)
        verdict = finding.verdict if finding else Verdict.SILENT
        yield Demand(title, asked_by, verdict, "" if finding else _("Not looked at yet."))


def _one_click() -> Demand:
    """RFC 8058 allows one-click for https alone; the headers are in every letter of a mailing."""
    title = _("Unsubscribing by one click, in every letter")
    if site_address.url().startswith("https://"):
        return Demand(title, ALL, Verdict.RIGHT, "")
    said = _("The service’s own address is not https, so mail programs show no button.")
    return Demand(title, ALL, Verdict.WRONG, said)


def _encrypted() -> Demand:
    title = _("Letters are handed over encrypted (TLS)")
    urls = [url or settings.EMAIL_URL for url in _services()]
    if any(_is_bare(url) for url in urls):
        said = _("A mail service is spoken to without TLS: smtp:// instead of smtp+tls://.")
        return Demand(title, STRICT, Verdict.WRONG, said)
    said = _("As far as the mail service; from there on it is that service’s affair.")
    return Demand(title, STRICT, Verdict.RIGHT, said)


def _services() -> list[str]:
    known = Transport.objects.filter(is_active=True).order_by("pk").values_list("url", flat=True)
    return list(known) or [""]


def _is_bare(url: str) -> bool:
    """Return whether letters cross the net as anybody can read them."""
    if kind_of(url) is not TransportKind.SMTP:
        return False
    parts = urlsplit(url)
    return parts.scheme == "smtp" and parts.hostname not in LOCAL


def _complaints(row: SenderDomain, now: datetime) -> Demand:
    title = _("Complaints about spam: under 0.1%, never 0.3%")
    found = complaints.of(row.owner, now - COMPLAINTS_OF)
    if not found.sent:
        return Demand(title, STRICT, Verdict.SILENT, _("Nothing was sent within 30 days."))
    verdict = Verdict.RIGHT
    if found.percent >= COMPLAINTS_MOST:
        verdict = Verdict.WRONG
    elif found.percent >= COMPLAINTS_WANTED:
        verdict = Verdict.WEAK
    said = _(
        "%(percent)s%% within 30 days: %(complained)s of %(sent)s letters. Gmail tells only its"
        " own Postmaster Tools of complaints."
    )
    values = {
        "percent": number_format(found.percent, 2),
        "complained": number_format(found.complained),
        "sent": number_format(found.sent, force_grouping=True),
    }
    return Demand(title, STRICT, verdict, said % values)

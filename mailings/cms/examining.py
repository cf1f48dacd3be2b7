"""Whether a mail service takes our sessions, found by opening one and told in words."""

from typing import assert_never

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.cms.columns import Sign
from mailings.cms.transport_form import in_words
from mailings.delivery.runs import composing
from mailings.delivery.transports.base import Step
from mailings.delivery.transports.http import probe as http_probe
from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.delivery.transports.smtp.config import Security, SmtpConfig
from mailings.delivery.transports.smtp.probe import Finding, probe
from mailings.models import Transport
from mailings.web import words

GOOD, DOUBTFUL, BAD = (
    ("circle-check", "is-go"),
    ("triangle-alert", "is-wait"),
    ("circle-x", "is-bad"),
)


def note(look: tuple[str, str], sentence: str) -> Sign:
    return Sign(*look, sentence)


def examine(transport: Transport) -> list[Sign]:
    """Open a session with the mail service; wait for it outside of any transaction."""
    url = transport.url or settings.EMAIL_URL
    kind = kind_of(url)
    match kind:
        case TransportKind.MEMORY:
            said = _("EMAIL_URL keeps mail in memory: there is nothing to connect to.")
            return [note(DOUBTFUL, said)]
        case TransportKind.HTTP_API:
            return examine_api(url)
        case TransportKind.SMTP:
            return examine_smtp(url)
        case _:
            assert_never(kind)


def examine_smtp(url: str) -> list[Sign]:
    try:
        config = SmtpConfig.from_url(url)
    except ValueError as fault:
        return [note(BAD, in_words(fault))]
    if not config.local_name:
        config = SmtpConfig.from_url(url, local_name=composing.sender_domain())
    finding = probe(config)
    return good_notes(config, finding) if finding.is_good else fault_notes(finding)


def examine_api(url: str) -> list[Sign]:
    """An API takes no session: whether its key is good it says with the first mail."""
    try:
        finding = http_probe.probe(ApiConfig.from_url(url))
    except ValueError as fault:
        return [note(BAD, in_words(fault))]
    if not finding.is_good:
        return fault_notes(finding)
    took = words.duration(round(finding.seconds * 1000))
    return [
        note(GOOD, _("The HTTP API answers within %(time)s.") % {"time": took}),
        note(
            DOUBTFUL,
            _("Whether it takes our key shows with the first mail: send yourself a test."),
        ),
    ]


def good_notes(config: SmtpConfig, finding: Finding) -> list[Sign]:
    took = words.duration(round(finding.seconds * 1000))
    notes = [note(GOOD, _("The mail service took the session within %(time)s.") % {"time": took})]
    if config.security is Security.NONE:
        notes.append(note(DOUBTFUL, _("The connection is not encrypted.")))
    else:
        notes.append(note(GOOD, _("The connection is encrypted, and the certificate is good.")))
    if config.user:
        notes.append(note(GOOD, _("It signed us in as %(user)s.") % {"user": config.user}))
    if "PIPELINING" not in finding.extensions:
        notes.append(
            note(DOUBTFUL, _("It does not offer PIPELINING: each mail takes more round trips."))
        )
    size = finding.extensions.get("SIZE", "")
    if size.isdecimal() and int(size):
        megabytes = number_format(int(size) / 1_000_000, decimal_pos=0)
        notes.append(note(GOOD, _("It takes letters of up to %(size)s MB.") % {"size": megabytes}))
    return notes


def fault_notes(finding: Finding) -> list[Sign]:
    fault = finding.fault
    if fault is None:
        took = words.duration(round(finding.seconds * 1000))
        said = _("It answers too slowly: no session within %(time)s.") % {"time": took}
        return [note(BAD, said)]
    said = _("No session: it ended at “%(step)s”. %(said)s") % {
        "step": words.step(fault.step),
        "said": f"{fault.code or ''} {fault.reply}".strip(),
    }
    notes = [note(BAD, said)]
    if fault.step in ADVICE:
        notes.append(note(DOUBTFUL, str(ADVICE[fault.step])))
    return notes


ADVICE = {
    Step.CONNECT: gettext_lazy(
        "Look at the host’s name and port, and whether a firewall lets us out to it."
    ),
    Step.BANNER: gettext_lazy(
        "Somebody answers there, but not as a mail service. With smtps:// the port is usually 465,"
        " with smtp+tls:// 587."
    ),
    Step.TLS: gettext_lazy(
        "With smtp+tls:// the port is usually 587, with smtps:// 465. A certificate of your own"
        " authority is named by ?ca=/path/to/ca.pem"
    ),
    Step.AUTH: gettext_lazy(
        "Look at user and password; some services want a password made for programs."
    ),
}

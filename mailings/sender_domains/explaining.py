"""What was found of a domain, in words that a shop owner understands: what it is, whether it is
right, what to do."""

from dataclasses import dataclass
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.models import SenderDomain
from mailings.models.sender_domain import DomainState
from mailings.sender_domains.checks import Check, Finding, Report, Verdict

Text = str | Promise

TITLES: dict[Check, Text] = {
    Check.PROOF: gettext_lazy("The domain is yours"),
    Check.RSA: gettext_lazy("Signature (DKIM)"),
    Check.ED25519: gettext_lazy("Second signature (DKIM, Ed25519)"),
    Check.DMARC: gettext_lazy("DMARC: what receivers do with forgeries"),
    Check.SPF: gettext_lazy("SPF of the sending service"),
    Check.MX: gettext_lazy("The domain takes mail"),
}

_SILENT = gettext_lazy(
    "DNS did not answer just now. It says nothing about your domain; we ask again by ourselves."
)

_SAID: dict[tuple[Check, str], Text] = {
    (Check.PROOF, ""): gettext_lazy("The record is there."),
    (Check.PROOF, "absent"): gettext_lazy(
        "The record is not to be seen yet. Publish it as shown above; it may take from some minutes"
        " to some hours until everybody sees it."
    ),
    (Check.PROOF, "other"): gettext_lazy(
        "Something else stands there. Put the value above in its place, letter by letter."
    ),
    (Check.PROOF, "alias"): gettext_lazy(
        "This name leads elsewhere (CNAME), so what stands there says nothing about you. Delete the"
        " CNAME at this name and publish the TXT record."
    ),
    (Check.RSA, ""): gettext_lazy("The key is published: receivers can verify your letters."),
    (Check.RSA, "absent"): gettext_lazy(
        "The key is not to be seen yet. Without it nothing is sent from this domain: receivers"
        " would take the letters for forged. Publish the record as shown above."
    ),
    (Check.RSA, "other"): gettext_lazy(
        "Another key stands there. Put the value above in its place, in full."
    ),
    (Check.RSA, "several"): gettext_lazy(
        "There are several records at this name; receivers want one. Delete all but ours."
    ),
    (Check.RSA, "cut"): gettext_lazy(
        "The key is cut off: the field of your DNS provider took only its beginning. Enter the"
        " value in two pieces, each in quotation marks, up to 255 characters long."
    ),
    (Check.RSA, "unreadable"): gettext_lazy(
        "Our half of the key cannot be read any more. Make new keys on this page and publish them."
    ),
    (Check.ED25519, ""): gettext_lazy("The key is published; letters are signed with both."),
    (Check.ED25519, "absent"): gettext_lazy(
        "Not published, which does no harm: letters are signed with the first key alone."
    ),
    (Check.DMARC, "none"): gettext_lazy(
        "There is a policy: it only watches (p=none). That is what Gmail, Yahoo and Mail.ru ask of"
        " bulk senders. Our signature is by the same domain as the address in From, so it holds."
    ),
    (Check.DMARC, "quarantine"): gettext_lazy(
        "There is a policy: forged letters go to spam. Ours are signed by the same domain as the"
        " address in From, so it holds for them."
    ),
    (Check.DMARC, "reject"): gettext_lazy(
        "There is a policy: forged letters are refused. Ours are signed by the same domain as the"
        " address in From, so it holds for them."
    ),
    (Check.DMARC, "absent"): gettext_lazy(
        "There is no policy. Gmail and Yahoo want one of who sends 5000 letters a day and more."
        " Publish the record shown above: it changes nothing for your other mail."
    ),
    (Check.DMARC, "several"): gettext_lazy(
        "There are several policies, so none of them counts. Leave one."
    ),
    (Check.DMARC, "policy"): gettext_lazy(
        "The policy cannot be understood: p= must be none, quarantine or reject."
    ),
    (Check.SPF, ""): gettext_lazy(
        "It is published. It concerns the address that returned letters come to, which is the"
        " service’s; your own domain needs no entry for us."
    ),
    (Check.SPF, "absent"): gettext_lazy(
        "It is missing. That is the operator’s affair, not yours; your signature makes up for it."
    ),
    (Check.SPF, "several"): gettext_lazy(
        "There are several records, so none of them counts. That is the operator’s affair."
    ),
    (Check.SPF, "open"): gettext_lazy(
        "It allows the whole world to send (+all), which receivers distrust. That is the operator’s"
        " affair."
    ),
    (Check.SPF, "nobody"): gettext_lazy(
        "It says that nobody sends from there. That is the operator’s affair."
    ),
    (Check.MX, ""): gettext_lazy("Answers to the sender’s address arrive."),
    (Check.MX, "address"): gettext_lazy(
        "There are no MX records; mail would go to the host itself. Some receivers distrust that."
    ),
    (Check.MX, "absent"): gettext_lazy(
        "Nothing takes mail for this domain: answers come back, and some receivers refuse such"
        " senders. Add a mailbox at your provider."
    ),
    (Check.MX, "null"): gettext_lazy(
        "The domain says that it takes no mail (null MX). Many receivers refuse such senders."
    ),
}

_SAME_AS_RSA = ("other", "several", "cut", "unreadable")


class Look(NamedTuple):
    """How a status is drawn: shape, colour, word."""

    icon: str
    tone: str
    label: Text


LOOKS = {
    Verdict.RIGHT: Look("circle-check", "is-go", gettext_lazy("in order")),
    Verdict.WEAK: Look("triangle-alert", "is-wait", gettext_lazy("could be better")),
    Verdict.WRONG: Look("circle-x", "is-bad", gettext_lazy("to be mended")),
    Verdict.SILENT: Look("circle-question-mark", "is-odd", gettext_lazy("not known")),
}


def status_of(row: SenderDomain) -> Look:
    """Return how the domain as a whole is."""
    if row.may_send and row.missing_since is None:
        return Look("circle-check", "is-go", _("Letters may leave"))
    if row.may_send:
        return Look("triangle-alert", "is-wait", _("A record has vanished"))
    if row.state == DomainState.PROVEN:
        return Look("clock", "is-wait", _("The key is missing"))
    if row.state == DomainState.LOST:
        return Look("circle-x", "is-bad", _("No longer confirmed"))
    return Look("circle-dashed", "is-off", _("Not confirmed yet"))


@dataclass(frozen=True, slots=True)
class Explained:
    """A line of the page."""

    check: Check
    verdict: Verdict
    said: Text
    found: list[str]
    at: str

    @property
    def title(self) -> Text:
        return TITLES[self.check]

    @property
    def status(self) -> "Look":
        return LOOKS[self.verdict]


def lines(row: SenderDomain) -> list[Explained]:
    """Return what was found when the domain was last looked at; nothing if it never was."""
    findings = Report.of(row).findings
    return [line(check, findings[check]) for check in Check if check in findings]


def line(check: Check, finding: Finding) -> Explained:
    verdict = finding.verdict
    if check is Check.ED25519 and verdict is Verdict.WRONG and finding.why == "absent":
        verdict = Verdict.WEAK
    at = finding.at if check is not Check.SPF or verdict is not Verdict.SILENT else ""
    return Explained(check, verdict, said(check, finding), finding.found, at)


def said(check: Check, finding: Finding) -> Text:
    if finding.verdict is Verdict.SILENT:
        return _SILENT
    if check is Check.ED25519 and finding.why in _SAME_AS_RSA:
        return _SAID[Check.RSA, finding.why]
    return _SAID[check, finding.why]


def dmarc_wanted(row: SenderDomain) -> str:
    """Return the policy to begin with, where there is none."""
    finding = Report.of(row).findings.get(Check.DMARC)
    return "v=DMARC1; p=none" if finding and finding.why == "absent" else ""

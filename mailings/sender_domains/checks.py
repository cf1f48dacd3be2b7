"""What DNS has of a sender domain, looked at line by line: the proof, the keys' records, SPF of the
domain that letters are returned to, DMARC, MX.

`look` asks, all at once; what it found is kept with the domain, and `explaining` puts it in words.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.conf import settings

from mailings.delivery import domain_keys, signing
from mailings.models import SenderDomain
from mailings.rendering.dkim import Algorithm
from mailings.sender_domains import lookups, records
from mailings.sender_domains.lookups import DnsSilent
from mailings.sender_domains.records import Record

FOUND_MOST, FOUND_LENGTH = 4, 600
"""Records, and characters of each, that are kept and shown."""
LOOK_MOST = 10.0
"""Seconds for all lines together: a page and a worker wait for them, and the name servers asked are
those of whoever typed the domain."""
WALKED_MOST = 7
"""Labels of the names that a policy is looked for at, but for the domain's own (RFC 9989 4.10)."""


class Check(StrEnum):
    """The lines, in the order in which they are read."""

    PROOF = "proof"
    RSA = "rsa"
    ED25519 = "ed25519"
    DMARC = "dmarc"
    SPF = "spf"
    MX = "mx"


class Verdict(StrEnum):
    """What is to be thought of a line."""

    RIGHT = "right"
    WEAK = "weak"
    """It works, and something would be better."""
    WRONG = "wrong"
    SILENT = "silent"
    """Nobody answered: it says nothing about the domain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line: what was found, and `why` it is not right, as a word that `explaining` knows."""

    verdict: Verdict
    why: str = ""
    found: list[str] = field(default_factory=list)
    at: str = ""
    """Where it was found, if elsewhere than one would think."""


SILENT = Finding(Verdict.SILENT, "silent")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, by line."""

    findings: dict[Check, Finding]

    @property
    def proof(self) -> Verdict:
        return self.findings[Check.PROOF].verdict

    @property
    def rsa(self) -> Verdict:
        return self.findings[Check.RSA].verdict

    @property
    def ed25519(self) -> Verdict:
        return self.findings[Check.ED25519].verdict

    def stored(self) -> dict[str, Any]:
        """Return it as `SenderDomain.report` keeps it."""
        return {
            check.value: {
                "verdict": finding.verdict.value,
                "why": finding.why,
                "found": [text[:FOUND_LENGTH] for text in finding.found[:FOUND_MOST]],
                "at": finding.at,
            }
            for check, finding in self.findings.items()
        }

    @classmethod
    def of(cls, row: SenderDomain) -> "Report":
        """Return what is kept; lines that were never looked at are missing."""
        return cls(
            {
                Check(name): Finding(
                    Verdict(kept["verdict"]), kept["why"], kept["found"], kept["at"]
                )
                for name, kept in row.report.items()
            }
        )


def look(row: SenderDomain) -> Report:
    """Ask DNS for everything about the domain, for `LOOK_MOST`: what has no answer by then has
    none."""
    try:
        keys = signing.keys_of(row)
        of_keys = {
            Check.RSA: _of_key(records.key_record(keys[0])),
            Check.ED25519: _of_key(records.key_record(keys[1])),
        }
    except domain_keys.KeysUnreadable:
        of_keys = dict.fromkeys((Check.RSA, Check.ED25519), _unreadable)
    proof, domain, envelope = records.proof(row), row.domain, envelope_domain()
    asked: dict[Check, Callable[[], Finding]] = {
        Check.PROOF: lambda: _proof(proof),
        **of_keys,
        Check.DMARC: lambda: dmarc(domain),
        Check.SPF: lambda: spf(envelope),
        Check.MX: lambda: mx(domain),
    }
    pool = ThreadPoolExecutor(len(asked), thread_name_prefix="dns")
    answers = {check: pool.submit(_answered, ask) for check, ask in asked.items()}
    pool.shutdown(wait=False)  # a line that is late comes to its end by itself
    wait(answers.values(), LOOK_MOST)
    return Report(
        {check: answer.result() if answer.done() else SILENT for check, answer in answers.items()}
    )


def envelope_domain() -> str:
    """Return the domain of the envelope's sender, whose SPF receivers ask for."""
    return settings.BOUNCE_DOMAIN or signing.domain_of(signing.service_address())


def _answered(ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except DnsSilent:
        return SILENT


def _proof(record: Record) -> Finding:
    texts = lookups.texts(record.name)
    if texts.via:
        # Whoever has that place would prove every domain that points to it.
        return Finding(Verdict.WRONG, "alias", texts.found, texts.via)
    if any(text.strip().strip('"') == record.value for text in texts.found):
        return Finding(Verdict.RIGHT)
    return Finding(Verdict.WRONG, "other" if texts.found else "absent", texts.found)


def _of_key(record: Record) -> Callable[[], Finding]:
    return lambda: key(record)


def _unreadable() -> Finding:
    return Finding(Verdict.WRONG, "unreadable")


def key(record: Record) -> Finding:
    """Compare a key's record, however its tags are spaced; there must be one (RFC 6376 3.6.2.2).
    Raises `DnsSilent`."""
    texts = lookups.texts(record.name)
    if not texts.found:
        return Finding(Verdict.WRONG, "absent")
    if len(texts.found) > 1:
        return Finding(Verdict.WRONG, "several", texts.found)
    here, ours = records.tags(texts.found[0]), records.tags(record.value)
    if here.get("p") == ours["p"] and here.get("k", Algorithm.RSA.value) == ours["k"]:
        return Finding(Verdict.RIGHT, at=texts.via)
    if here.get("p") and ours["p"].startswith(here["p"]):
        return Finding(Verdict.WRONG, "cut", texts.found)
    return Finding(Verdict.WRONG, "other", texts.found, texts.via)


# ---------------------------------------------------------------- also for the service's own domain


def spf(domain: str) -> Finding:
    """Look at a domain's SPF (RFC 7208). Raises `DnsSilent`."""
    found = [text for text in lookups.texts(domain).found if _is_spf(text)]
    if len(found) != 1:
        return Finding(Verdict.WRONG, "several" if found else "absent", found, domain)
    terms = found[0].lower().split()
    if terms[-1] in ("+all", "all"):
        return Finding(Verdict.WRONG, "open", found, domain)
    if len(terms) == 2 and terms[1].endswith("all"):  # noqa: PLR2004 - version, and nobody
        return Finding(Verdict.WRONG, "nobody", found, domain)
    return Finding(Verdict.RIGHT, "", found, domain)


def _is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def dmarc(domain: str) -> Finding:
    """Look for the policy of a domain, its own or that of one above it (RFC 9989 4.10: walking up
    the tree). Raises `DnsSilent`."""
    labels = domain.split(".")
    above = [".".join(labels[-count:]) for count in range(min(WALKED_MOST, len(labels) - 1), 1, -1)]
    for name in (domain, *above):
        texts = lookups.texts(f"_dmarc.{name}").found
        found = [text for text in texts if records.tags(text).get("v") == "DMARC1"]
        if len(found) > 1:
            return Finding(Verdict.WRONG, "several", found, name)
        if found:
            return _policy(found[0], name, is_own=name == domain)
    return Finding(Verdict.WEAK, "absent")


def _policy(text: str, at: str, *, is_own: bool) -> Finding:
    tags = records.tags(text)
    policy = tags.get("p", "none").lower()
    if not is_own:
        policy = tags.get("sp", policy).lower()
    if policy not in ("none", "quarantine", "reject"):
        return Finding(Verdict.WRONG, "policy", [text], at)
    return Finding(Verdict.RIGHT, policy, [text], at)


def mx(domain: str) -> Finding:
    """Look whether a domain takes mail. Raises `DnsSilent`."""
    hosts = lookups.mail_hosts(domain)
    if hosts == [""]:
        return Finding(Verdict.WRONG, "null")
    if hosts:
        return Finding(Verdict.RIGHT, "", hosts)
    # RFC 5321 5.1: without MX the host of that name takes its mail, if there is one.
    if addresses := lookups.addresses(domain):
        return Finding(Verdict.WEAK, "address", addresses)
    return Finding(Verdict.WRONG, "absent")

"""The records that a domain's owner publishes, and how such records are read."""

import re
from typing import NamedTuple

from mailings.models import SenderDomain
from mailings.rendering.dkim import Key

PROOF_LABEL = "_vestnik"
PROOF = "vestnik-verification="


class Record(NamedTuple):
    """A TXT record: its whole name and its value in one piece."""

    name: str
    value: str


def proof(row: SenderDomain) -> Record:
    """Return the record that shows whose the domain is."""
    return Record(f"{PROOF_LABEL}.{row.domain}", f"{PROOF}{row.token}")


def key_record(key: Key) -> Record:
    """Return the record by which receivers find the key."""
    return Record(f"{key.selector}._domainkey.{key.domain}", key.record)


def tags(text: str) -> dict[str, str]:
    """Return the tags of a DKIM or DMARC record (RFC 6376 3.2): name → value without spaces."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {
        name.strip().lower(): re.sub(r"\s+", "", value)
        for name, _equals, value in pairs
        if name.strip()
    }

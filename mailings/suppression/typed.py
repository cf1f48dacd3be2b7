"""Addresses that somebody types or pastes, one a line or many: which are good, what is wrong with
the others, and where they stand."""

from typing import NamedTuple

from django.core.exceptions import ValidationError

from mailings.addressing import addresses
from mailings.addressing.written import mailboxes

SHOWN = 80  # characters of what is no address


class Typed(NamedTuple):
    """One address, or what stands in the place of one."""

    line: int
    """From 1."""
    text: str
    mailbox: str
    """Empty where it is no address."""
    fault: str = ""


def read(text: str) -> list[Typed]:
    """Return every part of the text that is, or should be, an address; in their order."""
    return [
        _read(number, part)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
        for _name, part in mailboxes(line) or [("", line.strip())]
    ]


def _read(line: int, part: str) -> Typed:
    try:
        return Typed(line, part, addresses.read(part).mailbox)
    except ValidationError as error:
        shown = part if len(part) <= SHOWN else f"{part[:SHOWN]}…"
        return Typed(line, shown, "", " ".join(error.messages))

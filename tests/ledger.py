"""What a mail service has accepted, held against what the ledger says of it."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

HANDED_OVER = ("accepted", "uncertain", "lost")
"""Outcomes of an attempt after which the mail service may have taken the mail."""


class Mail(NamedTuple):
    """One acceptance."""

    message_id: str
    address: str
    subject: str = ""  # as it was on the wire

    @property
    def delivery_id(self) -> int:
        return int(self.message_id[1:].partition(".")[0])


class Row(NamedTuple):
    """A delivery; `handed` counts its attempts with an outcome of `HANDED_OVER`."""

    pk: int
    address: str
    status: str
    resends: int
    handed: int


def lies(mails: Iterable[Mail], rows: Iterable[Row]) -> list[str]:
    """Return what does not hold: log ⊆ attempts, sent ⊆ log, few copies, one Message-ID."""
    mails = list(mails)
    deliveries = {row.pk: row for row in rows}
    copies = Counter(mail.delivery_id for mail in mails)
    found = [f"a mail of no delivery: {pk}" for pk in copies if pk not in deliveries]
    found += [
        f"{mail} went to somebody else than {deliveries[mail.delivery_id].address}"
        for mail in mails
        if mail.delivery_id in deliveries and deliveries[mail.delivery_id].address != mail.address
    ]
    if len({mail.message_id for mail in mails}) != len(copies):
        found.append("copies of a mail have different Message-IDs")
    for row in deliveries.values():
        accepted = copies[row.pk]
        if accepted > row.handed:
            found.append(f"accepted {accepted} times, handed over {row.handed} times: {row}")
        if accepted > 1 + row.resends:
            found.append(f"accepted {accepted} times with too few resends: {row}")
        if row.status == "sent" and not accepted:
            found.append(f"sent, and never accepted: {row}")
    return found

"""The kinds of refusals, and what one says."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalKind(StrEnum):
    """Why a server did not take a mail; about whom or what it speaks."""

    # The recipient's mailbox
    UNKNOWN_MAILBOX = "unknown_mailbox"
    DISABLED_MAILBOX = "disabled_mailbox"
    FULL_MAILBOX = "full_mailbox"
    BAD_DOMAIN = "bad_domain"  # there is no such domain, or it takes no mail (RFC 7505)
    # The letter
    SPAM = "spam"
    SIZE = "size"
    CONTENT = "content"  # its form, or an attachment
    # Who sends
    REPUTATION = "reputation"  # of an IP address or a domain; block lists
    POLICY = "policy"  # SPF, DKIM, DMARC, names of hosts; rules of access
    SENDER = "sender"  # our sender's address
    # The mail service that we sign in to
    RELAY = "relay"  # it does not pass our mail on, or knows us no longer
    QUOTA = "quota"  # our account has used up what it may send
    # Only now
    RATE = "rate"  # too much at once
    TRANSIENT = "transient"  # greylisting, a fault of the server's own
    UNKNOWN = "unknown"


GONE = frozenset(
    {RefusalKind.UNKNOWN_MAILBOX, RefusalKind.DISABLED_MAILBOX, RefusalKind.BAD_DOMAIN}
)
"""Those that call a mailbox dead, if they are meant for good."""

OF_MAILBOX = GONE | {RefusalKind.FULL_MAILBOX}
"""Those that speak of the recipient alone, and so say nothing of the others."""

OF_SERVICE = frozenset({RefusalKind.RELAY, RefusalKind.QUOTA})
"""Those that speak of us and the mail service that we sign in to, and so of nobody's mailbox."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal says."""

    kind: RefusalKind
    receiver: str = ""
    """Who runs the recipient's mailboxes, e.g. "gmail", "mail.ru"; empty: not known."""
    is_permanent: bool = False
    """Whether the server means it for good: 5xx, or an enhanced code of class 5."""
    in_words: bool = False
    """Whether words say so, not codes alone."""

    @property
    def is_dead_mailbox(self) -> bool:
        """Whether nobody will ever read mail there. In doubt not: a living mailbox that is taken
        for dead is a customer lost. RFC 3463: 5.2.1 alone may be for a time."""
        if not self.is_permanent:
            return False
        is_gone = self.kind in (RefusalKind.UNKNOWN_MAILBOX, RefusalKind.BAD_DOMAIN)
        return is_gone or (self.kind is RefusalKind.DISABLED_MAILBOX and self.in_words)

"""What servers say, and what it means: the table that refusals are read by.

The first row that fits tells the kind. Rows that speak of the sender, the letter, the mail service
or the moment stand before those that call a mailbox dead: in doubt nobody is taken for dead.
Whole sentences of one receiver stand first where the usual words mean something else there.

A phrase is written in small letters, `@` where an address stands, ` … ` for at most `GAP` other
characters. Sources are what the row was read in: a receiver's own page, a server's source, or a
public collection of replies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mailings.refusals.kinds import RefusalKind

K = RefusalKind

GAP = 80
"""Characters between two parts of a phrase, at most."""


@dataclass(frozen=True, slots=True)
class Row:
    """A phrase, and what it means."""

    kind: RefusalKind
    phrase: str
    source: str
    receiver: str = ""
    """Only in the mouth of this one."""
    level: int = 0
    """Only with codes of this class: 4 or 5."""
    enhanced: str = ""
    """Only with this enhanced code, its class left out: ".7.1"."""
    parts: tuple[str, ...] = ()


# Sources
GMAIL = "support.google.com/a/answer/3726730"
YANDEX = "yandex.ru/support/mail/troubleshooting/errors"
MAILRU = "help.mail.ru/developers/mailing_rules/technical"
MICROSOFT = "learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports"
OUTLOOK = "sendersupport.olc.protection.outlook.com/pm/troubleshooting"
YAHOO = "senders.yahooinc.com/smtp-error-codes"
GMX = "postmaster.gmx.net/en/error-messages"
TONLINE = "postmaster.t-online.de"
APPLE = "support.apple.com/102322"
COMCAST = "postmaster.xfinity.com/mail-error-codes"
ORANGE = "postmaster.orange.fr"
QQ = "service.mail.qq.com/detail/122"
NETEASE = "help.mail.163.com/faqDetail.do"
POSTFIX = "Postfix: smtpd_check.c, postconf(5)"
EXIM = "Exim: src/deliver.c, default configuration"
SENDMAIL = "sendmail: cf/m4/proto.m4, sysexits"
QMAIL = "qmail: qmail-send, qmail-rspawn, qmail-local"
DOVECOT = "Dovecot: quota plugin, LMTP"
SES = "docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html"
COLLECTED = "Dada Mail, Mailman, KumoMTA: replies collected by their users"
RFC = "RFC 3463, RFC 5321, RFC 7372, RFC 7505, IANA enhanced status codes"


def _rows(
    kind: RefusalKind,
    source: str,
    phrases: str,
    *,
    receiver: str = "",
    level: int = 0,
    enhanced: str = "",
) -> Iterator[Row]:
    """Make a row of each line."""
    for line in phrases.strip().splitlines():
        phrase = line.strip()
        parts = tuple(phrase.split(" … "))
        yield Row(kind, phrase, source, receiver, level, enhanced, parts)


ROWS: tuple[Row, ...] = (
    # A rate that wears the code of a disabled mailbox
    *_rows(
        K.RATE,
        GMAIL,
        """
        receiving mail at a rate
        receiving mail too quickly
        """,
    ),
    # Our account with the mail service
    *_rows(
        K.QUOTA,
        GMAIL,
        """
        daily user sending limit exceeded
        daily sending limit
        daily sending quota
        """,
    ),
    *_rows(
        K.QUOTA,
        SES,
        """
        daily message quota exceeded
        daily quota exceeded
        """,
    ),
    *_rows(
        K.QUOTA,
        YANDEX,
        """
        sending limit
        sending quota
        outgoing … quota
        outgoing … limit
        """,
    ),
    *_rows(
        K.QUOTA,
        COLLECTED,
        """
        quota of the account
        monthly … quota
        monthly … limit
        daily … limit
        daily … quota
        plan … limit
        credits
        """,
    ),
    *_rows(
        K.RELAY,
        POSTFIX,
        """
        relay access denied
        relaying denied
        relay denied
        relay not permitted
        relaying not allowed
        relaying is not allowed
        relaying is prohibited
        unable to relay
        do not relay
        not permitted to relay
        """,
    ),
    *_rows(
        K.RELAY,
        RFC,
        """
        authentication required
        authentication is required
        must authenticate
        smtp auth
        must issue a starttls
        not authenticated
        authentication failed
        authentication credentials invalid
        username and password not accepted
        """,
    ),
    # Our sender's address
    *_rows(
        K.SENDER,
        POSTFIX,
        """
        sender address rejected
        not owned by
        sender verify failed
        sender rejected
        invalid sender
        sender … not allowed
        domain of sender
        sender domain
        send as this sender
        """,
    ),
    # The letter
    *_rows(
        K.SIZE,
        RFC,
        """
        message size exceeds
        message too large
        message too big
        exceeds … maximum message size
        message exceeds … size
        size limit
        """,
    ),
    *_rows(
        K.SPAM,
        COLLECTED,
        """
        spam message
        as spam
        spam content
        like spam
        unsolicited
        spam detected
        spam rejected
        high spam
        spam score
        """,
    ),
    *_rows(
        K.CONTENT,
        COLLECTED,
        """
        virus
        malware
        attachment
        bare line feed
        bare lf
        """,
    ),
    # Who sends
    *_rows(
        K.POLICY,
        RFC,
        """
        dmarc
        spf
        dkim
        unauthenticated
        reverse dns
        ptr record
        authentication checks
        authentication information
        """,
    ),
    *_rows(
        K.RATE,
        COLLECTED,
        """
        too many
        rate limit
        rate-limit
        throttl
        slow down
        too fast
        too much mail
        """,
    ),
    *_rows(
        K.REPUTATION,
        COLLECTED,
        """
        reputation
        block list
        blocklist
        blacklist
        block-list
        blocked using
        listed at
        listed in
        listed by
        spamhaus
        spamcop
        barracudacentral
        banned
        banned sending ip
        """,
    ),
    # The mailbox is full
    *_rows(
        K.FULL_MAILBOX,
        DOVECOT,
        """
        mailbox is full
        mailbox full
        over quota
        quota exceeded
        exceeded storage
        exceeds quota
        out of storage
        inbox full
        is full
        exceeded … quota
        over … quota
        storage … full
        quota full
        """,
    ),
    *_rows(
        K.TRANSIENT,
        POSTFIX,
        """
        greylist
        graylist
        grey list
        try again later
        """,
    ),
    # Nobody reads there
    *_rows(
        K.DISABLED_MAILBOX,
        COLLECTED,
        """
        is disabled
        has been disabled
        is inactive
        account closed
        account disabled
        mailbox disabled
        user disabled
        is suspended
        disabled or discontinued
        account … inactive
        no longer active
        not active
        is not active
        mailbox … blocked
        account … blocked
        is deactivated
        """,
        level=5,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        YANDEX,
        """
        no such user
        no such mailbox
        no such recipient
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MAILRU,
        """
        user not found
        invalid mailbox
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        YAHOO,
        """
        delivery error: dd
        doesn't have a … account
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MICROSOFT,
        """
        recipient address rejected: access denied
        """,
        enhanced=".4.1",
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MICROSOFT,
        """
        recipientnotfound
        recipient not found
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        OUTLOOK,
        """
        requested action not taken: mailbox unavailable
        """,
        level=5,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        POSTFIX,
        """
        user unknown
        unknown user
        unknown in … table
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        EXIM,
        """
        unrouteable address
        unroutable address
        unknown address
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        QMAIL,
        """
        no mailbox here by that name
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        COLLECTED,
        """
        mailbox not found
        unknown recipient
        recipient unknown
        invalid recipient
        does not exist
        doesn't exist
        mailbox unavailable
        unknown local part
        not a valid mailbox
        """,
        level=5,
    ),
    *_rows(
        K.BAD_DOMAIN,
        RFC,
        """
        domain not found
        host not found
        nullmx
        null mx
        no such domain
        domain does not exist
        """,
    ),
)

BY_ENHANCED_CODE = {
    "1.1": K.UNKNOWN_MAILBOX,
    "1.2": K.BAD_DOMAIN,
    "1.3": K.UNKNOWN_MAILBOX,
    "1.4": K.UNKNOWN_MAILBOX,
    "1.6": K.UNKNOWN_MAILBOX,
    "1.7": K.SENDER,
    "1.8": K.SENDER,
    "1.10": K.BAD_DOMAIN,
    "1.": K.UNKNOWN_MAILBOX,
    "2.1": K.DISABLED_MAILBOX,
    "2.2": K.FULL_MAILBOX,
    "2.3": K.SIZE,
    "3.4": K.SIZE,
    "4.4": K.BAD_DOMAIN,
    "5.3": K.RATE,
    "6.": K.CONTENT,
    "7.": K.POLICY,
}
"""What an enhanced code means without words that are known, its class left out; with a dot at its
end: any of that subject."""

BY_CODE = {530: K.RELAY, 535: K.RELAY, 538: K.RELAY, 552: K.FULL_MAILBOX, 556: K.BAD_DOMAIN}
"""What a code means where nothing else is known."""

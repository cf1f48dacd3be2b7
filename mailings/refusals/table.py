"""What servers say, and what it means: the table that refusals are read by.

The first row that fits tells the kind. Rows that speak of the sender, the letter, the mail service
or the moment stand before those that call a mailbox dead: in doubt nobody is taken for dead.
Whole sentences of one receiver stand first where the usual words mean something else there.

A phrase is written in small letters, `@` where an address stands, ` … ` for at most `GAP` other
characters; `_` at an end is the space between words. Sources are what the row was read in: a
receiver's own page, a server's source, or a public collection of replies.
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
YANDEX = "yandex.com/support/mail/bounces"
MAILRU = "help.mail.ru, mailout.ru/2015/09"
MICROSOFT = "learn.microsoft.com: NDRs in Exchange Online"
OUTLOOK = "sendersupport.olc.protection.outlook.com/pm/troubleshooting"
YAHOO = "senders.yahooinc.com/smtp-error-codes"
GMX = "postmaster.gmx.net/en/error-messages"
GERMAN = "sitepackage.de, ionos.de/hilfe: replies of German providers"
APPLE = "support.apple.com/102322"
COMCAST = "postmaster.comcast.net/smtp-error-codes"
ORANGE = "postmaster.orange.fr, laposte.net: codes OFR and LPN"
TENCENT = "service.mail.qq.com/detail/122"
NETEASE = "help.mail.163.com: list of codes"
RAMBLER = "smtpfieldmanual.com/provider/rambler"
POSTFIX = "Postfix: smtpd_check.c, postconf(5)"
EXIM = "Exim: deliver.c, default configuration; cPanel"
SENDMAIL = "sendmail: cf/m4/proto.m4, sysexits"
QMAIL = "qmail: qmail-smtpd, qmail-local, chkuser"
DOVECOT = "Dovecot: quota plugin, LMTP"
SES = "docs.aws.amazon.com/ses: SMTP response codes"
COLLECTED = "smtpfieldmanual.com, KumoMTA, Dada Mail, Mailman: replies collected by users"
RFC = "RFC 3463, RFC 5321, RFC 7372, RFC 7505, IANA enhanced status codes"
TRANSLATED = "usual translations of the words above"


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
        parts = tuple(part.replace("_", " ") for part in phrase.split(" … "))
        yield Row(kind, phrase, source, receiver, level, enhanced, parts)


ROWS: tuple[Row, ...] = (
    # Whole sentences whose words mean something else elsewhere
    *_rows(
        K.RATE,
        GMAIL,
        """
        receiving mail at a rate
        receiving mail too quickly
        recipient has exceeded
        unusual rate of
        """,
    ),
    *_rows(
        K.RATE,
        TENCENT,
        """
        mailbox unavailable or access den
        frequency limited
        frequency of receiving messages is limited
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        COLLECTED,
        """
        not listed in domino
        not listed in public name
        """,
    ),
    *_rows(
        K.RELAY,
        MAILRU,
        """
        message sending for this account is disabled
        """,
    ),
    *_rows(
        K.SIZE,
        MICROSOFT,
        """
        recipsizelimit
        """,
    ),
    *_rows(
        K.POLICY,
        MICROSOFT,
        """
        resolver.rst.
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MICROSOFT,
        """
        rejected … access denied
        """,
        enhanced=".4.1",
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        RAMBLER,
        """
        recipient address rejected: inactive
        recipient address rejected: blocked
        """,
        receiver="rambler",
    ),
    *_rows(
        K.TRANSIENT,
        MICROSOFT,
        """
        queue quota exceeded
        """,
    ),
    # Our account with the mail service
    *_rows(
        K.QUOTA,
        GMAIL,
        """
        daily user sending limit
        daily smtp relay limit
        peak smtp relay limit
        """,
    ),
    *_rows(
        K.QUOTA,
        MICROSOFT,
        """
        daily limit for
        exceeded its daily limit
        """,
    ),
    *_rows(
        K.QUOTA,
        SES,
        """
        daily message quota
        """,
    ),
    *_rows(
        K.QUOTA,
        COLLECTED,
        """
        daily quota
        daily sending
        daily … limit
        daily … quota
        monthly … limit
        monthly … quota
        hourly … quota
        send quota
        sending quota
        sending limit
        outgoing … quota
        outgoing … limit
        quota of the account
        quota for your account
        plan limit
        out of credits
        not enough credits
        """,
    ),
    # Too much at once
    *_rows(
        K.RATE,
        YAHOO,
        """
        [ts03]
        [tss04]
        temporarily deferred
        max message per connection
        max messages per connection
        """,
    ),
    *_rows(
        K.RATE,
        OUTLOOK,
        """
        temporarily rate limited
        exceeded the rate limit
        exceeded … limit for the number of messages
        number of concurrent connections
        recipient thread limit exceeded
        """,
    ),
    *_rows(
        K.RATE,
        NETEASE,
        """
        hl:icc
        hl:ifc
        mi:sfq
        mi:dmc
        mi:stc
        rp:drc
        rp:rcl
        """,
    ),
    *_rows(
        K.RATE,
        SES,
        """
        maximum sending rate exceeded
        """,
    ),
    *_rows(
        K.RATE,
        COLLECTED,
        """
        too many connections
        too many sessions
        too many messages from
        too many recent messages
        too many errors
        too many recipients
        too much mail
        too fast
        rate limit
        ratelimit
        rate-limit
        throttl
        slow down
        excessive volume
        message rate
        connection rate
        trop de connexions
        """,
    ),
    # The signature of the message
    *_rows(
        K.POLICY,
        RFC,
        """
        dmarc
        dkim check
        dkim signature
        spf check
        spf record
        spf-check
        spf policy
        spf fail
        by spf
        [spf]
        spf:
        authentication check
        authentication information
        authentication level
        unauthenticated
        """,
    ),
    # The mail service passes nothing on
    *_rows(
        K.RELAY,
        POSTFIX,
        """
        relay access denied
        error: authentication failed
        """,
    ),
    *_rows(
        K.RELAY,
        SENDMAIL,
        """
        relaying denied
        """,
    ),
    *_rows(
        K.RELAY,
        EXIM,
        """
        relay not permitted
        """,
    ),
    *_rows(
        K.RELAY,
        QMAIL,
        """
        list of allowed rcpthosts
        """,
    ),
    *_rows(
        K.RELAY,
        MICROSOFT,
        """
        unable to relay
        client was not authenticated
        client not authenticated
        """,
    ),
    *_rows(
        K.RELAY,
        GMAIL,
        """
        invalid credentials
        username and password not accepted
        must issue a starttls
        """,
    ),
    *_rows(
        K.RELAY,
        COLLECTED,
        """
        relay denied
        relay prohibited
        relay disabled
        relay is not allowed
        relaying not allowed
        relaying is not allowed
        relaying disallowed
        relaying prohibited
        relaying is prohibited
        not configured to relay
        isn't allowed to relay
        not permitted to relay
        do not relay
        as a relay
        authentication required
        authentication is required
        authentication requise
        requires authentication
        smtp auth
        authentication credentials
        your account … suspended
        your account … disabled
        your account … blocked
        sending … suspended
        sending … paused
        """,
    ),
    # Names of hosts
    *_rows(
        K.POLICY,
        RFC,
        """
        reverse dns
        rdns
        dns ptr
        ptr record
        no ptr
        ip name lookup
        cannot find your
        """,
    ),
    # Our sender's address
    *_rows(
        K.SENDER,
        POSTFIX,
        """
        sender address rejected
        not owned by
        """,
    ),
    *_rows(
        K.SENDER,
        EXIM,
        """
        sender verify failed
        may be blacklisted, or missing the proper dns
        unroutable sender
        unrouteable sender
        """,
    ),
    *_rows(
        K.SENDER,
        SENDMAIL,
        """
        domain of sender
        """,
    ),
    *_rows(
        K.SENDER,
        QMAIL,
        """
        badmailfrom
        envelope sender domain must exist
        """,
    ),
    *_rows(
        K.SENDER,
        MICROSOFT,
        """
        send as this sender
        """,
    ),
    *_rows(
        K.SENDER,
        SES,
        """
        email address is not verified
        """,
    ),
    *_rows(
        K.SENDER,
        COLLECTED,
        """
        sender rejected
        sender denied
        invalid sender
        emetteur invalide
        sender domain
        sender … not exist
        """,
    ),
    # Who sends
    *_rows(
        K.REPUTATION,
        OUTLOOK,
        """
        part of their network
        weren't sent
        banned sending ip
        """,
    ),
    *_rows(
        K.REPUTATION,
        YAHOO,
        """
        permanently deferred
        connections will not be accepted from
        connections not accepted from ip
        """,
    ),
    *_rows(
        K.REPUTATION,
        NETEASE,
        """
        hl:rep
        hl:ipb
        hl:mep
        dt:rbl
        wm:bli
        """,
    ),
    *_rows(
        K.REPUTATION,
        GERMAN,
        """
        a problem occurred. (ask your postmaster
        """,
    ),
    *_rows(
        K.REPUTATION,
        COMCAST,
        """
        block for spam
        """,
    ),
    *_rows(
        K.REPUTATION,
        ORANGE,
        """
        blocked for spam
        incident de spam
        """,
    ),
    *_rows(
        K.REPUTATION,
        COLLECTED,
        """
        reputation
        spamhaus
        spamcop
        barracudacentral
        block list
        block-list
        blocklist
        blacklist
        black list
        blocked using
        blocked by
        blocked for abuse
        blocked ip
        listed at
        listed in
        listed by
        dnsbl
        _rbl
        mail from ip banned
        open relay
        """,
    ),
    # The letter
    *_rows(
        K.CONTENT,
        GMAIL,
        """
        rfc 5322 compliant
        from: header
        illegal attachment
        """,
    ),
    *_rows(
        K.CONTENT,
        YAHOO,
        """
        not rfc compliant
        """,
    ),
    *_rows(
        K.SPAM,
        COLLECTED,
        """
        due to spam
        as spam
        """,
    ),
    *_rows(
        K.CONTENT,
        COLLECTED,
        """
        virus
        malware
        attachment
        banned content
        bare line feed
        bare lf
        header error
        headers too large
        hop count
        too many hops
        loop detected
        mail loop
        8-bit data
        """,
    ),
    *_rows(
        K.SPAM,
        GMAIL,
        """
        unsolicited
        nature of the content
        """,
    ),
    *_rows(
        K.SPAM,
        ORANGE,
        """
        mail rejete
        """,
    ),
    *_rows(
        K.SPAM,
        NETEASE,
        """
        dt:spm
        """,
    ),
    *_rows(
        K.SPAM,
        COLLECTED,
        """
        _spam
        (spam
        junk mail
        junkmail
        bulk mail
        bulk e-mail
        content rejected
        content denied
        message filtered
        message refused by filter
        ube, id
        """,
    ),
    *_rows(
        K.FULL_MAILBOX,
        YANDEX,
        """
        mailbox size limit exceeded
        """,
    ),
    *_rows(
        K.SIZE,
        RFC,
        """
        message size exceed
        message size limit
        maximum message size
        size limit … message
        message too large
        message too big
        message is too long
        message length exceeds
        exceeded … message size
        larger than … limit
        taille limite du message
        """,
    ),
    # Rules of access
    *_rows(
        K.POLICY,
        GMX,
        """
        policy restriction
        bad dns
        invalid dns
        """,
    ),
    *_rows(
        K.POLICY,
        YANDEX,
        """
        policy rejection
        """,
    ),
    *_rows(
        K.POLICY,
        TENCENT,
        """
        rejected by recipients
        """,
    ),
    *_rows(
        K.POLICY,
        COLLECTED,
        """
        local policy
        for policy reasons
        denied by policy
        security polic
        email policy
        policy violation
        policy error
        administrative prohibition
        spoof
        helo command rejected
        client host rejected
        not allowed to send
        want your mail
        refused due to recipient preferences
        rejected by destination domain
        envelope blocked
        permission denied
        """,
    ),
    # The mailbox is full
    *_rows(
        K.FULL_MAILBOX,
        DOVECOT,
        """
        over quota
        overquota
        quota exceeded
        quota full
        quota violation
        """,
    ),
    *_rows(
        K.FULL_MAILBOX,
        COLLECTED,
        """
        mailbox full
        mailbox is full
        mailbox … is full
        mailbox … full
        inbox is full
        account is full
        user is full
        out of storage
        over storage
        exceeded storage
        storage space
        exceeded … quota
        exceeds … quota
        exceed … quota
        over … quota
        disk quota
        limit exceeded for this mailbox
        """,
    ),
    *_rows(
        K.FULL_MAILBOX,
        GERMAN,
        """
        speichervolumen
        speicherplatz
        zuviele mails
        mailbox voll
        postfach ist voll
        """,
    ),
    *_rows(
        K.FULL_MAILBOX,
        ORANGE,
        """
        destinataire pleine
        """,
    ),
    *_rows(
        K.FULL_MAILBOX,
        TRANSLATED,
        """
        переполнен
        превышена квота
        квота превышена
        casella piena
        przepełnion
        schránka je plná
        buzón lleno
        """,
    ),
    # Only now
    *_rows(
        K.TRANSIENT,
        POSTFIX,
        """
        greylist
        unverified address
        verification in progress
        queue file write error
        malformed or unexpected name server reply
        """,
    ),
    *_rows(
        K.TRANSIENT,
        EXIM,
        """
        temporary local problem
        """,
    ),
    *_rows(
        K.TRANSIENT,
        COLLECTED,
        """
        graylist
        grey list
        try again later
        try later
        come back later
        later again
        temporarily
        temporary
        server busy
        insufficient system
        insufficient disk
        internal server error
        essayer plus tard
        """,
    ),
    # Nobody reads there
    *_rows(
        K.DISABLED_MAILBOX,
        GMAIL,
        """
        tried to reach is disabled
        tried to reach is inactive
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        YAHOO,
        """
        disabled or discontinued
        mailbox is disabled
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        MAILRU,
        """
        is unavailable: account is disabled
        is unavailable: user is terminated
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        ORANGE,
        """
        recipient account is blocked
        archived recipient
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        APPLE,
        """
        inactive email address
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        TENCENT,
        """
        deactivated mailbox
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        NETEASE,
        """
        user suspended
        """,
    ),
    *_rows(
        K.DISABLED_MAILBOX,
        COLLECTED,
        """
        mailbox … disabled
        mailbox … blocked due to
        mailbox is frozen
        mailbox … inactive
        mailbox … suspended
        mailbox … deactivated
        recipient … disabled
        recipient … inactive
        recipient … suspended
        recipient rejected … locked
        disabled recipient
        user … disabled
        user … inactive
        user is suspended
        inactive user
        disableduser
        email account … suspended
        account closed
        account … closed due to
        account has been closed
        account is not active
        account inactive
        account not activated
        due to inactivity
        mail receiving disabled
        : inactive
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        YANDEX,
        """
        no such user
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MAILRU,
        """
        invalid mailbox
        user not found
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        YAHOO,
        """
        doesn't have a … account
        mailbox not found
        is no longer valid
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        OUTLOOK,
        """
        mailbox unavailable
        """,
        level=5,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        MICROSOFT,
        """
        recipientnotfound
        recipnotfound
        recipient not found
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        GMAIL,
        """
        tried to reach does not exist
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        APPLE,
        """
        no longer on server
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        COMCAST,
        """
        not our customer
        mailbox unallocated
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        ORANGE,
        """
        destinataire invalide
        invalid recipient
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        POSTFIX,
        """
        user unknown
        undeliverable address
        recipient verify failed
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        EXIM,
        """
        unrouteable address
        unroutable address
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        SENDMAIL,
        """
        addressee unknown
        not our user
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        QMAIL,
        """
        no mailbox here by that name
        no mail-box here by that name
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        COLLECTED,
        """
        unknown user
        user is unknown
        user … unknown
        user not exist
        user doesn't exist
        user … does not exist
        user hasn't got
        mailbox … does not exist
        mailbox … not exist
        recipient … does not exist
        recipient address does not exist
        address does not exist
        account … does not exist
        account not found
        account that … does not exist
        @> does not exist
        @ does not exist
        unknown recipient
        recipient unknown
        recipient unrecognized
        unknown local part
        unknown or illegal
        unknown mailbox
        no such mailbox
        no such recipient
        no such address
        no such person
        no such id
        no account by that name
        not a valid mailbox
        not a valid user
        not a valid email address
        not a valid rfc-5321 address
        not a registered
        not in recipient list
        marked as invalid
        could not be found, or was misspelled
        bad destination mailbox
        invalid address
        address invalid
        address unknown
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        COLLECTED,
        """
        address rejected
        """,
        enhanced=".1.0",
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        GERMAN,
        """
        benutzer nicht bekannt
        empfänger unbekannt
        empfaenger unbekannt
        unbekannter benutzer
        unbekannter empfänger
        existiert nicht
        """,
    ),
    *_rows(
        K.UNKNOWN_MAILBOX,
        TRANSLATED,
        """
        пользователь не найден
        пользователь не существует
        нет такого пользователя
        ящик не существует
        ящик не найден
        адрес не существует
        utilisateur inconnu
        destinataire inconnu
        utente sconosciuto
        destinatario sconosciuto
        nie ma takiego konta
        konto nie istnieje
        uživatel neexistuje
        usuario desconocido
        usuário desconhecido
        """,
    ),
    *_rows(
        K.BAD_DOMAIN,
        RFC,
        """
        domain not found
        no such domain
        host not found
        host unknown
        host or domain name not found
        nullmx
        null mx
        domain does not exist
        domain … does not exist
        """,
    ),
)

BY_ENHANCED_CODE = {
    "1.0": K.UNKNOWN,  # said of senders as often as of recipients
    "1.2": K.BAD_DOMAIN,
    "1.10": K.BAD_DOMAIN,
    "1.": K.UNKNOWN_MAILBOX,
    "2.1": K.DISABLED_MAILBOX,
    "2.2": K.FULL_MAILBOX,
    "2.3": K.SIZE,
    "3.4": K.SIZE,
    "4.4": K.BAD_DOMAIN,
    "4.6": K.CONTENT,
    "5.3": K.RATE,
    "6.": K.CONTENT,
    "7.8": K.RELAY,
    "7.": K.POLICY,
}
"""What an enhanced code means without words that are known, its class left out; with a dot at its
end: any of that subject."""

BY_CODE = {530: K.RELAY, 535: K.RELAY, 538: K.RELAY, 552: K.FULL_MAILBOX, 556: K.BAD_DOMAIN}
"""What a code means where nothing else is known."""

FOR_NOW = frozenset({K.SENDER, K.FULL_MAILBOX, K.SIZE, K.RATE, K.RELAY})
"""What codes of class 4 may say beside that it is only for now."""

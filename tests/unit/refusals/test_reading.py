"""What a refusal says, exactly: by receiver, and where the words are a trap."""

import pytest

from mailings.refusals import RefusalKind as K
from mailings.refusals import classify

LONG = 2_000
MAIL_RU = (
    "Message was not accepted -- invalid mailbox.  Local mailbox x@mail.ru is unavailable:"
    " user not found"
)
CALLOUT = (
    "The mail server could not deliver mail to news@shop.example. The account or domain may not"
    " exist, they may be blacklisted, or missing the proper dns entries."
)


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "kind", "receiver"),
    [
        # What big providers say of a mailbox that is not there
        (550, "5.7.1", "5.7.1 No such user!", K.UNKNOWN_MAILBOX, "yandex"),
        (
            550,
            "",
            MAIL_RU,
            K.UNKNOWN_MAILBOX,
            "mail.ru",
        ),
        (
            554,
            "",
            "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]",
            K.UNKNOWN_MAILBOX,
            "yahoo",
        ),
        (
            550,
            "5.4.1",
            "5.4.1 Recipient address rejected: Access denied.",
            K.UNKNOWN_MAILBOX,
            "microsoft",
        ),
        (
            550,
            "5.5.0",
            "5.5.0 Requested action not taken: mailbox unavailable. [x.protection.outlook.com]",
            K.UNKNOWN_MAILBOX,
            "microsoft",
        ),
        (
            550,
            "5.2.1",
            "5.2.1 The email account that you tried to reach is disabled",
            K.DISABLED_MAILBOX,
            "gmail",
        ),
        (None, "", "Sorry, no mailbox here by that name. (#5.1.1)", K.UNKNOWN_MAILBOX, ""),
    ],
)
def test_a_dead_mailbox_in_a_receivers_own_words(code, enhanced, text, kind, receiver):
    domain = {"yandex": "yandex.ru", "gmail": "gmail.com"}.get(receiver, "")
    said = classify(code, enhanced, text, domain)
    assert (said.kind, said.receiver, said.is_dead_mailbox) == (kind, receiver, True)


LIVING = [
    # A rate that wears the code of a disabled mailbox
    (550, "5.2.1", "The user you are trying to contact is receiving mail at a rate …", K.RATE),
    # QQ: too many mails for this recipient
    (550, "", "Mailbox unavailable or access denied", K.RATE),
    # Exim, cPanel: of the sender, though in the words of a recipient
    (550, "", CALLOUT, K.SENDER),
    (550, "5.1.7", "5.1.7 No such domain shop.example.", K.SENDER),
    (550, "5.7.27", "5.7.27 Host does not accept mail", K.SENDER),
    (501, "5.0.0", "5.0.0 Invalid domain name", K.UNKNOWN),
    (550, "5.1.0", "5.1.0 shop.example does not exist", K.UNKNOWN),
    (None, "5.0.0", "5.1.0 - Unknown address error 550-'5.7.1 <a@b>... Access denied'", K.UNKNOWN),
    (550, "5.1.8", "5.1.8 <a@b>: Sender address rejected: User unknown", K.SENDER),
    # The codes of an address, and something else meant
    (552, "5.1.1", "5.1.1 Boite du destinataire pleine. Recipient overquota.", K.FULL_MAILBOX),
    (550, "5.1.1", "5.1.1 203.0.113.2 has sent to too many recipients this hour.", K.RATE),
    (550, "5.1.0", "5.1.0 <a@b> sender rejected", K.SENDER),
    # Our own account
    (550, "", "message sending for this account is disabled", K.RELAY),
    # A code alone: for how long the mailbox is disabled, nobody says (RFC 3463)
    (550, "5.2.1", "5.2.1 no", K.DISABLED_MAILBOX),
    # Only for now
    (450, "4.1.1", "4.1.1 <x@y>: Recipient address rejected: User unknown", K.TRANSIENT),
    (450, "4.2.1", "4.2.1 mailbox temporarily disabled", K.TRANSIENT),
    (550, "5.4.4", "Name service error: Malformed or unexpected name server reply", K.TRANSIENT),
    # Words in an address are not the server's
    (550, "5.7.1", "5.7.1 <no.such.user@shop.example>: rejected", K.POLICY),
    (550, "", "<user-unknown@shop.example> no", K.UNKNOWN),
    # Numbers in an address of a host are no code
    (550, "", "host mx.example[192.5.1.1] said: no", K.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("code", "enhanced", "text", "kind"), LIVING)
def test_a_living_mailbox_is_not_taken_for_dead(code, enhanced, text, kind):
    said = classify(code, enhanced, text)
    assert said.kind is kind
    assert not said.is_dead_mailbox


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "kind"),
    [
        (554, "5.7.1", "5.7.1 <x@y>: Relay access denied", K.RELAY),
        (530, "", "", K.RELAY),
        (535, "5.7.8", "5.7.8 Error: authentication failed: UGFzc3dvcmQ6", K.RELAY),
        (450, "4.7.1", "4.7.1 daily quota exceeded", K.QUOTA),
        (552, "", "quota of the account is used up", K.QUOTA),
        (454, "", "Throttling failure: Daily message quota exceeded.", K.QUOTA),
        (454, "", "Throttling failure: Maximum sending rate exceeded.", K.RATE),
        (550, "5.7.1", "5.7.1 RESOLVER.RST.AuthRequired; authentication required", K.POLICY),
        # Not the mail service's fault, though in its words: it would rest for nothing
        (550, "5.7.26", "5.7.26 DMARC authentication required", K.POLICY),
        (550, "5.7.9", "5.7.9 Senders must authenticate with SPF or DKIM", K.POLICY),
        (452, "4.2.0", "4.2.0 The recipient has exceeded their daily limit", K.RATE),
        (552, "5.2.2", "5.2.2 Over quota", K.FULL_MAILBOX),
        (552, "5.3.4", "5.3.4 Message size exceeds fixed limit", K.SIZE),
        (550, "", "spam message rejected. Please visit http://help.mail.ru/notspam", K.SPAM),
        (451, "4.7.650", "4.7.650 … has been temporarily rate limited (S775)", K.RATE),
        (421, "4.7.28", "4.7.28 Gmail has detected an unusual rate of unsolicited mail", K.RATE),
        (556, "5.1.10", "5.1.10 Domain y does not accept mail (nullMX)", K.BAD_DOMAIN),
        (550, "", "Benutzer nicht bekannt", K.UNKNOWN_MAILBOX),
        (550, "", "Почтовый ящик не найден", K.UNKNOWN_MAILBOX),
        (552, "", "Почтовый ящик переполнен", K.FULL_MAILBOX),
        (554, "", "Transaction failed", K.UNKNOWN),
        (None, "", "", K.UNKNOWN),
    ],
)
def test_kinds_are_kept_apart(code, enhanced, text, kind):
    assert classify(code, enhanced, text).kind is kind


def test_words_are_read_across_the_lines_of_an_answer():
    text = (
        "5.1.1 The email account that you tried\n5.1.1 to reach does not exist. Please try\n"
        "5.1.1 double-checking the recipient's email address - gsmtp"
    )
    said = classify(550, "5.1.1", text)
    assert (said.kind, said.receiver, said.in_words) == (K.UNKNOWN_MAILBOX, "gmail", True)


@pytest.mark.parametrize(
    ("domain", "receiver"),
    [
        ("gmail.com", "gmail"),
        ("YAHOO.co.uk", "yahoo"),
        ("bk.ru", "mail.ru"),
        ("ya.ru", "yandex"),
        ("hotmail.fr", "microsoft"),
        ("web.de", "gmx"),
        ("shop.example", ""),
        ("live.shop.example", "microsoft"),
        ("", ""),
    ],
)
def test_the_receiver_is_told_by_the_domain_where_the_words_do_not(domain, receiver):
    assert classify(550, "5.1.1", "User unknown", domain).receiver == receiver


@pytest.mark.parametrize(
    "text",
    [
        "a " * LONG,
        "a@" * LONG,
        "user " * LONG,
        "\n5.1.1 " * LONG,
        "\n550-" * LONG,
        ("x" * 64 + "@") * LONG,
        "account does not " * LONG,
        "5." * LONG,
        "İ" * LONG,
        "\0" * LONG,
    ],
)
def test_a_hostile_text_is_cut_and_read_to_its_end(text):
    assert classify(550, "", text).kind in K
    assert classify(550, "", "x" * LONG + " no such user").kind is K.UNKNOWN  # not looked at

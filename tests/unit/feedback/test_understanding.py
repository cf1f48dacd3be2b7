"""What mails that came back say: one sample a form, each as its server writes it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.understanding import understand
from mailings.refusals import RefusalKind

SAMPLES = Path(__file__).resolve().parents[2] / "feedback_samples"
VERP = "b+k3Jq9wZx@bounces.shop.example"
OURS = "d.81532.7f3a@shop.example"

B, D, C, A, U = (
    NoticeKind.BOUNCE,
    NoticeKind.DELAY,
    NoticeKind.COMPLAINT,
    NoticeKind.AUTO_REPLY,
    NoticeKind.UNKNOWN,
)
R = RefusalKind


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


def one(name: str) -> Notice:
    [notice] = understand(sample(name))
    return notice


REFUSED = [
    # sample, recipient, refusal, code, enhanced code, permanent, dead
    ("postfix", "anna@firma.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("exim", "karl@verein.example", R.DISABLED_MAILBOX, 550, "5.2.1", True, True),
    ("exim_text", "karl@verein.example", R.UNKNOWN_MAILBOX, None, "", True, True),
    # Refused at MAIL FROM: our sender is meant, whatever domain the words speak of.
    ("exim_sender_refused", "karl@verein.example", R.SENDER, 550, "", True, False),
    # "Failed" and 5.0.0, but only because the queue's time was over.
    ("exim_expired", "karl@verein.example", R.TRANSIENT, 451, "4.3.0", False, False),
    ("exchange_on_premises", "j.doe@contoso.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("exchange_german", "m.huber@kanzlei.example", R.UNKNOWN_MAILBOX, None, "5.1.1", True, True),
    ("exchange_german_dsn", "lager@werk.example", R.FULL_MAILBOX, 554, "5.2.2", True, False),
    ("exchange_russian", "ivanov@bank.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("microsoft_365", "j.roe@fabrikam.example", R.UNKNOWN_MAILBOX, 550, "5.4.1", True, True),
    ("gmail", "lena.k@gmail.com", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("yandex", "vera-1987@yandex.ru", R.UNKNOWN_MAILBOX, 550, "5.7.1", True, True),
    ("yandex_text", "boris@zavod.example", R.FULL_MAILBOX, 452, "4.2.2", False, False),
    ("mailru", "pavel_77@mail.ru", R.UNKNOWN_MAILBOX, 550, "", True, True),
    ("rambler", "zoya@rambler.ru", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("sendmail", "white@campus.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    # No diagnostic code: the reason stands in the words alone.
    ("communigate", "student@uni.example", R.FULL_MAILBOX, None, "5.0.0", True, False),
    ("communigate_text", "dean@uni.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    ("international_address", "иван@pochta.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    # A gateway has encoded the parts that are made for programs.
    ("base64_parts", "irina@firma.example", R.UNKNOWN_MAILBOX, 550, "5.1.1", True, True),
    # Only the outer report is about a letter of ours.
    ("bounce_of_a_bounce", "postmaster@far.example", R.RELAY, 554, "5.7.1", True, False),
    # A form that only the library of old ones knows.
    ("mailman_old_form", "sam@client.example", R.UNKNOWN_MAILBOX, 550, "", True, True),
]


@pytest.mark.parametrize(
    ("name", "recipient", "refusal", "code", "enhanced", "permanent", "dead"),
    REFUSED,
    ids=[row[0] for row in REFUSED],
)
def test_a_bounce_is_understood(name, recipient, refusal, code, enhanced, permanent, dead):
    notice = one(name)
    assert (notice.kind, notice.recipient) == (B, recipient)
    assert (notice.refusal.kind, notice.code, notice.enhanced_code) == (refusal, code, enhanced)
    assert (notice.is_permanent, notice.refusal.is_dead_mailbox) == (permanent, dead)
    assert notice.envelope_to == VERP
    assert notice.diagnostic


def test_domino_names_the_recipient_and_the_reason():
    notice = one("domino")
    assert (notice.kind, notice.recipient) == (B, "anna.berg@ag.example")
    assert (notice.enhanced_code, notice.is_permanent) == ("5.1.1", True)
    assert notice.diagnostic.endswith("not listed in Domino Directory")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "postfix_two_recipients",
            [("full@firma.example", R.FULL_MAILBOX, False),
             ("gone@nowhere.example", R.BAD_DOMAIN, True)],
        ),
        (
            "qmail",
            [("tom@isp.example", R.UNKNOWN_MAILBOX, True),
             ("ann@isp.example", R.FULL_MAILBOX, True)],
        ),
    ],
)  # fmt: skip
def test_each_recipient_of_a_report_has_a_notice(name, expected):
    notices = understand(sample(name))
    assert [(n.recipient, n.refusal.kind, n.is_permanent) for n in notices] == expected
    assert {n.kind for n in notices} == {B}


def test_a_delay_is_no_bounce():
    notice = one("postfix_delayed")
    assert (notice.kind, notice.recipient) == (D, "oleg@slow.example")
    assert (notice.is_permanent, notice.refusal.is_dead_mailbox) == (False, False)
    assert notice.enhanced_code == "4.4.1"


COMPLAINTS = [
    ("arf_yahoo", C, "mia@yahoo.com", "abuse"),
    ("arf_mailru", C, "pavel_77@mail.ru", "abuse"),
    ("arf_yandex", C, "vera-1987@yandex.ru", "abuse"),  # from the letter: the report is silent
    ("arf_redacted", C, "", "abuse"),
    ("arf_opt_out", C, "user@mailbox.example", "opt-out"),
    ("jmrp", C, "rita@outlook.com", "abuse"),  # no report at all, only the letter
    ("arf_not_spam", A, "mia@yahoo.com", "not-spam"),
    ("arf_authentication_failure", A, "user@isp.example", "auth-failure"),
]


@pytest.mark.parametrize(("name", "kind", "recipient", "feedback"), COMPLAINTS)
def test_a_complaint_is_understood(name, kind, recipient, feedback):
    notice = one(name)
    assert (notice.kind, notice.recipient, notice.feedback_type) == (kind, recipient, feedback)
    assert notice.message_id == OURS
    assert notice.envelope_to == "fbl@shop.example"
    # It came to an address of its own: the letter's sender tells which delivery it was.
    assert notice.original_headers["return-path"] == f"<{VERP}>"


@pytest.mark.parametrize(
    "name",
    [
        "out_of_office_english",
        "out_of_office_german",
        "out_of_office_russian",
        "vacation_by_header",
        "acknowledgement",
        "from_postmaster_on_leave",
        "read_receipt",
        "postfix_relayed",
    ],
)
def test_nothing_follows_from_an_answer_of_a_machine(name):
    assert one(name).kind is A


@pytest.mark.parametrize(
    ("subject", "sender", "kind"),
    [
        ("Auto: Frage zu Ihrem Angebot", "<k@firma.example>", U),
        ("OOO Romashka: price list", "<k@firma.example>", U),
        ("В отпуске тоже читаю вас", "<k@firma.example>", U),
        ("В отпуске до 7 декабря", "<>", A),
        ("Out of office until Monday", "<k@firma.example>", A),
        ("Re: Out of office until Monday", "<k@firma.example>", U),
    ],
)
def test_a_person_may_write_of_holidays(subject, sender, kind):
    raw = f"Return-Path: {sender}\nFrom: K <k@firma.example>\nSubject: {subject}\n\nHallo\n"
    assert understand(raw.encode())[0].kind is kind


def test_whom_a_holiday_s_answer_names_has_not_failed():
    raw = (
        "Return-Path: <>\nFrom: K <k@firma.example>\nSubject: Neue Adresse\n"
        "Auto-Submitted: auto-replied\nContent-Type: text/plain; charset=utf-8\n\n"
        "Ihre Nachricht ist unzustellbar, ich bin nicht mehr bei der Firma. Bitte schreiben Sie an:"
        "\nm.huber@firma.example\n"
    )
    [notice] = understand(raw.encode())
    assert (notice.kind, notice.recipient) == (A, "")


@pytest.mark.parametrize("name", ["human_reply", "human_forward", "daemon_nobody_understands"])
def test_what_a_person_should_read_is_unknown(name):
    notice = one(name)
    assert (notice.kind, notice.recipient, notice.is_permanent) == (U, "", False)
    assert notice.evidence


def test_what_the_report_returns_of_our_letter_is_kept():
    notice = one("postfix")
    assert notice.message_id == OURS
    assert notice.report_id == "20261130090007.4A1C22E013@mx1.shop.example"
    assert notice.original_headers == {
        "return-path": f"<{VERP}>",
        "from": "=?utf-8?q?=D0=9B=D0=B0=D0=B2=D0=BA=D0=B0?= <news@shop.example>",
        "to": "<anna@Firma.example>",
        "date": "Mon, 30 Nov 2026 09:00:00 +0000",
        "message-id": f"<{OURS}>",
        "list-unsubscribe": "<https://shop.example/u/9fK2>",
        "feedback-id": "42:17:vestnik:shop.example",
        "x-note": "spring",
    }


@pytest.mark.parametrize("name", ["exim_text", "qmail", "mailru", "rambler", "yandex_text",
                                  "exchange_russian", "exchange_on_premises", "gmail"])  # fmt: skip
def test_our_letter_is_found_in_a_text_too(name):
    assert understand(sample(name))[0].message_id == OURS


@pytest.mark.parametrize("name", ["exim_text", "qmail", "mailru", "rambler", "yandex_text"])
def test_what_our_own_letter_says_is_no_refusal(name):
    """It speaks of `not-a-bounce@shop.example`, below the line that a server draws."""
    assert "not-a-bounce@shop.example" in sample(name).decode()
    assert "not-a-bounce@shop.example" not in {n.recipient for n in understand(sample(name))}


def test_who_reports_and_when_our_letter_came_there():
    notice = one("postfix")
    assert notice.reporting_mta == "mx1.shop.example"
    assert notice.arrived_at == datetime(2026, 11, 30, 9, 0, 5, tzinfo=UTC)
    assert one("gmail").arrived_at.utcoffset() == timedelta(hours=-8)


def test_a_forwarding_that_failed_tells_both_addresses():
    notice = one("sendmail")
    assert notice.recipient == "white@campus.example"
    assert notice.final_recipient == "prof.white@inst.example"
    assert one("postfix").final_recipient == ""


def test_an_answer_of_several_lines_becomes_one():
    assert "Please try double-checking the recipient's email address" in one("gmail").diagnostic


def test_the_envelope_counts_more_than_the_headers():
    [notice] = understand(sample("postfix"), envelope_to="<b+other@bounces.SHOP.example>")
    assert notice.envelope_to == "b+other@bounces.shop.example"


def test_of_several_addresses_the_one_with_a_plus_is_the_report_s():
    raw = sample("postfix").replace(f"X-Original-To: {VERP}\n".encode(), b"")
    assert raw.index(b"Delivered-To: bounces@mail.shop.example") < raw.index(b"To: b+")
    assert understand(raw)[0].envelope_to == VERP


# ---------------------------------------------------------------- how it is encoded


@pytest.mark.parametrize(
    ("charset", "is_declared"),
    [
        ("utf-8", True), ("koi8-r", True), ("cp1251", True), ("iso-8859-5", True),
        ("utf-8", False), ("koi8-r", False), ("cp1251", False),
    ],
)  # fmt: skip
def test_russian_words_are_read_in_every_encoding(charset, is_declared):
    told = f"charset={charset}" if is_declared else "x=y"
    text = sample("mailru").decode()
    raw = text.replace("charset=utf-8\nContent-Transfer", f"{told}\nContent-Transfer", 1)
    [notice] = understand(raw.replace("«", "").replace("»", "").encode(charset, "replace"))
    assert (notice.kind, notice.recipient) == (B, "pavel_77@mail.ru")
    assert "К сожалению, ваше письмо не может быть доставлено" in notice.evidence


def test_german_words_without_a_declared_encoding():
    raw = sample("exchange_german").decode().replace('charset="utf-8"', "x=y").encode("cp1252")
    [notice] = understand(raw)
    assert notice.recipient == "m.huber@kanzlei.example"
    assert "einige oder alle Empfänger nicht erreicht" in notice.evidence


@pytest.mark.parametrize("charset", ["x-unknown", "utf-8\0", "idna", '"', "us-ascii", "*=x''%00"])
def test_an_encoding_that_is_none_is_guessed(charset):
    raw = sample("mailru").replace(
        b"charset=utf-8\nContent-T", f"charset={charset}\nContent-T".encode()
    )
    [notice] = understand(raw)
    assert (notice.kind, notice.recipient) == (B, "pavel_77@mail.ru")
    assert "К сожалению, ваше письмо не может быть доставлено" in notice.evidence


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
@pytest.mark.parametrize("name", ["postfix", "qmail", "arf_yahoo"])
def test_line_ends_are_all_the_same(name, line_end):
    there = understand(sample(name))
    assert understand(sample(name).replace(b"\n", line_end)) == there


def test_a_boundary_that_is_not_the_declared_one():
    raw = sample("postfix").replace(b'boundary="7B0B02E011', b'boundary="wrong')
    [notice] = understand(raw)
    assert (notice.kind, notice.recipient) == (B, "anna@firma.example")
    assert notice.message_id == OURS


# ---------------------------------------------------------------- pieces of reports


def status_report(fields: str, text: str = "It failed.") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\nReturn-Path: <>\nSubject: Undelivered\n"
        f"To: {VERP}\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
        f"--x\nContent-Type: text/plain\n\n{text}\n\n"
        f"--x\nContent-Type: message/delivery-status\n\n{fields}\n--x--\n"
    ).encode()


@pytest.mark.parametrize(
    ("fields", "kind", "permanent"),
    [
        # The status is missing: the diagnostic code tells.
        (("Final-Recipient: rfc822;a@b.example\nAction: failed\n"
         "Diagnostic-Code: smtp;550 5.1.1 User unknown\n"), B, True),
        # 4.x with "failed": the queue's time was over.
        ("Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 4.4.7\n", B, False),
        ("Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.4.7\n", B, False),
        # Microsoft says 550 for a letter that it only kept for too long.
        (("Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.4.316\n"
         "Diagnostic-Code: smtp;550 5.4.316 Message expired, connection refused\n"), B, False),
        # The action is missing, as in a report that was cut off.
        ("Final-Recipient: rfc822;a@b.example\nStatus: 5.1.1\n", B, True),
        ("Final-Recipient: rfc822;a@b.example\nStatus: 4.2.1\n", U, False),
        ("Final-Recipient: rfc822;a@b.example\nStatus: 2.0.0\n", A, False),
        ("Final-Recipient: rfc822;a@b.example\n", U, False),
        ("Final-Recipient: rfc822;a@b.example\nAction: expanded\nStatus: 2.0.0\n", A, False),
        ("Final-Recipient: rfc822;a@b.example\nAction: delivered\nStatus: 2.1.5\n", A, False),
        # No type before the address, angle brackets around it, no blank line, one too many.
        ("Original-Recipient: <a@B.example>\nAction: failed\nStatus: 5.1.1\n", B, True),
        (("Reporting-MTA: dns; mx.example\nFinal-Recipient: rfc822;a@b.example\nAction: failed\n"
         "Status: 5.1.1\n"), B, True),
        (("Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822;a@b.example\n\n"
         "Action: failed\nStatus: 5.1.1\n"), B, True),
    ],
)  # fmt: skip
def test_fields_that_are_missing_or_out_of_place(fields, kind, permanent):
    [notice] = understand(status_report(fields))
    assert (notice.kind, notice.recipient) == (kind, "a@b.example")
    assert notice.is_permanent is permanent


def test_the_status_is_the_diagnostic_s_when_the_report_s_says_nothing():
    [notice] = understand(
        status_report(
            "Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.0.0\n"
            "Diagnostic-Code: x-unix; 550 5.2.2 Over quota\n"
        )
    )
    assert (notice.enhanced_code, notice.refusal.kind) == ("5.2.2", R.FULL_MAILBOX)


def test_a_refusal_at_the_end_of_the_letter_kills_no_mailbox():
    """Filters of some receivers say «user unknown» of a living one there."""
    text = (
        "<a@b.example>: host mx.b.example said: 550 User unknown (in reply to end of DATA command)"
    )
    fields = (
        "Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.0.0\n"
        "Diagnostic-Code: smtp;550 User unknown\n"
    )
    [notice] = understand(status_report(fields, text))
    assert (notice.is_permanent, notice.refusal.is_dead_mailbox) == (True, False)
    [notice] = understand(status_report(fields, text.replace("end of DATA", "RCPT TO")))
    assert notice.refusal.is_dead_mailbox


def test_a_sender_that_was_refused_kills_no_mailbox():
    """sendmail's fields do not tell it, its transcript does."""
    text = (
        "   ----- The following addresses had permanent fatal errors -----\n<a@b.example>\n\n"
        "   ----- Transcript of session follows -----\n... while talking to mx.b.example.:\n"
        ">>> MAIL From:<news@shop.example>\n<<< 550 No such user\n"
    )
    fields = (
        "Final-Recipient: RFC822; a@b.example\nAction: failed\nStatus: 5.0.0\n"
        "Diagnostic-Code: SMTP; 550 No such user\n"
    )
    [notice] = understand(status_report(fields, text))
    assert (notice.kind, notice.refusal.kind) == (B, R.SENDER)
    assert not notice.refusal.is_dead_mailbox


def test_a_recipient_whom_only_the_words_name():
    fields = "Final-Recipient: rfc822;/var/spool/full\nAction: failed\nStatus: 5.2.2\n"
    text = (
        "A message that you sent could not be delivered to one or more of its\nrecipients."
        "\n\n  a@b.example\n    mailbox is full\n"
    )
    [notice] = understand(status_report(fields, text))
    assert (notice.recipient, notice.refusal.kind) == ("a@b.example", R.FULL_MAILBOX)


def test_a_report_in_the_words_of_which_the_fields_stand():
    """A gateway has made one text of all parts."""
    raw = (
        b"From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nSubject: Returned mail\n\n"
        b"It could not be delivered.\n\nReporting-MTA: dns; mx.example\n\n"
        b"Final-Recipient: RFC822; a@b.example\nAction: failed\nStatus: 5.1.1\n"
    )
    [notice] = understand(raw)
    assert (notice.kind, notice.recipient, notice.enhanced_code) == (B, "a@b.example", "5.1.1")


@pytest.mark.parametrize("name", ["postfix", "gmail", "arf_yahoo", "qmail"])
def test_a_truncated_report_is_never_believed_more_than_a_whole_one(name):
    whole = understand(sample(name))[0]
    raw = sample(name)
    for end in range(0, len(raw), 97):
        for notice in understand(raw[:end]):
            assert notice.kind in {whole.kind, U, A}
            assert not notice.refusal.is_dead_mailbox or whole.refusal.is_dead_mailbox


@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n\r\n", b"\0", b"From: x", b"\xff\xfe\x00"])
def test_an_empty_mail_is_unknown(raw):
    [notice] = understand(raw)
    assert (notice.kind, notice.recipient) == (U, "")

"""Mails that come back, written as servers write them; who they are about is the caller's."""

from textwrap import dedent


def bounce(
    recipient: str,
    *,
    status: str = "5.1.1",
    said: str = "550 5.1.1 <{recipient}>: No such user here",
    to: str = "",
    headers: str = "",
    action: str = "failed",
) -> bytes:
    """Return a delivery report (RFC 3464) in Postfix's form, sent `to` an address; `headers` are
    those of our letter that it returns."""
    said = said.format(recipient=recipient)
    text = f"""\
        From: MAILER-DAEMON@relay.example.net (Mail Delivery System)
        To: {to or "shop@example.org"}
        Subject: Undelivered Mail Returned to Sender
        Date: Mon, 30 Nov 2026 10:00:00 +0300
        Message-ID: <20261130@relay.example.net>
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="b/1"

        --b/1
        Content-Type: text/plain; charset=us-ascii

        This is the mail system at host relay.example.net. I'm sorry to have to inform you that
        your message could not be delivered.

        <{recipient}>: host mx.example.com said: {said} (in reply to RCPT TO command)

        --b/1
        Content-Type: message/delivery-status

        Reporting-MTA: dns; relay.example.net
        Arrival-Date: Mon, 30 Nov 2026 09:59:59 +0300

        Final-Recipient: rfc822; {recipient}
        Original-Recipient: rfc822;{recipient}
        Action: {action}
        Status: {status}
        Remote-MTA: dns; mx.example.com
        Diagnostic-Code: smtp; {said}

        --b/1
        Content-Type: text/rfc822-headers

        Subject: News
        @HEADERS@
        --b/1--
        """
    return _mail(text, headers)


def complaint(recipient: str, *, to: str = "", headers: str = "", kind: str = "abuse") -> bytes:
    """Return an abuse report (RFC 5965)."""
    text = f"""\
        From: <abusedesk@example.com>
        To: {to or "shop@example.org"}
        Subject: FW: News
        Date: Mon, 30 Nov 2026 10:00:00 +0300
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

        --b2
        Content-Type: text/plain; charset="US-ASCII"

        This is an email abuse report for an email message.

        --b2
        Content-Type: message/feedback-report

        Feedback-Type: {kind}
        User-Agent: SomeGenerator/1.0
        Version: 1
        Original-Rcpt-To: {recipient}

        --b2
        Content-Type: message/rfc822
        Content-Disposition: inline

        From: <shop@example.org>
        To: <{recipient}>
        Subject: News
        @HEADERS@
        News.

        --b2--
        """
    return _mail(text, headers)


def out_of_office(recipient: str, *, to: str = "") -> bytes:
    """Return the answer of somebody who is away."""
    return _mail(
        f"""\
        From: {recipient}
        To: {to or "shop@example.org"}
        Subject: Out of office: News
        Auto-Submitted: auto-replied

        I am away until Monday.
        """,
        "",
    )


def _mail(text: str, headers: str) -> bytes:
    lines = dedent(text).replace("@HEADERS@\n", f"{headers}\n" if headers else "\n")
    return lines.replace("\n", "\r\n").encode()

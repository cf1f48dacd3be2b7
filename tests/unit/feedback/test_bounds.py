"""Whatever the bytes are: nothing is raised, and nothing grows with them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailings.feedback import mime, understanding
from mailings.feedback.notices import (
    DIAGNOSTIC_LIMIT,
    EVIDENCE_LIMIT,
    KEPT_MOST,
    Notice,
    NoticeKind,
)
from mailings.feedback.report import MAX_NOTICES
from mailings.feedback.understanding import understand

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "feedback_samples").glob("*.eml"))
HEAD = b"From: MAILER-DAEMON@x.example\nReturn-Path: <>\nSubject: Undelivered\n"
REPORT = HEAD + b"Content-Type: multipart/report; boundary=a\n\n--a\n"


def check(notices: list[Notice]) -> None:
    assert 1 <= len(notices) <= MAX_NOTICES
    for notice in notices:
        assert len(notice.diagnostic) <= DIAGNOSTIC_LIMIT
        assert len(notice.evidence.encode()) <= EVIDENCE_LIMIT
        assert len(notice.original_headers) <= KEPT_MOST
        assert all(len(value) <= 500 for value in notice.original_headers.values())
        texts = (notice.recipient, notice.final_recipient, notice.diagnostic, notice.message_id,
                 notice.report_id, notice.reporting_mta, notice.envelope_to, notice.feedback_type,
                 *notice.original_headers, *notice.original_headers.values())  # fmt: skip
        assert all(text.isprintable() and len(text) <= DIAGNOSTIC_LIMIT for text in texts)
        assert notice.evidence.replace("\n", "").isprintable()
        assert notice.arrived_at is None or notice.arrived_at.tzinfo


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample with pieces cut out, put in and repeated."""
    raw = draw(st.sampled_from(SAMPLES)).read_bytes()
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        to = draw(st.integers(at, min(len(raw), at + 200)))
        piece = draw(
            st.one_of(
                st.binary(max_size=40),
                st.just(raw[at:to] * 3),
                st.sampled_from([b"\n\n", b"--", b"\xff\xfe", b"=?koi8-r?b?", b";;;", b'"', b"<"]),
            )
        )
        raw = raw[:at] + piece + raw[to:]
    return raw


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_mutated_reports_are_read_within_bounds(raw):
    check(understand(raw))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2_000), st.text(max_size=100))
def test_any_bytes_are_read_within_bounds(raw, envelope_to):
    check(understand(raw, envelope_to=envelope_to))


HOSTILE = {
    "nested multiparts": HEAD
    + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(20_000)
    ),
    "nested messages": HEAD + b"Content-Type: message/rfc822\n\n" * 30_000,
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 100_000,
    "many headers": HEAD + b"X: y\n" * 100_000 + b"\nbody",
    "parameters": HEAD + b"Content-Type: text/plain" + b'; a="b' * 100_000 + b"\n\nx",
    "encoded words": HEAD + b"Subject: " + b"=?utf-8?q?a?= " * 50_000 + b"\n\n",
    "brackets": b"From: " + b"<" * 1_000_000 + b"\n\n",
    "many recipients": REPORT
    + b"Content-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822;a@b.example\nAction: failed\n\n" * 10_000,
    "one block": REPORT
    + b"Content-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822;a@b.example\n" * 10_000,
    "blank lines": REPORT + b"Content-Type: message/delivery-status\n\n" + b"\n" * 1_000_000,
    "many complaints": REPORT
    + b"Content-Type: message/feedback-report\n\n"
    + b"Original-Rcpt-To: a@b.example\n" * 10_000,
    "tags": HEAD + b"Content-Type: text/html\n\n" + b"<" * 1_000_000,
    "many addresses": HEAD + b"\nThis is the qmail-send program\n" + b"<a@b.example>:\n" * 50_000,
    "carriage returns": b"\r" * 1_000_000,
    "zeroes": b"\0" * 1_000_000,
    "slow codec": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-b" * 300_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mails_are_cut_before_they_are_parsed(raw):
    small = mime.bounded(raw)
    assert len(small) <= mime.MAX_BYTES
    assert small.count(b"\n") < mime.MAX_LINES
    assert small.count(b"\n--") <= mime.MAX_BOUNDARIES
    assert small.count(b"multipart/") + small.count(b"message/") <= mime.MAX_CONTAINERS
    message = mime.read(raw)
    assert len(list(mime.parts(message))) <= mime.MAX_PARTS
    assert len(mime.fields_of(message)) <= mime.MAX_FIELDS
    check(understand(raw))


def test_what_is_behind_the_bounds_does_not_count():
    report = b"\nThis is the qmail-send program\n<a@b.example>:\nno mailbox here"
    assert understand(HEAD + report)[0].kind is NoticeKind.BOUNCE
    far = HEAD + b"\n" + b"x" * mime.MAX_BYTES + report
    assert understand(far)[0].kind is NoticeKind.UNKNOWN


def test_a_fault_of_ours_is_no_fault_of_the_intake(monkeypatch, caplog):
    def fails(report: object) -> list[Notice]:
        raise RuntimeError(report)

    monkeypatch.setattr(understanding, "LOOKS", (fails,))
    [notice] = understand(b"From: a@b.example\n\n\x00text", envelope_to="b+1@shop.example")
    assert (notice.kind, notice.envelope_to) == (NoticeKind.UNKNOWN, "b+1@shop.example")
    assert "text" in notice.evidence
    assert [record.message for record in caplog.records] == ["report_not_read"]
    assert "b.example" not in caplog.text

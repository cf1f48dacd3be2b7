"""Secret addresses do not reach a log; ordinary ones do."""

import logging

import pytest

from mailings.suppression import unsubscribe_links
from site_config.logs import LineFormatter
from site_config.secrets_in_urls import redacted

TOKEN = "Zx0" + "aB3-_" * 15 + "qW"
KEY = "MQ:1vPz3k:9d8fEw_kQ2v0Zb7CkqYdXnS4l0m"
RESET = "1-cx3k2p-0123456789abcdef0123456789abcdef"

SECRET = [
    f"/u/{TOKEN}/",
    f"https://example.org/u/{TOKEN}/?a=1",
    "/u/short/",
    f"/r/{TOKEN[:32]}/1",
    f"/o/{TOKEN[:32]}.gif",
    f"/accounts/confirm-email/{KEY}/",
    f"/accounts/password/reset/key/{RESET}/",
    f"/cms/password_reset/confirm/MQ/{RESET}/",
    f"/later/{TOKEN}",
    f"/later/{RESET}/done/",
    f"/later/?token={TOKEN}",
    f"/later/?x=1&confirm_key={KEY}&y=2",
    f"/hook/?sig={RESET}",
]
LINES = ['"GET {} HTTP/1.1" 200', "Not Found: {}", "Referer: {}", 'File "{}"', "path='{}'", "{}"]
ORDINARY = [
    "/app/mailings/12/runs/34/?status=failed&q=anna",
    "/blog/how-to-write-a-subject-line-that-people-open-in-2026/",
    "/static/css/vestnik.3f9a2bc81d07.css",
    "/blog/как-писать-тему-письма-которую-откроют-в-2026-году/",
    "250 2.0.0 Ok: queued as 4XyZ0abc",
    "/cms/reports/site-history/?export=csv",
    "/app/clients/?key_word=1",
]


@pytest.mark.parametrize("address", SECRET)
@pytest.mark.parametrize("line", LINES)
def test_a_secret_is_taken_out_of_any_line(address, line):
    said = redacted(line.format(address))
    for secret in (TOKEN, KEY, RESET, RESET[-32:], "/u/short"):
        assert secret not in said
    assert "[secret]" in said


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_stays(line):
    assert redacted(line) == line


def test_every_log_line_is_redacted_with_its_traceback_and_fields(settings):
    token = unsubscribe_links.token(1, 2, "anna@example.org")
    said = "Internal Server Error: %s"
    record = logging.LogRecord("x", logging.ERROR, "x", 1, said, (f"/u/{token}/",), None)
    record.referer = f"https://example.org/u/{token}/"
    error = ValueError(f"no such page: /u/{token}/")
    record.exc_info = (ValueError, error, None)
    line = LineFormatter().format(record)
    assert token not in line
    assert line.count("[secret]") == 3
    assert "ValueError" in line

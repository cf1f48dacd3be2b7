"""Signatures are verified by another implementation, dkimpy."""

import random
from datetime import UTC, datetime

import dkim as dkimpy
import pytest

from mailings.rendering import compiler, dkim
from mailings.rendering.dkim import Algorithm, Key

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
PRIVATE = {algorithm: dkim.new_private(algorithm) for algorithm in Algorithm}
KEYS = [
    Key("shop.example", f"v1{algorithm[0]}", dkim.read_private(PRIVATE[algorithm]))
    for algorithm in Algorithm
]
RECORDS = {f"{key.selector}._domainkey.{key.domain}.": key.record for key in KEYS}

HEAD = (
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nFrom: Shop <news@shop.example>\r\n"
    b"To: =?utf-8?b?0JDQvdC90LA=?=\r\n <anna@example.org>\r\n"
    b"Subject:   two  spaces \tand a tab \r\n"
    b"Message-ID: <1@shop.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n"
    b"\tcharset=utf-8\r\nList-Unsubscribe:\r\n <https://example.org/u/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Other: not signed\r\n\r\n"
)


def verified(mail: bytes) -> list[bool]:
    """Return for each signature whether it holds."""

    def dns(name, timeout=5):
        found = RECORDS.get(name.decode() if isinstance(name, bytes) else name)
        return found.encode() if found else None

    verifier = dkimpy.DKIM(mail)
    held = []
    for number in range(mail.count(b"DKIM-Signature:")):
        try:
            held.append(verifier.verify(idx=number, dnsfunc=dns))
        except dkimpy.ValidationError:  # another body
            held.append(False)
    return held


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b"one line without an end",
        b"one line\r\n",
        b"trailing blank lines\r\n\r\n \r\n\t\r\n\r\n",
        b"trailing \t spaces   \r\n\tand  \t within\r\n",
        b"\r\n\r\nbegins with empty lines\r\n",
        b"a" * 998 + b"\r\n" + b"b " * 499 + b"\r\n",
        "Восемь бит, ёлка\r\n".encode() * 40,
        b"=D0=92=D0=BE=D1=81=\r\n=D0=B5=D0=BC=D1=8C =\r\nsoft\r\n.dot\r\n",
    ],
)
def test_both_signatures_hold_for_every_kind_of_body(body):
    assert verified(dkim.sign(HEAD + body, KEYS, NOW)) == [True, True]


def test_the_letters_of_the_product_are_signed():
    draw = random.Random(16)
    letters = "абвгёщЪ ЯzQ=.\t–€😀<&\"'{}\n  "
    for number in range(200):
        text = "".join(draw.choices(letters, k=draw.randrange(1, 400)))
        content = compiler.Content(
            subject=text[:90], preheader="", html=f"<p>{{{{ name }}}} {text}</p>", text=text,
            sender_name=draw.choice(["", "Лавка «Хлеб»", "Shop, the"]),
            sender_email="news@shop.example", list_id="m1.example.org", reply_to="me@shop.example",
        )  # fmt: skip
        encoding = draw.choice(["quoted-printable", "8bit"])
        compiled = compiler.compile_content(content, transfer_encoding=encoding)
        recipient = compiler.Recipient(
            f"c{number}@example.org", text[:60], {"name": text[:30]}, f"<{number}@example.org>",
            draw.choice(["", f"https://example.org/u/{'x' * draw.randrange(90)}"]),
        )  # fmt: skip
        mail = dkim.sign(compiled.render(recipient, NOW), KEYS, NOW)
        assert verified(mail) == [True, True], mail


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: Shop <news@shop.example>", b"From: Shop <boss@shop.example>"),
        (b"From: Shop", b"From: other@example.org\r\nFrom: Shop"),  # a second one
        (b"Subject: ", b"Subject: other\r\nSubject: "),
        (b"Content-Type: text/plain", b"Content-Type: text/html"),
        (b"u/1>", b"u/2>"),
        (b"One-Click", b"Two-Click"),
        (b"body\r\n", b"more body\r\n"),
    ],
)
def test_what_is_changed_on_the_way_breaks_both(old, new):
    mail = dkim.sign(HEAD + b"body\r\n", KEYS, NOW)
    assert verified(mail) == [True, True]
    assert old in mail
    assert verified(mail.replace(old, new, 1)) == [False, False]


def test_a_header_that_is_not_signed_may_be_added_and_reflowed():
    mail = dkim.sign(HEAD + b"body\r\n", KEYS, NOW)
    mail = b"Received: by relay\r\n" + mail.replace(b"two  spaces \tand", b"two spaces\r\n and")
    assert verified(mail) == [True, True]


def test_no_line_of_a_signature_is_too_long():
    mail = dkim.sign(HEAD + b"body\r\n", KEYS, NOW)
    fields, _, _ = mail.partition(b"Date:")
    assert fields.count(b"DKIM-Signature:") == 2
    assert max(map(len, fields.split(b"\r\n"))) <= 78


def test_keys_are_read_back_and_others_refused():
    for algorithm, pem in PRIVATE.items():
        key = Key("shop.example", "s", dkim.read_private(pem))
        assert key.algorithm is algorithm
        assert key.record.startswith(f"v=DKIM1; k={algorithm}; p=")
    for wrong in ("", "no key", PRIVATE[Algorithm.RSA].replace("PRIVATE", "PUBLIC")):
        with pytest.raises(ValueError, match="no private key"):
            dkim.read_private(wrong)


def test_a_key_of_another_kind_is_refused():
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    curve = ec.generate_private_key(ec.SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="RSA or Ed25519"):
        dkim.read_private(pem)

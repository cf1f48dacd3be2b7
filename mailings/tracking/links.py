"""The addresses in a letter that tell of its reader: `/r/<token>/<link>` and `/o/<token>.gif`.

The token names run and delivery and is signed, so it cannot be guessed or altered. The same one
stands in all links of a letter: it costs one keyed hash a mail, however many links there are. Where
a link leads is a row (`TrackedLink`), never part of an address: no stranger's page can be put there
(CWE-601). The number behind the token is the link's place in the letter; whoever has the letter has
all of them.
"""

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from hmac import compare_digest
from typing import NamedTuple

from django.conf import settings

from accounts import site_address
from mailings.suppression import fingerprints, unsubscribe_links

CLICK_PATH, OPEN_PATH = "/r/", "/o/"
"""Where `site_config.urls` has the pages."""

VARIABLE = "tracking_token"
"""What stands in a run's frozen letter where each recipient's token goes."""
HOLE = f"{{{{ {VARIABLE} }}}}"

# 6 + 6 + 12 bytes: a multiple of three, so base64 has no slack that could be altered.
ID_BYTES = 6
MAC_BYTES = 12
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}").fullmatch


class Token(NamedTuple):
    """What a good token says."""

    run_id: int
    delivery_id: int


def token(run_id: int, delivery_id: int) -> str:
    """Return the part that names run and delivery, signed; about 2 µs, made for every mail that is
    tracked."""
    ids = (run_id << 8 * ID_BYTES | delivery_id).to_bytes(2 * ID_BYTES)
    code = b2a_base64(ids + _mac(ids, settings.SECRET_KEY), newline=False)
    return code.translate(_URLSAFE).decode()


def read(text: str) -> Token | None:
    """Return what the token says, or None for one that we did not make."""
    if not _TOKEN(text):
        return None
    code = urlsafe_b64decode(text)
    ids, mac = code[: 2 * ID_BYTES], code[2 * ID_BYTES :]
    if not any(compare_digest(mac, _mac(ids, secret)) for secret in fingerprints.secrets()):
        return None
    return Token(int.from_bytes(ids[:ID_BYTES]), int.from_bytes(ids[ID_BYTES:]))


def link_pattern(position: int) -> str:
    """Return the address of a link as it stands in a run's frozen letter."""
    return f"{site_address.url()}{CLICK_PATH}{HOLE}/{position}"


def picture_pattern() -> str:
    """Return the same of the picture that tells of an opening."""
    return f"{site_address.url()}{OPEN_PATH}{HOLE}.gif"


def is_own(url: str) -> bool:
    """Is it one of the addresses that recipients have for themselves: to unsubscribe, or tracked?

    Such a one that was pasted into a letter leads where it always did."""
    own = tuple(
        f"{site_address.url()}{path}" for path in (unsubscribe_links.PATH, CLICK_PATH, OPEN_PATH)
    )
    return url.startswith(own)


def _mac(ids: bytes, secret: str) -> bytes:
    return fingerprints.keyed("tracking_links", secret, ids, MAC_BYTES)

"""Addresses that are secrets: whoever has one may unsubscribe, confirm an address, set a password.

They stay out of logs and of what a browser tells others (`Referer`). `redacted` works on any text –
a log line, a traceback, a request line – so that no handler has to know where an address may stand.
"""

import re

PARAMETERS = frozenset({"token", "key", "uidb36", "uidb64", "code", "secret", "signature"})
"""Names of a route's parts that are secrets."""

_PLACEHOLDER = "[secret]"
_OF_A_ROUTE = re.compile(
    r"(?<=/[ruo]/)[^/\s?\"'<>]+"
    r"|(?<=/s/confirm/)[^/\s?\"'<>]+"
    r"|(?<=/s/choices/)[^/\s?\"'<>]+"
    r"|(?<=/confirm-email/)[^/\s?\"'<>]+"
    r"|(?<=/password/reset/key/)[^/\s?\"'<>]+"
    r"|(?<=/password_reset/confirm/)[^\s?\"'<>]+"
)
_IN_A_QUERY = re.compile(
    rf"(?<=[?&])((?:[\w-]*[_-])?(?:{'|'.join(sorted(PARAMETERS))}|sig|password|regret)=)[^&\s\"'<>#]+",
    re.IGNORECASE,
)
_HEX = r"[0-9a-f]{20,}"
# Long, and mixed as no word is: capital and small letters, and digits.
_MIXED = r"(?=[\w.:=~%-]*[a-z])(?=[\w.:=~%-]*[A-Z])(?=[\w.:=~%-]*\d)[\w.:=~%-]{24,}"
_LOOKS_LIKE_ONE = re.compile(rf"(?<=/)(?:[\w.:=~-]*{_HEX}[\w.:=~-]*|{_MIXED})(?=[/?#\s\"']|$)")


def redacted(text: str) -> str:
    """Return the text without what stands in the secret places of addresses, or looks like it."""
    if "/" not in text:
        return text
    text = _OF_A_ROUTE.sub(_PLACEHOLDER, text)
    text = _IN_A_QUERY.sub(rf"\1{_PLACEHOLDER}", text)
    return _LOOKS_LIKE_ONE.sub(_PLACEHOLDER, text)

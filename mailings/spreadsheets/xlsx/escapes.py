"""Characters that XML cannot hold stand in a cell as `_x000D_`, both ways."""

import re

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_ANY = re.compile(f"{_UNFIT.pattern}|[&<>]")  # most text has none of them


def unescaped(text: str) -> str:
    """Undo Excel's `_x000D_`; what is no character is left out."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return "" if number == 0 or 0xD800 <= number <= 0xDFFF else chr(number)  # noqa: PLR2004 - surrogates


def is_plain(text: str) -> bool:
    """Return whether there is nothing to escape."""
    return not _ANY.search(text)


def escaped(text: str) -> str:
    if is_plain(text):
        return text
    if _UNFIT.search(text):
        text = _UNFIT.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

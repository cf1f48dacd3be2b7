"""Where our own letter begins in the text of a report: many servers return it, or its header, below
a line of their own."""

import re

from mailings.feedback import mime

_BEGINS = re.compile(
    r"^[\s>|*=_~-]{0,30}(?:below this line is a copy|this is a copy of (?:the|your) message"
    r"|original (?:message|mail)(?: headers?)?|returned (?:message|mail)|unsent message"
    r"|(?:the )?header of the original message|message headers? follows?|original message follows"
    r"|the body of the message|message text follows|included is a copy|return-path: "
    r"|received: ?(?:from|by) |content-type: message/rfc822|ursprüngliche nachricht"
    r"|kopfzeilen der ursprünglichen|(?:ниже|далее) (?:следует|приведен|находится)"
    r"|исходное (?:письмо|сообщение)|заголовки исходного|текст (?:исходного )?письма)",
    re.I | re.M,
)
"""The line below which our own letter comes back."""


def text_before(text: str) -> str:
    """Return what the server itself says."""
    found = _BEGINS.search(text)
    return text[: found.start()] if found else text


def header_in(text: str) -> mime.Fields:
    """Return the header of our letter, as far as it came back; nothing: it did not."""
    found = _BEGINS.search(text)
    if not found:
        return []
    if found[0].lstrip().lower().startswith(("return-path", "received")):
        return mime.fields_in(text[found.start() :])
    return mime.fields_in(text[found.end() :].partition("\n")[2].lstrip("\n >"))

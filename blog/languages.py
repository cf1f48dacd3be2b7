"""In which language the pages' own text is: the site's, whatever the reader has chosen."""

from typing import NamedTuple

from django.conf import settings
from django.utils.translation import get_language


class Foreign(NamedTuple):
    """The language of a text that the reader may not read."""

    code: str


def content_language() -> Foreign | None:
    """Return the language of what editors write, if it is not the reader's."""
    code: str = settings.LANGUAGE_CODE
    return Foreign(code) if (get_language() or code) != code else None

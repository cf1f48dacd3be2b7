"""What the name of a file tells: what its clients may be called, or that nobody is to get mail."""

import re
from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from mailings.models.suppression import SuppressionReason

MAX_LENGTH = 100
"""Characters; a list's name has 120, and a number may follow."""

R = SuppressionReason
_REASONS = (
    (R.COMPLAINED, re.compile(r"\b(complain\w*|spam|жалоб\w*|пожалов\w*|спам)\b")),
    (R.UNSUBSCRIBED, re.compile(r"\b(unsub\w*|отпис\w*|opt ?outs?|opted out)\b")),
    (R.BOUNCED, re.compile(r"\b(cleaned|bounce\w*|hard ?bounce\w*|недоставл\w*|несуществ\w*)\b")),
    (
        R.MANUAL,
        re.compile(
            r"\b(black|block|stop|suppression) ?lists?\b|\bsuppress\w*|\bстоп ?(лист|спис)\w*|"
            r"\bчерн\w+ спис\w+|\bdo not (mail|contact)\b|\bне писать\b"
        ),
    ),
)
_NEGATED = re.compile(r"\b(without|no|not|без|кроме|не(?! писать))\b")

_DATE = (
    r"(?<!\d)(\d{4}[-_. ]\d{1,2}[-_. ]\d{1,2}|\d{1,2}[-_. ]\d{1,2}[-_. ]\d{2,4}|20\d{6})"
    r"([-_ T]+\d{1,2}[-_.:hч]?\d{2}([-_.:]?\d{2})?)?(?!\d)"
)
_CODE = r"(?<![\w])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}(?![\w])"
_COPY = r"\(\d+\)|[-–— ]+(копия|copy)\b( ?\(?\d+\)?)?"
_TYPES = r"(\.(csv|xlsx|xls|txt|tsv|zip|vcf|ods))+$"


def _words(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.casefold().replace("ё", "е").replace("_", " ")))


def reason(name: str) -> SuppressionReason | None:
    """Return why nobody in the file is to get mail, if its name says so."""
    words = _words(name)
    if _NEGATED.search(words):
        return None
    return next((found for found, stem in _REASONS if stem.search(words)), None)


def list_name(name: str, now: datetime) -> str:
    """Return a name for the list of these clients: “ярмарка_2026-05-01 (1).csv” → “Ярмарка”."""
    name = re.sub(_TYPES, "", name.strip(), flags=re.I).replace("_", " ")
    for part in (_COPY, _DATE, _CODE):
        name = re.sub(part, " ", name, flags=re.I)
    name = " ".join(name.split()).strip(" -–—.,;+")
    if not any(c.isalpha() for c in name):
        return _("Import of %(day)s") % {"day": date_format(now, "j E Y")}
    return (name[:1].upper() + name[1:])[:MAX_LENGTH].strip()

"""Which word of a client's name is the given name: the one that a letter may begin with. No Django.

People write names in every order: «Иванов Иван Иванович», «Иван Иванов», “Smith, John”. What
decides, in this order: a patronymic, a comma, known given names, the endings of surnames. In doubt
nothing is returned, and the letter says its default: better «Здравствуйте!» than «Смит,».
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

GIVEN_NAMES = frozenset(Path(__file__).with_name("given_names.txt").read_text("utf-8").split())
"""As people in Russia and around write them, in lower case and with «е» for «ё». Not all there are:
enough to tell a given name from a surname when the two stand in either order."""

PAIR = 2  # words: a given name and a surname, in whatever order

_PATRONYMIC = re.compile(
    r"(?:\w*(?:[оеё]вич|[оеё]вна|ьич|ична|[иії]вна|йович|ovich|evich|yevich|ovna|evna|ichna)"
    r"|лукич|фомич|кузмич|никитич|саввич|\w+-?(?:оглы|кызы))",
    re.I,
).fullmatch
_SON_OF = re.compile(r"(?:оглы|оглу|кызы|кизи|улы|уулу)", re.I).fullmatch
_SURNAME = re.compile(
    r"\w*\w{2}(?:[оеё]в|[оеё]ва|[иы]н|[иы]на|[сц]кий|[сц]кая|[сц]кой|ской|цкой|енко|ченко|ейко|[оы]х"
    r"|чук|щук|нюк|люк|ян|янц|дзе|швили|идзе|авичус|айте"
    r"|[oe]v|[oe]va|[sc]ky|[sc]kaya|skiy|skii|enko)",
    re.I,
).fullmatch
_WORD = re.compile(r"[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*\.?").fullmatch
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+-?(?:[^\W\d_]\.)*|[^\W\d_]").fullmatch
_CYRILLIC = re.compile(r"[Ѐ-ӿ]").search
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_QUOTES = re.compile('["«»„“”‟]')
_PUNCTUATION = re.compile(r"[;:!?…|/\\]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_COMPANY = _set(
    "ооо оао зао пао ао нко ано гуп муп фгуп гбу мбу тоо чп кфх тсж снт ooo llc ltd inc gmbh corp"
    " plc ag sa co company компания фирма магазин студия салон клуб школа банк завод центр"
    " организация shop store studio club"
)
_TITLES = _set(
    "ип г-н г-жа гн гжа господин госпожа гражданин гражданка товарищ тов доктор д-р др проф"
    " профессор уважаемый уважаемая mr mrs ms miss mx dr prof sir madam herr frau"
)
_AND = frozenset({"и", "and", "&", "+", "или", "or", "with"})
_BEHIND = _set("jr sr ii iii iv phd md esq мл ст младший старший")


_LIKE_PATRONYMIC = (
    "вич", "вна", "ьич", "ична", "лукич", "фомич", "кузмич", "никитич", "саввич", "vich", "vna",
    "ichna", "оглы", "оглу", "кызы", "кизи", "улы", "уулу",
)  # fmt: skip
"""How words end that `_PATRONYMIC` or `_SON_OF` may know; others may end so, too."""
_NOT_PLAIN = _COMPANY | _TITLES | _AND
_PLAIN_WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿЀ-ӿ]{2,}").fullmatch
"""Letters whose capitals hold no surprise: `re.I` and `lower` agree about them."""


@lru_cache(maxsize=4096)
def first_name_of(full_name: str) -> str:
    """Return the given name, or nothing when it is not clear which word it is."""
    return _plainly(full_name) or _by_all_rules(full_name)


def _plainly(full_name: str) -> str:
    """Return what all rules would for most names – words alone, a known given name among them, no
    patronymic – at a tenth of the cost: a letter that greets has a name to be looked at."""
    found = ""
    for word in full_name.split():
        if not _PLAIN_WORD(word):
            if word.isdecimal():
                continue
            return ""
        lower = word.lower()
        if lower in _NOT_PLAIN or lower.endswith(_LIKE_PATRONYMIC):
            return ""
        if not found and lower.replace("ё", "е") in GIVEN_NAMES:
            found = word
    return _capitalised(found)


def _by_all_rules(full_name: str) -> str:
    if "@" in full_name:
        return ""
    text = _ASIDE.sub(" ", full_name)
    if _QUOTES.search(text) or _PUNCTUATION.search(text.strip(" !…")):
        return ""  # a company «Ромашка», two people, a remark
    pieces = text.lower().replace(",", " ").split()
    if _AND.intersection(pieces) or any(piece.rstrip(".") in _COMPANY for piece in pieces):
        return ""
    parts = [part for part in map(_words, text.split(",")) if part]
    found = _of_parts(parts) if parts else ""
    alone = sum(map(len, parts)) == 1 and not _is_given(found)
    if alone and ("," in text or any(map(_INITIALS, pieces))):
        return ""  # «Смит, Д.», «Смит И. И.»: what is left is the surname
    return _capitalised(found.rstrip("."))


def _words(text: str) -> list[str]:
    """Return the words of which a name may consist; titles, initials, figures and emoji go."""
    found = (word.strip("!…") for word in text.split())
    words = [word for word in found if _WORD(word) and not _INITIALS(word)]
    return [word for word in words if word.lower().rstrip(".") not in _TITLES]


def _of_parts(parts: list[list[str]]) -> str:
    """“Smith, John” is a surname first; behind other commas stand titles and posts."""
    first, *others = parts
    others = [part for part in others if part[0].lower().rstrip(".") not in _BEHIND]
    if not others:
        return _of_words(first)
    if len(others) > 1:
        return ""
    [behind] = others
    if len(first) == 1 and len(behind) <= PAIR and _is_name(behind[0]):
        # Also «Анна, Смирнова».
        return first[0] if _is_given(first[0]) and not _is_given(behind[0]) else behind[0]
    return _of_words(first) if behind[0].islower() else ""


def _of_words(words: list[str]) -> str:
    if not words:
        return ""
    if len(words) == 1:
        return "" if _is_surname(words[0]) else words[0]
    if beside := next(_beside_patronymic(words), ""):
        return beside
    return _in_either_order(words)


def _in_either_order(words: list[str]) -> str:
    given = [word for word in words if _is_given(word)]
    if given:
        return given[0]
    unknown = [word for word in words if not _is_surname(word) and not _PATRONYMIC(word)]
    if len(unknown) == 1:
        return unknown[0]
    # Names in other scripts put the given name first.
    return words[0] if unknown and unknown[0] == words[0] and not _CYRILLIC(words[0]) else ""


def _beside_patronymic(words: list[str]) -> Iterator[str]:
    """Yield what stands before a patronymic and is none itself: Абрамович is a surname, too."""
    for number, (before, word) in enumerate(pairwise(words)):
        if _SON_OF(word):
            yield from words[number - 1 : number]
            continue
        sole_surname = len(words) == PAIR and _is_surname(before)  # «Иванов Иванович»
        if _PATRONYMIC(word) and not _PATRONYMIC(before) and not sole_surname:
            yield before


def _is_name(word: str) -> bool:
    return word[:1].isupper() or _is_given(word)


def _is_given(word: str) -> bool:
    whole = word.lower().replace("ё", "е").rstrip(".")
    return whole in GIVEN_NAMES or all(part in GIVEN_NAMES for part in whole.split("-"))


def _is_surname(word: str) -> bool:
    return not _is_given(word) and bool(_SURNAME(word))


def _capitalised(word: str) -> str:
    """Return ИВАН and иван as Иван; what has both cases is as its bearer writes it."""
    if len(word) > 1 and (word.isupper() or word.islower()):
        return re.sub(r"[^\W\d_]+", lambda part: part[0].capitalize(), word)
    return word

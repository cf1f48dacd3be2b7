"""What the author of a message should know before it is sent: faults, doubts, and for whom a
variable has no value. Shown while they write, on the message's page and in the form of a mailing.

`faults` alone is the rule: a message with one is neither scheduled nor sent.
"""

import html as html_entities
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from django.db.models import Count, Q, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import In
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from mailings.clients import attributes
from mailings.messages import content, pictures
from mailings.messages.content import MAX_PROBLEMS, Problem
from mailings.models import Client, Message, Picture
from mailings.rendering import compiler
from mailings.rendering.variables import variables_in

SUBJECT_SHOWN = 40  # letters that a phone shows
SUBJECT_LONG = 90
GAPS_COUNTED = 8
"""Variables whose gaps are counted: all by one query, and nobody uses more."""
SAMPLE_HOSTS = ("example.org", "example.com", "example.net")
"""RFC 2606: nobody's, so the samples of the layouts lead there."""
SHOUTED = 0.6
"""Capitals among a subject's letters from which on filters take it for an advertisement …"""
SHOUTED_LENGTH = 8
"""… if there are so many letters."""

_LINK = re.compile(r'<a\b[^<>]*?href="([^"]*)"[^<>]*>(.*?)</a>', re.S)
_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s\"'<>{}|]+", re.I)
_IMAGE = re.compile(r"<img\b[^<>]*>")
_ALT = re.compile(r'\balt="([^"]*)"')
_SPAM = re.compile(
    r"[!?]{2,}|\${2,}|100 ?%|\b(?:бесплатно|срочно|заработ\w+|казино|халява|кредит|free money"
    r"|casino|viagra|act now|click here|earn money)\b",
    re.I,
)
_TAGS = re.compile(r"<[^<>]*>")
_SHOWN = 60  # letters of the author's text that a remark repeats


@dataclass(frozen=True)
class Proofread:
    """A message as it was read: what to mend, how large it is, how long its subject."""

    problems: list[Problem]
    size: int
    subject: str
    """As the reader gets it."""

    @cached_property
    def faults(self) -> int:
        return sum(problem.blocking for problem in self.problems)

    @property
    def kilobytes(self) -> int:
        return -(-self.size // 1000)

    @property
    def fits_phone(self) -> bool:
        return len(self.subject) <= SUBJECT_SHOWN


def proofread(message: Message, read: compiler.Preview) -> Proofread:
    """Return what there is to say about a message that one client would `read` so."""
    owner = message.owner
    known = attributes.names_of(owner)
    body = content.sanitise(message.body)
    size = content.size_of(read.html)
    found = [
        *_faults(message, body, known),
        *remarks(message, read),
        *_gaps(owner, message, body, known),
    ]
    return Proofread(list(dict.fromkeys(found)), size, read.subject)


def faults(message: Message) -> list[Problem]:
    """Return what keeps a message from being sent at all; it costs no look at every client."""
    texts = (message.subject, message.preheader, message.body, message.text)
    known = known_names(message.owner, texts)
    found = _faults(message, content.sanitise(message.body), known)
    return [problem for problem in dict.fromkeys(found) if problem.blocking]


def known_names(owner: User, texts: Iterable[str]) -> list[str]:
    """Return which of the variables that the texts cannot do without a client has; all there are
    if one of them is missing: the words for it name them."""
    asked = {v.name for text in texts for v in variables_in(text) if not v.default}
    asked.difference_update(content.BUILT_IN)
    known = attributes.among(owner, asked)
    return known if len(known) == len(asked) else attributes.names_of(owner)


def remarks(message: Message, read: compiler.Preview) -> list[Problem]:
    """Return what is worth a look before sending, as far as that needs no look at every client."""
    body = content.sanitise(message.body)
    found = [
        *_subject(message, read.subject),
        *_doubts(body),
        *_size(content.size_of(read.html)),
    ]
    return list(dict.fromkeys(found))


def _faults(message: Message, body: str, known: Iterable[str]) -> Iterator[Problem]:
    if not content.is_visible(message.subject):
        yield Problem("subject", _("The subject is empty."))
    yield from content.problems(
        message.subject, message.preheader, message.body, known, text=message.text
    )
    yield from _foreign_pictures(message.owner, body)
    yield from _sample_links(body, message.text)
    if _IMAGE.search(body) and not content.is_visible(_said(body)):
        said = _("The letter is a picture without a word. Describe the picture, or write a line.")
        yield Problem("body", said)


def _subject(message: Message, subject: str) -> Iterator[Problem]:
    if not message.subject.strip():
        return
    letters = [letter for letter in subject if letter.isalpha()]
    if len(letters) >= SHOUTED_LENGTH and sum(map(str.isupper, letters)) > SHOUTED * len(letters):
        said = _("The subject is in capitals: filters take such letters for advertising.")
        yield Problem("subject", said, blocking=False)
    elif spam := _SPAM.search(subject):
        said = _("“%(words)s” in the subject: filters take such letters for advertising.")
        yield Problem("subject", said % {"words": spam[0]}, blocking=False)
    if not message.preheader.strip():
        said = _("There is no preheader: beside the subject stand the first words of the letter.")
        yield Problem("preheader", said, blocking=False)
    if not subject.strip():
        yield Problem("subject", _("For this client the subject is empty."), blocking=False)
    elif len(subject) > SUBJECT_LONG:
        said = _(
            "The subject has %(count)d characters. A phone shows %(shown)d, a computer about 70."
        )
        values = {"count": len(subject), "shown": SUBJECT_SHOWN}
        yield Problem("subject", said % values, blocking=False)


def _size(size: int) -> Iterator[Problem]:
    if size > content.MAX_HTML:
        said = _(
            "The letter takes %(size)d kB. Gmail cuts off what is over 100 kB, and the link to"
            " unsubscribe with it. Shorten the letter."
        )
        yield Problem("body", said % {"size": -(-size // 1000)}, blocking=False)


def foreign_pictures(owner: User, body: str) -> set[str]:
    """Return the files in sanitised HTML that are not in the owner's library."""
    names = pictures.names_in(body)
    paths = {f"{pictures.FOLDER}/{name}": name for name in names}
    own = Picture.objects.filter(owner=owner, file__in=paths).values_list("file", flat=True)
    return names - {paths[path] for path in own} if names else set()


def _foreign_pictures(owner: User, body: str) -> Iterator[Problem]:
    for _name in sorted(foreign_pictures(owner, body)):
        yield Problem("body", _("A picture is no longer in your library. Choose another."))


# ---------------------------------------------------------------- doubts about the body
def _doubts(body: str) -> Iterator[Problem]:
    """Return remarks on what would arrive as it is, but not well."""
    found: list[str] = []
    for href, label in _LINK.findall(body):
        found += _about_link(html_entities.unescape(href), _words(label) or href)
    bare = [image for image in _IMAGE.findall(body) if not _described(image)]
    if bare:
        found.append(
            ngettext(
                "%(count)d picture has no description. Who sees no pictures reads nothing there.",
                "%(count)d pictures have no description. Who sees no pictures reads nothing there.",
                len(bare),
            )
            % {"count": len(bare)}
        )
    if _IMAGE.search(body) and not _words(_IMAGE.sub("", body)):
        found.append(
            _("All is in pictures, and many programs show none at first. Write a few words, too.")
        )
    for said in list(dict.fromkeys(found))[:MAX_PROBLEMS]:
        yield Problem("body", said, blocking=False)


def _about_link(href: str, label: str) -> Iterator[str]:
    values = {"label": label[:_SHOWN], "href": href[:_SHOWN]}
    if href.lower().startswith("http://"):
        yield (
            _(
                "The link “%(label)s” begins with http://, and some programs will warn. Use https://."
            )
            % values
        )


def _sample_links(body: str, text: str) -> Iterator[Problem]:
    """Report links that nobody has changed since the layout's sample, wherever they stand."""
    plain = html_entities.unescape(body)
    labels = {html_entities.unescape(href): _words(label) for href, label in _LINK.findall(body)}
    found = [
        labels.get(address) or address
        for address in dict.fromkeys(_ADDRESS.findall(f"{plain} {text}"))
        if _is_sample(address)
    ]
    for label in list(dict.fromkeys(found))[:MAX_PROBLEMS]:
        said = _("The link “%(label)s” still leads to the sample’s address. Put in your own.")
        yield Problem("body", said % {"label": label[:_SHOWN]})


def _is_sample(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.path.partition("?")[0] if parts.scheme == "mailto" else parts.hostname or ""
    except ValueError:
        return False
    host = host.rpartition("@")[2].lower().rstrip(".,;:!?)")
    return any(host == sample or host.endswith(f".{sample}") for sample in SAMPLE_HOSTS)


def _described(image: str) -> str:
    alt = _ALT.search(image)
    return html_entities.unescape(alt[1]).strip() if alt else ""


def _said(body: str) -> str:
    """Return what is to be read in a body: its words, and those that describe its pictures."""
    return f"{_words(body)} {' '.join(map(_described, _IMAGE.findall(body)))}"


def _words(html: str) -> str:
    return " ".join(html_entities.unescape(_TAGS.sub(" ", html)).split())


# ---------------------------------------------------------------- clients without a value
def _gaps(owner: User, message: Message, body: str, known: list[str]) -> Iterator[Problem]:
    """Tell how many clients would get nothing where a variable without a default stands."""
    fields: dict[str, str] = {}
    for field, text in (
        ("subject", message.subject), ("preheader", message.preheader), ("body", body),
        ("text", message.text),
    ):  # fmt: skip
        for variable in variables_in(text):
            if not variable.default:
                fields.setdefault(variable.name, field)
    asked = [n for n in fields if n in {"full_name", "first_name", *known}][:GAPS_COUNTED]
    if not asked:
        return
    counts = Client.objects.filter(owner=owner).aggregate(
        **{f"gap{n}": Count("pk", filter=_is_empty(name)) for n, name in enumerate(asked)}
    )
    for n, name in enumerate(asked):
        if count := counts[f"gap{n}"]:
            said = ngettext(
                "%(count)d client has no “%(name)s”, and there is nothing in its place.",
                "%(count)d clients have no “%(name)s”, and there is nothing in its place.",
                count,
            )
            hint = _('Write {{ %(name)s|default:"…" }}.')
            values = {"count": count, "name": name}
            yield Problem(fields[name], f"{said % values} {hint % values}", blocking=False)


def _is_empty(name: str) -> Q | In:
    # SQLite calls JSON's null by its name; as a word it is no value either.
    value = Coalesce(KeyTextTransform(name, "attributes"), Value("", TextField()))
    own = In(value, ["", "null"])
    if name in {"full_name", "first_name"}:
        return Q(full_name="") & Q(own)
    return own

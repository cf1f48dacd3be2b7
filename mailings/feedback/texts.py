"""Reports that are made for people: a table of how mail servers begin them, and where in them the
recipients and the reasons stand.

A form is recognised by a whole phrase near the beginning of a mail that a machine wrote. What
stands before and behind it is not looked at, above all not our own letter, which many return below
a line of their own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from mailings.feedback import our_letter, refusal_texts
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.report import ADDRESS, MAX_NOTICES, Report, address_in

OPENING_WITHIN = 4_000  # characters of the text in which a form begins
MAX_LINES = 400  # behind the opening
SAID_MOST = 2_000  # characters about one recipient

BOUNCE, DELAY = NoticeKind.BOUNCE, NoticeKind.DELAY


@dataclass(frozen=True, slots=True)
class Form:
    """How a server tells it."""

    server: str
    opening: re.Pattern[str]
    kind: NoticeKind = BOUNCE
    is_final: bool = False
    """It says itself that this is permanent."""
    recipient: re.Pattern[str] | None = None
    """Where the address stands, if not at the beginning of a line: group `to`. What is said of it
    follows on the same line or below."""


def _form(
    server: str, opening: str, kind: NoticeKind = BOUNCE, *, final: bool = False, to: str = ""
) -> Form:
    # A blank in a phrase is any white space: servers break their lines where they like.
    phrase = re.compile(opening.replace(" ", r"\s{1,20}"), re.I | re.M)
    pattern = re.compile(to.replace("@", f"(?P<to>{ADDRESS})"), re.I) if to else None
    return Form(server, phrase, kind, final, pattern)


FORMS = (
    # The first that fits counts: what still waits stands before what has failed.
    _form("Exim", "message has not (?:yet )?been delivered to (?:one or more|all) of its"
          " recipients after", DELAY),
    _form("Courier", "has not been able to deliver your message", DELAY),
    _form("Domino", "your message[^.]{0,80} has been delayed", DELAY),
    _form("German", "noch nicht zugestellt|wird weiter versucht", DELAY),
    _form("sendmail", "THIS IS A WARNING MESSAGE ONLY", DELAY),
    _form("Postfix", "your message could not be delivered for more than", DELAY),
    _form("Gmail", "delivery to the following recipients? has been delayed", DELAY),
    _form("Mail.ru", "письмо (?:пока|ещ[её]) не (?:было )?доставлено", DELAY),
    _form("OpenSMTPD", "message is delayed for more than", DELAY),
    _form("qmail", "this is the qmail-send program", final=True),
    _form("Exim", "could not be delivered to (?:one or more of its|all|some of its|the following)"
          " recipients?", final=True),
    _form("Exim, German", "konnte (?:an einen oder mehrere|nicht an alle|folgenden?) empf.nger"
          "[^.]{0,40}(?:zugestellt|nicht)", final=True),
    _form("Postfix", "(?:your message|message returned below) could not be delivered to one or more"
          " (?:recipients|destinations)"),
    _form("DragonFly", "error delivering your mail to <", to="delivering your mail to <@"),
    _form("Gmail", "delivery to the following recipients? failed permanently", final=True),
    _form("Gmail", "your message wasn.t delivered to @".replace("@", ADDRESS),
          to=r"your message wasn.t delivered to\s+@"),
    _form("Yahoo", "unable to deliver (?:your )?message to the following address", final=True),
    _form("sendmail", "the following addresses had (?:permanent fatal|delivery) errors"),
    _form("sendmail", "the following addresses had transient", DELAY),
    _form("Courier", "message to the following recipients cannot be delivered"
          "|message (?:cannot|could not) be delivered to the following"),
    _form("Mimecast", "to the following address(?:es)? could not be delivered"),
    _form("OpenSMTPD", "deliver a message (?:for|to) the following list of recipients", final=True),
    _form("Mail.ru", "письмо не (?:может быть|было) доставлено", final=True),
    _form("Yandex", "письмо не (?:может быть|было) отправлено", final=True),
    _form("Russian", "сообщение не (?:может быть|было) доставлено|не удалось доставить (?:ваше )?"
          "(?:письмо|сообщение)|невозможно доставить (?:ваше )?(?:письмо|сообщение)"),
    _form("Exchange, Russian", "(?:сбой доставки|не удалось выполнить доставку)"
          " (?:следующим|для следующих)"),
    _form("Exchange", "delivery has failed to these recipients"),
    _form("Exchange", "did not reach (?:some or all of the intended|the following) recipients?"
          r"|recipients?(?:\(s\))? (?:could not|cannot) be reached", final=True),
    _form("Exchange", "delivery to the following recipients? failed"),
    _form("Exchange, German", "hat einige oder alle empf.nger nicht erreicht|fehler bei der"
          " (?:nachrichten)?zustellung an folgende|folgende empf.nger k.nnen? nicht erreicht"
          "|zustellung an folgende empf.nger (?:ist )?fehlgeschlagen"),
    _form("German", "unzustellbar|konnte(?:n)? nicht (?:an folgende \\w+ )?zugestellt werden"),
    _form("Domino", r"^was not delivered to:"),
    _form("CommuniGate", "failed to deliver to ", to=r"failed to deliver to\s+['\"<]{0,2}@"),
    _form("IMail", "^(?:unknown user|user mailbox exceeds allowed size|invalid final delivery"
          " userid|undeliverable to|delivery failed [0-9]+ attempts): @".replace("@", ADDRESS),
          to=r"(?:user|size|userid|to|attempts):\s*@"),
    _form("GMX", "this message was created automatically by mail delivery software"),
    _form("X-Failed-Recipients", "^message will not be delivered|^delivery failed"),
)  # fmt: skip
"""One row a form, by what it begins with."""

_AT_LINE = re.compile(
    rf"""[ \t>*-]{{0,8}}(?:(?:failed[ ]recipient|recipient[ ]address):[ \t]{{0,3}})?
    (?P<open>[<"'(]?)(?:mailto:|smtp:)?(?P<to>{ADDRESS.replace("#", chr(92) + "#")})[>"')]{{0,2}}
    (?:[ ]?<mailto:[^<>]{{1,330}}>)?(?P<mark>[ \t]{{0,3}}:)?(?P<rest>.*)""",
    re.I | re.X,
)
_REST = re.compile(
    r"[ \t]*$|[ \t]+(?:on|am|um|le)[ ]\S|[ \t]*[(\[]|[ \t]+(?:[<-]|invalid address|error,)"
    r"|[ \t]?\.{3}",
    re.I,
)
"""What may follow an address on its line, if neither brackets nor a colon say that it is one."""
_TELLS = re.compile(r"[^\W\d]{2}[^\n]*[^:\s][ \t]*$|[^\W\d]{2}[^\n]*\n\s*\S")
"""A paragraph that is more than a mark, or a line that leads to the next paragraph."""
_SAYS = re.compile(r"(?<!\d)[45]\d\d[ -](?:[45]\.\d|[^\W\d]|[<(#'\"])")


def read(report: Report) -> list[Notice]:
    """Return a notice for each recipient that a report in words speaks of; nothing: it is none, or
    of no form in the table."""
    if not report.is_from_mail_system:
        return []
    text = report.text
    head = text[:OPENING_WITHIN]
    for form in FORMS:
        if found := form.opening.search(head):
            begin = found.start() if form.recipient else found.end()
            notice = report.notice(form.kind)
            if notices := _notices(notice, form, our_letter.text_before(text[begin:])):
                return notices
    return _of_failed_recipients(report)


def _of_failed_recipients(report: Report) -> list[Notice]:
    """Return what Exim and Gmail say in a header, whatever the words of the text are."""
    listed = report.header("x-failed-recipients").split(",", MAX_NOTICES)[:MAX_NOTICES]
    failed = [address for value in listed if (address := address_in(value))]
    text = our_letter.text_before(report.text)
    base = report.notice(BOUNCE)
    return [noted(base, address, said_of(address, text), is_final=False) for address in failed]


def _notices(base: Notice, form: Form, text: str) -> list[Notice]:
    found: dict[str, str] = {}
    for address, said in islice(entries(text, form.recipient), MAX_NOTICES):
        # Some servers name each recipient first to people and then again with the reason.
        before = found.get(address, "")
        if not before or (_SAYS.search(said) and not _SAYS.search(before)):
            found[address] = said
    return [noted(base, to, said, is_final=form.is_final) for to, said in found.items()]


def noted(base: Notice, recipient: str, said: str, *, is_final: bool) -> Notice:
    """Return the notice for one recipient of whom this was said."""
    _, _, domain = recipient.rpartition("@")
    saying = refusal_texts.read(
        reason_in(said), domain=domain, is_final=is_final, step=refusal_texts.step_in(said)
    )
    return replace(
        base,
        recipient=recipient,
        is_permanent=base.kind is BOUNCE and saying.is_permanent,
        refusal=saying.refusal,
        code=saying.code,
        enhanced_code=saying.enhanced_code,
        diagnostic=saying.words.strip(),
    )


# ---------------------------------------------------------------- where things stand


def entries(text: str, recipient: re.Pattern[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield each address that stands where a recipient does, with all that follows it."""
    address = ""
    said: list[str] = []
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        found = recipient.search(line[:1_000]) if recipient else _recipient_at(line[:1_000])
        if found:
            if address:
                yield address, "\n".join(said)
            address = address_in(found["to"])
            said = [line if recipient else found["rest"].lstrip(" :")]
        elif address:
            said.append(line)
    if address:
        yield address, "\n".join(said)


def _recipient_at(line: str) -> re.Match[str] | None:
    found = _AT_LINE.match(line)
    if not found or (found["rest"] and not (found["open"] or found["mark"])
                     and not _REST.match(found["rest"])):  # fmt: skip
        return None
    return found


def reason_in(said: str) -> str:
    """Return the paragraph in which the server speaks: the one with its code, else the first."""
    pieces = re.split(r"\n[ \t]*\n", said[:8_000])
    paragraphs = [piece.lstrip("'\">):;, \n").rstrip() for piece in pieces if _TELLS.search(piece)]
    for paragraph in paragraphs:
        if refusal_texts.code_in(paragraph) or refusal_texts.enhanced_in(paragraph, None):
            return _from_code(paragraph)[:SAID_MOST]
    return paragraphs[0][:SAID_MOST] if paragraphs else ""


def _from_code(paragraph: str) -> str:
    found = _SAYS.search(paragraph)
    return paragraph[found.start() :] if found else paragraph


def said_of(address: str, text: str) -> str:
    """Return what a text says of this address, from there on; empty: it does not name it."""
    wanted = address.lower()
    best = ""  # all that is said of it
    for to, said in islice(entries(our_letter.text_before(text)), MAX_NOTICES):
        if to.lower() == wanted and (not best or _SAYS.search(said)):
            best = said
    if best or not wanted:
        return best
    at = text.lower().find(wanted)
    return text[at + len(wanted) : at + 4_000] if at >= 0 else ""

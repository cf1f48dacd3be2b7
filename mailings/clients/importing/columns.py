"""What each column of a file is: guessed from its head, from its cells, from earlier files."""

import re
from collections.abc import Mapping, Sequence

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailings.clients.importing import mail_states, state_heads
from mailings.clients.importing.mail_states import plain
from mailings.rendering.variables import is_name
from mailings.spreadsheets.layout import Row

ATTRIBUTE = "attr:"
"""Stands before the name of a variable: `attr:city`."""
SKIPPED = ""


class Target(models.TextChoices):
    """Where the cells of a column go."""

    EMAIL = "email", _("E-mail address")
    FULL_NAME = "full_name", _("Full name")
    LAST_NAME = "last_name", _("Surname")
    FIRST_NAME = "first_name", _("First name")
    MIDDLE_NAME = "middle_name", _("Patronymic")
    COMMENT = "comment", _("Comment")
    CONSENT_SOURCE = "consent_source", _("How they agreed")
    CONSENT_AT = "consent_at", _("When they agreed")
    STATE = "state", _("May they get mail")
    LEFT_AT = "left_at", _("When they unsubscribed")
    STATE_SOURCE = "state_source", _("Why they get no mail")


T = Target

SEVERAL = (T.STATE, T.LEFT_AT)
"""A file may have more than one: the strictest counts."""

OWN = (T.EMAIL, T.FULL_NAME, T.COMMENT, T.CONSENT_SOURCE, T.CONSENT_AT)
"""The columns our own export begins with; details follow."""
TELLING = 5
"""Columns our own export ends with: lists, state, since when, how it is known, added."""
TELLING_ONCE = 3
"""Before it told when and how: lists, state, added."""

_WORDS: dict[str, str] = {
    T.EMAIL: "email|e mail|mail|email address|e mail address|address|адрес|почта|эл почта|"
    "электронная почта|адрес почты|адрес электронной почты|электронный адрес|имейл|емейл|мейл|"
    "e mail адрес|email адрес|почтовый адрес|subscriber|email 1|e mail 1 value|емайл|мыло|"
    "адрес e mail|адрес email|электронка|эл адрес|mailbox",
    T.FULL_NAME: "full name|name|contact|contact name|client|customer|subscriber name|fio|фио|"
    "полное имя|имя и фамилия|фамилия и имя|фамилия имя|имя фамилия|фамилия имя отчество|клиент|"
    "контакт|контактное лицо|ф и о|покупатель|получатель|имя контакта|наименование|"
    "наименование контрагента|контрагент|партнер|абонент|подписчик|имя клиента|имя подписчика|"
    "имя получателя|имя покупателя|имя пользователя|display name|nickname|фио клиента",
    T.LAST_NAME: "last name|lastname|surname|family name|lname|фамилия",
    T.FIRST_NAME: "first name|firstname|given name|fname|имя|имя отчество|имя и отчество",
    T.MIDDLE_NAME: "middle name|patronymic|отчество",
    T.COMMENT: "comment|comments|note|notes|remark|комментарий|комментарии|примечание|заметка|"
    "заметки",
    T.CONSENT_SOURCE: "consent|consent source|how they agreed|согласие|источник согласия|"
    "как получено согласие|источник",
    T.CONSENT_AT: "consent date|consent at|when they agreed|date of consent|дата согласия|"
    "когда согласился|когда получено согласие|дата подписки|subscribed at",
    T.LEFT_AT: "in this state since|в этом состоянии с|leave date|removed on|date removed|"
    "дата удаления из рассылки",
    T.STATE_SOURCE: "how it is known|откуда это известно|unsub reason|unsubscribe reason|"
    "unsubscription reason|причина отписки|bounce reason|reason of suppression",
    # Columns of our own export that tell, and change nothing; states are known by their words.
    SKIPPED: "lists|list|state|status|added|списки|список|состояние|статус|добавлен|добавлена",
}
_TARGET_OF = {word: target for target, words in _WORDS.items() for word in words.split("|")}


def is_known(head: str) -> bool:
    """Return whether a head has a meaning of its own."""
    return plain(head) in _TARGET_OF or state_heads.head_of(head) is not None


_ALIKE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (T.EMAIL, re.compile(
        r"\b(?:e ?mails?|имейлы?|емейлы?|емайлы?|мейл)\b|^почта\b|\bпочта$"
        r"|\bэл(?:ектронн\w+)? (?:почт|адрес)|адреса? эл(?:ектронной)?\b"
    )),
    (T.FULL_NAME, re.compile(
        r"\bфио\b|\bф и о\b|\bимя контакт|контактн\w+ лиц|^наименование\b|\bfull ?name\b"
        r"|\b(?:contact|customer|client|subscriber|recipient) name\b"
    )),
)  # fmt: skip
_ABOUT = re.compile(
    r"дат|источник|статус|подтвержд|согласи|подписк|рассылк|количеств|телефон|индекс|домен|тип\b"
    r"|status|date|source|opt|confirm|verif|count|domain|type|phone|valid|score|bounce|open|click"
)
"""Such a head tells something about the addresses."""
_WEAK = (
    "наименование", "наименование контрагента", "контрагент", "партнер", "клиент", "client",
    "customer", "name", "nickname",
)  # fmt: skip
"""Names of firms stand there as well: a column for people's names is better."""
HEAD_ROWS = 20
"""Rows among which the head is looked for: titles, dates and empty ones may stand above it."""
_LONGEST = 80  # characters of a head
_ADDRESS = re.compile(r"[^\s@]@[\w-]+\.[\w-]")


def has_header(first: Row) -> bool:
    """A row with an address in it is no head."""
    return not _holds_address(first)


def _holds_address(row: Row) -> bool:
    return any("@" in cell and _ADDRESS.search(cell) for cell in row.cells)


def head_of(rows: Sequence[Row], earlier: Mapping[str, str] | None = None) -> int:
    """Return the number of the row that is the head, 0 if there is none."""
    known = earlier or {}
    above: list[tuple[int, Row]] = []
    first_below: Row | None = None
    for row in rows[:HEAD_ROWS]:
        meant = sum(_means_something(cell, known) for cell in row.cells)
        if _holds_address(row) and meant < 2:  # noqa: PLR2004 - a head with an example in it has more
            first_below = row
            break
        above.append((meant, row))
    most = max((meant for meant, _row in above), default=0)
    if most:
        return next(row.number for meant, row in reversed(above) if meant == most)
    if not above:
        return 0
    last = above[-1][1]
    if first_below is None or len(above) == 1:
        return above[0][1].number
    # Titles stand in one cell; a head has as many as the rows below it.
    width, below = len([c for c in last.cells if c]), len([c for c in first_below.cells if c])
    return last.number if width > 1 and width * 2 >= below else 0


def _means_something(head: str, earlier: Mapping[str, str]) -> bool:
    if not head or len(head) > _LONGEST:
        return False
    words = plain(head)
    return words in _TARGET_OF or words in earlier or bool(_alike(words))


def _alike(words: str) -> str:
    """Return the target of a head that is not known word for word: “E-mail клиента”."""
    if len(words) > _LONGEST or _ABOUT.search(words):
        return ""
    return next((target for target, pattern in _ALIKE if pattern.search(words)), "")


def guess(
    heads: Sequence[str],
    sample: Sequence[Sequence[str]],
    *,
    attributes: Sequence[str],
    earlier: Mapping[str, str],
) -> list[str]:
    """Return a target for each column; `earlier`: head → target, as the owner chose before."""
    known = {name.casefold(): name for name in attributes} | {name: name for name in attributes}
    wanted: list[str] = []
    for index, head in enumerate(heads):
        target = _by_head(head, known, earlier)
        cells = [row[index] for row in sample if index < len(row)]
        if _is_state(target, head, cells) or (target in wanted and _is_answer(head, cells)):
            target = T.STATE
        elif target == T.CONSENT_SOURCE and target in wanted:
            # “Consent: yes” beside “Source: fair”: the second tells how, the first only whether.
            _give_way(wanted, heads, sample)
        wanted.append(target)
    best = {target: _best(target, wanted, heads, sample) for target in wanted}
    mapping = [
        target if target in SEVERAL or best[target] == index else SKIPPED
        for index, target in enumerate(wanted)
    ]
    if telling := _is_our_export(heads):
        mapping[len(heads) - telling + 1] = T.STATE
        for index in range(len(OWN), len(heads) - telling):
            if is_name(heads[index]):
                mapping[index] = ATTRIBUTE + heads[index]
    _by_cells(mapping, heads, sample)
    if T.FULL_NAME in mapping:
        # “Name” beside “Surname” is the given name, and the whole name is made of both.
        for index, target in enumerate(mapping):
            if target == T.FULL_NAME and T.LAST_NAME in mapping:
                mapping[index] = T.FIRST_NAME if T.FIRST_NAME not in mapping else SKIPPED
    return mapping


def _is_state(target: str, head: str, cells: list[str]) -> bool:
    """Return whether a column tells states, whatever an earlier file had below the same head."""
    free = target == SKIPPED or (target.startswith(ATTRIBUTE) and not _BRACED.fullmatch(head))
    return free and state_heads.holds_states(head, cells)


def _is_answer(head: str, cells: list[str]) -> bool:
    """Return whether a column about consent holds answers, not sources."""
    answers = (mail_states.yes_or_no(cell) is not None for cell in cells)
    return state_heads.is_consent_head(head) and any(answers)


def _give_way(mapping: list[str], heads: Sequence[str], sample: Sequence[Sequence[str]]) -> None:
    first = mapping.index(T.CONSENT_SOURCE)
    if _is_answer(heads[first], [row[first] for row in sample if first < len(row)]):
        mapping[first] = T.STATE


def _best(
    target: str, wanted: Sequence[str], heads: Sequence[str], sample: Sequence[Sequence[str]]
) -> int:
    """Return which of the columns with heads for a target it is; -1: none of them."""
    columns = [index for index, one in enumerate(wanted) if one == target]
    if target == T.EMAIL:
        # “Адрес” may be that of a house: what the cells hold counts.
        found = {i: _signs(sample, i) for i in range(len(heads))}
        if any(found.values()) and not any(found[i] for i in columns):
            return -1
        return max(columns, key=lambda i: (found[i], -i))
    if target == T.FULL_NAME:
        filled = {i: any(row[i] for row in sample if i < len(row)) for i in columns}
        return max(columns, key=lambda i: (filled[i], plain(heads[i]) not in _WEAK, -i))
    return columns[0]


def _signs(sample: Sequence[Sequence[str]], index: int) -> int:
    return sum("@" in row[index] for row in sample if index < len(row))


def _is_our_export(heads: Sequence[str]) -> int:
    """Return how many telling columns a file ends with that was exported here, else nothing: what
    stands before them is then a variable, even if no client has it any more."""
    meant = [_TARGET_OF.get(plain(head)) for head in heads]
    if meant[: len(OWN)] != list(OWN):
        return 0
    rest = meant[len(OWN) :]
    if rest[-TELLING:] == [SKIPPED, SKIPPED, T.LEFT_AT, T.STATE_SOURCE, SKIPPED]:
        return TELLING
    return TELLING_ONCE if rest[-TELLING_ONCE:] == [SKIPPED] * TELLING_ONCE else 0


_BRACED = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def is_braced(head: str) -> bool:
    """Return whether a head says itself that a variable stands below it."""
    return bool(_BRACED.fullmatch(head))


def _by_head(head: str, known: Mapping[str, str], earlier: Mapping[str, str]) -> str:
    braced = _BRACED.fullmatch(head)
    if braced and is_name(braced[1]):
        return ATTRIBUTE + braced[1]
    if not head:
        return SKIPPED
    if (chosen := earlier.get(plain(head), T.STATE)) != T.STATE:  # states are known by their words
        return chosen
    if (target := _by_meaning(head)) is not None:
        return target
    names = (head, head.casefold(), suggested_name(head))
    found = next((ATTRIBUTE + known[name] for name in names if name in known), "")
    known_state = state_heads.head_of(head)
    if not found and known_state and known_state.is_sure:
        return SKIPPED  # “email_availability” is no “e-mail” with a slip in it
    return found or _alike(plain(head)) or SKIPPED


def _by_meaning(head: str) -> str | None:
    if (target := _TARGET_OF.get(plain(head))) is not None:
        return target
    if state_heads.is_consent_head(head):
        return T.CONSENT_SOURCE
    state = state_heads.head_of(head)
    return T.LEFT_AT if state and state.is_date else None


def _by_cells(mapping: list[str], heads: Sequence[str], sample: Sequence[Sequence[str]]) -> None:
    """Find the addresses, and in a file without heads the names, by what they look like."""
    columns: list[list[str]] = [
        [row[i] for row in sample if i < len(row) and row[i]] for i in range(len(heads))
    ]
    if T.EMAIL not in mapping:
        likely = [len([cell for cell in cells if "@" in cell]) for cells in columns]
        most = max(likely, default=0)
        if most:
            mapping[likely.index(most)] = T.EMAIL
    if any(heads) or T.FULL_NAME in mapping:
        return
    for index, cells in enumerate(columns):
        named = sum(bool(re.fullmatch(r"[^\W\d_]+(?:[ .'-]+[^\W\d_]+){1,3}\.?", c)) for c in cells)
        if mapping[index] == SKIPPED and named * 2 > len(cells):
            mapping[index] = T.FULL_NAME
            return


def suggested_name(head: str) -> str:
    """Return a name of a variable made of a head: “Любимый автор” → `любимый_автор`."""
    name = "_".join(re.findall(r"\w+", head.lower()))[:64].strip("_")
    return name if is_name(name) else ""

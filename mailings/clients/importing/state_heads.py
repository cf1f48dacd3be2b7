"""What the head of a column says about whether those below it may get mail."""

import re
from dataclasses import dataclass
from functools import lru_cache

from mailings.clients.importing.mail_states import (
    MAX_WORD,
    NEGATED,
    Says,
    is_strong,
    is_telling,
    plain,
    state_word,
    yes_or_no,
)

S = Says


def plain_head(head: str) -> str:
    """Return a head for comparing, its words apart: `emailBlacklisted` → “email blacklisted”."""
    return plain(re.sub(r"(?<=[a-zа-яё])(?=[A-ZА-ЯЁ])", " ", head))


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says by itself about the cells below it."""

    yes: Says | None = None
    """What “yes” means below it; none: its cells hold words."""
    no: Says | None = None
    is_date: bool = False
    is_sure: bool = True
    """Nothing but a state stands below it. Otherwise its cells have to show it."""

    @property
    def is_of_bad_news(self) -> bool:
        """Return whether an empty cell says that all is well: “Unsubscribed”."""
        return self.yes is not None and self.yes.bars


_OTHERS = re.compile(
    r"\b(sms|смс|phone|телефон\w*|whats ?app|viber|telegram|телеграм\w*|push|пуш\w*|звон\w+|calls?|"
    r"orders?|заказ\w*|оплат\w*|payments?|shipping|deals?|сделк\w*|marital|семейн\w*|country|"
    r"договор\w*|invoice|fax|счет\w*|web push|messenger|вк|vk)\b"
)
"""Consent to other channels, and states of other things."""

_IS_DATE = re.compile(r"\b(time|date|at|on|дата|время|когда|since|timestamp|с какого)\b")
_IS_COUNT = re.compile(r"\b(count|number|количество|число|rate|campaign|title|id|ip)\b")
_IS_WHY = re.compile(r"\b(reason|why|причин\w*|почему|comment|комментарий|details?|message)\b")
_BAD_HEADS = (
    (S.COMPLAINED, re.compile(r"\b(complain\w*|spam\w*|abuse\w*|жалоб\w*|пожалов\w*|спам\w*)\b")),
    (
        S.UNSUBSCRIBED,
        re.compile(
            r"\bunsub\w*|\bотпис\w*|\bopt\w* ?out\w*|\bdnc\b|"
            r"\bdo ?not ?(contact|e ?mail|mail|send)|"
            r"\bне (писать|слать|отправлять|присылать|рассылать|беспокоить|получа\w+)|"
            r"\bнельзя (писать|слать)|\bотказ\w* от рассыл\w*"
        ),
    ),
    (
        S.MANUAL,
        re.compile(
            r"\b(black|block) ?list\w*|\bblocked\b|\bчерн\w+ спис\w+|\bстоп ?(лист|спис)\w*|"
            r"\bзаблокирован\w*|\bsuppress\w*|\bhas ?lock\b|\bemail lock\b|\bbanned\b|\binactive\b|"
            r"\bнеактив\w*|\bdisabled\b"
        ),
    ),
    (
        S.BOUNCED,
        re.compile(
            r"\b(hard ?)?bounc\w*|\bclean(ed)?\b|\binvalid\w*|\bневалид\w*|\bнедейств\w*|"
            r"\bнедоставл\w*|\bне ?существ\w*|\bundeliver\w*"
        ),
    ),
    (S.NO_CONSENT, re.compile(r"\bunconfirm\w*|\bне ?подтвержд\w*")),
)
_GOOD_HEADS = (
    (
        S.UNSUBSCRIBED,
        True,
        re.compile(
            r"\bsubscribed\b|\bподписан\w?\b|\bполуча\w+ (рассыл|письм)\w*|"
            r"\bможно (писать|слать)\b|\b(can|may) (be mailed|e ?mail|get mail|receive)"
        ),
    ),
    (
        S.NO_CONSENT,
        True,
        re.compile(
            r"\bopt\w* ?in\b|\baccepts?\b.*\bmarketing\b|\bmarketing (consent|permission)|"
            r"\bgdpr\b|\bсогласи[ея]\b|\bconsent(ed)?\b|\bagreed\b|\bсоглас(ен|на)\b"
        ),
    ),
    (S.UNSUBSCRIBED, False, re.compile(r"\b(подписка|рассылк\w|newsletter|subscription)\b")),
    (S.NO_CONSENT, False, re.compile(r"\b(confirmed|verified|подтвержд\w*)\b")),
    (S.BOUNCED, False, re.compile(r"\b(valid|deliverable|валид\w*)\b")),
    (S.MANUAL, False, re.compile(r"\b(active|enabled|актив\w*|включен\w*)\b")),
)
_STATE = r"(status\w*|state|статус\w*|состояни\w*|availability|доступност\w*)"
_STATE_HEAD = re.compile(rf"\b{_STATE}\b")
_MAIL_STATE_HEAD = re.compile(
    r"\b(e ?mail|mail|почт\w*|подпис\w*|subscri\w*|рассыл\w*|marketing|newsletter|"
    rf"opt ?in|consent|соглас\w*|получател\w*|recipient)\b.*\b{_STATE}\b|\b{_STATE}\b.*"
    r"\b(e ?mail|почт\w*|подпис\w*|subscri\w*|рассыл\w*)\b"
)


@lru_cache(maxsize=1024)
def head_of(text: str) -> Head | None:
    """Return what a head says; None: nothing about mail."""
    head = plain_head(text)
    if not head or len(head) > MAX_WORD or _OTHERS.search(head) or _IS_WHY.search(head):
        return None
    if _MAIL_STATE_HEAD.search(head):
        return Head()
    bad = _bad_news(head)
    if bad and not _IS_COUNT.search(head):
        return bad
    if _STATE_HEAD.search(head):
        return Head(is_sure=False)
    if bad or _IS_DATE.search(head) or _IS_COUNT.search(head):
        return None
    return _good_news(head)


def _bad_news(head: str) -> Head | None:
    for says, stem in _BAD_HEADS:
        if found := stem.search(head):
            if _NEGATED_END.search(head[: found.start()]):  # “not unsubscribed”
                return Head(yes=S.OK, no=says)
            return Head(yes=says, no=S.OK, is_date=bool(_IS_DATE.search(head)))
    return None


def _good_news(head: str) -> Head | None:
    for no, is_sure, stem in _GOOD_HEADS:
        if found := stem.search(head):
            if NEGATED.search(head[: found.start()]):  # “not subscribed”
                return Head(yes=no, no=S.OK, is_sure=is_sure)
            return Head(yes=S.OK, no=no, is_sure=is_sure)
    return None


_NEGATED_END = re.compile(r"\b(не|not|no|non|never|без|without) $")


def is_consent_head(text: str) -> bool:
    head = plain_head(text)
    return bool(re.search(r"\b(соглас\w*|consent\w*|gdpr|agreed)\b", head)) and not (
        _OTHERS.search(head)
        or _STATE_HEAD.search(head)
        or _IS_DATE.search(head)
        or NEGATED.search(head)
    )


def holds_states(head: str, cells: list[str]) -> bool:
    """Return whether the cells below a head are states: sure by the head, or shown by them."""
    known = head_of(head)
    if known and known.is_date:
        return False
    if known and known.is_sure:
        return True
    distinct = {cell for cell in cells if cell}
    states = {cell for cell in distinct if state_word(cell)}
    if not known:
        return any(map(is_strong, states)) and (not head or states == distinct)
    said = states | {cell for cell in distinct if yes_or_no(cell) is not None}
    if known.yes is not None:
        return bool(said)
    return any(map(is_telling, states)) or (bool(said) and said == distinct)

"""What the words of a file say about whether somebody may get mail: pure, without the database.

Heads of columns: `state_heads`.

Other services name the same few states in many ways, in a column of their own (“Status”), in one
for each state (“Unsubscribed”: 1), or by a date (“UNSUB_TIME”). A word that is not known here is
asked about, never guessed: whoever is taken for sendable by mistake gets mail they said no to.

Seen in exports of Mailchimp, UniSender, SendPulse, Brevo, RuSender, Mautic, listmonk, Sendsay,
Mindbox, GetResponse, MailerLite, Klaviyo, Shopify, HubSpot, phpList and in our own.
"""

import re
from enum import StrEnum
from functools import cache, lru_cache

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.web import words

R = SuppressionReason


class Says(StrEnum):
    """What a cell says, from the mildest to the strictest; the last five are reasons."""

    OK = "ok"
    ASK = "asked"
    OUT = "out"
    NO_CONSENT = R.NO_CONSENT.value
    BOUNCED = R.BOUNCED.value
    MANUAL = R.MANUAL.value
    UNSUBSCRIBED = R.UNSUBSCRIBED.value
    COMPLAINED = R.COMPLAINED.value

    @property
    def strictness(self) -> int:
        return _ORDER[self]

    @property
    def bars(self) -> bool:
        """Return whether the address belongs on the suppression list."""
        return _ORDER[self] > _ORDER[Says.OUT]


S = Says
_ORDER = {says: place for place, says in enumerate(Says)}


def plain(text: str) -> str:
    """Return a head or a word without case, signs and ё, for comparing."""
    return " ".join(re.findall(r"\w+", text.casefold().replace("ё", "е").replace("_", " ")))


# ---------------------------------------------------------------- words


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


_STRONG = {
    S.OK: "subscribed|opted in|opt in|optin|double opt in|single opt in|gets mail|gets letters|"
    "marketing contact|подписан|подписана|подписаны|подписался|подписалась|подписчик|"
    "получает письма|получает рассылку|получает рассылки|можно писать|рассылка разрешена|"
    "действующий подписчик|активный подписчик|active subscriber",
    S.NO_CONSENT: "pending|unconfirmed|not confirmed|non subscribed|not subscribed|nonsubscribed|"
    "never subscribed|unsubscribed pending|transactional|non marketing contact|"
    "confirmation sent|activation requested|awaiting confirmation|waiting for confirmation|"
    "no consent|not opted in|invited|single opt in pending|не подтвержден|не подтверждена|"
    "не подтвердил|не подтвердила|неподтвержден|неподтвержденный|не подтвержденный|"
    "ожидает подтверждения|ждет подтверждения|на подтверждении|подписка не подтверждена|"
    "не подписан|не подписана|не подписаны|не подписался|не подписалась|без согласия|"
    "нет согласия|не согласен|не согласна|не согласны|отправлен запрос подтверждения|приглашен",
    S.BOUNCED: "cleaned|bounced|bounce|hard bounce|hard bounced|hardbounce|bounced hard|"
    "undeliverable|not deliverable|unreachable|invalid email|email invalid|invalid address|"
    "unknown user|user unknown|mailbox not found|no such user|does not exist|"
    "address does not exist|address does not work|rejected|err user unknown|err domain inactive|"
    "не существует|адрес не существует|ящик не существует|несуществующий|несуществующий адрес|"
    "недоставляемый|недоступен для отправки|адрес не работает|неверный адрес|неверный email|"
    "некорректный адрес|некорректный email|недействительный адрес|жесткий отказ|"
    "ошибка доставки|не доставляется|невалидный|невалидный адрес|hard отказ",
    S.MANUAL: "blacklisted|blacklist|black list|blocklisted|blocklist|block list|suppressed|"
    "suppressed by hand|on the suppression list|excluded|do not contact|do not mail|"
    "do not email|dnc|в черном списке|черный список|в стоп листе|стоп лист|"
    "в стоп листе вручную|исключен из рассылки|не писать|не беспокоить|заблокирован вручную|"
    "отключен вручную|не отправлять",
    S.UNSUBSCRIBED: "unsubscribed|unsubscribe|unsub|opted out|opt out|optout|removed by user|"
    "global unsubscribe|unsubscribed by admin|unsubscribed from all|отписан|отписана|отписаны|"
    "отписался|отписалась|отписались|отписавшийся|отписавшаяся|отписка|отписка от рассылки|"
    "отказался|отказалась|отказ|отказ от рассылки|отказался от рассылки|"
    "отказалась от рассылки|подписка отменена|подписка отозвана",
    S.COMPLAINED: "complained|complaint|complaints|spam complaint|complained about spam|"
    "abuse|abuse complaint|reported spam|marked as spam|spam report|жалоба|жалобы|"
    "жалоба на спам|пожаловался|пожаловалась|пожаловался на спам|пожаловалась на спам|"
    "пометил как спам|пометила как спам|отметил как спам",
}  # fmt: skip
_WEAK = {
    S.OK: "active|enabled|confirmed|valid|deliverable|available|new|ok|good|verified|regular|"
    "sent|delivered|opened|open|clicked|contactable|активный|активен|активна|активно|"
    "действующий|действует|доступен|доступный|подтвержден|подтверждена|подтвердил|"
    "подтвердила|новый|новая|валидный|доставлено|открыл|открыла|кликнул|кликнула|включен",
    S.BOUNCED: "invalid|unavailable|error|failed|junk|bad|недействительный|недействителен|"
    "недоступен|недоступный|ошибка|ошибочный",
    S.MANUAL: "inactive|blocked|banned|disabled|deleted|removed|archived|held|locked|stopped|"
    "closed|expired|paused|not active|неактивный|неактивен|неактивна|не активен|не активна|"
    "заблокирован|заблокирована|блокирован|заблокированный|отключен|отключена|отключенный|"
    "удален|удалена|удаленный|архивный|в архиве|заморожен|приостановлен",
    S.COMPLAINED: "spam|спам|спам жалоба",
}  # fmt: skip
"""Words that other columns use as well: “New” may be a kind of customer."""

_ASKED = _words(
    "soft bounce|soft bounced|softbounce|temporary error|temp unreachable|"
    "temporarily unavailable|mailbox full|ящик переполнен|временная ошибка|"
    "временно недоступен|мягкий отказ|spam rejected|spam folder"
)
"""Known, but it may be either: the owner says."""

YES = _words(
    "yes|y|true|t|1|on|x|v|да|д|истина|вкл|согласен|согласна|согласны|согласие получено|есть|"
    "имеется|дано|получено|agreed|agree|accepted|accept|given|granted|consented|"
    "согласие дано|дал согласие|дала согласие|подтверждено|разрешено|можно|allowed|хочу"
)
NO = _words(
    "no|n|false|f|0|off|нет|н|ложь|выкл|не|отсутствует|никогда|never|none|null|nil|nan|na|"
    "n a|не указано|не указан|неизвестно|unknown|not given|not agreed|disagree|disagreed|"
    "не дано|не дал|не дала|не давал|не давала|не получено|нет данных|запрещено|нельзя|"
    "denied|declined|refused|revoked|withdrawn|rejected|отозвано|отозван|отозвал|отозвала|"
    "отклонено|отказ|отказался|отказалась|отказано|не согласен|не согласна|не согласны|"
    "без согласия|нет согласия|согласия нет|согласие не получено|согласие отозвано|не хочу|"
    "не надо"
)
_YES_SIGNS = _words("+|✓|✔|☑|✅|√")
_NO_SIGNS = _words("-|–|—|−|×|✗|✘|✖|☐|❌")

NEGATED = re.compile(r"\b(не|ни|нет|no|not|non|never|без|without|isn t|wasn t)\b")
_STEMS = (
    (S.COMPLAINED, re.compile(r"\b(complain|жалоб|пожалов|abuse)|\b(spam|спам)\b")),
    (S.UNSUBSCRIBED, re.compile(r"\bunsub|\bотпис|\bopt(ed)? ?out|\bотказ")),
    (S.MANUAL, re.compile(r"\b(black|block) ?list|\bчерн\w+ спис|\bстоп ?(лист|спис)|\bsuppress")),
    (S.BOUNCED, re.compile(r"\bhard ?bounce|\bbounced?\b|\bcleaned\b|\bнедостав|\bundeliver")),
    (S.NO_CONSENT, re.compile(r"\bunconfirm|\bнеподтвержд")),
)
_SOFT = re.compile(r"\b(soft|temp\w*|мягк\w*|временн\w*)\b")
_REFUSAL = re.compile(r"^(отказ|отозв|отмен|withdr|revok|declin|refus|denied|opt(ed)? ?out)")


@cache
def _vocabulary(*, strong_only: bool = False) -> dict[str, Says]:
    found: dict[str, Says] = {}
    for table in (_STRONG,) if strong_only else (_WEAK, _STRONG):
        found |= {word: says for says, row in table.items() for word in row.split("|")}
    return found | _own_words()


@cache
def _squeezed() -> dict[str, Says]:
    """Return the words without their spaces: “un-subscribed”, “hard-bounce”."""
    return {word.replace(" ", ""): says for word, says in _vocabulary().items()}


def _own_words() -> dict[str, Says]:
    """Return what our own export writes into its column of states, in every language."""
    found: dict[str, Says] = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            found[plain(gettext("Gets mail"))] = S.OK
            found[plain(gettext("On the suppression list"))] = S.MANUAL
            found |= {plain(str(label)): S(reason) for reason, label in words.SUPPRESSED.items()}
    return found


@cache
def _own_sources() -> dict[str, str]:
    """Return what our own export writes about where an entry comes from → how it is stored."""
    found: dict[str, str] = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            found |= {str(source.label): source.value for source in SuppressionSource}
    return found


def stored_source(text: str) -> str:
    """Return a source as it is stored: “by the link in the letter” → `link`."""
    return _own_sources().get(text, text)


def state_word(text: str) -> Says | None:
    """Return what a word of a column of states says; None: it is not known."""
    word = plain(text)
    if word in _ASKED:
        return None
    return _vocabulary().get(word) or _squeezed().get(word.replace(" ", "")) or _by_stem(word)


def is_strong(text: str) -> bool:
    """Return whether no other column would hold this word."""
    return plain(text) in _vocabulary(strong_only=True)


def may_be_strong(text: str) -> bool:
    """Return whether a strong word may begin like this: most cells of a file are told at once."""
    return text.lstrip("\"'«“([ ")[:3].casefold() in _beginnings()


@cache
def _beginnings() -> frozenset[str]:
    return frozenset(word[:3] for word in _vocabulary(strong_only=True))


def is_telling(text: str) -> bool:
    """Return whether a word shows that a column named “Status” is about mail: “New” does not."""
    says = state_word(text)
    return is_strong(text) or (says is not None and says.bars)


def _by_stem(word: str) -> Says | None:
    """Return what a longer text is about; something denied, or passing, is nothing known."""
    if len(word) > MAX_WORD or NEGATED.search(word) or _SOFT.search(word):
        return None
    return next((says for says, stem in _STEMS if stem.search(word)), None)


MAX_WORD = 60
"""Characters: what is longer is a text, not a state."""


def yes_or_no(text: str) -> bool | None:
    word = plain(text)
    if word in YES or (not word and text.strip() in _YES_SIGNS):
        return True
    if word in NO or (not word and text.strip() in _NO_SIGNS):
        return False
    return None


_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](\d{4}|\d{2})\b")
_NO_DATE = re.compile(r"[0\s:.TZ/-]*")


def begins_with_date(text: str) -> bool:
    return bool(_DATE.match(text)) and not _NO_DATE.fullmatch(text)


def is_no_date(text: str) -> bool:
    """Return whether a cell of dates says “never”: empty, 0000-00-00, “no”, “–”."""
    if _NO_DATE.fullmatch(text):
        return True
    return not _DATE.match(text) and yes_or_no(text) is False


@lru_cache(maxsize=1024)
def is_mere_answer(text: str) -> bool:
    """Return whether a cell about consent tells no source: yes, no, a date, a state."""
    return yes_or_no(text) is not None or begins_with_date(text) or is_strong(text)


def is_refusal(text: str) -> bool:
    return bool(_REFUSAL.match(plain(text)))


def is_negated(text: str) -> bool:
    return bool(NEGATED.match(plain(text)))

"""What a row says about whether its person may get mail: every column together, strictest first.

A word that is not known is asked about. Columns that the owner did not take for a state are
watched: nobody who left another service comes in because a column was overlooked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from mailings.clients.importing import mail_states, state_heads
from mailings.clients.importing.columns import ATTRIBUTE, SKIPPED, Target, is_braced
from mailings.clients.importing.mail_states import Says
from mailings.clients.importing.state_heads import Head
from mailings.models import Import
from mailings.spreadsheets.formulas import original

T = Target
S = Says

MAX_WORDS = 30
"""Unknown words of a column that are asked about at a time; more, and it holds no states."""
MAX_MEMO = 5_000
SHOWN = 60  # characters of a cell
MAX_KEY = 100  # characters of a word

Answers = Mapping[str, Mapping[str, str]]
"""Number of the column → word → what the owner says that it means (`Says`)."""


class Finding(NamedTuple):
    """What a row says beside “may get mail”."""

    says: Says
    said: str = ""
    """The words of the file: “Status: unsubscribed”."""
    unknown: tuple[tuple[int, str], ...] = ()
    """Column and cell of each word to ask about."""
    when: str = ""
    source: str = ""


def word_of(cell: str) -> str:
    """Return what an answer is kept by: one for all dates, one for all spellings of a word."""
    if mail_states.begins_with_date(cell):
        return DATE
    return mail_states.plain(cell)[:MAX_KEY] or cell.strip()[:MAX_KEY]


DATE = "1.1.1"
"""Stands for any date."""


class Meaning:
    """What the columns of one file mean. `learned` tells what reading it taught."""

    def __init__(
        self,
        mapping: Sequence[str],
        heads: Sequence[str],
        *,
        answers: Answers | None = None,
        telling: Sequence[int] = (),
        otherwise: Says | None = None,
    ) -> None:
        """`telling`: columns of consent in which a “yes” or “no” stands, so that an empty cell
        means no; `otherwise`: what a row says that says nothing itself."""
        self.learned: set[int] = set()
        self.otherwise = otherwise
        answers = answers or {}
        columns = [
            _Column(
                index, target, head, answers.get(str(index), {}), self.learned, index in telling
            )
            for index, (target, head) in enumerate(zip(mapping, heads, strict=True))
        ]
        self.dates = [column for column in columns if column.target == T.LEFT_AT]
        self.others = [column for column in columns if column.judge and column not in self.dates]
        bad_news = [column for column in self.others if column.known.is_of_bad_news]
        self.dated = [*self.dates, *(column for column in bad_news if column.target == T.STATE)]
        self.source = next((i for i, target in enumerate(mapping) if target == T.STATE_SOURCE), -1)

    @classmethod
    def of_import(cls, row: Import) -> Self:
        return cls(
            row.mapping,
            row.heads,
            answers=row.answers,
            telling=row.findings.get("telling", ()),
            otherwise=Says(row.reason) if row.is_stop_list else None,
        )

    def of(self, cells: Sequence[str]) -> Finding | None:
        """Return what the row says; None: its person may get mail."""
        worst = self.worst(self.others, cells)
        columns = self.others
        if not worst.bars and self.dates:
            columns = [*self.others, *self.dates]
            worst = max(worst, self.worst(self.dates, cells), key=_strictness)
        if self.otherwise and not worst.bars:
            return Finding(self.otherwise, when=self.when(cells), source=self.why(cells))
        if worst is S.OK:
            return None
        speaking = [column for column in columns if column.says(cells) is worst]
        unknown = [(c.index, c.cell(cells)) for c in speaking] if worst is S.ASK else []
        return Finding(
            worst,
            "; ".join(column.quoted(cells) for column in speaking),
            tuple(unknown),
            self.when(cells),
            self.why(cells),
        )

    @staticmethod
    def worst(columns: "Sequence[_Column]", cells: Sequence[str]) -> Says:
        """Return the strictest that the columns say."""
        worst = S.OK
        for column in columns:
            says = column.says(cells)
            if says is not S.OK and says.strictness > worst.strictness:
                worst = says
        return worst

    def when(self, cells: Sequence[str]) -> str:
        dates = (column.cell(cells) for column in self.dated)
        return next((text for text in dates if mail_states.begins_with_date(text)), "")

    def why(self, cells: Sequence[str]) -> str:
        return original(cells[self.source]) if 0 <= self.source < len(cells) else ""


def _strictness(says: Says) -> int:
    return says.strictness


class _Column:
    """One column; cells with the same text are judged once."""

    def __init__(
        self,
        index: int,
        target: str,
        head: str,
        answers: Mapping[str, str],
        learned: set[int],
        is_telling: bool,
    ) -> None:
        self.index, self.target, self.head = index, target, head
        self.answers, self.learned, self.is_telling = answers, learned, is_telling
        known = state_heads.head_of(head)
        self.known, self.is_of_state = known or Head(), known is not None
        self.memo: dict[str, Says] = {}
        self.judge = self.judge_of(target)
        # Nothing is asked about it unless a cell says plainly that somebody left.
        self.is_watched = self.judge == self.of_other and not answers and not self.is_of_state

    def judge_of(self, target: str) -> Callable[[str], Says] | None:
        judges: dict[str, Callable[[str], Says]] = {
            T.STATE: self.of_state,
            T.LEFT_AT: self.of_date,
            T.CONSENT_SOURCE: self.of_consent,
            T.CONSENT_AT: self.of_consent_date,
            T.COMMENT: self.of_other,
            SKIPPED: self.of_other,
        }
        if target.startswith(ATTRIBUTE):
            return None if is_braced(self.head) else self.of_other
        return judges.get(target)

    def cell(self, cells: Sequence[str]) -> str:
        return original(cells[self.index]) if self.index < len(cells) else ""

    def quoted(self, cells: Sequence[str]) -> str:
        head = self.head or str(self.index + 1)
        return f"{head}: {self.cell(cells)[:SHOWN] or '–'}"

    def says(self, cells: Sequence[str]) -> Says:
        cell = cells[self.index] if self.index < len(cells) else ""
        if self.is_watched and not mail_states.may_be_strong(cell):
            return S.OK
        return self.memo.get(cell) or self.judged(cell)

    def judged(self, cell: str) -> Says:
        text = original(cell)
        answer = self.answers.get(word_of(text)) if self.answers else None
        assert self.judge is not None
        says = S(answer) if answer else self.judge(text)
        if self.target == T.CONSENT_SOURCE and not self.is_telling and _tells(text):
            self.learned.add(self.index)
        if len(self.memo) > MAX_MEMO:
            self.memo.clear()
        self.memo[cell] = says
        return says

    def of_state(self, text: str) -> Says:
        head = self.known
        if not text:
            return S.OK if head.is_of_bad_news else S.ASK
        if head.yes is not None and (says := self.of_answer(text, head)) is not None:
            return says
        return mail_states.state_word(text) or S.ASK

    def of_answer(self, text: str, head: Head) -> Says | None:
        """Return what “yes”, “no” or a date says below a head that names a state."""
        if mail_states.begins_with_date(text):
            return head.yes
        answer = mail_states.yes_or_no(text)
        if answer is None:
            return _DNC_CODES.get(text) if head.is_of_bad_news else None
        return head.yes if answer else head.no

    def of_date(self, text: str) -> Says:
        if mail_states.is_no_date(text):
            return S.OK
        return self.known.yes if self.known.is_of_bad_news and self.known.yes else S.UNSUBSCRIBED

    def of_consent(self, text: str) -> Says:
        answer = mail_states.yes_or_no(text)
        if answer is False or (not text and self.is_telling) or mail_states.is_refusal(text):
            return S.NO_CONSENT
        if answer or not text or mail_states.begins_with_date(text):
            return S.OK
        if mail_states.is_strong(text):
            return mail_states.state_word(text) or S.ASK
        # Beside “yes” and “no” another word is an answer as well; by itself it tells a source.
        return S.ASK if self.is_telling or mail_states.is_negated(text) else S.OK

    def of_consent_date(self, text: str) -> Says:
        return S.NO_CONSENT if mail_states.yes_or_no(text) is False else S.OK

    def of_other(self, text: str) -> Says:
        """Return that something has to be asked if the column turns out to hold states."""
        if not text:
            return S.OK
        if self.known.yes is not None and self.known.is_sure:
            says = self.of_answer(text, self.known)
            if says is not None:
                return S.ASK if says.bars else S.OK
        if len(text) > mail_states.MAX_WORD or (
            not self.is_of_state and not mail_states.may_be_strong(text)
        ):
            return S.OK
        tells = mail_states.is_telling if self.is_of_state else mail_states.is_strong
        says = mail_states.state_word(text) if tells(text) else None
        return S.ASK if says and says.bars else S.OK


_DNC_CODES = {"2": S.BOUNCED, "3": S.MANUAL}
"""Mautic's “do not contact”: 1 unsubscribed, 2 bounced, 3 by hand."""


def _tells(text: str) -> bool:
    """Return whether a cell about consent shows that the column holds answers, not sources."""
    return mail_states.yes_or_no(text) is not None or mail_states.is_strong(text)


def answer_for(column_target: str, head: str, text: str) -> Says:
    """Return the reason for which an owner puts a word on the suppression list."""
    known = state_heads.head_of(head)
    if known and known.yes is not None:
        for says in (known.yes, known.no):
            if says is not None and says.bars:
                return says
    says = mail_states.state_word(text)
    if says is not None and says.bars:
        return says
    return S.NO_CONSENT if column_target in (T.CONSENT_SOURCE, T.CONSENT_AT) else S.MANUAL

"""Refusals of a run that say the same, one after another, with no mail taken in between: perhaps
all of its mails would be refused, and none of its recipients is at fault."""

from collections.abc import Iterable

from mailings import refusals
from mailings.delivery.transports.base import SendResult, Step
from mailings.refusals import RefusalKind

Answer = tuple[int | None, RefusalKind]


class AlikeRefusals:
    """What a session has seen of them."""

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Answer, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def note(self, run_id: int, result: SendResult) -> int:
        """Return how many just before said the same; of a mailbox alone, nothing is counted."""
        kind = refusals.classify(result.code, result.enhanced_code, result.reply).kind
        if result.step is not Step.RCPT or kind in refusals.OF_MAILBOX:
            return 0
        answer = (result.code, kind)
        last, number = self._runs.get(run_id, (answer, 0))
        if last != answer:
            number = 0
        self._runs[run_id] = (answer, number + 1)
        return number

    def forget(self, run_ids: Iterable[int]) -> None:
        """Mails of these runs were taken."""
        for run_id in run_ids:
            self._runs.pop(run_id, None)

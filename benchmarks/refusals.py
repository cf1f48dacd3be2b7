"""How many refusals are understood: replies of receivers, gathered from public documents.

`refusals.tsv` holds for each the recipient's domain, what is right (more than one kind where the
source leaves it open), its source and the words. They were labelled before today's table was
written; a quarter, chosen by a hash, was held back: its results were not looked at meanwhile.
Where a page gives words alone, the usual code was added; addresses are made up.
"""

import csv
import resource
import statistics
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.report import Figures, Goal, conclude, options
from mailings.delivery.transports.base import enhanced_code
from mailings.delivery.transports.smtp.replies import reply_text
from mailings.refusals import Refusal, classify
from mailings.refusals.kinds import GONE

FILE = Path(__file__).with_name("refusals.tsv")


@dataclass(frozen=True)
class Reply:
    """A reply as it came over the wire, and what is right."""

    domain: str
    kinds: tuple[str, ...]
    is_held_back: bool
    source: str
    raw: str

    @property
    def code(self) -> int:
        return int(self.raw[:3])

    @property
    def text(self) -> str:
        return reply_text(self.raw.encode())

    @cached_property
    def said(self) -> Refusal:
        return classify(self.code, enhanced_code(self.code, self.text), self.text, self.domain)

    @property
    def is_right(self) -> bool:
        return self.said.kind in self.kinds

    @property
    def kills_a_living_one(self) -> bool:
        may_be_dead = self.code >= 500 and bool(GONE.intersection(self.kinds))
        return self.said.is_dead_mailbox and not may_be_dead


def gathered() -> list[Reply]:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Reply(
                domain=row["domain"],
                kinds=tuple(row["kind"].split(" or ")),
                is_held_back=bool(row["held"]),
                source=row["source"],
                raw=row["reply"].replace("\\n", "\n"),
            )
            for row in rows
        ]


def share(replies: list[Reply]) -> float:
    return sum(reply.is_right for reply in replies) / len(replies)


def cost(replies: list[Reply]) -> float:
    """Return microseconds of processor a refusal that was not seen just before."""
    asked = [(r.code, enhanced_code(r.code, r.text), r.text, r.domain) for r in replies]
    classify.cache_clear()
    started = time.process_time()
    for arguments in asked:
        classify(*arguments)
    return (time.process_time() - started) / len(asked) * 1e6


def main() -> None:
    replies = gathered()
    chosen = options(count=len(replies), noun="replies")
    held = [reply for reply in replies if reply.is_held_back]
    for reply in replies:
        if not reply.is_right:
            print(f"{' or '.join(reply.kinds)}, read as {reply.said.kind}: {reply.raw}")
    right, killed = share(replies), sum(reply.kills_a_living_one for reply in replies)
    print(
        f"{len(replies)} replies of {len({reply.domain for reply in replies})} receivers: "
        f"{right:.1%} right; of the {len(held)} held back {share(held):.1%}; "
        f"living mailboxes suppressed: {killed}"
    )
    conclude(
        Figures(
            "refusals",
            100 * right,
            "% right",
            client_us=statistics.median(cost(replies) for _ in range(chosen.runs)),
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            lost=killed,
        ),
        Goal("at least 95 % right", right >= 0.95),
        Goal("no living mailbox suppressed", killed == 0),
    )


if __name__ == "__main__":
    main()

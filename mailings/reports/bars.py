"""A run as a bar and as figures: solid is settled, hatched still moves, empty is to come."""

from dataclasses import dataclass

from mailings.models import Run
from mailings.states import DeliveryStatus

D = DeliveryStatus

DRAWN: tuple[tuple[str, str, str], ...] = (
    ("sent", "s-sent", ""),
    ("failed", "s-failed", ""),
    ("skipped", "s-skipped", ""),
    ("cancelled", "s-skipped", ""),
    ("expired", "", "url(#h-off)"),
    ("uncertain", "s-uncertain", ""),
    ("deferred", "", "url(#h-wait)"),
)
"""Which counter, with which css class or pattern, from the left."""


@dataclass(frozen=True, slots=True)
class Segment:
    status: DeliveryStatus
    number: int
    left: str
    width: str
    css: str
    fill: str


def segments(run: Run) -> list[Segment]:
    """Return the bar's parts that are not empty; offsets and widths in per cent of all."""
    found = []
    before = 0
    for name, css, fill in DRAWN:
        number = getattr(run, f"{name}_count")
        if number:
            left, width = share(before, run.targeted), share(number, run.targeted)
            found.append(Segment(D(name), number, left, width, css, fill))
        before += number
    return found


def figures(run: Run) -> list[tuple[DeliveryStatus, int]]:
    """Return the numbers that add up to the recipients; without the empty rare ones."""
    shown = [(D.SENT, run.sent_count)]
    if run.pending_count:
        shown.append((D.PENDING, run.pending_count))
    for status in (D.DEFERRED, D.FAILED, D.SKIPPED, D.UNCERTAIN, D.EXPIRED, D.CANCELLED):
        number = getattr(run, f"{status.value}_count")
        if number or status == D.FAILED:
            shown.append((status, number))
    return shown


def percent(run: Run) -> int:
    """Return how much is settled; 100 only when everything is."""
    return run.settled_count * 100 // run.targeted if run.targeted else 0


def left_out(run: Run) -> int:
    """Return how many were not tried to the end: skipped, expired, cancelled."""
    return run.skipped_count + run.expired_count + run.cancelled_count


def not_wanted(run: Run) -> int:
    """Return how many were given up before the end: skipped or cancelled."""
    return run.skipped_count + run.cancelled_count


def still_open(run: Run) -> int:
    """Return how many are queued, in hand or deferred."""
    return run.pending_count + run.deferred_count


def share(part: int, whole: int) -> str:
    return f"{part / whole * 100:.2f}%" if whole else "0%"

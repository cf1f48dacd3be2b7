"""Charts as inline SVG without script: per cent across, pixels down, so that text keeps its size.

Only numbers are worked out here; what they look like is the template's and the stylesheet's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

HEIGHT = 184
TOP = 10
BASE = TOP + HEIGHT
"""Where the zero line is, in px from the top; the labels stand below it."""
FULL_HEIGHT = BASE + 26

ROUND = (10, 20, 25, 50)
"""Tenths of the steps that an axis may have; 2.5 itself is taken for 2."""
GAP = 1.0  # px between the parts of a column
LEAST = 1.0  # px: what happened at all is seen
LABELS_MOST = 13
WIDTH_OF_COLUMN = 0.64  # of its place


@dataclass(frozen=True, slots=True)
class Series:
    label: str
    values: Sequence[int]
    css: str = ""
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    x: str
    is_alternate: bool
    """Left out on a phone."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    width: str
    y: float
    height: float
    css: str
    fill: str


@dataclass(frozen=True, slots=True)
class Polyline:
    css: str
    points: str
    """Within a box of 100 × 100."""


@dataclass(frozen=True, slots=True)
class Chart:
    series: Sequence[Series]
    ticks: list[Tick]
    labels: list[Label]
    bars: list[Bar] = field(default_factory=list)
    lines: list[Polyline] = field(default_factory=list)
    height: int = FULL_HEIGHT
    top: int = TOP
    plot: int = HEIGHT

    @property
    def label_y(self) -> int:
        return self.height - 7


def columns(names: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return stacked columns, the first series at the bottom."""
    heights = [sum(values) for values in zip(*(s.values for s in series), strict=True)]
    top = _scale(max(heights, default=0))
    bars = []
    for number in range(len(names)):
        y = float(BASE)
        for one in series:
            value = one.values[number]
            if not value:
                continue
            height = max(LEAST, value / top * HEIGHT - GAP)
            y -= height
            x = (number + (1 - WIDTH_OF_COLUMN) / 2) / len(names)
            width = _per_cent(WIDTH_OF_COLUMN / len(names))
            bars.append(Bar(_per_cent(x), width, round(y, 1), round(height, 1), one.css, one.fill))
            y -= GAP
    return Chart(series, _ticks(top), _labels(names), bars=bars)


def lines(names: Sequence[str], series: Sequence[Series]) -> Chart:
    top = _scale(max((max(s.values, default=0) for s in series), default=0))
    drawn = []
    for one in series:
        points = [
            f"{(number + 0.5) / len(names) * 100:.2f},{100 - value / top * 100:.2f}"
            for number, value in enumerate(one.values)
        ]
        drawn.append(Polyline(one.css, " ".join(points)))
    return Chart(series, _ticks(top), _labels(names, LABELS_MOST // 2), lines=drawn)


def _scale(most: int) -> int:
    """Return a round number at or above `most` that four steps divide evenly."""
    step, number = 1, 0
    while step * 4 < most:
        number += 1
        step = ROUND[number % len(ROUND)] * 10 ** (number // len(ROUND)) // 10
    return step * 4


def _ticks(top: int) -> list[Tick]:
    return [Tick(top * n // 4, BASE - HEIGHT * n / 4) for n in range(5)]


def _labels(names: Sequence[str], most: int = LABELS_MOST) -> list[Label]:
    every = max(1, -(-len(names) // most))
    shown = range(0, len(names), every)
    return [
        Label(
            names[n],
            _per_cent((n + 0.5) / len(names)),
            is_alternate=place % (3 if most == LABELS_MOST else 2) != 0,
        )
        for place, n in enumerate(shown)
    ]


def _per_cent(part: float) -> str:
    return f"{part * 100:.2f}%"

"""Charts: round axes, columns that add up, labels that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.reports import charts
from mailings.reports.charts import BASE, HEIGHT, TOP, Series

numbers = st.integers(0, 10**7)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=92))
def test_columns_stay_within_the_plot(pairs):
    sent, failed = zip(*pairs, strict=True)
    names = [str(n) for n in range(len(pairs))]
    chart = charts.columns(names, [Series("a", sent), Series("b", failed)])
    assert all(bar.y >= TOP - 2 and bar.y + bar.height <= BASE + 0.1 for bar in chart.bars)
    assert len(chart.bars) == sum(value > 0 for pair in pairs for value in pair)
    assert chart.ticks[-1].value >= max(map(sum, pairs))
    assert len(chart.labels) <= charts.LABELS_MOST


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (4, 4), (5, 8), (9472, 10_000), (10_001, 20_000), (100_000, 100_000)]
)
def test_the_axis_is_round(most, top):
    ticks = charts.columns(["1"], [Series("a", [most])]).ticks
    assert ticks[-1].value == top
    assert [tick.value for tick in ticks] == [top * n // 4 for n in range(5)]
    assert (ticks[0].y, ticks[-1].y) == (BASE, BASE - HEIGHT)


def test_a_line_goes_through_its_values():
    chart = charts.lines(["1", "2"], [Series("a", [0, 4])])
    assert chart.lines[0].points == "25.00,100.00 75.00,0.00"


def test_what_happened_at_all_is_seen():
    chart = charts.columns(["1"], [Series("a", [100_000]), Series("b", [1])])
    assert chart.bars[1].height >= 1

"""HTML of other programs that comes without the editor: the words arrive, and so does their shape.

The same clipboards are pasted into the editor in tests/browser/test_pasting.py.
"""

import re
import time
from pathlib import Path

import pytest

from mailings.messages import content, foreign_html

CLIPBOARDS = Path(__file__).parents[2] / "clipboards"
NAMES = sorted(path.stem for path in CLIPBOARDS.glob("*.html"))


def clipboard(name: str) -> str:
    return (CLIPBOARDS / f"{name}.html").read_text()


def kept(name: str) -> str:
    return content.sanitise(clipboard(name))


def test_there_are_clipboards_of_many_programs():
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_all_words_arrive_and_no_cells_run_together(name):
    html = kept(name)
    words = content.text_from(html)
    unread = re.compile(r"<style.*?</style>|<!--.*?-->|<xml.*?</xml>", re.S)
    written = unread.sub("", clipboard(name))
    for word in re.findall(r">\s*([А-Яа-яё]{3,})", written):
        assert word in words
    assert not re.search(r"ТоварЦена|Книга100|твёрдом100|Карта50", words)
    assert content.sanitise(html) == html


@pytest.mark.parametrize("name", [n for n in NAMES if "Товар" in clipboard(n)])
def test_a_row_of_a_table_is_a_line(name):
    lines = content.text_from(kept(name)).split("\n")
    assert "Товар – Цена" in lines
    assert any(re.fullmatch("Книга.* – 100 ₽", line) for line in lines)


@pytest.mark.parametrize("name", [n for n in NAMES if "Обычный" in clipboard(n)])
def test_only_what_was_bold_is_bold(name):
    bold = re.findall(r"<(?:b|strong)>(.*?)</(?:b|strong)>", kept(name), re.S)
    assert all("Обычный" not in words and "слово" not in words for words in bold)


@pytest.mark.parametrize("name", [n for n in NAMES if "Груши" in clipboard(n)])
def test_a_list_stays_a_list(name):
    html = kept(name)
    assert re.search(r"<ul>\s*<li>\s*(?:<p>)?Яблоки", html)
    assert re.search(r"<li>\s*(?:<p>)?Груши", html)
    assert "·" not in html


def test_words_numbered_list_is_numbered():
    assert re.search(r"<ol><li><p>Сначала</p></li><li><p>Потом</p></li></ol>", kept("word"))


@pytest.mark.parametrize(
    "html",
    [
        "<table>" * 3000,
        "<table><tr><td>" * 2000,
        "<b style='font-weight:normal'>" * 3000,
        "<p style='mso-list:l0 level9'>a" * 3000,
        "<table>" + "<tr><td>a<td>b" * 4000,
    ],
)
def test_the_oddest_html_is_read_soon(html):
    began = time.process_time()
    foreign_html.tidy(html)
    assert time.process_time() - began < 5

"""HTML that other programs made, as a letter can hold it: tables become a line a row, Word's lists
become lists, and nothing turns bold that was not. The editor's script does the same with what is
pasted (static/js/message-paste.js); this is for HTML that comes without the editor.
"""

import re
from itertools import takewhile

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from mailings.messages.blocks import VOID

_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
BETWEEN = " – "
"""Between the cells of a row."""
_FOREIGN = re.compile(r"<(?:table|pre)\b|mso-list|font-(?:weight|style)", re.I).search
_BLOCKS = frozenset(
    ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "hr", "pre")
)
_GONE = ("head", "style", "script", "title", "meta", "link", "xml", "colgroup", "col")
_MANY = 3  # paragraphs in a cell: more is a page laid out with a table
_LEVEL = re.compile(r"mso-list:[^;]*\blevel(\d)", re.I).search
_IGNORED = re.compile(r"mso-list:\s*ignore", re.I).search
_NUMBER = re.compile(r"\s*\(?(?:\d+|[a-zа-я]|[ivxlc]+)[.)]", re.I).match
_LIGHT = re.compile(r"(?:^|;)\s*font-weight\s*:\s*(?:normal|lighter|[1-4]00)\b", re.I).search
_UPRIGHT = re.compile(r"(?:^|;)\s*font-style\s*:\s*normal\b", re.I).search


def tidy(html: str) -> str:
    """Return the HTML with what a letter has no tags for turned into what it has."""
    if not _FOREIGN(html):
        return html
    try:
        return _tidy(parsed(html))
    except (ValueError, etree.LxmlError):  # entities that spell what is no character
        return html


def parsed(html: str) -> HtmlElement:
    """Return the element that holds what a browser would read."""
    body = lxml.html.document_fromstring(f"<body>{_NO_TEXT.sub('', html)}").find("body")
    assert body is not None
    return body


def _tidy(body: HtmlElement) -> str:
    for element in list(body.iter(*_GONE)):
        element.drop_tree()
    _drop_weight(body)
    _make_lists(body)
    for text in list(body.iter("pre")):
        _break_lines(text)
    for table in reversed(list(body.iter("table"))):  # the inner ones first
        _unfold(table)
    for element in body.iter():
        if isinstance(element.tag, str) and element.tag not in VOID and not element.text:
            element.text = ""  # else an empty one would be written as `<p/>`, which opens a tag
    # As XML: the serialiser of HTML would encode the braces of variables in links.
    pieces = [_escaped(body.text), *(etree.tostring(one, encoding="unicode") for one in body)]
    return "".join(pieces)


def _escaped(text: str | None) -> str:
    return (text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _style(element: HtmlElement) -> str:
    return element.get("style") or ""


def _words(element: HtmlElement) -> str:
    return " ".join(element.text_content().split())


def _drop_weight(body: HtmlElement) -> None:
    """Google Docs wraps all it copies in a `b` that is not bold."""
    for element in list(body.iter("b", "strong", "i", "em")):
        plain = _LIGHT if element.tag in {"b", "strong"} else _UPRIGHT
        if plain(_style(element)):
            element.drop_tag()


# ---------------------------------------------------------------- Word's lists
def _level(element: HtmlElement) -> int:
    found = _LEVEL(_style(element)) if isinstance(element.tag, str) else None
    return int(found[1]) if found else 0


def _make_lists(body: HtmlElement) -> None:
    for first in list(body.iter("p", "div", "h1", "h2", "h3", "h4", "h5", "h6")):
        if first.getparent() is None or not _level(first):
            continue
        items = [first, *takewhile(_level, first.itersiblings())]
        _put_list(first, items)


def _put_list(first: HtmlElement, items: list[HtmlElement]) -> None:
    """Put lists in place of paragraphs that say their level and bring their own marks."""
    tail, items[-1].tail = items[-1].tail, None
    opened: list[HtmlElement] = []
    for item in items:
        level = max(1, min(_level(item), len(opened) + 1))
        wanted = "ol" if _NUMBER(_mark_of(item)) else "ul"
        del opened[level:]
        if len(opened) == level and opened[-1].tag != wanted:
            opened.pop()
        if len(opened) < level:
            fresh = lxml.html.Element(wanted)
            if opened:
                opened[-1][-1].append(fresh)
            else:
                first.addprevious(fresh)
            opened.append(fresh)
        point = etree.SubElement(opened[-1], "li")
        item.tag, item.tail = "p", None
        item.attrib.clear()
        point.append(item)
    opened[0].tail = tail


def _mark_of(item: HtmlElement) -> str:
    """Take the mark out of the paragraph and return it."""
    marks = [one for one in item.iter() if isinstance(one.tag, str) and _IGNORED(_style(one))]
    said = "".join(_words(mark) for mark in marks)
    for mark in marks:
        if mark.getparent() is not None:
            mark.drop_tree()
    return said


# ---------------------------------------------------------------- lines and tables
def _break_lines(text: HtmlElement) -> None:
    text.tag = "p"
    lines = (text.text or "").strip("\n").split("\n")
    text.text = lines[0]
    for number, line in enumerate(lines[1:]):
        end = lxml.html.Element("br")
        end.tail = line
        text.insert(number, end)


def _unfold(table: HtmlElement) -> None:
    """Put a line in place of each row; a cell that holds more than words is set free."""
    made: list[HtmlElement] = []
    for row in table.iter("caption", "tr"):
        if row.tag == "caption":
            row.tag = "p"
            made.append(row)
            continue
        cells = [one for one in row if one.tag in {"td", "th"} and _is_full(one)]
        if len(cells) == 1 or any(map(_is_page, cells)):
            for cell in cells:
                cell.tag = "div" if any(one.tag in _BLOCKS for one in cell) else "p"
            made += cells
        elif cells:
            made.append(_line(cells))
    for one in made:
        one.tail = None
        one.attrib.clear()
        table.addprevious(one)
        if one.tag == "div":
            one.drop_tag()
    table.drop_tree()


def _is_full(cell: HtmlElement) -> bool:
    return bool(_words(cell)) or cell.find(".//img") is not None


def _is_page(cell: HtmlElement) -> bool:
    rich = next(cell.iter("ul", "ol", "h1", "h2", "h3", "h4", "blockquote", "hr"), None)
    return rich is not None or len(list(cell.iter("p", "div"))) > _MANY


def _trim_end(cell: HtmlElement) -> None:
    if len(cell):
        cell[-1].tail = (cell[-1].tail or "").rstrip()
    else:
        cell.text = (cell.text or "").strip()


def _line(cells: list[HtmlElement]) -> HtmlElement:
    line = lxml.html.Element("p")
    is_head = all(cell.tag == "th" for cell in cells)
    for number, cell in enumerate(cells):
        for end in list(cell.iter("br", "p", "div")):
            end.tail = f" {end.tail or ''}"
            end.drop_tag()
        _trim_end(cell)
        line.append(cell)
        cell.tail = BETWEEN if number < len(cells) - 1 else None
    for cell in cells:
        cell.drop_tag()
    if is_head:
        strong = lxml.html.Element("strong")
        strong.text, line.text = line.text, None
        strong.extend(list(line))
        line.append(strong)
    return line

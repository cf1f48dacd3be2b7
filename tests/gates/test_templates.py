"""How templates, styles and scripts are written, where djlint and Biome know no rule."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"
MAILS = TEMPLATES / "emails"
WIDEST = 160
"""Characters of a line: what fits beside a review without a scroll bar."""
SIGNATURE = "-- "
"""Parts a mail from its foot (RFC 3676); the space belongs to it."""


def templates() -> list[Path]:
    return [*TEMPLATES.rglob("*.html"), *TEMPLATES.rglob("*.txt"), *TEMPLATES.rglob("*.mjml")]


def pages() -> list[Path]:
    """Those that a browser shows, under the site's CSP; mails are styled where they stand."""
    return [file for file in TEMPLATES.rglob("*.html") if MAILS not in file.parents]


def styles() -> str:
    return "".join(file.read_text() for file in (ROOT / "static/css").glob("*.css"))


def found(files: list[Path], pattern: str) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{content.count(chr(10), 0, match.start()) + 1}"
        for file in files
        for content in [file.read_text()]
        for match in re.finditer(pattern, content)
    ]


def test_there_are_templates():
    assert len(pages()) > 100
    assert len(templates()) > len(pages()) + 20


def test_no_line_of_a_template_is_too_long():
    too_long = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in templates()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if len(line) > WIDEST
    ]
    assert too_long == []


def test_no_tag_of_a_template_is_broken_over_lines():
    """Django would show it as text."""
    broken = r"\{%(?:(?!%\})[^\n])*\n|\{\{(?:(?!\}\})[^\n])*\n|\{#(?:(?!#\})[^\n])*\n"
    assert found(templates(), broken) == []


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r"<[^>]*\sstyle=", "a style"),
        (r"<[^>]*\son[a-z]+=", "a handler"),
        (r"<a[^>]*\shref=[\"']javascript:", "a script as an address"),
        (r"<script(?![^>]*\s(?:src|nonce)=|[^>]*application/json)", "a script without a nonce"),
        (r"<style(?![^>]*\snonce=)", "styles without a nonce"),
    ],
)
def test_no_page_has_what_the_policy_of_content_forbids(pattern, what):
    assert found(pages(), pattern) == [], what


def test_every_script_is_a_module():
    """A module is strict, deferred, and has names of its own."""
    ours = r"<script(?=[^>]*static 'js/)(?![^>]*\stype=\"module\")"
    assert found(pages(), ours) == []


def test_no_line_ends_in_space():
    files = [*templates(), *(ROOT / "static").rglob("*.css"), *(ROOT / "static").rglob("*.js")]
    ends = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if line != line.rstrip() and line != SIGNATURE
    ]
    assert ends == []


def test_custom_properties_of_styles_are_defined_and_used():
    css = styles()
    elsewhere = "".join(file.read_text() for file in [*pages(), *(ROOT / "static/js").glob("*.js")])
    defined = set(re.findall(r"(--[\w-]+)\s*:", css))
    used = set(re.findall(r"var\((--[\w-]+)", css + elsewhere))
    # What others read or set: Bootstrap, Wagtail, the editor.
    theirs = ("--bs-", "--w-", "--prose-editor-")
    assert sorted(name for name in used - defined if not name.startswith(theirs)) == []
    assert sorted(name for name in defined - used if not name.startswith(theirs)) == []

"""What documents say of the code is true: paths, names in modules, settings' defaults, figures."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from accounts import rasters
from mailings.delivery import retry
from mailings.delivery.queue import chunks
from mailings.delivery.runs import holding, planning
from mailings.delivery.session import circuit_breaker
from mailings.messages import content, pictures
from mailings.models.message import Layout
from mailings.states import Frequency

ROOT = Path(__file__).resolve().parent.parent.parent
PATH = re.compile(r"`([\w.{},-]+(?:/[\w.{},*-]+)+\.(?:py|toml|html|js|css|md|yaml))(?:: (\w+))?`")
NAMED = re.compile(r"`([\w/]+\.py): (\w+)`")
BASES = (ROOT, ROOT / "mailings", ROOT / "templates", ROOT / "docs", ROOT / "mailings/delivery")
"""Where a path in a document may begin."""
MINUTE = timedelta(minutes=1)


def documents() -> list[Path]:
    """All but the decisions and the changelog, which tell of the day they were written."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    return [file for file in pages if file.name != "CHANGELOG.md"]


def spelled_out(path: str) -> Iterator[str]:
    """Yield `a/b.py` and `a/c.py` for `a/{b,c}.py`."""
    parts = re.split(r"\{([^}]*)\}", path)
    choices = [part.split(",") if n % 2 else [part] for n, part in enumerate(parts)]
    yield from map("".join, product(*choices))


def found(path: str) -> list[Path]:
    return [file for base in BASES for file in base.glob(path)]


def test_every_path_in_the_documents_is_there():
    named = [
        (file.relative_to(ROOT), path)
        for file in documents()
        for match in PATH.finditer(file.read_text())
        for path in spelled_out(match[1])
    ]
    assert len(named) > 20
    assert [(str(file), path) for file, path in named if not found(path)] == []


def test_every_name_in_a_module_that_a_document_mentions_is_there():
    named = [
        (match[1], match[2]) for file in documents() for match in NAMED.finditer(file.read_text())
    ]
    assert ("mailings/services.py", "schedule_mailing") in named
    missing = [
        (path, name)
        for path, name in named
        if not any(name in defined(file) for file in found(path))
    ]
    assert missing == []


def defined(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_defaults_in_the_documents_are_those_of_the_settings():
    """Numbers, words and addresses that stand in the settings as they are."""
    table = (ROOT / "docs/configuration.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", table, re.MULTILINE))
    real = {name: value for name, value in defaults() if value not in {"", "None"}}
    assert {
        "EMAIL_CONNECTIONS",
        "WORKER_LEASE",
        "SITE_URL",
        "TIME_ZONE",
    } <= told.keys() & real.keys()
    wrong = {name: (told[name], real[name]) for name in told.keys() & real.keys()
             if told[name] != real[name]}  # fmt: skip
    assert wrong == {}


def test_defaults_in_the_example_environment_are_those_of_the_settings():
    example = (ROOT / ".env.example").read_text()
    told = dict(re.findall(r"^#([A-Z_]+)=(\S+)$", example, re.MULTILINE))
    real = {name: value for name, value in defaults() if value not in {"", "None"}}
    wrong = {name: (told[name], real[name]) for name in told.keys() & real.keys()
             if told[name] != real[name]}  # fmt: skip
    assert wrong == {}


def defaults() -> Iterator[tuple[str, str]]:
    """Yield each setting whose default is written as a constant, and that default as text."""
    for file in (ROOT / "site_config").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="env")),
                    args=[ast.Constant(value=str(name)), *rest],
                    keywords=words,
                ):
                    given = [k.value for k in words if k.arg == "default"] or rest[:1]
                    if given and isinstance(given[0], ast.Constant):
                        value = given[0].value
                        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def minutes(of: timedelta) -> int:
    return round(of / MINUTE)


def hours(of: timedelta) -> int:
    return minutes(of) // 60


WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 10: "ten"}

FIGURES = [
    # document, what it says, with the code's own figures
    ("docs/delivery.md", "into **chunks** of {}", chunks.SIZE),
    (
        "docs/delivery.md",
        "deferred: {} min …",
        ", ".join(str(minutes(wait)) for wait in retry.BACKOFF),
    ),
    ("docs/delivery.md", "at most {} tries or a day", WORDS[retry.MAX_TRIES]),
    ("docs/delivery.md", "5xx to the content, {} in a row", WORDS[holding.CONTENT_REFUSALS]),
    ("README.md", "in one of {} layouts,", WORDS[len(Layout)]),
    (
        "docs/delivery.md",
        "after {} in a row nothing is sent",
        WORDS[circuit_breaker.FAULTS_IN_A_ROW],
    ),
    ("docs/delivery.md", "for {} s, doubling", int(circuit_breaker.PAUSE.total_seconds())),
    ("docs/delivery.md", "doubling to {} min, then one probe", minutes(circuit_breaker.PAUSE_MOST)),
    ("docs/runbook.md", "daily {} hours, weekly", hours(planning.GRACE[Frequency.DAILY])),
    ("docs/runbook.md", "weekly and monthly {}", hours(planning.GRACE[Frequency.MONTHLY])),
    ("docs/letters.md", "at most {} MB and 25 megapixels", rasters.MAX_BYTES // 2**20),
    ("docs/letters.md", "at most 10 MB and {} megapixels", rasters.MAX_PIXELS // 10**6),
    ("docs/letters.md", "of at most {} pixels", pictures.WIDEST),
    ("docs/letters.md", "Over {} kB of encoded HTML", content.MAX_HTML // 1000),
    ("README.ru.md", "в одном из {} оформлений", {5: "пяти"}[len(Layout)]),
]


@pytest.mark.parametrize(("document", "said", "figure"), FIGURES)
def test_figures_in_the_documents_are_those_of_the_code(document, said, figure):
    assert said.format(figure) in (ROOT / document).read_text()

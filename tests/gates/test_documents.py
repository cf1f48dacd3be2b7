"""What documents say of the code is true: paths, names in modules, settings' defaults, figures."""

import ast
import importlib
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from accounts import rasters
from mailings.delivery import retry
from mailings.delivery.queue import chunks
from mailings.delivery.runs import holding, planning
from mailings.delivery.session import circuit_breaker
from mailings.messages import content, pictures
from mailings.states import Frequency, Layout

ROOT = Path(__file__).resolve().parent.parent.parent
SUFFIXES = "py|toml|html|js|css|md|yaml|yml|txt"
PATH = re.compile(rf"`([\w.{{}},-]+(?:/[\w.{{}},*-]+)+\.(?:{SUFFIXES}))(?:: \w+)?`")
FILE = re.compile(rf"`([\w-]+\.(?:{SUFFIXES}))`")
FOLDER = re.compile(r"`(\w[\w{},-]*(?:/[\w{},-]+)*)/`")
NAMED = re.compile(r"`([\w/.-]+\.py): (\w+)`")
DOTTED = re.compile(r"`([a-z_]\w*(?:\.\w+)+)(?:\([\w, ]*\))?`")
BASES = (
    ROOT,
    ROOT / "mailings",
    ROOT / "mailings/delivery",
    ROOT / "mailings/delivery/transports",
    ROOT / "mailings/spreadsheets",
    ROOT / "templates",
    ROOT / "docs",
    ROOT / "tests/integration",
)
"""Where a path in a document may begin."""
CODE = ("accounts", "benchmarks", "blog", "home", "mailings", "site_config", "tests")
NOT_OURS = {"loop", "source", "session", "var", "vestnik"}
"""Objects in an explanation, an address of the site, a folder that appears when it runs, and the
first word of system checks."""
HOSTS = {"com", "example", "org"}
ABOUT_NAMES = ("0059", "0062")
"""Decisions that set names that there were before beside those that there are."""
MINUTE = timedelta(minutes=1)


def documents() -> list[Path]:
    """All but the changelog and what tells of names there were before."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [f for f in pages if f.name != "CHANGELOG.md" and not f.name.startswith(ABOUT_NAMES)]


def said(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Return each document with what it says, a line for each of `a/{b,c}.py`."""
    return [
        (file.name, told)
        for file in documents()
        for match in pattern.finditer(file.read_text())
        for told in spelled_out(match[1])
    ]


def spelled_out(path: str) -> Iterator[str]:
    """Yield `a/b.py` and `a/c.py` for `a/{b,c}.py`."""
    parts = re.split(r"\{([^}]*)\}", path)
    choices = [part.split(",") if n % 2 else [part] for n, part in enumerate(parts)]
    yield from map("".join, product(*choices))


def found(path: str) -> list[Path]:
    return [file for base in BASES for file in base.glob(path)]


def test_every_path_in_the_documents_is_there():
    named = said(PATH)
    assert len(named) > 20
    assert [(file, path) for file, path in named if not found(path)] == []


def test_every_folder_in_the_documents_is_there():
    named = [(file, path) for file, path in said(FOLDER) if path.split("/")[0] not in NOT_OURS]
    assert len(named) > 10
    assert [(file, path) for file, path in named if not any(p.is_dir() for p in found(path))] == []


def test_every_file_that_a_document_names_without_its_folder_is_there():
    places = (*CODE, "static", "templates", "docs")
    there = {file.name for place in places for file in (ROOT / place).rglob("*.*")}
    there |= {file.name for file in ROOT.iterdir()}
    named = said(FILE)
    assert len(named) > 10
    assert [(file, name) for file, name in named if name not in there] == []


def test_every_name_in_a_module_that_a_document_mentions_is_there():
    named = [
        (match[1], match[2]) for file in documents() for match in NAMED.finditer(file.read_text())
    ]
    assert ("mailings/campaigns/services.py", "schedule_mailing") in named
    missing = [
        (path, name)
        for path, name in named
        if not any(name in defined(file) for file in found(path))
    ]
    assert missing == []


def test_every_dotted_name_in_the_documents_leads_somewhere():
    """`planning.plan`, `mailings.tasks`, `time.monotonic`: a module of ours or of Python's."""
    named = [(file, name) for file, name in said(DOTTED) if not FILE.fullmatch(f"`{name}`")]
    assert len(named) > 10
    assert [(file, name) for file, name in named if not leads_somewhere(name)] == []


def leads_somewhere(dotted: str) -> bool:
    first, *rest = dotted.split(".")
    if first in NOT_OURS or rest[-1] in HOSTS | {"sqlite3"}:
        return True
    if any(follows(file, rest) for file in modules()[first]):
        return True
    return first in sys.stdlib_module_names and hasattr(importlib.import_module(first), rest[0])


@cache
def modules() -> defaultdict[str, list[Path]]:
    """Return the files of every module and package of ours by its last name."""
    by_name = defaultdict(list)
    for file in (file for place in CODE for file in (ROOT / place).rglob("*.py")):
        by_name[file.parent.name if file.stem == "__init__" else file.stem].append(file)
    return by_name


def follows(file: Path, rest: list[str]) -> bool:
    """Return whether the names lead from this module to one below it, or to what it defines."""
    if not rest:
        return True
    below = file.parent / rest[0]
    inside = [below / "__init__.py", below.with_suffix(".py")] if file.stem == "__init__" else []
    if any(deeper.is_file() and follows(deeper, rest[1:]) for deeper in inside):
        return True
    return rest[0] in defined(file)


# ---------------------------------------------------------------- the map and the walks


def rows(document: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    text = (ROOT / document).read_text().split(f"\n{heading}\n", 1)[1]
    table = text[text.index("\n|") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def named_in(cell: str) -> list[tuple[str, str]]:
    """Return the paths of a cell, each with the name in it or an empty one."""
    told = re.findall(r"`([^`:]+)(?:: (\w+))?`", cell)
    return [(path, name) for spelled, name in told for path in spelled_out(spelled)]


def is_there(path: str, name: str) -> bool:
    files = [*ROOT.glob(path.rstrip("/"))]
    return any(name in defined(file) for file in files) if name else bool(files)


@pytest.mark.parametrize("heading", ["### Where what stands", "### A slice to copy"])
def test_the_map_for_contributors_leads_to_what_is_there(heading):
    table = rows("CONTRIBUTING.md", heading)
    assert len(table) >= (25 if heading.endswith("stands") else 10)
    assert [wish for wish, where in table if not named_in(where)] == []
    led = [(path, name) for _, where in table for path, name in named_in(where)]
    assert [pair for pair in led if not is_there(*pair)] == []


WALKS = [
    "### A letter: from the form to the log",
    "### A reply: from the socket to the report",
    "### A row of a file: from the upload to the client",
]


@pytest.mark.parametrize("heading", WALKS)
def test_each_walk_has_few_stops_and_each_stop_is_there(heading):
    stops = [named_in(cells[1]) for cells in rows("docs/architecture.md", heading)]
    assert 3 <= len(stops) <= 8
    assert all(stops)
    assert [pair for stop in stops for pair in stop if not pair[1] or not is_there(*pair)] == []


def test_rooms_in_the_documents_are_the_layers_that_are_checked():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [checked] = [c for c in contracts["contracts"] if c.get("containers") == ["mailings"]]
    assert checked["exhaustive"]
    layers = [sorted(re.split(r" [:|] ", layer)) for layer in checked["layers"]]
    told = defaultdict(list)
    for layer, room, _ in rows("docs/architecture.md", "## The rooms of `mailings`"):
        told[int(layer)] += [name.removesuffix(".py").strip("/") for name, _ in named_in(room)]
    assert [sorted(names) for _, names in sorted(told.items())] == layers


@cache
def defined(file: Path) -> set[str]:
    """Return functions, classes and methods of a module, and the names that it gives values to."""
    if file.suffix != ".py":
        return set()
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


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

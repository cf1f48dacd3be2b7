"""The words of the glossary are those of the code, and words that were given up stay away."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("accounts", "blog", "home", "mailings", "site_config")
ELSEWHERE = ("benchmarks", "tests")

OTHER_FORMS = {"all clients": "to_all", "exclusion": "excluded_clients"}
"""Words that the code says in another form."""

GIVEN_UP = [
    "bring_back", "custody", "doorbell", "gathering", "parked", "portion", "put_back", "set_aside",
    "stock", "tally",
]  # fmt: skip
"""Decision 0062 tells what they are called now."""

ONE_MEANING = ["Batch", "Client", "Line", "Message", "Outcome"]


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        for file in (ROOT / package).rglob("*.py"):
            if "migrations" not in file.parts:
                yield file


@cache
def identifiers(file: Path) -> set[str]:
    """Return every name in the module, its own and its package's."""
    names = {file.stem, file.parent.name}
    for node in ast.walk(ast.parse(file.read_text())):
        for field in ("id", "name", "attr", "arg", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                names.add(name)
    return names


@pytest.fixture(scope="module")
def spoken() -> set[str]:
    return set().union(*map(identifiers, modules(*PACKAGES)))


def words_of_the_glossary() -> list[str]:
    text = (ROOT / "docs/glossary.md").read_text()
    rows = re.findall(r"^\| ([a-z][a-z -]*) \|", text, re.MULTILINE)
    return [word for word in rows if word != "word"]


def forms(word: str) -> set[str]:
    """Return a word as code may write it: `follow_up`, `follow_ups`, `FOLLOW_UP`, `FollowUp`."""
    snake = re.sub(r"[ -]", "_", word)
    camel = "".join(part.title() for part in snake.split("_"))
    return {OTHER_FORMS.get(word, snake), f"{snake}s", snake.upper(), camel}


def test_every_word_of_the_glossary_is_a_name_in_the_code(spoken):
    words = words_of_the_glossary()
    assert {"client", "follow-up", "connection pool", "in flight"} <= set(words)
    assert [word for word in words if not forms(word) & spoken] == []


def test_no_word_stands_twice_in_the_glossary():
    assert [word for word, count in Counter(words_of_the_glossary()).items() if count > 1] == []


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("word", GIVEN_UP)
def test_no_name_is_made_of_a_word_that_was_given_up(word):
    pattern = re.compile(rf"(^|_){word}s?(_|$)")
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules(*PACKAGES, *ELSEWHERE)
        for name in identifiers(file)
        if not name.startswith("test_") and pattern.search(snake(name))
    }
    assert found == set()


@pytest.mark.parametrize("name", ONE_MEANING)
def test_these_words_are_one_class_each(name):
    found = [
        str(file.relative_to(ROOT))
        for file in modules(*PACKAGES)
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    assert len(found) == 1, found

"""Programs that tests run in processes of their own stand in strings, which no linter reads: what
they import from the project is there."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = {"accounts", "benchmarks", "blog", "home", "mailings", "site_config", "tests"}


def imports() -> Iterator[tuple[Path, str, str]]:
    """Yield file, module and name for each import in a string of a test."""
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for line in node.value.splitlines():
                    if line.startswith("from "):
                        yield from imported(file, line)


def imported(file: Path, line: str) -> Iterator[tuple[Path, str, str]]:
    try:
        (statement,) = ast.parse(line.partition(";")[0]).body
    except (SyntaxError, ValueError):
        return  # a sentence that begins with “from”
    if not isinstance(statement, ast.ImportFrom) or not statement.module:
        return
    if statement.module.split(".")[0] in OURS:
        yield from ((file, statement.module, alias.name) for alias in statement.names)


def is_there(module: str, name: str) -> bool:
    try:
        if hasattr(import_module(module), name):
            return True
        import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def test_programs_in_strings_import_what_is_there():
    found = set(imports())
    assert len(found) > 20
    missing = [
        f"{file.relative_to(ROOT)}: {module}.{name}"
        for file, module, name in found
        if not is_there(module, name)
    ]
    assert sorted(missing) == []

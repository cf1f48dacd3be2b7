"""What must hold of the repository as a whole: documented settings, no traces of a workplace."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent.parent


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [file for name in listed.stdout.split("\0") if name and (file := ROOT / name).is_file()]


def settings_read() -> set[str]:
    """Return every name that the code asks `site_config.env` for."""
    names = {"DJANGO_SETTINGS_MODULE"}
    for file in (ROOT / "site_config").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="env"), attr=reader),
                    args=[ast.Constant(value=str(name)), *_],
                ) if name.isupper():
                    names |= {name, f"{name}_FILE"} if reader.startswith("secret") else {name}
    return names


def test_the_code_reads_settings():
    assert {"SECRET_KEY", "SECRET_KEY_FILE", "EMAIL_URL", "TRUSTED_PROXY_COUNT"} <= settings_read()


def test_every_setting_is_in_the_configuration_table():
    table = (ROOT / "docs/configuration.md").read_text()
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE))
    assert documented == settings_read()


def test_every_setting_is_in_the_example_environment():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert named == settings_read() - {"DJANGO_SETTINGS_MODULE"}


@pytest.mark.parametrize(
    ("file", "pattern"),
    [(".env.example", r"^#?([A-Z_]+)="), ("docs/configuration.md", r"^\| `([A-Z_]+)`.* \|")],
)
def test_no_setting_stands_twice(file, pattern):
    named = re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)
    assert [name for name in named if named.count(name) > 1] == []


def test_every_system_check_is_documented():
    ids = re.findall(r"vestnik\.[EW]\d{3}", (ROOT / "site_config/checks.py").read_text())
    table = (ROOT / "docs/configuration.md").read_text()
    assert ids
    assert [name for name in ids if f"| `{name}` |" not in table] == []


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_link_between_the_documents_leads_somewhere():
    broken = [
        f"{file.relative_to(ROOT)}: {target}"
        for file in documents()
        for target in re.findall(r"\]\(([^)#:]+)[#)]", file.read_text())
        if not (file.parent / target).exists()
    ]
    assert broken == []


def test_every_target_of_make_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for file in documents()
        for target in re.findall(r"`make ([a-z-]+)[^`]*`", file.read_text())
    }
    assert {"run", "test"} <= named
    assert named <= targets


def test_every_target_of_make_is_explained_by_make_help():
    lines = re.findall(r"^([a-z-]+):(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name, rest in lines if "## " not in rest] == []


def test_every_command_in_the_documents_exists():
    named = {
        command
        for file in documents()
        for command in re.findall(r"manage\.py ([a-z_]+)", file.read_text())
    }
    assert {"migrate", "check_ledger"} <= named
    assert named <= set(get_commands())


def test_every_command_of_ours_is_in_the_readme():
    ours = {
        name
        for name, app in get_commands().items()
        if app in {"accounts", "blog", "home", "mailings"}
    }
    assert ours
    for file in (ROOT / "README.md", ROOT / "README.ru.md"):
        text = file.read_text()
        assert [name for name in sorted(ours) if f"`{name}" not in text] == []


def test_requirements_name_no_index():
    for file in ROOT.glob("requirements*"):
        lines = file.read_text().splitlines()
        assert [s for s in lines if "://" in s or s.startswith(("--", "-i", "-f"))] == []


# Written in two halves, so that this file does not find itself.
UNWANTED = [
    ("TO" + "DO", "work that is not done"),
    ("FIX" + "ME", "work that is not done"),
    ("X" * 3 + ":", "work that is not done"),
    ("/ro" + "ot/", "a path of one machine"),
    ("/wo" + "rk/", "a path of one machine"),
    ("/tm" + "p/", "a path of one machine"),
]


@pytest.mark.parametrize(("text", "what"), UNWANTED)
def test_no_file_contains(text, what):
    pattern = re.compile(rf"(?<![\w.\-]){re.escape(text)}")
    found = []
    for file in tracked_files():
        try:
            content = file.read_text()
        except UnicodeDecodeError:  # a picture, a compiled message file
            continue
        if pattern.search(content):
            found.append(str(file.relative_to(ROOT)))
    assert found == [], what

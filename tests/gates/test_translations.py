"""The Russian of the interface is complete, current and compiled, and speaks in our voice."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from tests import needs

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUE = Path("locale/ru/LC_MESSAGES/django.po")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")
# Our voice: no exclamation, no boast, and what a server accepted is not "delivered".
UNWANTED = re.compile(r"!|успешно|[Дд]оставлено", re.IGNORECASE)

Key = tuple[str | None, str]


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(ROOT / CATALOGUE))


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> polib.POFile:
    """The catalogue as `make messages` would make it from the sources of now."""
    needs.program("xgettext", package="gettext")
    copy = tmp_path_factory.mktemp("messages")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {*filter(None, listed.stdout.split("\0")), str(CATALOGUE)}
    for name in names:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--locale=ru", "--no-location"],
        cwd=copy,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "site_config.settings.test"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return polib.pofile(str(copy / CATALOGUE))


def strings(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def translations(catalogue: polib.POFile | polib.MOFile) -> dict[Key, list[str]]:
    return {(e.msgctxt or None, e.msgid): strings(e) for e in catalogue if not e.obsolete}


def test_every_string_of_the_interface_has_a_translation(collected):
    assert [e.msgid for e in collected.untranslated_entries()] == []
    assert [e.msgid for e in collected.fuzzy_entries()] == []


def test_no_translation_is_left_over(collected, catalogue):
    assert translations(catalogue).keys() == translations(collected).keys()
    assert catalogue.obsolete_entries() == []


def test_the_compiled_catalogue_is_made_from_this_one(catalogue):
    compiled = polib.mofile(str((ROOT / CATALOGUE).with_suffix(".mo")))
    assert translations(compiled) == translations(catalogue)


def test_plurals_have_the_three_russian_forms(catalogue):
    assert catalogue.metadata["Plural-Forms"].startswith("nplurals=3;")
    short = [e.msgid for e in catalogue if e.msgid_plural and sorted(e.msgstr_plural) != [0, 1, 2]]
    assert short == []


def test_placeholders_are_kept(catalogue):
    wrong = [
        (e.msgid, translated)
        for e in catalogue
        for translated in strings(e)
        if set(PLACEHOLDER.findall(translated))
        != set(PLACEHOLDER.findall(e.msgid_plural or e.msgid))
    ]
    assert wrong == []


def test_the_voice_is_ours(catalogue):
    assert [s for e in catalogue for s in strings(e) if UNWANTED.search(s)] == []

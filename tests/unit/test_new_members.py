"""A new member of a choice is missed by mypy in each place that branches on it.

Tables by a choice are looked at in test_complete. Facts about single members (`status == STOPPED`)
are no branches: for a new member they are rightly false.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("site_config", "accounts", "mailings", "home", "blog")

SEGMENTS = "clients/segments/conditions.py"
COMPILING = "clients/segments/compiling.py"

# In which module, after which line, the new member, and how mypy calls it.
NEW = [
    (
        "timing/schedule.py",
        '    MONTHLY = "monthly"\n',
        '    NEW = "new"\n',
        "Literal[Frequency.NEW]",
    ),
    (
        "states.py",
        '    LOST = "lost", _("Worker died")\n',
        '    NEW = "new", _("Once")\n',
        "Literal[Outcome.NEW]",
    ),
    (
        "states.py",
        '    SUPPRESSED = "suppressed", _("the address is on the suppression list")\n',
        '    NEW = "new", _("Once")\n',
        "Literal[SkipReason.NEW]",
    ),
    (
        "delivery/transports/kinds.py",
        '    MEMORY = "memory"\n',
        '    NEW = "new"\n',
        "Literal[TransportKind.NEW]",
    ),
    (
        "delivery/retry.py",
        "Decision = Done | Retry | GiveUp | PauseMailing",
        " | timedelta",
        "timedelta",
    ),
    (SEGMENTS, "    | StateCondition\n", "    | timedelta\n", "timedelta"),
    (SEGMENTS, '    EMPTY = "empty"\n', '    NEW = "new"\n', "Literal[TextTest.NEW]"),
    (SEGMENTS, '    LESS = "less"\n', '    NEW = "new"\n', "Literal[NumberTest.NEW]"),
    (SEGMENTS, '    AFTER = "after"\n', '    NEW = "new"\n', "Literal[DateTest.NEW]"),
    (SEGMENTS, '    AHEAD = "ahead"\n', '    NEW = "new"\n', "Literal[AgeTest.NEW]"),
    (SEGMENTS, '    RETURNED = "returned"\n', '    NEW = "new"\n', "Literal[MailingTest.NEW]"),
    (
        SEGMENTS,
        '    CONSENT_SOURCE = "consent_source"\n',
        '    NEW = "new"\n',
        "Literal[TextField.NEW]",
    ),
]

MISSED = {
    "Literal[Frequency.NEW]": ["timing/schedule.py", "web/words.py"],
    "Literal[Outcome.NEW]": ["reports/failures.py", "reports/failures.py"],
    "Literal[SkipReason.NEW]": ["reports/failures.py"],
    "Literal[TransportKind.NEW]": [
        "cms/examining.py",
        "cms/transport_form.py",
        "delivery/transports/__init__.py",
        "delivery/transports/kinds.py",
    ],
    "timedelta": [
        "clients/segments/builder.py",
        "clients/segments/references.py",
        COMPILING,
        "clients/segments/words.py",
        "delivery/session/batches.py",
        "delivery/session/batches.py",
    ],
    "Literal[TextTest.NEW]": [COMPILING, COMPILING, COMPILING],
    "Literal[NumberTest.NEW]": [COMPILING, "clients/segments/words.py"],
    "Literal[DateTest.NEW]": [SEGMENTS, "clients/segments/words.py"],
    "Literal[AgeTest.NEW]": [SEGMENTS, "clients/segments/words.py"],
    "Literal[MailingTest.NEW]": [COMPILING, "clients/segments/words.py"],
    "Literal[TextField.NEW]": [COMPILING],
}
"""Where each is missed; all in `mailings`."""

ERROR = re.compile(r'^mailings/(\S+?):\d+: error: Argument 1 to "assert_never".* type "([^"]+)"')


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The sources, with what mypy remembers of them, if it has been run: that saves it a minute."""
    copy = tmp_path_factory.mktemp("sources")
    for name in (*PACKAGES, ".mypy_cache"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name)
    shutil.copy2(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.slow
def test_mypy_misses_a_new_member_wherever_the_code_branches(copy):
    for module, after, member, _ in NEW:
        file = copy / "mailings" / module
        text = file.read_text()
        assert text.count(after) == 1, after
        file.write_text(text.replace(after, after + member))
    run = subprocess.run(
        # The plugin loads Django with the project as it is (-P: not with the copy, which may not
        # even start), while the copy is checked.
        [sys.executable, "-P", "-m", "mypy", "--no-error-summary"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = Counter(
        match.groups() for line in run.stdout.splitlines() if (match := ERROR.match(line))
    )
    expected = Counter((file, kind) for kind, files in MISSED.items() for file in files)
    assert found == expected, run.stdout + run.stderr


def test_every_branch_that_must_be_complete_is_tried():
    calls = [
        str(file.relative_to(ROOT / "mailings"))
        for file in (ROOT / "mailings").rglob("*.py")
        for _ in re.finditer(r"\bassert_never\(", file.read_text())
    ]
    assert sorted(calls) == sorted(file for files in MISSED.values() for file in files)

"""docs/state_machine.md draws exactly what mailings/states.py allows."""

import re
from pathlib import Path

import pytest

from mailings.states import FINAL, TRANSITIONS, MailingStatus, RunStatus, sources

PAGE = (Path(__file__).parents[2] / "docs" / "state_machine.md").read_text()
HEADINGS = {
    "MailingStatus": "Mailing",
    "RunStatus": "Run",
    "DeliveryStatus": "Delivery",
    "ImportStatus": "Import",
}

BORN = "[*]"


def section(machine) -> str:
    heading = HEADINGS[machine.__name__]
    return PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]


def drawn(machine) -> set[tuple[str, str]]:
    arrows = re.findall(r"^ +(\S+) --> (\S+?)(?::.*)?$", section(machine), re.M)
    return {(before, after) for before, after in arrows if BORN not in (before, after)}


@pytest.mark.parametrize("machine", list(TRANSITIONS), ids=lambda m: m.__name__)
def test_page_draws_the_allowed_transitions_and_no_other(machine):
    allowed = {
        (before.value, after.value)
        for before, targets in TRANSITIONS[machine].items()
        for after in targets
    }
    assert drawn(machine) == allowed


@pytest.mark.parametrize("machine", list(TRANSITIONS), ids=lambda m: m.__name__)
def test_page_draws_the_final_statuses_as_ends(machine):
    ends = set(re.findall(r"^ +(\S+) --> \[\*\]$", section(machine), re.M))
    assert ends == {status.value for status in FINAL[machine]}


@pytest.mark.parametrize("machine", list(TRANSITIONS), ids=lambda m: m.__name__)
def test_page_explains_every_status(machine):
    rows = re.findall(r"^\| (\w+) \|", section(machine), re.M)
    assert rows[1:] == [status.value for status in machine]


@pytest.mark.parametrize("machine", list(TRANSITIONS), ids=lambda m: m.__name__)
def test_every_status_has_words_a_picture_and_a_tone(machine):
    for status in machine:
        assert status.label
        assert status.icon
        assert isinstance(status.tone, str)


def test_sources_are_the_statuses_before():
    assert set(sources(MailingStatus.DRAFT)) == {MailingStatus.CREATED}
    assert set(sources(RunStatus.DONE)) == {RunStatus.SENDING}
    assert sources(RunStatus.MISSED) == []

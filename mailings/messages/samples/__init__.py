"""What a new message begins with: a sample for each layout, in the language of its author."""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mailings.states import Layout

FOLDER = Path(__file__).parent
FALLBACK = "en"


class Sample(NamedTuple):
    subject: str
    preheader: str
    body: str


@cache
def _read(language: str) -> dict[str, Sample]:
    file = FOLDER / f"{language}.toml"
    found = tomllib.loads((file if file.exists() else FOLDER / f"{FALLBACK}.toml").read_text())
    return {
        name: Sample(sample["subject"], sample["preheader"], sample["body"].strip())
        for name, sample in found.items()
    }


def sample(layout: str, language: str) -> Sample:
    return _read(language)[Layout(layout)]

"""Programs that tests need from the system: without them CI fails and a workstation skips."""

import os
import shutil
from typing import NoReturn

import pytest


def program(*names: str, package: str) -> str:
    """Return the path of the first of `names` that is installed."""
    found = next(filter(None, map(shutil.which, names)), "")
    if not found:
        missing(f"{names[0]} is missing: apt install {package}")
    return found


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

"""Programs that tests need from the system: without them CI fails and a workstation skips."""

import os
import shutil

import pytest


def program(*names: str, package: str) -> str:
    """Return the path of the first of `names` that is installed."""
    for name in names:
        if found := shutil.which(name):
            return found
    reason = f"{names[0]} is missing: apt install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

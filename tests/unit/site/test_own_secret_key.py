"""Development without a SECRET_KEY: one is made, once, for its owner's eyes."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from site_config.settings.own_secret_key import own_secret_key

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_made_once_and_read_by_its_owner_only(tmp_path):
    file = tmp_path / "secret_key"
    key = own_secret_key(file)
    assert len(key) >= 50
    assert own_secret_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_many_processes_that_start_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(own_secret_key, [tmp_path / "secret_key"] * 64))
    assert len(keys) == 1


def test_an_empty_file_is_said_to_be_one(tmp_path):
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(ImproperlyConfigured, match="is empty"):
        own_secret_key(tmp_path / "secret_key")


@pytest.mark.parametrize(("settings", "works"), [("development", True), ("production", False)])
def test_only_development_goes_without_one(tmp_path, settings, works):
    code = "from django.conf import settings; print(len(settings.SECRET_KEY))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": f"site_config.settings.{settings}",
            "SECRET_KEY": "",
            "ALLOWED_HOSTS": "localhost",
            "DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is works
    assert (tmp_path / "secret_key").exists() is works
    assert works or "SECRET_KEY is not set" in done.stderr

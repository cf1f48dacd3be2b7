"""Settings from the environment."""

import pytest

from site_config import env


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", []),
        ("  ", []),
        ("old", ["old"]),
        ("old,older", ["old", "older"]),
        ("a, b\n c", list("abc")),
    ],
)
def test_several_secrets_stand_in_one_setting(monkeypatch, written, read):
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", written)
    assert env.secrets("SECRET_KEY_FALLBACKS") == read


def test_several_secrets_are_read_from_a_file(monkeypatch, tmp_path):
    file = tmp_path / "keys"
    file.write_text("old\nolder\n")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", "ignored")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS_FILE", str(file))
    assert env.secrets("SECRET_KEY_FALLBACKS") == ["old", "older"]

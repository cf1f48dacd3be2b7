"""The worker's command: it says what is wrong, and does not load what only pages need."""

import subprocess
import sys

from tests.site import ROOT, Site

LOADED = """
import sys
import django
django.setup()
from django.core.management import get_commands, load_command_class
command = load_command_class(get_commands()["run_huey"], "run_huey")
command.check(tags=command.requires_system_checks)
import mailings.tasks
views = ("site_config.urls", "mailings.clients.views.clients")
print([name for name in views if name in sys.modules])
"""


def run(tmp_path, *arguments: str, email_url: str = "memory://") -> subprocess.CompletedProcess:
    environment = Site(tmp_path, email_url=email_url).environment
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=environment | {"DJANGO_SETTINGS_MODULE": "site_config.settings.development"},
        check=False,
    )  # fmt: skip


def test_a_worker_loads_no_views(tmp_path):
    done = run(tmp_path, "-c", LOADED)
    assert done.stdout == "[]\n", done.stderr


def test_a_worker_does_not_start_with_settings_that_cannot_be_right(tmp_path):
    done = run(tmp_path, "manage.py", "run_huey", email_url="smtp://")
    assert done.returncode == 1
    assert "EMAIL_URL names no mail server" in done.stderr

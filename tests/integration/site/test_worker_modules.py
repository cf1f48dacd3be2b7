"""What a worker at rest has not loaded: nothing that only pages or an API need.

By names, not by megabytes, which are another machine's; docs/benchmarks.md has those.
"""

import hashlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from wagtail.contrib.redirects.apps import WagtailRedirectsAppConfig
from wagtail.documents.apps import WagtailDocsAppConfig
from wagtail.images.apps import WagtailImagesAppConfig
from wagtail.snippets.apps import WagtailSnippetsAppConfig

ROOT = Path(__file__).resolve().parent.parent.parent.parent

NOT_LOADED = (
    # Wagtail's API, which has no address here, and what it is made with.
    "ninja", "pydantic", "rest_framework", "requests", "urllib3", "yaml",
    # The pages of the admin, of the cabinet and of accounts.
    "mailings.cms", "mailings.wagtail_hooks", "wagtail.admin.wagtail_hooks", "wagtail.admin.urls",
    "site_config.urls", "mailings.urls", "mailings.campaigns.views", "mailings.clients.views",
    "allauth.account.urls", "accounts.viewsets", "crispy_forms.helper",
    # What makes a letter, reads an odd report, names a time zone: when there is one.
    "mrml", "nh3", "inscriptis", "flufl", "babel",
)  # fmt: skip

PROGRAM = """
import sys
from unittest.mock import patch
from django.core.management import ManagementUtility
from huey.consumer import Consumer
with patch.object(Consumer, "run", lambda consumer: None):
    ManagementUtility(["manage.py", "run_huey"]).execute()
from mailings import tasks
print(*sorted(sys.modules), sep="\\n")
"""


def environment(data: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "site_config.settings.production",
        "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "news.example.org",
        "SITE_URL": "https://news.example.org",
        "DEFAULT_FROM_EMAIL": "hello@news.example.org",
        "DATA_DIR": str(data),
        "EMAIL_URL": "memory://",
    }


def test_a_worker_loads_nothing_that_only_pages_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "mailings.delivery.session.session" in loaded
    assert sorted(loaded.intersection(NOT_LOADED)) == []


READY = {
    WagtailRedirectsAppConfig: "19d1a78049d84e47",
    WagtailSnippetsAppConfig: "1ac35b5ed4034956",
    WagtailDocsAppConfig: "4cdf87a46dbf81ef",
    WagtailImagesAppConfig: "52e409385bb1ad62",
}
"""Of Wagtail's `ready` what `site_config.wagtail_apps` was written from."""


@pytest.mark.parametrize("config", READY, ids=lambda config: config.__name__)
def test_wagtail_has_not_changed_what_we_do_in_its_place(config):
    source = inspect.getsource(config.ready)
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == READY[config], (
        "Compare it with site_config.wagtail_apps, then write the new one here."
    )

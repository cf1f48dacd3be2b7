"""The worker: Huey's own command, without the checks that would load what only pages need.

The checks of URLs and of the admin import every view, which takes 17 MB; a worker shows no page.
Web processes and `manage.py check` run all of them.
"""

from typing import Any

from huey.contrib.djhuey.management.commands import run_huey

from site_config import memory


class Command(run_huey.Command):
    requires_system_checks = ["vestnik"]

    def handle(self, *args: Any, **options: Any) -> None:
        memory.keep_little()
        super().handle(*args, **options)

"""The worker: Huey's own command, without the checks that would load what only pages need.

The checks of URLs and of the admin import every view, which takes 17 MB; a worker shows no page.
Web processes and `manage.py check` run all of them.
"""

from huey.contrib.djhuey.management.commands import run_huey


class Command(run_huey.Command):
    requires_system_checks = ["vestnik"]

"""gunicorn alone, as an operator starts it: with our configuration file, and an access log."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.servers import free_port
from tests.site import ROOT, Site, wait_for


class Web(Site):
    def __init__(self, data: Path) -> None:
        super().__init__(data, email_url="memory://")
        self.log = data / "web.log"
        self.environment |= {"DJANGO_SETTINGS_MODULE": "tests.process_settings"}
        self.environment["PATH"] = os.environ["PATH"]

    def __enter__(self) -> Self:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        command = "gunicorn site_config.wsgi:application --worker-class gthread --threads 4"
        command += f" --bind 127.0.0.1:{self.port} --access-logfile - --no-control-socket"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command.split()],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(
            lambda: self.status("/healthz") == 200,
            timeout=60,
            message="The web server did not start",
        )
        return self

    def status(self, path: str) -> int:
        try:
            return super().status(path)
        except TimeoutError:  # the first request loads the pages; on a busy machine that takes time
            return 0

    def __exit__(self, *exception: object) -> None:
        self.stop()

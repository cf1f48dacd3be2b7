"""The mail servers of the benchmarks, as processes: Debian's smtp-sink, and ours."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol, Self

from site_config.processes import die_with_parent
from tests.certificates import Certificate
from tests.servers import free_port, wait_for_port

ROOT = Path(__file__).resolve().parent.parent
POSTFIX = f"/usr/sbin:/sbin:{os.environ['PATH']}"
BACKLOG = "1024"
MOST_CONNECTIONS = "4096"


class Sink(Protocol):
    kind: str
    port: int
    url: str
    knows_recipients: bool

    def accepted(self) -> int: ...
    def distinct(self) -> int | None: ...
    def stop(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...


def fast_sink(folder: Path) -> Sink:
    """Return the cheapest sink there is, so that the client is what is measured."""
    binary = shutil.which("smtp-sink", path=POSTFIX)
    if binary:
        return SmtpSink(binary, folder)
    print("smtp-sink is missing, ours takes its place and costs more: apt install postfix")
    return OurSink()


class SmtpSink:
    """Postfix's test server. It counts what it accepts, but does not know the recipients."""

    kind = "smtp-sink"
    knows_recipients = False

    def __init__(self, binary: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.counts = folder / f"smtp-sink-{self.port}"
        # It rewrites its counters as one line without end; only the last of them is read.
        with self.counts.open("wb") as output:
            self.process = subprocess.Popen(
                [binary, "-c", "-m", MOST_CONNECTIONS, f"127.0.0.1:{self.port}", BACKLOG],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
                user="nobody" if os.geteuid() == 0 else None,  # it refuses to be root
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        wait_for_port(self.port, self.process)

    def accepted(self) -> int:
        """Return how many mails it has answered with 250 after the final dot."""
        with self.counts.open("rb") as file:
            file.seek(max(0, self.counts.stat().st_size - 200))
            seen = re.findall(rb"mesg=\s*(\d+)\r", file.read())
        return int(seen[-1]) if seen else 0

    def distinct(self) -> int | None:
        return None

    def stop(self) -> None:
        end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class OurSink:
    """benchmarks.smtp_sink: with a delay, TLS, arrival times, and each recipient known."""

    kind = "benchmarks.smtp_sink"
    knows_recipients = True

    def __init__(
        self,
        *,
        delay_ms: int = 0,
        certificate: Certificate | None = None,
        keeps_times: bool = False,
    ) -> None:
        options = ["--delay-ms", str(delay_ms)]
        if certificate:
            options += ["--auth", "--tls", certificate.chain_file, certificate.key_file]
        options += ["--times"] if keeps_times else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.smtp_sink", *options],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.port = int(self.output.readline())
        self.url = f"smtp://127.0.0.1:{self.port}"
        if certificate:
            self.url = f"smtps://user:secret@127.0.0.1:{self.port}?ca={certificate.ca_file}"

    def report(self) -> dict[str, Any]:
        self.input.write("\n")
        self.input.flush()
        answer: dict[str, Any] = json.loads(self.output.readline())
        return answer

    def accepted(self) -> int:
        return int(self.report()["mails"])

    def distinct(self) -> int | None:
        return int(self.report()["recipients"])

    def arrivals(self) -> dict[str, float]:
        """Return when each recipient's first mail came (time.time())."""
        first: dict[str, float] = {}
        for recipient, at in self.report()["arrivals"]:
            first.setdefault(recipient, at)
        return first

    def stop(self) -> None:
        self.input.close()
        self.output.close()
        end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def end(process: subprocess.Popen[Any], patience: float = 5) -> None:
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def smtp_source(port: int, *, mails: int, size: int, sessions: int = 50) -> float | None:
    """Return the mails a second of Postfix's load generator over as many kept connections, which
    renders and records nothing; None where it is missing."""
    binary = shutil.which("smtp-source", path=POSTFIX)
    if binary is None:
        return None
    began = time.perf_counter()
    subprocess.run(
        [binary, "-d", "-s", str(sessions), "-m", str(mails), "-l", str(size),
         "-f", "news@example.org", "-t", "client@example.org", f"127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip
    return mails / (time.perf_counter() - began)

"""What a mail costs the SMTP client alone: make bench NAME=smtp_client.

No rendering, no database: 5 KB bodies to a sink in a process of its own, with pipelining and step
by step. The last line is JSON: CPU of the client a mail (user + system), medians of the rounds.
"""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace

from benchmarks.report import Figures, conclude, options
from mailings.delivery.transports.base import Accepted, SendResult
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection

BODY = (
    b"Message-ID: <1@example.org>\r\nSubject: A mail of five kilobytes\r\n\r\n"
    + (b"x" * 74 + b"=\r\n") * 65
)


class Supply:
    """A source with so many mails, all of which may go at once."""

    def __init__(self, config: SmtpConfig, mails: int, connections: int) -> None:
        self.config = config
        self.left = mails
        self.accepted = 0
        self.open = connections
        self.is_over = asyncio.get_running_loop().create_future()

    def next_mail(self, connection: SmtpConnection) -> Mail | None:
        if not self.left:
            connection.stop()
            return None
        self.left -= 1
        return Mail("bounce@example.org", f"recipient{self.left}@example.org", BODY)

    def may_send_body(self, connection: SmtpConnection, mail: Mail) -> bool:
        return True

    def done(self, connection: SmtpConnection, mail: Mail, result: SendResult) -> None:
        self.accepted += type(result) is Accepted

    def closed(
        self, connection: SmtpConnection, unsent: Mail | None, cause: SendResult | None
    ) -> None:
        self.left += unsent is not None
        if self.left and cause is None:
            SmtpConnection(self.config, self).start()
            return
        self.open -= 1
        if not self.open:
            self.is_over.set_result(None)


@dataclass
class Measured:
    client_us: float
    sink_us: float
    per_second: float
    lost: int
    rss_mb: float


async def send(config: SmtpConfig, mails: int, connections: int) -> int:
    supply = Supply(config, mails, connections)
    for _ in range(connections):
        SmtpConnection(config, supply).start()
    await supply.is_over
    return supply.accepted


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(mails: int, connections: int, *, pipelining: bool) -> Measured:
    command = [sys.executable, "-m", "benchmarks.smtp_sink"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sink:
        assert sink.stdout is not None
        port = int(sink.stdout.readline())
        config = SmtpConfig("127.0.0.1", port, mails_per_connection=500)
        config = replace(config, pipelining=pipelining)
        before, started = cpu(), time.perf_counter()
        accepted = asyncio.run(send(config, mails, connections))
        used, seconds = cpu() - before, time.perf_counter() - started
        taken = json.loads(sink.communicate("\n")[0])
    return Measured(
        client_us=used / mails * 1e6,
        sink_us=taken["cpu"] / mails * 1e6,
        per_second=mails / seconds,
        lost=mails - min(accepted, taken["mails"]),
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def median_of(rounds: list[Measured], name: str) -> float:
    return statistics.median(getattr(one, name) for one in rounds)


def main() -> None:
    chosen = options(count=20_000, connections=50, noun="mails")
    measured: dict[bool, list[Measured]] = {True: [], False: []}
    for _ in range(chosen.runs):
        for pipelining, rounds in measured.items():
            rounds.append(measure(chosen.count, chosen.connections, pipelining=pipelining))
            print(f"pipelining={pipelining}", rounds[-1])
    pipelined, step_by_step = measured[True], measured[False]
    value, reference = median_of(pipelined, "client_us"), median_of(step_by_step, "client_us")
    conclude(
        Figures(
            "smtp_client", value, "µs of client CPU a mail; the reference goes step by step",
            reference, value / reference, client_us=value, rss_mb=median_of(pipelined, "rss_mb"),
            lost=sum(one.lost for one in pipelined + step_by_step),
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()

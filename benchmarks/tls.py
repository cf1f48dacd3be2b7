"""A relay with TLS, a verified certificate and a password, against the same one in the clear.

The sink is ours and encrypts on the same processors, so the ratio counts its work too.
"""

from benchmarks.report import Goal, conclude, median, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import OurSink
from benchmarks.stage import Stage
from tests.certificates import make_certificate


def main() -> None:
    chosen = options(count=50_000, connections=50)
    certificate = make_certificate()
    clear, encrypted = [], []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        profile="tls" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            with OurSink() as sink:
                clear.append(stage.once(sink))
            with OurSink(certificate=certificate) as sink:
                encrypted.append(stage.once(sink, SSL_CERT_FILE=certificate.ca_file))
    found = figures("tls", encrypted, median([run.rate for run in clear]))
    conclude(
        found,
        Goal("at least 0.6 × the rate without TLS", (found.ratio or 0) >= 0.6),
        nothing_wrong(*clear, *encrypted),
    )


if __name__ == "__main__":
    main()

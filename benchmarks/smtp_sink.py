"""An SMTP server that takes every mail, counts it and forgets it: python -m benchmarks.smtp_sink.

Prints its port; answers each line of its input with a line of JSON (what it took so far, and what
that cost), and ends with its input. Debian's smtp-sink costs less, but has no delay below a
second, no TLS, and does not know the recipients.
"""

import argparse
import asyncio
import json
import resource
import ssl
import sys
import time
from collections import Counter

READ_SIZE = 256 * 1024


class Took:
    """What all connections together accepted."""

    def __init__(self) -> None:
        self.mails = 0
        self.recipients: Counter[bytes] = Counter()
        self.arrivals: list[tuple[str, float]] = []
        self.keeps_times = False

    def add(self, recipient: bytes) -> None:
        self.mails += 1
        self.recipients[recipient] += 1
        if self.keeps_times:
            self.arrivals.append((recipient.decode(), time.time()))

    def report(self) -> dict[str, object]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "mails": self.mails,
            "recipients": len(self.recipients),
            "cpu": used.ru_utime + used.ru_stime,
            "arrivals": self.arrivals,
        }


class Sink(asyncio.BufferedProtocol):
    took = Took()
    delay = 0.0  # seconds before the reply to a body; what follows on the connection waits too
    extensions = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.rest = b""
        self.recipient = b""
        self.is_reading_body = False
        self.is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self.buffer[:nbytes])
        if self.is_waiting:
            self.rest += data
        else:
            self.work_off(self.rest + data if self.rest else data)

    def work_off(self, data: bytes, *answers_before: bytes) -> None:
        answers = [*answers_before]
        while data:
            if self.is_reading_body:
                end = data.find(b"\r\n.\r\n")
                if end < 0:
                    break
                data = data[end + 5 :]
                self.is_reading_body = False
                if self.delay:
                    self.is_waiting = True
                    asyncio.get_running_loop().call_later(self.delay, self.accept_late)
                    break
                answers.append(self.accept())
                continue
            line, found, after = data.partition(b"\r\n")
            if not found:
                break
            data = after
            answers.append(self.answer(line))
        self.rest = data
        if answers:
            self.transport.write(b"".join(answers))

    def accept(self) -> bytes:
        self.took.add(self.recipient)
        return b"250 2.0.0 Ok: queued as 4Xw1234567z\r\n"

    def accept_late(self) -> None:
        self.is_waiting = False
        if not self.transport.is_closing():
            # With the answers to what follows on the connection, as Postfix would.
            self.work_off(self.rest, self.accept())

    def answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self.recipient = line[line.find(b"<") + 1 : line.rfind(b">")]
        elif verb == b"EHLO":
            return self.extensions
        elif verb == b"DATA":
            self.is_reading_body = True
            return b"354 go ahead\r\n"
        elif verb == b"AUTH":
            return b"235 2.7.0 welcome\r\n"
        elif verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self.transport.close)
            return b"221 2.0.0 bye\r\n"
        return b"250 2.1.0 Ok\r\n"


async def serve(port: int, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", port, backlog=1024, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(Sink.took.report()), flush=True)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=int, default=0, help="before the reply to each mail")
    parser.add_argument("--tls", nargs=2, metavar=("CHAIN", "KEY"), help="from the first byte")
    parser.add_argument("--auth", action="store_true", help="offer AUTH PLAIN, take any")
    parser.add_argument("--times", action="store_true", help="report when each mail came")
    options = parser.parse_args()
    Sink.delay = options.delay_ms / 1000
    Sink.took.keeps_times = options.times
    if options.auth:
        Sink.extensions = Sink.extensions.replace(b"250 ", b"250-AUTH PLAIN\r\n250 ")
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    asyncio.run(serve(options.port, context))


if __name__ == "__main__":
    main()

"""The process behind `Relay`: python -m tests.integration.faults.relay_process PORT LOG PACE.

PACE is a file with the seconds that a mail takes; it is read again at SIGHUP.

An address that begins with "hang" gets no answer to its mail, ever, and is not accepted.
Imports nothing of the tests: `tests.services` would start servers.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path

from tests.integration.faults.child import die_with_parent

MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]+>)", re.I | re.M)
SUBJECT = re.compile(rb"^subject:\s*([^\r\n]*)", re.I | re.M)


async def serve(port: int, log: int, pace: Path) -> None:
    seconds = [float(pace.read_text())]

    def change_pace() -> None:
        seconds[0] = float(pace.read_text())

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, change_pace)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        os.write(log, b"C \n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await converse(reader, writer, log, seconds)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", port, limit=2**22, backlog=1024)
    await server.serve_forever()


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: int, seconds: list[float]
) -> None:
    writer.write(b"220 relay.example ESMTP\r\n")
    address = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        match line[:4].upper():
            case b"EHLO":
                writer.write(b"250-relay.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            case b"RCPT":
                address = line[line.index(b"<") + 1 : line.index(b">")]
                writer.write(b"250 2.1.5 ok\r\n")
            case b"DATA":
                writer.write(b"354 go ahead\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                if address.startswith(b"hang"):
                    os.write(log, b"H %s\n" % address)
                    await reader.read()  # until the sender is gone
                    return
                await asyncio.sleep(seconds[0])
                found, subject = MESSAGE_ID.search(body), SUBJECT.search(body)
                line = (found[1] if found else b"<none>", address, subject[1] if subject else b"")
                os.write(log, b"M %s %s %s\n" % line)
                writer.write(b"250 2.0.0 queued\r\n")
            case b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            case _:
                writer.write(b"250 2.0.0 ok\r\n")


if __name__ == "__main__":
    die_with_parent()
    file = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    asyncio.run(serve(int(sys.argv[1]), file, Path(sys.argv[3])))

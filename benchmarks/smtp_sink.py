"""A minimal SMTP server that takes every mail and forgets it: python -m benchmarks.smtp_sink.

Prints its port, then, when its input ends, one line of JSON with what it took and what that cost.
Use Debian's smtp-sink where it is installed: this one shares a language with what it measures.
"""

import asyncio
import json
import resource
import sys

READ_SIZE = 256 * 1024


class Sink(asyncio.BufferedProtocol):
    mails = 0
    extensions = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.rest = b""
        self.is_reading_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self.rest + bytes(self.buffer[:nbytes])
        answers = []
        while data:
            if self.is_reading_body:
                end = data.find(b"\r\n.\r\n")
                if end < 0:
                    break
                data = data[end + 5 :]
                self.is_reading_body = False
                Sink.mails += 1
                answers.append(b"250 2.0.0 Ok: queued as 4Xw1234567z\r\n")
                continue
            line, found, after = data.partition(b"\r\n")
            if not found:
                break
            data = after
            answers.append(self.answer(line[:4].upper()))
        self.rest = data
        if answers:
            self.transport.write(b"".join(answers))

    def answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return self.extensions
        if verb == b"DATA":
            self.is_reading_body = True
            return b"354 go ahead\r\n"
        if verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self.transport.close)
            return b"221 2.0.0 bye\r\n"
        return b"250 2.1.0 Ok\r\n"


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"mails": Sink.mails, "cpu": used.ru_utime + used.ru_stime}))

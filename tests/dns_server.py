"""A DNS server on loopback that answers from a table: real packets, over UDP and TCP."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

Zone = dict[tuple[str, str], list[str]]
"""(name, type) → records as a zone file writes them; a CNAME is followed within the table."""

SERVFAIL, SILENT = "SERVFAIL", "SILENT"
"""In place of records: what the server answers instead, or that it does not."""


def text(value: str, piece: int = 255) -> str:
    """Return a TXT record as a zone file writes it, in strings of so many characters."""
    pieces = [value[at : at + piece] for at in range(0, len(value), piece)] or [""]
    return " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces)


class DnsServer:
    """`zone` may be changed at any time; `asked` holds what was asked for."""

    def __init__(self) -> None:
        self.zone: Zone = {}
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    def put(self, name: str, kind: str, *records: str) -> None:
        self.zone[(name.lower(), kind)] = list(records)

    def text(self, name: str, *values: str) -> None:
        self.put(name, "TXT", *[text(value) for value in values])

    def forget(self, name: str, kind: str = "TXT") -> None:
        del self.zone[(name.lower(), kind)]

    def answer(self, wire: bytes, most: int = 65_535) -> bytes | None:
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        for _ in range(8):
            if (records := self.zone.get((name, kind))) is not None:
                break
            if (alias := self.zone.get((name, "CNAME"))) is None:
                break
            self._add(reply, name, "CNAME", alias)
            name = alias[0].rstrip(".").lower()
        if records == [SILENT]:
            return None
        if records == [SERVFAIL]:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif records is not None:
            self._add(reply, name, kind, records)
        elif not any(known == name for known, _kind in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        try:
            return reply.to_wire(max_size=most)
        except dns.exception.TooBig:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            return short.to_wire()

    @staticmethod
    def _add(reply: dns.message.Message, name: str, kind: str, records: list[str]) -> None:
        reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *records))


@contextmanager
def dns_server() -> Iterator[DnsServer]:
    served = DnsServer()

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            if (reply := served.answer(wire, 1232)) is not None:
                sock.sendto(reply, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (size,) = struct.unpack("!H", self.rfile.read(2))
            if (reply := served.answer(self.rfile.read(size))) is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    udp, tcp = _bound(Datagram, Stream)
    with udp, tcp:
        for server in (udp, tcp):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        served.address = f"127.0.0.1:{udp.server_address[1]}"
        try:
            yield served
        finally:
            udp.shutdown()
            tcp.shutdown()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _bound(datagram: type, stream: type) -> tuple[_Udp, _Tcp]:
    """Return a server for each protocol, on one port that is free for both."""
    while True:
        udp = _Udp(("127.0.0.1", 0), datagram)
        try:
            return udp, _Tcp(udp.server_address, stream)
        except OSError:
            udp.server_close()

"""What an engine costs that does nothing but its trade: render, SMTP in a pipeline, group commit.

No retries, no rates, no second worker: what `bridge` holds the product against. Each outcome is
committed before its connection's next body leaves, as in the product. `promises` adds what else the
product's commit does, one by one, so that each has its price:

    in_flight   the ids of what is about to leave, in the same transaction
    judge       the run's row is locked and asked whether it may still send; its counter grows
    guard       a result moves its delivery only from the status and attempt it was made for

A process of its own: settings come as JSON on the command line, figures go as JSON.
"""

import asyncio
import gc
import json
import queue
import re
import sys
import threading
import time
from binascii import b2a_qp
from collections import defaultdict, deque
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import psycopg2
import uvloop

TABLES = """
DROP TABLE IF EXISTS reference_delivery, reference_attempt, reference_run;
CREATE TABLE reference_delivery (id bigint PRIMARY KEY, address text NOT NULL, name text NOT NULL,
  company text NOT NULL, card text NOT NULL, status smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0, sent_at timestamptz) WITH (fillfactor = 80);
CREATE TABLE reference_attempt (delivery_id bigint NOT NULL, number smallint NOT NULL,
  code smallint NOT NULL, reply text NOT NULL, at timestamptz NOT NULL,
  UNIQUE (delivery_id, number));
CREATE TABLE reference_run (id bigint PRIMARY KEY, status smallint NOT NULL, sent bigint NOT NULL,
  in_flight jsonb NOT NULL);
INSERT INTO reference_run VALUES (1, 1, 0, '[]');
INSERT INTO reference_delivery (id, address, name, company, card)
  SELECT i, 'client' || i || '@example' || (i - i / 50 * 50) || '.org', 'Alice Liddell ' || i,
    'Company ' || i, (4400 + i)::text FROM generate_series(1, %s) AS series(i);
"""
Row = tuple[int, str, str, str, str]
Outcome = tuple[int, int, str, float, "Wire"]  # of which, code, reply, when, by which connection
CHUNK = 1000
ROWS = "SELECT id, address, name, company, card FROM reference_delivery WHERE id BETWEEN %s AND %s"
RECORD = """
WITH told AS MATERIALIZED (
  SELECT * FROM unnest(%(ids)s::bigint[], %(codes)s::smallint[], %(replies)s::text[],
    %(times)s::timestamptz[]) AS t(id, code, reply, at)
), moved AS (
  UPDATE reference_delivery d SET status = 1, attempts = d.attempts + 1, sent_at = told.at
  FROM told WHERE d.id = told.id {guard} RETURNING d.id, d.attempts
)
INSERT INTO reference_attempt SELECT id, attempts, code, reply, at FROM told JOIN moved USING (id)
"""
GUARD = "AND d.status = 0 AND d.attempts = 0"
JUDGE = """;
SELECT 1 FROM reference_run WHERE id = 1 FOR NO KEY UPDATE;
UPDATE reference_run SET sent = sent + %(count)s WHERE id = 1 AND status = 1
"""
IN_FLIGHT = "; UPDATE reference_run SET in_flight = %(in_flight)s WHERE id = 1"
PROMISES = ("in_flight", "judge", "guard")
MARKS = ("address", "name", "company", "card", "token", "number")
_NAMES = tuple(name.encode() for name in MARKS)
BETWEEN_COMMITS = 0.002  # seconds; the product's own pacing is longer, for slow relays


def mark(name: str) -> str:
    """Return what stands in the sample letter where this value comes."""
    return f"zq{name}qz"


class Letter:
    """Finished bytes between values, cut out of a letter that the product rendered."""

    def __init__(self, sample: bytes) -> None:
        marks = "|".join(mark(f"({name})") for name in MARKS).encode()
        self.pieces = [piece for piece in re.split(marks, sample) if piece is not None]

    def body(self, row: Row) -> bytes:
        number, *texts = row
        values = dict(zip(_NAMES, [b2a_qp(text.encode()) for text in texts], strict=False))
        values[b"number"] = code = b"%d" % number
        values[b"token"] = blake2b(code, key=b"reference", digest_size=40).hexdigest().encode()
        parts = self.pieces.copy()
        parts[1::2] = [values[name] for name in parts[1::2]]
        return b"".join(parts)


class Engine:
    def __init__(self, url: str, port: int, sample: bytes, count: int, promises: list[str]) -> None:
        self.url, self.port, self.count, self.promises = url, port, count, promises
        self.letter = Letter(sample)
        self.rows: deque[Row] = deque()
        self.outcomes: list[Outcome] = []
        self.open = 0
        self.is_committing = self.is_asked = self.is_exhausted = False
        self.wires: list[Wire] = []
        self.took: dict[str, float] = defaultdict(float)
        self.batches: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.more = threading.Event()

    async def run(self, connections: int) -> dict[str, float]:
        self.loop = asyncio.get_running_loop()
        self.over = self.loop.create_future()
        began, cpu, mine = time.perf_counter(), time.process_time(), time.thread_time()
        threads = [threading.Thread(target=work) for work in (self.feed, self.record)]
        for thread in threads:
            thread.start()
        for _ in range(connections):
            _, wire = await self.loop.create_connection(lambda: Wire(self), "127.0.0.1", self.port)
            self.wires.append(wire)
        await self.over
        self.took["loop"] = time.thread_time() - mine
        self.batches.put(None)
        for thread in threads:
            thread.join()
        self.took["seconds"] = time.perf_counter() - began
        self.took["cpu"] = time.process_time() - cpu
        return self.took

    def feed(self) -> None:
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            for first in range(1, self.count + 1, CHUNK):
                while len(self.rows) > 2 * CHUNK:
                    self.more.wait(1)
                    self.more.clear()
                cursor.execute(ROWS, (first, min(first + CHUNK - 1, self.count)))
                self.rows.extend(cursor.fetchall())
                self.loop.call_soon_threadsafe(self.wake)
        connection.close()
        self.is_exhausted = True
        self.took["reading"] = time.thread_time()
        self.loop.call_soon_threadsafe(self.wake)

    def wake(self) -> None:
        for wire in self.wires:
            wire.wake()

    def record(self) -> None:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while (batch := self.batches.get()) is not None:
                began = time.perf_counter()
                self.write(cursor, *batch)
                self.took["recorder_busy"] += time.perf_counter() - began
                self.loop.call_soon_threadsafe(self.committed, batch[0])
        connection.close()
        self.took["recording"] = time.thread_time()

    def write(self, cursor: Any, batch: list["Outcome"], going: list[int]) -> None:
        sql = RECORD.format(guard=GUARD if "guard" in self.promises else "")
        sql += JUDGE if "judge" in self.promises else ""
        sql += IN_FLIGHT if "in_flight" in self.promises else ""
        cursor.execute(sql, {
            "ids": array(row[0] for row in batch), "codes": array(row[1] for row in batch),
            "replies": array(f'"{row[2]}"' for row in batch), "count": len(batch),
            "times": array(datetime.fromtimestamp(row[3], UTC).isoformat() for row in batch),
            "in_flight": json.dumps(going),
        })  # fmt: skip

    def ask(self) -> None:
        if not self.is_committing and not self.is_asked:
            self.is_asked = True
            self.loop.call_later(BETWEEN_COMMITS, self.commit)

    def commit(self) -> None:
        self.is_asked = False
        if self.outcomes and not self.is_committing:
            self.is_committing, batch, self.outcomes = True, self.outcomes, []
            going = [w.next[0] if w.next else w.sent for w in self.wires]
            self.batches.put((batch, going))

    def committed(self, batch: list["Outcome"]) -> None:
        self.is_committing = False
        self.took["commits"] += 1
        now = time.time()
        if self.outcomes:
            self.commit()
        for *_, answered, wire in batch:
            self.took["wait"] += now - answered
            wire.is_recorded = True
            wire.go_on()
        self.end_if_done()

    def end_if_done(self) -> None:
        if not (self.open or self.is_committing or self.outcomes):
            self.over.set_result(None)


def array(values: Any) -> str:
    return "{" + ",".join(map(str, values)) + "}"


class Wire(asyncio.BufferedProtocol):
    """One connection: the envelope of the next mail leaves with the body of this one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.view, self.rest = memoryview(bytearray(4096)), b""
        self.expected = deque(["greeting"])
        self.next: tuple[int, bytes] | None = None
        self.sent = 0
        self.is_recorded, self.is_asked, self.is_idle = True, False, False

    def connection_made(self, transport: Any) -> None:
        self.send = transport.write
        self.engine.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        if error or self.sent or self.next:
            raise RuntimeError(f"The sink closed a connection in use: {error}")
        self.engine.open -= 1
        self.engine.end_if_done()

    def get_buffer(self, hint: int) -> memoryview:
        return self.view

    def buffer_updated(self, size: int) -> None:
        *lines, self.rest = (self.rest + bytes(self.view[:size])).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self.take(line)

    def take(self, line: bytes) -> None:
        match self.expected.popleft(), line[:3]:
            case "greeting", b"220":
                self.expected.append("ehlo")
                self.send(b"EHLO reference.example.org\r\n")
            case "ehlo", b"250":
                self.send(self.envelope())
            case ("mail" | "rcpt", b"250") | ("quit", b"221"):
                pass
            case "data", b"354":
                self.is_asked = True
                self.go_on()
            case "dot", b"250":
                row = (self.sent, 250, line[4:].decode(), time.time(), self)
                self.sent, self.is_recorded = 0, False
                self.engine.outcomes.append(row)
                self.engine.ask()
            case what, _:
                raise RuntimeError(f"To {what} the sink answered {line!r}.")

    def envelope(self) -> bytes:
        engine = self.engine
        if not engine.rows:
            self.is_idle = not engine.is_exhausted
            if self.is_idle:
                return b""
            self.expected.append("quit")
            return b"QUIT\r\n"
        row = engine.rows.popleft()
        if len(engine.rows) < CHUNK:
            engine.more.set()
        began = time.perf_counter()
        self.next = (row[0], engine.letter.body(row))
        engine.took["rendering"] += time.perf_counter() - began
        self.expected += ("mail", "rcpt", "data")
        return b"MAIL FROM:<news@example.org>\r\nRCPT TO:<%b>\r\nDATA\r\n" % row[1].encode()

    def wake(self) -> None:
        if self.is_idle:
            self.is_idle = False
            self.send(self.envelope())

    def go_on(self) -> None:
        """Send the body once the server waits for it and what was before is committed."""
        if self.is_asked and self.is_recorded and self.next:
            self.is_asked = False
            self.sent, body = self.next
            self.next = None
            self.expected.append("dot")
            self.send(body + b".\r\n" + self.envelope())


def main() -> None:
    chosen = json.loads(sys.argv[1])
    sample = chosen["sample"].encode("latin-1")
    engine = Engine(chosen["url"], chosen["port"], sample, chosen["count"], chosen["promises"])
    connection = psycopg2.connect(chosen["url"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(TABLES, (chosen["count"],))
        cursor.execute("VACUUM ANALYZE reference_delivery")
    gc.freeze()
    figures = uvloop.run(engine.run(chosen["connections"]))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM reference_attempt")
        figures["recorded"] = cursor.fetchone()[0]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

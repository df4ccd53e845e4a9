"""A load generator that costs little: HTTP/1.1 over kept connections, in one event loop."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LARGEST = 2**24
OK = re.compile(rb" 20[02] ")
END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(slots=True)
class Load:
    """What was measured."""

    seconds: float = 0.0
    first_byte: list[float] = field(default_factory=list)
    """Milliseconds until the first byte of each answer's body."""
    whole: list[float] = field(default_factory=list)
    """Milliseconds until its last."""
    events: int = 0
    """Chunks of streams, `[DONE]` included."""

    hits: int = 0
    """Answers that say they came from a cache."""

    def add(self, other: Load) -> None:
        """What was measured at another time."""
        self.seconds += other.seconds
        self.first_byte += other.first_byte
        self.whole += other.whole
        self.events += other.events
        self.hits += other.hits

    @property
    def requests(self) -> int:
        return len(self.whole)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def p50(self) -> float:
        return statistics.median(self.whole)

    def p99(self) -> float:
        return statistics.quantiles(self.whole, n=100)[98]

    def first_p50(self) -> float:
        return statistics.median(self.first_byte)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, as whom."""

    url: str
    """Of the API: `http://127.0.0.1:8000/v1`."""
    secret: str = "none"  # noqa: S105 - where nobody checks it
    headers: str = ""
    """More header lines, each with its line end."""
    path: str = "/chat/completions"
    """Below the URL."""

    def request(self, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        return (
            f"POST {parts.path}{self.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{self.headers}"
            f"Authorization: Bearer {self.secret}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def run_load(target: Target, bodies: Iterator[bytes], *, concurrency: int, seconds: float) -> Load:
    """Ask for so long, `concurrency` requests at a time; SystemExit when an answer is neither 200 nor 202."""
    return asyncio.run(_run(target, lambda: next(bodies), concurrency, seconds))


async def _run(target: Target, body: Callable[[], bytes], concurrency: int, seconds: float) -> Load:
    load = Load()
    started = time.perf_counter()
    await asyncio.gather(*(_worker(target, body, load, started + seconds) for _ in range(concurrency)))
    load.seconds = time.perf_counter() - started
    return load


async def _worker(target: Target, body: Callable[[], bytes], load: Load, until: float) -> None:
    parts = urlsplit(target.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LARGEST)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(target.request(body()))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not OK.search(head.partition(b"\r\n")[0]):
            raise SystemExit(f"{target.url}: {(await reader.read(2000)).decode(errors='replace')}")
        load.hits += b"x-cache: hit" in head
        first = await _body(reader, head, load)
        load.first_byte.append((first - started) * 1000)
        load.whole.append((time.perf_counter() - started) * 1000)
        if b"connection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LARGEST)
    writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes, load: Load) -> float:
    """Read a body to its end; when its first byte came."""
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
    if length:
        await reader.readexactly(int(length))
        return time.perf_counter()
    data = await reader.read(LARGEST)
    first = time.perf_counter()
    while not data.endswith(END_OF_CHUNKS):
        data += await reader.read(LARGEST)
    load.events += data.count(b"data: ")
    return first

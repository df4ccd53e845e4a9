"""A load of megabytes that costs little, so that it leaves the processors to what is measured: each client is a thread
with a plain socket, that sends bytes made beforehand and drops the answer as it comes."""

from __future__ import annotations

import re
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from benchmarks.http_load import OK, Target

BUFFER = 2**20
PATIENCE = 60.0
END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class LargeLoad:
    """What was sent."""

    seconds: float = 0.0
    whole: list[float] = field(default_factory=list)
    """Milliseconds until the last byte of each answer."""
    cpu_ms: float = 0.0
    """What the load itself took of the processors, for each request."""

    @property
    def per_second(self) -> float:
        return len(self.whole) / self.seconds

    def p50(self) -> float:
        return statistics.median(self.whole)


def send_large(target: Target, body: bytes, *, clients: int, seconds: float, per_second: float = 0.0) -> LargeLoad:
    """Send this body for so long: `per_second` requests in all, the clients by turns; 0: each client again as soon as
    it has its answer. In a process of its own, whose CPU is that of the load."""
    load, request = LargeLoad(), target.request(body)
    started, before = time.perf_counter(), time.process_time()
    one = partial(_client, target, request, load, started + seconds, clients / per_second if per_second else 0.0)
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(one, (started + turn / per_second if per_second else 0.0 for turn in range(clients))))
    load.seconds = time.perf_counter() - started
    load.cpu_ms = (time.process_time() - before) * 1000 / max(1, len(load.whole))
    return load


def _client(target: Target, request: bytes, load: LargeLoad, until: float, interval: float, due: float) -> None:
    parts, buffer = urlsplit(target.url), memoryview(bytearray(BUFFER))
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        while max(due, time.perf_counter()) < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.perf_counter()
            connection.sendall(request)
            _drop_answer(connection, buffer)
            load.whole.append((time.perf_counter() - begun) * 1000)
            due += interval


def _drop_answer(connection: socket.socket, buffer: memoryview) -> None:
    """SystemExit when it is neither 200 nor 202, or of unknown length."""
    received = connection.recv(BUFFER)
    while received and END_OF_HEAD not in received:
        received += connection.recv(BUFFER)
    head, _, body = received.partition(END_OF_HEAD)
    length = LENGTH.search(head)
    if not OK.search(head.partition(b"\r\n")[0]) or length is None:
        raise SystemExit(f"A large request was answered with {received[:2000].decode(errors='replace')}")
    left = int(length[1]) - len(body)
    while left > 0:
        left -= connection.recv_into(buffer, min(left, BUFFER)) or left

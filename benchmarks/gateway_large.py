"""A small request beside large ones, and who used the processors meanwhile."""

from __future__ import annotations

import base64
import json
import os
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gateway_servers import MODEL, Server
from benchmarks.http_load import Load, Target, run_load
from benchmarks.large_load import LargeLoad, send_large
from benchmarks.processes import database_cpu, machine_cpu, tree_cpu

IMAGE_BYTES = 5_200_000
"""7 MB as base64."""
ANSWER_TOKENS = 1_750_000
"""7 MB, at four characters a token."""
CLIENTS = 4
PACED = 4.0
"""Requests a second of all clients together, which leaves a small machine idle for most of the time."""
ROUNDS = 3
"""Alone and beside by turns, so that both saw the same machine."""
WARM_UP = 1.0
NOT_CACHED = "Cache-Control: no-store\r\n"
SECOND = b"large_body_server"


@dataclass(frozen=True, slots=True)
class Kind:
    """Large requests of one kind."""

    body: Callable[[], bytes]
    per_second: float = 0.0
    """0: each client again as soon as it has its answer."""


def image() -> bytes:
    """A request with an image of 7 MB."""
    encoded = base64.b64encode(os.urandom(IMAGE_BYTES)).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": [part]}]}).encode()


def long_answer() -> bytes:
    """A request whose answer has 7 MB."""
    message = {"role": "user", "content": "Tell me everything."}
    return json.dumps({"model": MODEL, "messages": [message], "max_tokens": ANSWER_TOKENS}).encode()


KINDS = {"large": Kind(image), "paced": Kind(image, PACED), "answers": Kind(long_answer)}


@dataclass(slots=True)
class Machine:
    """Who used the processors, in seconds of CPU."""

    server: Server
    provider: int
    """Its process."""
    database: str
    used: dict[str, float] = field(default_factory=dict)

    def read(self) -> dict[str, float]:
        workers = self.server.pids()
        second = [pid for pid in workers if SECOND in Path(f"/proc/{pid}/cmdline").read_bytes()]
        apart, all_of_it = tree_cpu(second), tree_cpu([self.server.pid])
        return {
            "gateway": all_of_it - apart,
            "second_process": apart,
            "database": database_cpu(self.database),
            "provider": tree_cpu([self.provider]),
            "machine": machine_cpu(),
        }

    def add(self, before: dict[str, float], seconds: float) -> None:
        """What was used since, as cores."""
        for name, value in self.read().items():
            self.used[name] = self.used.get(name, 0.0) + (value - before[name]) / seconds / ROUNDS


def beside_large(
    machine: Machine, small: Target, direct: Target, bodies: Callable[[], Iterator[bytes]], seconds: float, kind: str
) -> dict[str, float]:
    """A small request alone, beside large ones, and again; the same straight to the provider."""
    alone, beside, bare, larges = Load(), Load(), Load(), list[LargeLoad]()
    each, machine.used = seconds / ROUNDS, {}
    load_of = KINDS[kind]
    target = Target(small.url, small.secret, NOT_CACHED)
    for _ in range(ROUNDS):
        alone.add(run_load(small, bodies(), concurrency=1, seconds=each))
        with ProcessPoolExecutor(1) as others:
            options = {"clients": CLIENTS, "per_second": load_of.per_second, "seconds": WARM_UP + 2 * each}
            sent = others.submit(send_large, target, load_of.body(), **options)  # type: ignore[arg-type]
            run_load(small, bodies(), concurrency=1, seconds=WARM_UP)
            before = machine.read()
            beside.add(run_load(small, bodies(), concurrency=1, seconds=each))
            machine.add(before, each)
            bare.add(run_load(direct, bodies(), concurrency=1, seconds=each))
            larges.append(sent.result())
    cores = {f"{kind}_cores_of_{name}": used for name, used in machine.used.items()}
    return cores | _figures(kind, alone, beside, bare, larges)


def _figures(kind: str, alone: Load, beside: Load, bare: Load, larges: list[LargeLoad]) -> dict[str, float]:
    return {
        f"{kind}_small_p50_ms_alone": alone.p50(),
        f"{kind}_small_p50_ms_beside": beside.p50(),
        f"{kind}_small_p50_times": beside.p50() / alone.p50(),
        f"{kind}_small_p99_ms_beside": beside.p99(),
        f"{kind}_direct_p50_ms_beside": bare.p50(),
        f"{kind}_per_s": statistics.mean(load.per_second for load in larges),
        f"{kind}_p50_ms": statistics.median(ms for load in larges for ms in load.whole),
        f"{kind}_load_cpu_ms": statistics.mean(load.cpu_ms for load in larges),
    }


def database_name() -> str:
    return urlsplit(os.environ.get("DATABASE_URL", "")).path.strip("/")

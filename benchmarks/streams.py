"""What streaming costs: `python -m benchmarks.streams [--calls 1000] [--rounds 3] [--listeners 100]`.

First the same calls at once and as a stream, in turns, on a real qcluster: CPU of the workers and of the database for
a call, and the ratio of the two. The model is `manage.py simulated_provider`, which streams a sentence in many pieces.
Then one web server process (ASGI) to which many listen while a worker relays one long answer: memory and CPU of the
server, and whether somebody missed a piece.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from benchmarks.contest import Contender, Measured, as_table, take_turns
from benchmarks.processes import free_port, stop, tree_cpu, wait_for_port
from benchmarks.throughput import (
    INCLUDES,
    POSTGRES_DURABILITY,
    PROCESSES,
    ROOT,
    Ours,
    migrate,
    scratch_postgres,
    start,
)
from benchmarks.throughput import environment as environment_of
from orchestration.engine.worker.process_group import children_of
from orchestration.management.base import whole

AT_ONCE, STREAMED = "at once", "as a stream, relayed"
REASON = "Since this morning's release the export does nothing, and the report is due at noon. " * 2
LONG = REASON * 20
PACE_MS = 40
PATIENCE = 300.0
MIB = 2**20


@contextmanager
def model(latency_ms: int, pace_ms: int) -> Iterator[str]:
    """The address of a model that streams."""
    speed = ("--latency-ms", str(latency_ms), "--pace-ms", str(pace_ms))
    process = start(environment_of(0, 1), "simulated_provider", "--port", "0", *speed, stdout=subprocess.PIPE)
    assert process.stdout is not None  # noqa: S101 - stdout=PIPE, the line above
    try:
        yield process.stdout.readline().split()[2].decode().removesuffix("/v1")
    finally:
        process.terminate()
        process.communicate()


def says(address: str, reason: str) -> None:
    """Let the model give this answer to every request."""
    answer = {"urgency": 7, "team": "reports", "reason": reason}
    script = json.dumps([{"kind": "json", "times": 0, "data": answer}]).encode()
    urllib.request.urlopen(urllib.request.Request(f"{address}/_script", data=script), timeout=10).close()


# --- relaying -------------------------------------------------------------------------------


def relaying(address: str, database_url: str, calls: int, rounds: int) -> None:
    contenders = [
        Contender(
            name=name,
            includes=INCLUDES,
            durability=POSTGRES_DURABILITY,
            run=Ours(
                provider_url=f"{address}/v1", database_url=database_url, stream=name == STREAMED, calls=calls
            ).measure,
        )
        for name in (AT_ONCE, STREAMED)
    ]
    found = take_turns(contenders, rounds)
    print(as_table(contenders, found))
    pairs = list(zip(found[STREAMED], found[AT_ONCE], strict=True))
    worker = statistics.median(_cpu(one) / _cpu(other) for one, other in pairs)
    print(f"\nA streamed call takes {worker:.2f} times the CPU of workers and database.\n")


def _cpu(measured: Measured) -> float:
    return measured.cpu_ms + measured.database_ms


# --- listening ------------------------------------------------------------------------------


@dataclass(slots=True)
class Heard:
    """What one listener was told."""

    text: str = ""
    pieces: int = 0
    first: float = 0.0
    end: list[str] = field(default_factory=list)


async def listen(url: str, secret: str, count: int, server: subprocess.Popen[bytes]) -> tuple[list[Heard], int]:
    """What each of them heard, and the most memory that the server had meanwhile."""
    timeout, connector = aiohttp.ClientTimeout(total=PATIENCE), aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers) as session:
        listeners = asyncio.gather(*(_one(session, url) for _ in range(count)))
        most = 0
        while not listeners.done():
            most = max(most, memory(server))
            await asyncio.wait([listeners], timeout=0.5)
        return listeners.result(), most


async def _one(session: aiohttp.ClientSession, url: str) -> Heard:
    heard, name = Heard(), ""
    async with session.get(url) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:500]}")
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if line.startswith("data: "):
                data = json.loads(line.removeprefix("data: "))
                if name == "text":
                    heard.first = heard.first or time.monotonic()
                    heard.text, heard.pieces = heard.text + data["text"], heard.pieces + 1
                elif name == "discarded":
                    heard.text = ""
                elif name == "end":
                    heard.end = data["parts"] or []
    return heard


@contextmanager
def web_server(env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """One process that serves by ASGI, with the pool of connections that docs/production.md wants, and its address."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--log-level", "error", "config.asgi:application"]
    process = subprocess.Popen(command, cwd=ROOT, env=env | {"DATABASE_POOL": "true"}, start_new_session=True)
    try:
        wait_for_port(port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        stop([process])


def memory(process: subprocess.Popen[bytes]) -> int:
    """Bytes of the server's worker process that are not shared with files."""
    pids = [*children_of(process.pid)] or [process.pid]
    fields = [(Path("/proc") / str(pid) / "statm").read_text().split() for pid in pids]
    return sum(int(resident) - int(shared) for _, resident, shared, *_ in fields) * 4096


def listening(address: str, database_url: str, listeners: int) -> None:
    port = int(address.rpartition(":")[2])
    env = environment_of(port, PROCESSES) | {"DATABASE_URL": database_url}
    says(address, LONG)
    cluster = start(env, "qcluster", start_new_session=True, stdout=subprocess.DEVNULL)
    caller = start(env, "bench_listen", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert caller.stdin is not None and caller.stdout is not None  # noqa: S101, PT018 - PIPE
    try:
        secret = json.loads(caller.stdout.readline())
        with web_server(env) as (server, url):
            for number in (1, listeners):  # the first one warms up
                caller.stdin.write(b"%d\n" % number)
                caller.stdin.flush()
                stream = f"{url}/api/v1/service-calls/{json.loads(caller.stdout.readline())}/stream"
                before, cpu, began = memory(server), tree_cpu([server.pid]), time.monotonic()
                heard, most = asyncio.run(listen(stream, secret, number, server))
                used = tree_cpu([server.pid]) - cpu
                _tell(heard, most - before, used, time.monotonic() - began)
    finally:
        caller.stdin.close()
        stop([cluster])
        caller.wait(30)


def _tell(heard: list[Heard], more_memory: int, cpu: float, seconds: float) -> None:
    whole_texts = sum(one.end == [LONG] for one in heard)
    missed = sum(not LONG.startswith(one.text) or not one.text for one in heard)
    pieces = statistics.median(one.pieces for one in heard)
    spread = max(one.first for one in heard) - min(one.first for one in heard)
    print(
        f"{len(heard)} listeners, {seconds:.1f} s: {whole_texts} heard the end as it is stored, {missed} missed a"
        f" piece; {pieces:.0f} pieces each, the first within {spread * 1000:.0f} ms of each other; the server took"
        f" {cpu / seconds:.0%} of a core ({cpu / len(heard) * 1000:.0f} ms a listener) and"
        f" {more_memory / MIB:.1f} MiB more ({more_memory / len(heard) / 1024:.0f} KiB a listener)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=whole(2, 1_000_000), default=1000, help="of each way in a round")
    parser.add_argument("--rounds", type=whole(1, 100), default=3)
    parser.add_argument("--listeners", type=whole(2, 10_000), default=100)
    parser.add_argument("--only", choices=("relaying", "listening"), help="one of the two")
    options = parser.parse_args()
    with scratch_postgres(f"orca_bench_{os.getpid()}") as database:
        if database is None:
            raise SystemExit("No PostgreSQL answers.")
        migrate(database)
        if options.only != "listening":
            with model(200, 5) as address:
                says(address, REASON)
                relaying(address, database, options.calls, options.rounds)
        if options.only != "relaying":
            with model(200, PACE_MS) as address:
                listening(address, database, options.listeners)


if __name__ == "__main__":
    main()

"""This project and other ways to run model calls, one after the other in the same session: `make bench-peers`.

    python -m benchmarks.against_peers [--calls 3000] [--rounds 3] [--python .peers/bin/python] [--only NAME ...]

One simulated provider answers all. Every contender has two processes that ask as many at a time as its name says, and a
database of its own; they take turns, and the table has medians and ranges. What could not be installed
is named below it. Writes var/bench-peers.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import throughput
from benchmarks.contest import Contender, Measured, report, take_turns
from benchmarks.processes import free_port, wait_for_port
from benchmarks.throughput import ROOT, bare, chosen, databases, floor, ours, parser_of, provider, scratch_postgres

PATIENCE = 700
MODULE_PATIENCE = 20


class Peer(NamedTuple):
    module: str
    name: str
    package: str
    """Imported to learn whether it is installed."""
    includes: str
    durability: str
    needs_redis: bool = False


TASK = "task row, prompt, request, validation"
PEERS = (
    Peer(
        "celery_threads",
        "Celery, Redis, 2 x 64 threads, `openai`",
        "celery",
        "message, prompt, request, validation, result in Redis",
        "`acks_late`, `reject_on_worker_lost`; Redis without AOF, its default snapshots",
        needs_redis=True,
    ),
    Peer(
        "procrastinate_openai",
        "Procrastinate, 2 x 64, `openai`",
        "procrastinate",
        f"{TASK}; the answer is not stored",
        "job states committed in PostgreSQL",
    ),
    Peer(
        "procrastinate_aiohttp",
        "Procrastinate, 2 x 64, aiohttp",
        "procrastinate",
        f"{TASK}; the answer is not stored",
        "job states committed in PostgreSQL",
    ),
    Peer(
        "dbos_queue",
        "DBOS, 2 x 64, `openai`",
        "dbos",
        "workflow of one step, prompt, request, validation, both results stored; the queue polls every second",
        "every step committed in PostgreSQL",
    ),
    Peer(
        "django_q2",
        "django-q2, 16 workers, `openai`",
        "django_q",
        f"{TASK}, result row",
        "acknowledged after the task; rows in PostgreSQL",
    ),
)


def contenders(python: Path, provider_url: str, redis_url: str | None, calls: int) -> Iterator[Contender]:
    for peer in PEERS:
        if installed(python, peer.package) and (redis_url or not peer.needs_redis):
            yield Contender(
                name=peer.name,
                includes=peer.includes,
                durability=peer.durability,
                run=driven(python, peer, provider_url, redis_url, calls),
            )
    if installed(python, "litellm"):
        yield Contender(
            name="LiteLLM `aresponses`, 2 x 64",
            includes="prompt, request, validation",
            durability="nothing",
            run=lambda: bare(provider_url, calls, 64, python=str(python), module="litellm_loop"),
        )


def driven(python: Path, peer: Peer, provider_url: str, redis_url: str | None, calls: int) -> Callable[[], Measured]:
    def run() -> Measured:
        with scratch_postgres("orca_bench_peer") as database:
            if database is None:
                raise RuntimeError("no PostgreSQL answers")
            env = os.environ | {
                "BENCH_PROVIDER_URL": provider_url,
                "BENCH_DATABASE_URL": database.replace("postgres://", "postgresql://", 1),
                "BENCH_REDIS_URL": redis_url or "",
            }
            env.pop("DJANGO_SETTINGS_MODULE", None)
            command = [str(python), "-m", "benchmarks.peers.drive", peer.module, str(calls)]
            done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(f"exit status {done.returncode}")
        return Measured(**json.loads(done.stdout.splitlines()[-1]))

    return run


def installed(python: Path, package: str) -> bool:
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return python.exists() and subprocess.run([str(python), "-c", probe], timeout=MODULE_PATIENCE).returncode == 0


@contextmanager
def redis() -> Iterator[str | None]:
    """A server of our own with Redis's default settings; None when there is no `redis-server`."""
    if shutil.which("redis-server") is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def left_out(python: Path, redis_url: str | None) -> list[str]:
    """Who does not take part, and why."""
    missing = python.parent.parent / "missing"
    reasons = missing.read_text().splitlines() if missing.exists() else []
    absent = {peer.package for peer in PEERS if not installed(python, peer.package)}
    absent |= set() if installed(python, "litellm") else {"litellm"}
    without_redis = [peer.name for peer in PEERS if peer.needs_redis and not redis_url]
    return [
        *reasons,
        *(f"{name}: not installed in {python}" for name in sorted(absent)),
        *(f"{name}: no redis-server on this machine" for name in without_redis),
    ]


def main() -> None:
    parser = parser_of(__doc__, calls=3000, rounds=3)
    parser.add_argument("--python", type=Path, default=ROOT / ".peers" / "bin" / "python", help="of the peers")
    options = parser.parse_args()
    calls = options.calls
    with provider(options.latency_ms) as url, databases() as (postgres, sqlite), redis() as redis_url:
        everyone = [floor(url, calls), *ours(url, postgres, sqlite, calls)]
        taking_part = chosen([*everyone, *contenders(options.python, url, redis_url, calls)], options.only)
        rounds = take_turns(taking_part, options.rounds)
        missing = left_out(options.python, redis_url)
    figures = {"calls": calls, "latency_ms": options.latency_ms, "left_out": missing}
    report(taking_part, rounds, throughput.ROOT / "var" / "bench-peers.json", **figures)
    for line in missing:
        print(f"not measured: {line}")


if __name__ == "__main__":
    main()

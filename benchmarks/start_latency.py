"""Milliseconds from a submit until its request is at the provider, while the system is idle.

    python -m benchmarks.start_latency [--calls 20] [--only NAME ...]

Starts a model and the real qcluster, on PostgreSQL and SQLite with the database as broker and on
PostgreSQL with Redis. Calls come one at a time: a second apart, so that a worker still lingers after the one before,
and four seconds apart, so that none does. Time is taken before the submit and where the provider reads the request.
CPU is that of all processes of the cluster in ten idle seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.processes import stop, tree_cpu
from benchmarks.throughput import PATIENCE, databases, environment, provider, start
from orchestration.management.base import whole

REDIS = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/8"
PAUSES_MS = {"lingering": 1000, "none": 4000}
"""Between two submits; by the state of the workers."""
IDLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One way to run the product; `measure` starts its cluster."""

    name: str
    node: str
    """Of its cluster: one that has just ended may still be known by its name."""
    database_url: str
    variables: dict[str, str]

    def measure(self, port: int, calls: int) -> dict[str, list[float] | float]:
        env = environment(port, 2) | {"DATABASE_URL": self.database_url, "ORCA_NODE_NAME": f"{self.node}-{os.getpid()}"}
        env |= self.variables
        cluster = start(env, "qcluster", start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            _submit(env, 3, 1000)  # the cluster is up, and each kind of thing was done once
            found: dict[str, list[float] | float] = {
                name: _submit(env, calls, pause) for name, pause in PAUSES_MS.items()
            }
            time.sleep(PAUSES_MS["none"] / 1000)
            before = tree_cpu([cluster.pid])
            time.sleep(IDLE_SECONDS)
            found["idle"] = (tree_cpu([cluster.pid]) - before) / IDLE_SECONDS
        finally:
            stop([cluster])
        return found


def systems(postgres: str | None, sqlite: str) -> Iterator[System]:
    if postgres:
        yield System(name="PostgreSQL", node="postgresql", database_url=postgres, variables={})
    yield System(name="SQLite", node="sqlite", database_url=sqlite, variables={})
    if postgres:
        variables = {"ORCA_BROKER": "redis", "REDIS_URL": REDIS, "ORCA_INSTALLATION": "bench"}
        yield System(name="Redis and PostgreSQL", node="redis", database_url=postgres, variables=variables)


def _submit(env: dict[str, str], calls: int, pause_ms: int) -> list[float]:
    done = start(env, "bench_start", str(calls), "--pause-ms", str(pause_ms), stdout=subprocess.PIPE)
    said = done.communicate(timeout=PATIENCE)[0]
    if done.returncode:
        raise SystemExit("A call did not start.")
    milliseconds: list[float] = json.loads(said)
    return milliseconds


def _line(name: str, found: dict[str, list[float] | float]) -> str:
    figures = []
    for state in PAUSES_MS:
        values = found[state]
        if isinstance(values, list):
            figures += [statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]]
    return f"| {name} | {' | '.join(f'{each:.0f}' for each in figures)} | {found['idle']:.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=whole(2, 10_000), default=20, help="of each kind")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="only systems whose name contains this")
    options = parser.parse_args()
    print("| system | lingering worker: p50 | p95 | no worker: p50 | p95 | CPU while idle |\n|---|---|---|---|---|---|")
    with provider(0) as url, databases() as (postgres, sqlite):
        for system in systems(postgres, sqlite):
            if not options.only or any(text in system.name for text in options.only):
                found = system.measure(int(url.rpartition(":")[2].split("/")[0]), options.calls)
                print(_line(system.name, found), flush=True)


if __name__ == "__main__":
    main()

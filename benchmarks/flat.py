"""Whether calls cost the same however many there are: `python -m benchmarks.flat [--finished 1000000]`.

On a new PostgreSQL database it measures calls per second and CPU per call of a cluster that works off a queue: one
ordering key alone with a model that answers at once; ten thousand waiting and finished; ten thousand over 100 ordering
keys; as many finished as `--finished` says; and as many waiting as `--waiting` says. Prints a table and writes
var/bench-flat.json. To write a million finished calls takes some minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg

from benchmarks.contest import Contender, Measured, report, take_turns
from benchmarks.processes import database_cpu, machine_cpu, stop, tree_cpu
from benchmarks.throughput import (
    INCLUDES,
    PATIENCE,
    POSTGRES_DURABILITY,
    PROCESSES,
    ROOT,
    chosen,
    environment,
    migrate,
    provider,
    scratch_postgres,
    start,
)
from orchestration.management.base import whole

FEW = 10_000
WARM_UP = 100
FINISHED = "SELECT count(*) FROM service_call_record WHERE finished_at > %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What to write before a cluster works for some seconds."""

    provider_url: str
    database_url: str
    seconds: int
    prepare: tuple[tuple[str, ...], ...]
    """Commands of manage.py."""

    def measure(self) -> Measured:
        env = environment(urlsplit(self.provider_url).port or 0, PROCESSES) | {"DATABASE_URL": self.database_url}
        for command in self.prepare:
            if start(env, *command, stdout=subprocess.DEVNULL).wait():
                raise RuntimeError(f"{command[0]} failed")
        with psycopg.connect(self.database_url.replace("postgres://", "postgresql://", 1), autocommit=True) as database:
            began = _one(database, "SELECT clock_timestamp()")
            cluster = start(env, "qcluster", start_new_session=True, stdout=subprocess.DEVNULL)
            try:
                return self._watch(cluster.pid, lambda: int(_one(database, FINISHED, began)))
            finally:
                stop([cluster])

    def _watch(self, pid: int, finished: Callable[[], int]) -> Measured:
        name, deadline = urlsplit(self.database_url).path.strip("/"), time.monotonic() + PATIENCE
        while finished() < WARM_UP:
            if time.monotonic() > deadline:
                raise RuntimeError("no call ended")
            time.sleep(0.2)
        calls, before, at = finished(), (tree_cpu([pid]), database_cpu(name), machine_cpu()), time.monotonic()
        time.sleep(self.seconds)
        calls, seconds = finished() - calls, time.monotonic() - at
        after = (tree_cpu([pid]), database_cpu(name), machine_cpu())
        workers, database, machine = (
            (now - then) * 1000 / max(calls, 1) for now, then in zip(after, before, strict=True)
        )
        return Measured(calls / seconds, workers, database, machine)


def _one(database: psycopg.Connection, sql: str, *params: object) -> object:
    row = database.execute(sql, params).fetchone()
    return row[0] if row else None


def seeded(calls: int) -> tuple[str, ...]:
    return ("seed_load", "--calls", str(calls), "--yes")


def waiting(calls: int, *, keys: int = 0, priority: int = 0) -> tuple[str, ...]:
    return ("bench_durable", str(calls), "--leave", "--keys", str(keys), "--priority", str(priority))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=whole(FEW + 1, 100_000_000), default=1_000_000)
    parser.add_argument("--waiting", type=whole(1, 100_000_000), default=100_000)
    parser.add_argument("--latency-ms", type=whole(0, 1_000_000), default=50)
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="TEXT", help="only situations whose name contains this"
    )
    parser.add_argument("--seconds", type=whole(1, 3600), default=8, help="how long each situation is measured")
    options = parser.parse_args()
    finished, queued = f"{options.finished:,} finished", f"{options.waiting:,} waiting"
    with scratch_postgres("orca_bench_flat") as database, provider(options.latency_ms) as url, provider(0) as at_once:
        if database is None:
            raise SystemExit("No PostgreSQL answers.")
        migrate(database)
        contenders = [
            Contender(
                name=name,
                includes=INCLUDES.removeprefix("submit in batches of 500, "),
                durability=POSTGRES_DURABILITY,
                run=Situation(provider_url=to, database_url=database, seconds=options.seconds, prepare=before).measure,
            )
            for name, to, before in (
                ("one ordering key, a model of 0 ms", at_once, (waiting(1000, keys=1, priority=99),)),
                (f"{FEW:,} finished, {FEW:,} waiting", url, (seeded(FEW), waiting(FEW))),
                (f"{FEW:,} waiting over 100 ordering keys", url, (waiting(FEW, keys=100, priority=50),)),
                (finished, url, (seeded(options.finished - FEW), waiting(FEW))),
                (f"{finished}, {queued}", url, (waiting(options.waiting),)),
            )
        ]
        contenders = chosen(contenders, options.only)
        rounds = take_turns(contenders, 1)
    report(contenders, rounds, ROOT / "var" / "bench-flat.json", latency_ms=options.latency_ms)


if __name__ == "__main__":
    main()

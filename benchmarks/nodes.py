"""One, two and four nodes against one PostgreSQL, with a model as slow as models are: docs/scaling.md.

    python -m benchmarks.nodes [--nodes 1 2 4] [--in-flight 100] [--latency-ms 3000] [--waves 8]

Each node is a `qcluster` whose one worker for calls has --in-flight of them at a time, so that a node's share is
limited by what is in flight and not by the processors that all nodes share here. Every call ends in a row of its own.
Prints, and writes to var/bench-nodes.json: calls per second beside what --in-flight and the latency allow, CPU and WAL
of a call, connections, and bytes that each table and its indexes grew by.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import tuple_row

from benchmarks.processes import database_cpu, stop, tree_cpu
from benchmarks.throughput import ROOT, environment, migrate, provider, scratch_postgres, start
from orchestration.management.base import whole

WARM_UP = 100
PATIENCE = 600
IDLE_SECONDS = 6
SIZES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
WAL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    nodes: int
    calls: int
    calls_per_s: float
    allowed_per_s: float
    """In flight, divided by the latency of the model."""
    idle_cores: float
    """CPU of one node that has nothing to do, as a share of a processor."""
    worker_ms: float
    """CPU of all nodes for one call, with what they use when they have nothing to do."""
    database_ms: float
    """CPU of the backends for one call."""
    wal_bytes: float
    """WAL for one call, with the full pages after a checkpoint."""
    connections: int
    """The most at a time, with that of the submitting process."""
    table_bytes: dict[str, tuple[float, float]]
    """Growth for one call: the table with what it keeps out of line, and its indexes."""


def measure(nodes: int, provider_url: str, database_url: str, options: argparse.Namespace) -> Found:
    env = environment(urlsplit(provider_url).port or 0, 1)
    env |= {"DATABASE_URL": database_url, "ORCA_CONCURRENCY": str(options.in_flight)}
    calls = nodes * options.in_flight * options.waves
    clusters = [
        start(env | {"ORCA_NODE_NAME": f"node-{number}"}, "qcluster", start_new_session=True, stdout=subprocess.DEVNULL)
        for number in range(1, nodes + 1)
    ]
    pids, database = [cluster.pid for cluster in clusters], urlsplit(database_url).path.strip("/")
    try:
        with psycopg.connect(database_url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
            _submit(env, WARM_UP * nodes, connection)
            idle = tree_cpu(pids)
            time.sleep(IDLE_SECONDS)
            idle = (tree_cpu(pids) - idle) / IDLE_SECONDS / nodes
            sizes, wal = dict(_sizes(connection)), _number(connection, WAL)
            cpu, database_before = tree_cpu(pids), database_cpu(database)
            rate, most = _submit(env, calls, connection)
            used, database_used = tree_cpu(pids) - cpu, database_cpu(database) - database_before
            written, after = _number(connection, WAL) - wal, dict(_sizes(connection))
    finally:
        stop(clusters)
    grown = {
        name: ((table - sizes[name][0]) / calls, (indexes - sizes[name][1]) / calls)
        for name, (table, indexes) in after.items()
    }
    return Found(
        nodes=nodes,
        calls=calls,
        calls_per_s=rate,
        allowed_per_s=nodes * options.in_flight * 1000 / options.latency_ms,
        idle_cores=idle,
        worker_ms=used * 1000 / calls,
        database_ms=max(database_used, 0.0) * 1000 / calls,
        wal_bytes=written / calls,
        connections=most,
        table_bytes={name: size for name, size in grown.items() if sum(size) >= 1},
    )


def _submit(env: dict[str, str], calls: int, connection: psycopg.Connection) -> tuple[float, int]:
    """(calls per second, the most connections seen)"""
    command = start(env, "bench_durable", str(calls), "--rows", stdout=subprocess.PIPE)
    most, deadline = 0, time.monotonic() + PATIENCE
    while command.poll() is None and time.monotonic() < deadline:
        most = max(most, _number(connection, CONNECTIONS))
        time.sleep(0.5)
    command.kill()
    said = command.communicate()[0]
    if command.returncode:
        raise SystemExit("The calls did not all succeed.")
    return json.loads(said)["calls_per_s"], most


def _number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _sizes(connection: psycopg.Connection) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, table, indexes in connection.cursor(row_factory=tuple_row).execute(SIZES.encode()):
        yield name, (table, indexes)


def report(found: list[Found]) -> None:
    print(
        "| nodes | calls/s | in flight / latency | idle node | worker CPU, ms | database CPU, ms | WAL | connections |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for each in found:
        print(
            f"| {each.nodes} | {each.calls_per_s:.0f} | {each.allowed_per_s:.0f} | {each.idle_cores:.1%} |"
            f" {each.worker_ms:.2f} | {each.database_ms:.2f} | {each.wal_bytes / 1024:.1f} kB | {each.connections} |"
        )
    print("\n| table | bytes/call | bytes/call of its indexes |\n|---|---|---|")
    for name, (table, indexes) in sorted(found[-1].table_bytes.items(), key=lambda item: -sum(item[1])):
        print(f"| `{name}` | {table:.0f} | {indexes:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=whole(1, 64), nargs="+", default=[1, 2, 4])
    parser.add_argument("--in-flight", type=whole(1, 100_000), default=100)
    parser.add_argument("--latency-ms", type=whole(1, 1_000_000), default=3000)
    parser.add_argument("--waves", type=whole(1, 10_000), default=8, help="calls that each place in flight has to run")
    options, found = parser.parse_args(), []
    with provider(options.latency_ms) as url:
        for nodes in options.nodes:
            with scratch_postgres("orca_bench_nodes") as database:
                if database is None:
                    sys.exit("No PostgreSQL answers at DATABASE_URL or 127.0.0.1:5432.")
                migrate(database)
                found.append(measure(nodes, url, database, options))
                sys.stderr.write(f"{found[-1]}\n")
    report(found)
    output = ROOT / "var" / "bench-nodes.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    told = {"cores": os.cpu_count(), **vars(options), "found": [asdict(each) for each in found]}
    output.write_text(json.dumps(told, indent=2) + "\n")
    print(f"\nwritten: {output}")


if __name__ == "__main__":
    main()

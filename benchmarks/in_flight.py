"""One worker with a thousand calls in flight: `python -m benchmarks.in_flight [--calls 5000] [--at-once 1000]`.

The model takes five seconds, so a worker that has a thousand calls in flight can do two hundred a second. Prints one
JSON object for each database: calls per second, the most that were in flight, memory of the worker's process, how late
its event loop was, leases that ran out, and whether each call was claimed and sent once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from urllib.parse import urlsplit

from benchmarks.throughput import PATIENCE, databases, environment, provider, start
from orchestration.management.base import whole


def measured(provider_url: str, database_url: str, calls: int, at_once: int) -> dict[str, float]:
    """What a worker says that runs so many calls."""
    env = environment(urlsplit(provider_url).port or 0, 1)
    env |= {"DATABASE_URL": database_url, "ORCA_CONCURRENCY": str(at_once)}
    done = start(env, "bench_worker", str(calls), stdout=subprocess.PIPE)
    said = done.communicate(timeout=PATIENCE)[0]
    if done.returncode:
        raise RuntimeError("the calls did not all end")
    told: dict[str, float] = json.loads(said)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=whole(1, 10_000_000), default=5000)
    parser.add_argument("--at-once", type=whole(1, 1024), default=1000, help="ORCA_CONCURRENCY of the worker")
    parser.add_argument("--latency-ms", type=whole(0, 1_000_000), default=5000)
    parser.add_argument("--only", default="", metavar="TEXT", help="only databases whose name contains this")
    options = parser.parse_args()
    with provider(options.latency_ms) as url, databases() as (postgres, sqlite):
        for name, database in (("PostgreSQL", postgres), ("SQLite", sqlite)):
            if database and options.only in name:
                told = measured(url, database, options.calls, options.at_once)
                sys.stdout.write(json.dumps({"database": name, "latency_ms": options.latency_ms, **told}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Pruning 100,000 calls with their audits, while another process submits: what each side takes.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.retention [--calls 100000] [--submits 200]

In a scratch database beside that of DATABASE_URL, PostgreSQL only. First some submits alone, then submits for as long
as the prune runs, by a process of their own. Prints one JSON object, times in milliseconds, with the load average.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.db import connection
from django.utils import timezone

from benchmarks import drain_ways, stored
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.management.base import whole
from persistence.maintenance.retention import prune
from tests.persistence.reprocessing.test_rerun import answered
from tests.seedapp.orca.readme import GenerateTicketAnswer

TARGET_MS = 200.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=whole(1, 10_000_000), default=100_000)
    parser.add_argument("--submits", type=whole(0, 1_000_000), default=200, help="before the prune, for comparison")
    return parser.parse_args()


def main() -> None:
    options = parse()
    with drain_ways.scratch_database():
        record, then = answered("We are on it."), "now() - interval '40 days'"
        stored.copies(record, options.calls, created_at=then, finished_at=then)
        stored.copies_of_audits(record, options.calls, then)
        fresh = multiprocessing.get_context("spawn")
        started, stop, times = fresh.Event(), fresh.Event(), fresh.SimpleQueue()
        arguments = (options.submits, started, stop, times)
        os.environ["DATABASE_URL"] = drain_ways.database_url()  # of the process that is started next
        submitter = fresh.Process(target=submit_until, args=arguments)
        submitter.start()
        started.wait()
        connection.close()
        began = time.perf_counter()
        report = prune(days=dict.fromkeys(("calls", "requests", "responses"), 30), dry_run=False)
        seconds = time.perf_counter() - began
        again = time.perf_counter()
        prune(days=dict.fromkeys(("calls", "requests", "responses"), 30), dry_run=False, now=timezone.now())
        again_ms = (time.perf_counter() - again) * 1000
        stop.set()
        alone, meanwhile = times.get(), times.get()
        submitter.join()
    print(
        json.dumps(
            {
                "purged": report.rows,
                "seconds": round(seconds, 1),
                "rows_per_second": round(sum(report.rows.values()) / seconds),
                "second_prune_ms": round(again_ms, 1),
                "submit_alone": told(alone),
                "submit_meanwhile": told(meanwhile),
                "target": f"no submit slower than {TARGET_MS:.0f} ms",
                "load": os.getloadavg()[0],
            }
        )
    )


def submit_until(first: int, started: Event, stop: Event, times: SimpleQueue[list[float]]) -> None:
    """Submit `first` calls alone, then one after the other until `stop`; hands over both lists of times in ms."""

    def one() -> float:
        begun = time.perf_counter()
        submit(CallSpec(service=GenerateTicketAnswer, context={"ticket": "It is broken."}))
        return (time.perf_counter() - begun) * 1000

    one()
    alone = [one() for _ in range(first)]
    started.set()
    meanwhile = []
    while not stop.is_set():
        meanwhile.append(one())
        time.sleep(0.005)
    times.put(alone)
    times.put(meanwhile)


def told(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "count": len(times),
        "median": round(statistics.median(ordered), 1),
        "p99": round(ordered[int(len(ordered) * 0.99)], 1),
        "worst": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()

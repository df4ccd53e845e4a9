"""What a claim costs with a long queue: `python -m benchmarks.claim --rows 100000` on the database of DATABASE_URL.

`behind` are claims of calls that wait behind as many calls of a paused service, and `all_held` is a claim on a queue in
which nothing but those is left. For a scratch database: fills the queue, claims from it, and removes what it filled in.
Prints one JSON object; times in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from benchmarks import configured  # noqa: F401 - sets up what the next lines need

# isort: split
from django.db import connection
from django.utils import timezone

from orchestration.engine.queue.claim import claim
from orchestration.management.base import whole
from orchestration.models import Pause, ServiceCallRecord
from orchestration.models.throttles import PauseKind

BATCH = 64
SERVICES = [f"services.benchmark.default.Service{number}" for number in range(10)]
PAUSED = "services.benchmark.default.Paused"


def fill(rows: int, priorities: int, services: Sequence[str], hours_ago: int = 0) -> None:
    """Queue calls with random priorities, due within one hour."""
    now = timezone.now() - timedelta(hours=hours_ago)
    for start in range(0, rows, 5000):
        ServiceCallRecord.objects.bulk_create(
            ServiceCallRecord(
                service_identity=services[number % len(services)],
                client="default",
                model_requested="gpt-4o-mini",
                namespace="benchmark",
                context={"number": number, "text": "x" * 500},
                priority=random.randint(-priorities, priorities),
                due_at=now - timedelta(seconds=random.uniform(0, 3600)),
            )
            for number in range(start, min(start + 5000, rows))
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE service_call_record")


def timed(repeat: int, work: Callable[[], object]) -> dict[str, float]:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return {"median": round(statistics.median(times), 2), "worst": round(max(times), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=whole(1, 10_000_000), default=100_000)
    parser.add_argument("--repeat", type=whole(1, 10_000_000), default=50)
    parser.add_argument("--priorities", type=whole(0, 1_000_000), default=5, help="From minus this to this.")
    options = parser.parse_args()
    try:
        fill(options.rows, options.priorities, SERVICES)
        found: dict[str, object] = {
            "database": connection.vendor,
            "rows": options.rows,
            "claim_64": timed(options.repeat, lambda: claim(BATCH, "benchmark")),
            "claim_1": timed(options.repeat, lambda: claim(1, "benchmark")),
            "anything_due": timed(options.repeat, lambda: ServiceCallRecord.objects.due().exists()),
        }
        Pause.start(PauseKind.SERVICE, PAUSED)
        fill(options.rows, options.priorities, [PAUSED], hours_ago=2)
        found["behind"] = timed(options.repeat, lambda: claim(BATCH, "benchmark"))
        ServiceCallRecord.objects.filter(service_identity__in=SERVICES).delete()
        found["all_held"] = timed(options.repeat, lambda: claim(BATCH, "benchmark"))
    finally:
        Pause.objects.filter(name=PAUSED).delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM service_call_record WHERE namespace = 'benchmark'")
    print(json.dumps(found))


if __name__ == "__main__":
    main()

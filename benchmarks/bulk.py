"""A bulk run over 100,000 stored results: freezing the list, looking at it, working on it, and stopping it.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.bulk [--records 100000] [--seconds 10]

In a scratch database beside that of DATABASE_URL, PostgreSQL only. Says how much of this process's CPU an item costs
by operation and handler. Then works on the list for `--seconds`, and says how long all of it would take, and how fast
it is beside bare inserts. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import threading
import time

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.conf import settings
from django.db import connections

from benchmarks import drain_ways, stored
from orchestration.management.base import real, whole
from orchestration.models import ServiceCallRecord
from persistence.bulk.runs import abort, forecast, freeze, start
from persistence.bulk.worker import work
from persistence.models import BulkRun
from persistence.operations import DRY_RUN, REPROCESS
from tests.persistence import results

MEASURED_ITEMS = 2_000
"""Of each operation."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=whole(1, 10_000_000), default=100_000)
    parser.add_argument("--seconds", type=real(0, 86_400), default=10.0)
    return parser.parse_args()


def main() -> None:
    options = parse()
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BUDGET_SECONDS": options.seconds}
    measured: dict[str, object] = {"records": options.records}
    with drain_ways.scratch_database():
        plain, asynchronous = (results.note, drain_ways.write), (results.async_note, drain_ways.write_async)
        handlers = {"handler": plain, "async_handler": asynchronous}
        measured["cpu_ms_per_item"] = {
            name: cpu_ms_per_item(make(conduct, domain_persist_state="skipped"))
            for name, (make, conduct) in handlers.items()
        }
        stored.copies(results.note(drain_ways.write, domain_persist_state="skipped"), options.records - 1)
        before = memory_mb()
        run, measured["freeze_seconds"] = timed(lambda: freeze(REPROCESS, {"state": "skipped"}))
        _, measured["forecast_seconds"] = timed(lambda: forecast(run))
        start(run)
        done, seconds = timed(lambda: work(run.pk))
        measured["per_second"] = round(done / seconds)
        measured["whole_list_minutes"] = round(options.records / (done / seconds) / 60, 1)
        bare = 500 / drain_ways.bare(500).seconds
        measured["of_bare_inserts"] = round(done / seconds / bare, 2)
        aborted: list[float] = []

        def stop() -> None:
            abort(BulkRun.objects.get(pk=run.pk))
            aborted.append(time.perf_counter())
            connections.close_all()

        timer = threading.Timer(min(2.0, options.seconds / 2), stop)
        timer.start()
        work(run.pk)
        measured["stopped_after_abort_seconds"] = round(time.perf_counter() - aborted[0], 2)
        measured["memory_grew_mb"] = round(memory_mb() - before, 1)
    measured["load"] = os.getloadavg()[0]
    print(json.dumps(measured))


def cpu_ms_per_item(record: ServiceCallRecord) -> dict[str, float]:
    """By operation, over copies of a result; other processes on the machine do not count."""
    stored.copies(record, MEASURED_ITEMS - 1)
    costs = {}
    for operation in (DRY_RUN, REPROCESS):
        run = freeze(operation, {"service": record.service_identity, "state": "skipped"})
        start(run)
        began, done = time.process_time(), 0
        while more := work(run.pk):
            done += more
        costs[operation.name] = round((time.process_time() - began) / done * 1000, 2)
    return costs


def timed(function):  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    value = function()
    return value, round(time.perf_counter() - began, 2)


def memory_mb() -> float:
    """The process's greatest memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

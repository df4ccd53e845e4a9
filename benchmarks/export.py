"""Exports of 200,000 calls, with their content, as a worker writes them: seconds and memory, by format.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.export [--rows 200000] [--formats csv,xlsx,json,jsonl]

In a scratch database beside that of DATABASE_URL, PostgreSQL only. Each format is written by a fresh process, which is
killed once on its way and resumes in another one. Exits with 1 when a process needed more than 300 MB or a file has not
all rows. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from multiprocessing.queues import Queue
from typing import Any

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from benchmarks import drain_ways, stored
from orchestration.management.base import whole
from orchestration.models import ServiceCallRecord
from persistence.bulk.runs import freeze_rows, start
from persistence.exports.worker import work
from persistence.models import BulkRun
from persistence.models.bulk import EXPORT
from tests.clusters import database_url
from tests.persistence import results

MOST_MB = 300
TEXT = {
    "input": {"ticket": "It began last night. " * 40},
    "context": {"turn": 7, "text": "No fever that I know of. " * 20},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=whole(1, 10_000_000), default=200_000)
    parser.add_argument("--formats", default="csv,xlsx,json,jsonl")
    options = parser.parse_args()
    measured: dict[str, Any] = {"rows": options.rows}
    with tempfile.TemporaryDirectory() as folder, drain_ways.scratch_database():
        settings.MEDIA_ROOT = folder
        stored.copies(results.note(drain_ways.write, **TEXT), options.rows - 1)
        for kind in options.formats.split(","):
            measured[kind] = exported(kind, folder)
    measured["load"] = os.getloadavg()[0]
    print(json.dumps(measured))
    wrong = [kind for kind, of in measured.items() if isinstance(of, dict) and not of["good"]]
    sys.exit(1 if wrong else 0)


def exported(kind: str, folder: str) -> dict[str, Any]:
    """What one format costs: killed at its third part, and done by another process."""
    how = {"exporter": "calls", "format": kind, "content": True}
    run = freeze_rows(EXPORT, ServiceCallRecord.objects.order_by("pk"), options=how)
    start(run)
    began = time.perf_counter()
    first = in_a_process(run.pk, folder, kill_after_parts=3)
    BulkRun.objects.update(leased_until=timezone.now())  # the lease of who was killed runs out
    second = in_a_process(run.pk, folder)
    seconds = time.perf_counter() - began
    run.refresh_from_db()
    told = {
        "seconds": round(seconds, 1),
        "peak_mb": round(max(first, second)),
        "file_mb": round(default_storage.size(run.file) / 1e6),
        "rows_in_file": rows_of(kind, default_storage.path(run.file)),
    }
    default_storage.delete(run.file)
    return told | {"good": told["peak_mb"] <= MOST_MB and told["rows_in_file"] == run.total}


def in_a_process(run_id: int, folder: str, *, kill_after_parts: int = 0) -> float:
    """Work on a run in a process like a worker's, killed when it has stored so many parts; its peak memory in MB."""
    os.environ["DATABASE_URL"] = database_url()
    spawn = multiprocessing.get_context("spawn")
    told: Queue[float] = spawn.Queue()
    process = spawn.Process(target=worker, args=(run_id, folder, told))
    process.start()
    while kill_after_parts and process.is_alive():
        if len(BulkRun.objects.get(pk=run_id).parts) >= kill_after_parts:
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL)
            break
        time.sleep(0.05)
    process.join()
    return told.get() if process.exitcode == 0 else 0.0


def worker(run_id: int, folder: str, told: Queue[float]) -> None:
    settings.MEDIA_ROOT = folder
    work(run_id)
    told.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    connection.close()


def rows_of(kind: str, path: str) -> int:
    if kind == "xlsx":
        with zipfile.ZipFile(path) as book, book.open("xl/worksheets/sheet1.xml") as sheet:
            count, rest = 0, b""
            for chunk in iter(lambda: sheet.read(1 << 20), b""):
                count, rest = count + (rest + chunk).count(b"</row>"), (rest + chunk)[-5:]
            return count - 1
    with open(path, encoding="utf-8-sig", newline="") as file:
        if kind == "csv":
            return sum(1 for _ in csv.reader(file)) - 1
        return sum(1 for line in file if len(line) > 2)


if __name__ == "__main__":
    main()

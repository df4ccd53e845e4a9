"""The measured side of `benchmarks.in_flight`: one worker that says what its event loop and its memory went through."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from itertools import accumulate, count
from pathlib import Path
from typing import Any

import uvloop
from django.core.management.base import CommandParser
from django.db import connections

from benchmarks.orca.triage import Triage
from orchestration.engine.garbage_collection import COLLECT_IN_WORKERS, spare_what_is_loaded
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.worker.loop import in_own_thread
from orchestration.management.base import PlainCommand, whole
from orchestration.models import AIResponseAudit, ServiceCallRecord
from orchestration.models.states import TERMINAL
from orchestration.providers.registry import import_providers

BATCH = 500
SAMPLE_SECONDS = 0.01
LOOK_SECONDS = 0.5
SPAN = ("received_at", "ai_request__dispatched_at")
MEMORY = "VmHWM"
"""The most memory that was resident, in /proc."""


class Command(PlainCommand):
    help = "Submit N calls, run one worker until all have ended, and print what was seen as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("calls", type=whole(1, 10_000_000))

    def handle(self, *args: Any, **options: Any) -> None:
        calls = options["calls"]
        for first in range(0, calls, BATCH):
            numbers = range(first, min(first + BATCH, calls))
            submit_many([CallSpec(service=Triage, context={"ticket": number}) for number in numbers])
        watch = Watch()
        import_providers()  # as a cluster does
        spare_what_is_loaded(COLLECT_IN_WORKERS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(watch.work())
        self.stdout.write(json.dumps(watch.seen() | _told(calls)))


class Watch:
    """One worker, and what is seen of it meanwhile."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._late_leases = 0
        self._ended = threading.Event()
        self._cpu = 0.0

    async def work(self) -> None:
        """Until no call is left."""
        looking = threading.Thread(target=self._look)
        looking.start()
        measuring = asyncio.create_task(self._measure_lag())
        began = time.process_time()
        while not self._ended.is_set():  # each for its time budget
            await in_own_thread(self._ended.is_set)
        self._cpu = time.process_time() - began
        measuring.cancel()
        looking.join()

    def seen(self) -> dict[str, float]:
        late = sorted(self._lags)
        return {
            "lag_p50_ms": round(late[len(late) // 2] * 1000, 1),
            "lag_p99_ms": round(late[len(late) * 99 // 100] * 1000, 1),
            "lag_worst_ms": round(late[-1] * 1000, 1),
            "leases_late": self._late_leases,
            "cpu_s": round(self._cpu, 2),
            "memory_mb": _memory_kb() // 1024,
        }

    async def _measure_lag(self) -> None:
        """How late the loop comes to what is due each SAMPLE_SECONDS; a pause counts for all that was due in it."""
        began = time.monotonic()
        for number in count(1):
            due = began + number * SAMPLE_SECONDS
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self._lags.append(time.monotonic() - due)

    def _look(self) -> None:
        """In a thread and on a connection of its own, as another machine would see it."""
        try:
            while ServiceCallRecord.objects.exclude(status__in=TERMINAL).exists():
                self._late_leases += ServiceCallRecord.objects.expired().count()
                time.sleep(LOOK_SECONDS)
        finally:
            self._ended.set()
            connections.close_all()


def _told(calls: int) -> dict[str, float]:
    """What the rows say."""
    answers = AIResponseAudit.objects.select_related("ai_request").order_by("-pk")[:calls]
    spans = [(each.ai_request.dispatched_at, each.received_at) for each in answers.only(*SPAN)]
    began, ended = min(start for start, _ in spans), max(end for _, end in spans)
    first_end, last_start = min(end for _, end in spans), max(start for start, _ in spans)
    busy = (last_start - first_end).total_seconds()  # all places are taken, and each end makes room for a call
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    rows = ServiceCallRecord.objects.order_by("-created_at")[:calls]
    sums = {name: sum(rows.values_list(name, flat=True)) for name in ("attempts", "lease_token", "deaths")}
    return {
        "calls_per_s": round(sum(end < last_start for _, end in spans) / busy, 1),
        "with_start_and_end": round(len(spans) / (ended - began).total_seconds(), 1),
        "most_in_flight": max(accumulate(step for _, step in steps)),
        "calls": calls,
        **sums,
    }


def _memory_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(MEMORY))

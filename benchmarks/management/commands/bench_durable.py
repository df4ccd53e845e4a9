"""The measured side of the throughput benchmark: submit calls and wait until a running qcluster finished them."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from benchmarks.orca.triage import Triage, TriageAloud, TriageRow
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.management.base import PlainCommand, whole
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.services import DjangoBaseService

BATCH = 500
PATIENCE = 300.0  # seconds
UNSETTLED = (PersistState.NONE, PersistState.PENDING)


class Command(PlainCommand):
    help = "Submit N calls and wait for their results; prints submits and results per second."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("calls", type=whole(1, 10_000_000))
        parser.add_argument(
            "--rows", action="store_true", help="of the service whose handler writes a row, and wait for it"
        )
        parser.add_argument("--stream", action="store_true", help="of the service that streams")
        parser.add_argument("--leave", action="store_true", help="submit only")
        parser.add_argument("--keys", type=whole(0, 10_000_000), default=0, help="over so many ordering keys")
        parser.add_argument("--priority", type=whole(0, 100), default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        calls, moment, started, start_cpu = options["calls"], timezone.now(), time.monotonic(), time.process_time()
        service = TriageRow if options["rows"] else TriageAloud if options["stream"] else Triage
        for first in range(0, calls, BATCH):
            numbers = range(first, min(first + BATCH, calls))
            submit_many([_spec(service, number, **options) for number in numbers])
        if options["leave"]:
            return
        submitted = time.monotonic()
        rows = ServiceCallRecord.objects.filter(created_at__gte=moment)
        finished = _until(lambda: rows.finished().count() >= calls)
        if rows.failed().exists():
            raise CommandError(f"Calls failed: {set(rows.failed().values_list('error_code', 'error'))}")
        settled = _until(lambda: not rows.filter(domain_persist_state__in=UNSETTLED).exists())
        ended = settled if options["rows"] else finished
        rates = {"submits_per_s": calls / (submitted - started), "calls_per_s": calls / (ended - started)}
        rates |= {"start_cpu_s": start_cpu, "submit_cpu_s": time.process_time() - start_cpu}
        self.stdout.write(json.dumps(rates))


def _spec(service: type[DjangoBaseService], number: int, *, keys: int, priority: int, **_: Any) -> CallSpec:
    key = f"key {number % keys}" if keys else ""
    return CallSpec(service=service, context={"ticket": number}, ordering_key=key, priority=priority)


def _until(true: Any) -> float:
    """When it became true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise CommandError(f"Not all calls ended in {PATIENCE:.0f} s.")
        time.sleep(0.1)
    return time.monotonic()

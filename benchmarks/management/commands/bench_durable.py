"""The measured side of the throughput benchmark: submit calls and wait until a running qcluster finished them."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from benchmarks.orca.triage import Triage
from orchestration.engine.submit import CallSpec, submit_many
from orchestration.models import ServiceCallRecord

BATCH = 500
PATIENCE = 600.0  # seconds


class Command(BaseCommand):
    help = "Submit N calls and wait for their results; prints submits and results per second."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("calls", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        calls, moment, started = options["calls"], timezone.now(), time.monotonic()
        for first in range(0, calls, BATCH):
            numbers = range(first, min(first + BATCH, calls))
            submit_many([CallSpec(service=Triage, context={"ticket": number}) for number in numbers])
        submitted = time.monotonic()
        rows = ServiceCallRecord.objects.filter(created_at__gte=moment)
        while (done := rows.finished().count()) < calls:
            if time.monotonic() - submitted > PATIENCE:
                raise CommandError(f"Only {done} of {calls} calls finished in {PATIENCE:.0f} s.")
            time.sleep(0.1)
        ended = time.monotonic()
        if rows.failed().exists():
            raise CommandError(f"Calls failed: {set(rows.failed().values_list('error_code', 'error'))}")
        rates = {"submits_per_s": calls / (submitted - started), "calls_per_s": calls / (ended - started)}
        self.stdout.write(json.dumps(rates))

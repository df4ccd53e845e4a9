"""The measured side of the benchmark of start latency: submit calls one by one to an idle system."""

from __future__ import annotations

import json
import os
import random
import time
from typing import Any
from urllib.request import urlopen

from django.core.management.base import CommandError, CommandParser

from benchmarks.orca.triage import Triage
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.management.base import PlainCommand, whole

PATIENCE = 90.0  # seconds
LOG = os.environ.get("OPENAI_BASE_URL", "").removesuffix("/v1") + "/_requests"
"""The simulated provider's log of requests, with the time at which each arrived."""


class Command(PlainCommand):
    help = "Submit N calls, each some seconds after the one before; prints milliseconds from submit to provider."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("calls", type=whole(1, 10_000))
        parser.add_argument("--pause-ms", type=whole(0, 1_000_000), required=True, help="After each, with 30 % jitter.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for number in range(options["calls"] + 1):
            time.sleep(options["pause_ms"] / 1000 * random.uniform(0.7, 1.3))
            arrived, submitted = len(_log()), time.time()
            submit(CallSpec(service=Triage, context={"ticket": number}))
            found.append((_arrival(arrived) - submitted) * 1000)
        self.stdout.write(json.dumps(found[1:]))  # the first one meets what its predecessors left: no worker


def _arrival(position: int) -> float:
    """When the request at this place of the log arrived."""
    deadline = time.monotonic() + PATIENCE
    while len(log := _log()) <= position:
        if time.monotonic() > deadline:
            raise CommandError(f"No request within {PATIENCE:.0f} s.")
        time.sleep(0.2)  # long enough not to disturb what is measured
    return float(log[position]["time"])


def _log() -> list[Any]:
    with urlopen(LOG) as answer:
        entries: list[Any] = json.load(answer)
        return entries

"""The run itself, in an environment that `python -m chaos` prepared."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from chaos.clock import PlanClock
from chaos.listening import Audience
from chaos.nodes import Node, keep_until
from chaos.options import VARIABLE, Options
from chaos.plan import PROCESSES, Plan, make_plan
from chaos.records import compare, read_records
from chaos.recovery import RecoveryWatch
from chaos.report import records_report, recovery_report
from chaos.scenarios import make_scenario
from chaos.strikes import Striker
from chaos.submitter import Submitter
from orchestration.models import ServiceCallRecord, WorkerNode
from orchestration.models.stream_chunks import StreamChunk

START_SECONDS = 90.0
STOPPED = {0, -signal.SIGTERM}
"""A supervisor that was struck last and is still starting has no handler yet, and nothing to stop."""


class Command(BaseCommand):
    help = "Part of `python -m chaos`; writes the report to the file CHAOS_REPORT."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        options = Options.load(os.environ[VARIABLE])
        plan = make_plan(options)
        _tell_provider(plan)
        folder = Path(os.environ["ORCA_VAR_DIR"])
        nodes = [Node(f"chaos-{number}", folder / f"node-{number}.log") for number in range(options.nodes)]
        try:
            report = Run(options, plan, nodes).report(folder / "ledger.jsonl")
        finally:
            for node in nodes:
                node.stop()
        Path(os.environ["CHAOS_REPORT"]).write_text(json.dumps(report))


def _tell_provider(plan: Plan) -> None:
    url = os.environ["CHAOS_PROVIDER_URL"].removesuffix("/v1")
    request = urllib.request.Request(  # noqa: S310 - our own process on this machine
        f"{url}/_script", data=json.dumps(plan.script()).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same


class Run:
    """One run on running nodes."""

    def __init__(self, options: Options, plan: Plan, nodes: Sequence[Node]) -> None:
        self._options = options
        self._nodes = nodes
        self._watch = RecoveryWatch()
        self._clock = PlanClock()
        self._striker = Striker(options, plan.strikes, nodes, self._watch, self._clock)
        self._scenario = make_scenario(options.scenario)
        self._submitter = Submitter(self._scenario, plan.calls, options.seed, self._clock)
        self._audience = Audience(self._streamed)

    def report(self, ledger: Path) -> dict[str, Any]:
        """Strike, wait until no call is left, stop the nodes, compare the records."""
        keep_until(self._nodes, self._all_work, START_SECONDS)
        began = time.monotonic()
        self._clock.start()
        threads = (self._watch, self._striker, self._submitter, self._audience)
        helper = self._scenario.helper()
        for thread in (*threads, *([helper] if helper is not None else [])):
            thread.start()
        keep_until(
            self._nodes, lambda: not self._striker.is_alive() and not self._submitter.is_alive(), self._options.limit
        )
        struck = time.monotonic()
        quiet = keep_until(self._nodes, self._is_quiet, self._options.quiet)
        ended = time.monotonic()
        self._watch.stop()
        self._audience.stop()
        if helper is not None:
            helper.stop()
        statuses = [node.stop() for node in self._nodes]
        records = read_records(self._submitter.submitted, ledger, self._scenario.rows())
        findings = compare(records, self._scenario)
        findings.misheard = self._audience.misheard
        return {
            "ok": quiet and findings.clean and STOPPED.issuperset(statuses) and self._plan_was_carried_out(),
            "quiet": quiet,
            **records_report(records, findings),
            "listened_to": self._audience.report(),
            "recovery_seconds": recovery_report(self._watch),
            "strikes": dict(sorted(self._striker.done.items())),
            "strikes_without_a_target": self._striker.missed,
            "submits_repeated": self._submitter.again,
            "node_exit_statuses": statuses,
            "supervisors_started": {node.name: node.starts for node in self._nodes},
            "supervisors_ended_by_themselves": {node.name: node.exits for node in self._nodes if node.exits},
            "seconds": {"strikes": round(struck - began, 1), "until_quiet": round(ended - struck, 1)},
        }

    def _streamed(self) -> list[str]:
        submitted = list(self._submitter.submitted.items())
        return [pk for number, pk in submitted if self._scenario.is_streamed(number)]

    def _plan_was_carried_out(self) -> bool:
        """Whether fewer strikes were carried out than requested; such a run proves too little."""
        killed = sum(self._striker.done[kind] for kind in PROCESSES)
        return len(self._submitter.submitted) == self._options.planned and killed == self._options.kills

    def _is_struck(self) -> bool:
        return not self._striker.is_alive() and not self._submitter.is_alive()

    def _all_work(self) -> bool:
        return WorkerNode.objects.filter(task_beat_at__isnull=False).count() == len(self._nodes)

    def _is_quiet(self) -> bool:
        unfinished = ServiceCallRecord.objects.in_status("queued", "running")
        pending = ServiceCallRecord.objects.in_persist_state("pending", "held")
        told = StreamChunk.objects.all()
        return not (unfinished.exists() or pending.exists() or told.exists() or self._audience.listens)

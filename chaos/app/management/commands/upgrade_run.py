"""The upgrade itself, in an environment that `python -m chaos.upgrade` prepared."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from chaos.clock import PlanClock
from chaos.nodes import Node, keep_until
from chaos.options import VARIABLE, Options
from chaos.plan import PROCESSES, Strike
from chaos.preparation import migrate
from chaos.records import compare, read_records
from chaos.recovery import RecoveryWatch
from chaos.report import records_report
from chaos.scenarios import make_scenario
from chaos.strikes import Striker
from orchestration.models import AIRequestAudit, ServiceCallRecord, WorkerNode

NODES = 2
"""Of each version."""
START_SECONDS = 120.0
SUBMIT_SECONDS = 1200.0
STOPPED = {0, -signal.SIGTERM}
VERSIONS = {"older", "newer"}


class Command(BaseCommand):
    help = "Part of `python -m chaos.upgrade`; writes the report to the file CHAOS_REPORT."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        upgrade = Upgrade(Options.load(os.environ[VARIABLE]), Path(os.environ["CHAOS_OLDER_TREE"]))
        try:
            report = upgrade.report()
        finally:
            upgrade.stop_all()
        Path(os.environ["CHAOS_REPORT"]).write_text(json.dumps(report))


class Submits(threading.Thread):
    """A process of one version that submits calls; `submitted` has their ids by number, each after its commit."""

    def __init__(self, environment: dict[str, str], tree: Path | None, first: int, last: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.submitted: dict[int, str] = {}
        self.status: int | None = None
        at_once = max(1, min(200, (last - first) // 10))
        source = files("chaos.upgrade").joinpath("submit_notes.py").read_text()
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", source, str(first), str(last), str(at_once), str(pause)],
            env=environment, cwd=tree, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.start()

    def run(self) -> None:
        for line in self._process.stdout or ():
            self.submitted |= {int(number): call_id for number, call_id in json.loads(line).items()}
        self.status = self._process.wait()


class Upgrade:
    """Older nodes and web processes, then migrations, then both versions, then this one alone."""

    def __init__(self, options: Options, tree: Path) -> None:
        self._options = options
        self._tree = tree
        self._older = {**os.environ, "PYTHONPATH": str(tree)}
        self._folder = Path(os.environ["ORCA_VAR_DIR"])
        self._nodes: list[Node] = []
        self._clock = PlanClock()
        self._watch = RecoveryWatch()  # it is told of kills, and not started: tables change under its queries
        self._striker = Striker(options, _strikes(options), self._nodes, self._watch, self._clock)

    def report(self) -> dict[str, Any]:
        """Run it, wait until no call is left, compare the records. Most calls are there when the first node starts."""
        calls, share = self._options.calls, self._options.calls // 10
        before = Submits(self._older, self._tree, 0, calls - 2 * share, 0.0)
        before.join(SUBMIT_SECONDS)
        older = self._start("older", self._tree, self._older)
        keep_until(self._nodes, lambda: self._work("older"), START_SECONDS)
        self._clock.start()
        self._striker.start()
        pause = self._options.duration / 20
        submits = [before, Submits(self._older, self._tree, calls - 2 * share, calls - share, pause)]
        keep_until(self._nodes, lambda: self._clock.now() > 0.3 * self._options.duration, START_SECONDS)
        applied, seconds, waiting = self._migrate()
        newer, half = self._start("newer", None, dict(os.environ)), calls - share // 2
        keep_until(self._nodes, lambda: self._work("newer"), START_SECONDS)
        submits.append(Submits(dict(os.environ), None, calls - share, half, pause))
        keep_until(self._nodes, lambda: not self._striker.is_alive(), self._options.limit)
        beside = self._unfinished()
        statuses = [node.stop() for node in older]
        submits.append(Submits(dict(os.environ), None, half, calls, 0.0))
        for submit in submits:
            submit.join(SUBMIT_SECONDS)
        quiet = keep_until(self._nodes, self._is_quiet, self._options.quiet)
        statuses += [node.stop() for node in newer]
        return self._compared(
            {
                "quiet": quiet,
                "calls_in_flight_at_migration": waiting,
                "calls_in_flight_when_the_older_stopped": beside,
                "migrations_applied": applied,
                "migration_seconds": round(seconds, 2),
                "node_exit_statuses": statuses,
                "submitters": [submit.status for submit in submits],
            },
            {number: call_id for submit in submits for number, call_id in submit.submitted.items()},
        )

    def stop_all(self) -> None:
        for node in self._nodes:
            node.stop()

    def _start(self, name: str, tree: Path | None, environment: dict[str, str]) -> list[Node]:
        log = self._folder / f"{name}.log"
        nodes = [Node(f"{name}-{number}", log, tree=tree, environment=environment) for number in range(NODES)]
        self._nodes += nodes
        return nodes

    def _migrate(self) -> tuple[list[str], float, int]:
        """What was applied, in how many seconds, and how many calls were unfinished before it."""
        waiting, before = self._unfinished(), _applied()
        began = time.monotonic()
        migrate(os.environ)
        return sorted(_applied() - before), time.monotonic() - began, waiting

    def _compared(self, facts: dict[str, Any], submitted: dict[int, str]) -> dict[str, Any]:
        scenario = make_scenario("notes")
        records = read_records(submitted, self._folder / "ledger.jsonl", scenario.rows())
        findings = compare(records, scenario)
        killed = sum(self._striker.done[kind] for kind in PROCESSES)
        complete = len(submitted) == self._options.calls and killed == self._options.kills
        answered_by = Counter(_version(audit) for audit in records.audits if audit.answer is not None)
        good = facts["quiet"] and findings.clean and complete and STOPPED.issuperset(facts["node_exit_statuses"])
        return {
            "ok": good and set(facts["submitters"]) == {0} and answered_by.keys() == VERSIONS,
            **facts,
            **records_report(records, findings),
            "strikes": dict(sorted(self._striker.done.items())),
            "answers_stored_by": dict(answered_by),
        }

    def _work(self, version: str) -> bool:
        worked = WorkerNode.objects.filter(name__startswith=version, task_beat_at__isnull=False)
        return worked.count() == NODES

    def _unfinished(self) -> int:
        return ServiceCallRecord.objects.in_status("queued", "running").count()

    def _is_quiet(self) -> bool:
        return not self._unfinished() and not ServiceCallRecord.objects.waiting_for_persistence().exists()


def _strikes(options: Options) -> list[Strike]:
    """Kills over the whole time, of nodes of both versions."""
    rng = random.Random(options.seed)  # noqa: S311 - reproducible, not secret
    kinds = rng.choices(list(PROCESSES), weights=list(PROCESSES.values()), k=options.kills)
    at = sorted(rng.uniform(0.02, 1.0) * options.duration for _ in kinds)
    return [
        Strike(at=moment, kind=kind, node=rng.randrange(2 * NODES), choice=rng.random())
        for moment, kind in zip(at, kinds, strict=True)
    ]


def _version(audit: AIRequestAudit) -> str:
    return str(audit.answer.execution_metadata["worker"]).partition("-")[0]


def _applied() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}

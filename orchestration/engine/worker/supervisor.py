"""`manage.py qcluster`: keeps one django-q cluster running, and leaves nothing behind when it stops.

The main thread handles processes and signals only; what needs the database is in `watchdog`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType

from orchestration.conf import engine_settings
from orchestration.engine.execution.event_thread import process_announcer
from orchestration.engine.node import NODE_VARIABLE, STOP_FILE_VARIABLE, SUPERVISOR_VARIABLE, node_file, node_name
from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.engine.worker.killed_workers import LOOK_SECONDS, KilledWorkers
from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.engine.worker.process_group import ProcessGroup, adopt_orphans, reap_orphans
from orchestration.engine.worker.watchdog import (
    Repeating,
    Watchdog,
    beat_interval,
    send_tick,
    sweep,
)
from orchestration.shutdown import end_within

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
STOP_MARGIN_SECONDS = 10.0
"""What a cluster needs to stop beyond the grace of its running calls."""
HEALTHY_AFTER_SECONDS = 10.0
"""A cluster that lived this long can start: its end does not lengthen the next wait."""
LONGEST_BACKOFF_SECONDS = 30.0
THREAD_SECONDS = 2.0
"""How long a background thread may take to end; after that it ends with the process."""


class Backoff:
    """Seconds to wait before a restart: 0, 1, 2, 4 … 30, from 0 again after a cluster that lived for ten seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """The wait after a cluster that lived for `lived` seconds."""
        if lived >= HEALTHY_AFTER_SECONDS:
            self._next = 0.0
        wait, self._next = self._next, min(max(1.0, self._next * 2), LONGEST_BACKOFF_SECONDS)
        return wait


class Supervisor:
    """Runs `command` (a django-q cluster) as this machine's node; `run()` returns the exit status."""

    def __init__(self, command: Sequence[str]) -> None:
        """NotConfigured when the node's name cannot be used."""
        self.node = node_name()
        self._command = command
        self._stop_file = node_file(self.node, "stopping")
        self._marks = LivenessMarks(self.node)
        self._heartbeat = Heartbeat(self.node, beat_interval())
        self._watchdog = Watchdog(self._heartbeat, self._marks)
        self._stopping = False
        self._has_name = False

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; 0 then, 1 when the node's name was lost. NodeNameTaken at the start."""
        self._prepare()
        threads = (
            Repeating("killed-workers", LOOK_SECONDS, KilledWorkers(self.node, self._marks).rescue),
            Repeating("sweep", engine_settings().RENEW_SECONDS, partial(sweep, self.node)),
            Repeating("tick", engine_settings().TICK_SECONDS, send_tick),
            Repeating("watchdog", self._heartbeat.interval, self._watchdog.check, self._watchdog.say_stopping),
        )
        for thread in threads:
            thread.start()
        try:
            self._keep_running(threads)
        finally:
            self._watchdog.stopping = True
            for thread in threads:
                thread.stop(THREAD_SECONDS)
            process_announcer().wait(THREAD_SECONDS)
            self._stop_file.unlink(missing_ok=True)
        logger.info("supervisor stopped node=%s", self.node)
        return 0 if self._stopping else 1

    def run_once(self) -> int:
        """One cluster that stops by itself, not watched and not restarted; its exit status."""
        self._prepare()
        group = self._start()
        try:
            while not group.wait(POLL_SECONDS):
                if self._stopping:
                    self._stop(group)
        finally:
            status = group.kill()
        return 0 if status == 0 else 1

    def _prepare(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        self._heartbeat.acquire(cancelled=lambda: self._stopping)
        self._has_name = True
        adopt_orphans()
        self._stop_file.unlink(missing_ok=True)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if not self._has_name:  # it waits for a database that may never answer, and nothing has started
            end_within(STOP_MARGIN_SECONDS)

    def _keep_running(self, threads: Sequence[Repeating]) -> None:
        backoff = Backoff()
        while not self._stopping:
            started = time.monotonic()
            reason = self._run_cluster(threads)
            if self._stopping or self._watchdog.name_lost or not all(thread.is_alive() for thread in threads):
                return
            self._heartbeat.restarts += 1
            self._watchdog.last_restart_reason = reason
            wait = backoff.after(time.monotonic() - started)
            logger.error("cluster restarts node=%s in_seconds=%s reason=%s", self.node, wait, reason)
            self._pause(wait)

    def _run_cluster(self, threads: Sequence[Repeating]) -> str:
        """Start a cluster and return, when all its processes are gone, why it ended."""
        self._marks.clear()
        group = self._start()
        self._watchdog.begin()
        try:
            while not self._stopping:
                time.sleep(POLL_SECONDS)
                reap_orphans()
                if group.exited():
                    return "the cluster's main process ended"
                if self._watchdog.verdict:
                    return self._watchdog.verdict
                if self._watchdog.name_lost or not all(thread.is_alive() for thread in threads):
                    break
            self._stop(group)
            return "stopped"
        finally:
            self._watchdog.end()
            status = group.kill()
            logger.info("cluster ended node=%s pid=%s status=%s", self.node, group.pid, status)

    def _start(self) -> ProcessGroup:
        group = ProcessGroup(self._command, self._environment())
        logger.info("cluster started node=%s pid=%s", self.node, group.pid)
        return group

    def _environment(self) -> dict[str, str]:
        """The child finds the same code, the node's name and its supervisor."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            NODE_VARIABLE: self.node,
            STOP_FILE_VARIABLE: str(self._stop_file.absolute()),
            SUPERVISOR_VARIABLE: str(os.getpid()),
        }

    def _stop(self, group: ProcessGroup) -> None:
        """Ask once, and wait as long as running calls may take."""
        self._watchdog.end()
        self._watchdog.stopping = True
        self._stop_file.touch()
        group.terminate()
        if not group.wait(engine_settings().GRACE_SECONDS + STOP_MARGIN_SECONDS):
            logger.error("cluster did not stop in time node=%s pid=%s", self.node, group.pid)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(POLL_SECONDS)

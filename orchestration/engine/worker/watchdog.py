"""The supervisor's background threads: sweep, tick, and the watchdog that decides whether the cluster is wedged.

Only these touch the database, so that a database that hangs cannot stop the supervision of processes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import Error, close_old_connections, connections

from orchestration import signals
from orchestration.conf import engine_settings
from orchestration.engine.execution.event_thread import process_announcer
from orchestration.engine.leases import outage
from orchestration.engine.node import longest_task_seconds, node_queue, worker_count
from orchestration.engine.queue.transport import send_task
from orchestration.engine.worker import rescuer
from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.engine.worker.liveness import LivenessMarks, Stillness
from orchestration.errors import NodeNameTaken
from orchestration.log import describe

logger = logging.getLogger(__name__)

HEARTBEAT_TASK = "orchestration.tasks.heartbeat"
LONGEST_GAP_IN_BEATS = 6
"""A longer time between two checks means that this machine, or this process, was suspended."""
START_SECONDS = 60.0
"""How long a new cluster may take to its first heartbeat, on a machine under load."""


def beat_interval() -> float:
    """Seconds between two beats and two heartbeat tasks: a wedged cluster is found at most this much later."""
    return engine_settings().beat_seconds


class Repeating(threading.Thread):
    """Calls `action` now and every `interval` seconds until `stop()`, then `last`, in a thread of its own.

    A slow action delays the next one; there are never two at once.
    """

    def __init__(
        self, name: str, interval: float, action: Callable[[], None], last: Callable[[], None] | None = None
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._interval = interval
        self._action = action
        self._last = last
        self._stopped = threading.Event()

    def run(self) -> None:
        while True:
            close_old_connections()
            self._action()
            if self._stopped.wait(self._interval):
                break
        if self._last is not None:
            self._last()
        connections.close_all()

    def stop(self, seconds: float) -> None:
        """End after the present action; waits at most `seconds` for it."""
        self._stopped.set()
        self.join(seconds)


def sweep(node: str) -> None:
    """Rescue calls of dead workers, wake for due calls that nobody was woken for.

    A lease that ran out is found within RENEW_SECONDS even when no worker loop runs anywhere.
    """
    try:
        rescuer.sweep(process_announcer().put)
    except Error as error:
        outage.database_away()
        logger.warning("sweep postponed node=%s error=%s", node, describe(error))


def send_tick() -> None:
    """Let every package look for work that no wake-up announced; a receiver that raises does not stop the others."""
    signals.dispatch(signals.tick, sender=None)


class Watchdog:
    """Beats in the node's row, sends heartbeat tasks, and decides from what it sees whether the cluster works."""

    def __init__(self, heartbeat: Heartbeat, marks: LivenessMarks) -> None:
        self.verdict = ""
        """Why the cluster must be restarted; empty while it works."""
        self.name_lost = False
        self.stopping = False
        self.last_restart_reason = ""
        self._heartbeat = heartbeat
        self._marks = marks
        self._watching = False
        self._lock = threading.Lock()
        self._heartbeat_tasks, self._monitor_marks = self._unseen(), self._unseen()

    def begin(self) -> None:
        """A new cluster was started: watch it from now on."""
        self._set_watching(True)

    def end(self) -> None:
        """There is no cluster to watch at present."""
        self._set_watching(False)

    def check(self) -> None:
        """One beat, one heartbeat task, one decision."""
        if self.stopping:
            self.say_stopping()
            return
        try:
            task_beat_at = self._heartbeat.beat(reason=self.last_restart_reason)
        except NodeNameTaken as error:
            self.name_lost = True
            logger.error("node name lost node=%s error=%s", self._heartbeat.node, describe(error))
        except Error as error:
            logger.warning("beat not written node=%s error=%s", self._heartbeat.node, describe(error))
            with self._lock:
                self._not_seen()
        else:
            self._decide(task_beat_at)

    def say_stopping(self) -> None:
        """Leave the node's name free; without a database it becomes free when its beat is old."""
        try:
            self._heartbeat.say_stopping()
        except Error as error:
            logger.warning("stop not written node=%s error=%s", self._heartbeat.node, describe(error))

    def _decide(self, task_beat_at: object) -> None:
        with self._lock:
            if not self._watching:
                return
            if self._all_workers_busy():
                self._not_seen()
            else:
                now = time.monotonic()
                self._heartbeat_tasks.saw(task_beat_at, now)
                self._monitor_marks.saw(self._marks.last_acknowledged(), now)
            self.verdict = self._verdict()
        send_task(HEARTBEAT_TASK, self._heartbeat.node, queue=node_queue(self._heartbeat.node))

    def _verdict(self) -> str:
        if self._heartbeat_tasks.seconds >= _patience(self._heartbeat_tasks):
            return f"wedged: no heartbeat task ran for {self._heartbeat_tasks.seconds:.0f} s"
        if self._monitor_marks.seconds >= _patience(self._monitor_marks):
            return f"wedged: no result was acknowledged for {self._monitor_marks.seconds:.0f} s"
        return ""

    def _all_workers_busy(self) -> bool:
        return self._marks.busy_workers(longest_task_seconds()) >= worker_count()

    def _set_watching(self, watching: bool) -> None:
        with self._lock:
            self.verdict = ""
            self._watching = watching
            self._heartbeat_tasks, self._monitor_marks = self._unseen(), self._unseen()

    def _unseen(self) -> Stillness:
        return Stillness(LONGEST_GAP_IN_BEATS * self._heartbeat.interval)

    def _not_seen(self) -> None:
        self._heartbeat_tasks.not_seen()
        self._monitor_marks.not_seen()


def _patience(sign: Stillness) -> float:
    """Seconds for which a sign of life may fail to come; a cluster that still starts gets more."""
    limit = engine_settings().WEDGED_AFTER_SECONDS
    return limit if sign.moved else max(limit, START_SECONDS)

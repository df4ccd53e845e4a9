"""The supervisor's background threads: sweep, ticker, and the watch that decides whether the cluster is wedged.

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
from orchestration.engine import rescue
from orchestration.engine.presence import Presence
from orchestration.engine.slots import cluster_options, node_queue, worker_count
from orchestration.engine.submit import send_task
from orchestration.engine.vitals import Marks, Stillness
from orchestration.errors import NodeNameTaken
from orchestration.log import describe

logger = logging.getLogger(__name__)

BURIAL_SECONDS = 0.3
"""How long the calls of a killed worker of this node wait for their rescue."""
HEARTBEAT_TASK = "orchestration.tasks.heartbeat"
LONGEST_GAP_IN_BEATS = 4
"""A longer time between two looks means that this machine, or this process, stood still."""
START_SECONDS = 60.0
"""How long a new cluster may take to its first heartbeat, on a machine under load."""
TASK_MARGIN_SECONDS = 15.0
"""django-q ends a task that exceeds its timeout; some seconds later its worker counts as stuck."""


def beat_interval() -> float:
    """Seconds between two beats and two heartbeat tasks: a wedge is seen at most this much too late."""
    conf = engine_settings()
    return min(conf.TICK_SECONDS / 2, conf.WEDGED_AFTER_SECONDS / 10)


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

    A lease that ran out is found within RENEW_SECONDS even when no pump lives anywhere.
    """
    try:
        rescue.sweep()
    except Error as error:
        rescue.database_away()
        logger.warning("sweep postponed node=%s error=%s", node, describe(error))


def bury(node: str, marks: Marks) -> None:
    """Rescue the calls of this node's own workers without waiting for their leases: who was killed at work left a mark.

    Looks at files alone while nobody died.
    """
    dead = marks.died_at_work()
    if not dead:
        return
    try:
        for pid in dead:
            rescue.bury(node, pid)
            marks.forget(pid)
    except Error as error:
        logger.warning("burial postponed node=%s error=%s", node, describe(error))
    else:
        sweep(node)


def send_tick() -> None:
    """Let every package look for work that no wake-up announced; a receiver that raises is logged, not in the way."""
    signals.tell(signals.tick, sender=None)


class Watch:
    """Beats in the node's row, sends heartbeat tasks, and judges from what it sees whether the cluster works."""

    def __init__(self, presence: Presence, marks: Marks) -> None:
        self.verdict = ""
        """Why the cluster must be started anew; empty while it is well."""
        self.name_lost = False
        self.stopping = False
        self.last_restart_reason = ""
        self._presence = presence
        self._marks = marks
        self._watching = False
        self._lock = threading.Lock()
        self._heartbeat, self._monitor = self._unseen(), self._unseen()

    def begin(self) -> None:
        """A new cluster was started: judge it from now on."""
        self._set_watching(True)

    def end(self) -> None:
        """There is no cluster to judge at present."""
        self._set_watching(False)

    def look(self) -> None:
        """One beat, one heartbeat task, one judgement."""
        if self.stopping:
            self.say_stopping()
            return
        try:
            task_beat_at = self._presence.beat(reason=self.last_restart_reason)
        except NodeNameTaken as error:
            self.name_lost = True
            logger.error("node name lost node=%s error=%s", self._presence.node, describe(error))
        except Error as error:
            logger.warning("beat not written node=%s error=%s", self._presence.node, describe(error))
            with self._lock:
                self._lose_sight()
        else:
            self._judge(task_beat_at)

    def say_stopping(self) -> None:
        """Leave the node's name free; without a database it becomes free when its beat is old."""
        try:
            self._presence.say_stopping()
        except Error as error:
            logger.warning("stop not written node=%s error=%s", self._presence.node, describe(error))

    def _judge(self, task_beat_at: object) -> None:
        with self._lock:
            if not self._watching:
                return
            if self._all_workers_busy():
                self._lose_sight()
            else:
                now = time.monotonic()
                self._heartbeat.saw(task_beat_at, now)
                self._monitor.saw(self._marks.last_acknowledged(), now)
            self.verdict = self._verdict()
        send_task(HEARTBEAT_TASK, self._presence.node, queue=node_queue(self._presence.node))

    def _verdict(self) -> str:
        if self._heartbeat.seconds >= _patience(self._heartbeat):
            return f"wedged: no heartbeat task ran for {self._heartbeat.seconds:.0f} s"
        if self._monitor.seconds >= _patience(self._monitor):
            return f"wedged: no result was acknowledged for {self._monitor.seconds:.0f} s"
        return ""

    def _all_workers_busy(self) -> bool:
        longest = float(cluster_options().get("timeout") or 0) + TASK_MARGIN_SECONDS
        return self._marks.busy_workers(longest) >= worker_count()

    def _set_watching(self, watching: bool) -> None:
        with self._lock:
            self.verdict = ""
            self._watching = watching
            self._heartbeat, self._monitor = self._unseen(), self._unseen()

    def _unseen(self) -> Stillness:
        return Stillness(LONGEST_GAP_IN_BEATS * self._presence.interval)

    def _lose_sight(self) -> None:
        self._heartbeat.lost_sight()
        self._monitor.lost_sight()


def _patience(sign: Stillness) -> float:
    """Seconds for which a sign of life may fail to come; a cluster that still starts gets more."""
    limit = engine_settings().WEDGED_AFTER_SECONDS
    return limit if sign.moved else max(limit, START_SECONDS)

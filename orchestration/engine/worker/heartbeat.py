"""A supervisor's heartbeat in `worker_node`: which process owns a node's name, and that it is alive."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime

from orchestration.clock import clock_offset, database_now
from orchestration.engine.leases.process_lock import lag_of_node
from orchestration.engine.node import node_file
from orchestration.errors import NodeNameTaken
from orchestration.models import WorkerNode
from orchestration.models.engine_events import EngineEvent, EventKind

BEATS_UNTIL_DEAD = 5
"""A supervisor that missed this many beats may be replaced."""


class Heartbeat:
    """Owns a node's name: by a file lock among supervisors that share RUN_DIR, by the row's beats among machines."""

    def __init__(self, node: str, interval: float) -> None:
        """`interval`: seconds between two beats."""
        self.node = node
        self.interval = interval
        self.restarts = 0
        self._told = 0
        """Restarts that the charts know of."""
        self._started_at = database_now()
        self._lock = -1

    def acquire(self, cancelled: Callable[[], bool]) -> None:
        """Acquire the name; NodeNameTaken when a living supervisor owns it.

        A row that is still young is watched: if it does not beat for BEATS_UNTIL_DEAD intervals, its supervisor is
        dead. Waits at most that long, or until `cancelled()`.
        """
        predecessor = self._acquire_file()
        row = WorkerNode.objects.filter(name=self.node).first()
        if row is not None and _identity(row) != predecessor and not row.stopping:
            self._watch_predecessor(row, cancelled)
        self._acquire_row()

    def beat(self, *, reason: str) -> datetime | None:
        """Record that this supervisor is alive; returns when its cluster last ran a heartbeat task.

        `reason`: why the cluster was last restarted. NodeNameTaken when another supervisor took the name meanwhile
        (this one stood still for too long).
        """
        mine = WorkerNode.objects.filter(name=self.node, pid=os.getpid(), started_at=self._started_at)
        beat = {"beat_at": database_now(), "restarts": self.restarts, "last_restart_reason": reason[:255]}
        measured = {"clock_offset": clock_offset(), "lag_seconds": lag_of_node(self.node)}
        if not mine.update(**measured, **beat):
            raise NodeNameTaken(f"Another supervisor took the name {self.node!r} while this one stood still.")
        if self.restarts > self._told:
            self._told = self.restarts
            EngineEvent.note(EventKind.RESTART, f"{self.node}: {reason}")
        return mine.values_list("task_beat_at", flat=True).first()

    def say_stopping(self) -> None:
        """Record that this node is stopping, which frees its name."""
        WorkerNode.objects.filter(name=self.node, pid=os.getpid(), started_at=self._started_at).update(stopping=True)

    def release(self) -> None:
        """Release this machine's file for the name; the end of the process does the same."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _acquire_file(self) -> str:
        """Lock this machine's file for the name; returns the identity of the supervisor that held it last."""
        self._lock = os.open(node_file(self.node, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NodeNameTaken(
                f"Another qcluster on this machine already runs as node {self.node!r}. Stop it, or start this one"
                " with another name in ORCA_NODE_NAME."
            ) from None
        return os.read(self._lock, 1000).decode()

    def _watch_predecessor(self, row: WorkerNode, cancelled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BEATS_UNTIL_DEAD * self.interval
        oldest = database_now().timestamp() - BEATS_UNTIL_DEAD * self.interval
        while row.beat_at.timestamp() > oldest and time.monotonic() < deadline and not cancelled():
            time.sleep(min(0.2, self.interval / 4))
            present = WorkerNode.objects.filter(name=self.node).first()
            if present is not None and present.beat_at != row.beat_at:
                raise NodeNameTaken(
                    f"Node {self.node!r} is alive on host {row.host!r} (process {row.pid}). Stop it, or start this"
                    " one with another name in ORCA_NODE_NAME."
                )

    def _acquire_row(self) -> None:
        self._started_at = database_now()
        fresh = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "beat_at": self._started_at,
            "task_beat_at": None,
            "lag_seconds": None,
            "stopping": False,
        }
        row, _ = WorkerNode.objects.update_or_create(name=self.node, defaults=fresh)
        self.restarts = self._told = row.restarts
        EngineEvent.note(EventKind.START, self.node)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, _identity(row).encode(), 0)


def _identity(row: WorkerNode) -> str:
    return f"{row.host} {row.pid} {row.started_at.isoformat()}"

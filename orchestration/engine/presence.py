"""A supervisor's row in `worker_node`: who holds a node's name, and that it lives."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from orchestration.engine.slots import node_file
from orchestration.errors import NodeNameTaken
from orchestration.models import WorkerNode

BEATS_UNTIL_DEAD = 3
"""A supervisor that missed this many beats may be replaced."""


class Presence:
    """Holds a node's name: a file lock among supervisors that share RUN_DIR, the row's beats among machines."""

    def __init__(self, node: str, interval: float) -> None:
        """`interval`: seconds between two beats."""
        self.node = node
        self.interval = interval
        self.restarts = 0
        self._started_at = timezone.now()
        self._lock = -1

    def take(self, cancelled: Callable[[], bool]) -> None:
        """Take the name; NodeNameTaken when a living supervisor holds it.

        A row that is still young is watched: if it does not beat for three intervals, its supervisor is dead. Waits
        at most that long, or until `cancelled()`.
        """
        predecessor = self._take_file()
        row = WorkerNode.objects.filter(name=self.node).first()
        if row is not None and _identity(row) != predecessor and not row.stopping:
            self._watch(row, cancelled)
        self._take_row()

    def beat(self, *, reason: str) -> datetime | None:
        """Say that this supervisor lives; returns when its cluster last ran a heartbeat task.

        `reason`: why the cluster was last restarted. NodeNameTaken when another supervisor took the name meanwhile
        (this one stood still for too long).
        """
        mine = WorkerNode.objects.filter(name=self.node, pid=os.getpid(), started_at=self._started_at)
        if not mine.update(beat_at=timezone.now(), restarts=self.restarts, last_restart_reason=reason[:255]):
            raise NodeNameTaken(f"Another supervisor took the name {self.node!r} while this one stood still.")
        return mine.values_list("task_beat_at", flat=True).first()

    def say_stopping(self) -> None:
        """Show that this node is going, and leave its name free."""
        WorkerNode.objects.filter(name=self.node, pid=os.getpid(), started_at=self._started_at).update(stopping=True)

    def leave(self) -> None:
        """Release this machine's file for the name; the end of the process does the same."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_file(self) -> str:
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

    def _watch(self, row: WorkerNode, cancelled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BEATS_UNTIL_DEAD * self.interval
        oldest = timezone.now().timestamp() - BEATS_UNTIL_DEAD * self.interval
        while row.beat_at.timestamp() > oldest and time.monotonic() < deadline and not cancelled():
            time.sleep(min(0.2, self.interval / 4))
            present = WorkerNode.objects.filter(name=self.node).first()
            if present is not None and present.beat_at != row.beat_at:
                raise NodeNameTaken(
                    f"Node {self.node!r} is alive on host {row.host!r} (process {row.pid}). Stop it, or start this"
                    " one with another name in ORCA_NODE_NAME."
                )

    def _take_row(self) -> None:
        self._started_at = timezone.now()
        fresh = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "beat_at": self._started_at,
            "task_beat_at": None,
            "stopping": False,
        }
        row, _ = WorkerNode.objects.update_or_create(name=self.node, defaults=fresh)
        self.restarts = row.restarts
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, _identity(row).encode(), 0)


def _identity(row: WorkerNode) -> str:
    return f"{row.host} {row.pid} {row.started_at.isoformat()}"

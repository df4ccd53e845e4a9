"""Real `manage.py qcluster` processes, and the roles of the processes below each of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from django.db import Error, connections
from django_q.status import Stat

from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.engine.worker.process_group import children_of

LOOK_SECONDS = 0.3
COMMAND = [sys.executable, "-m", "django", "qcluster", "--skip-checks"]
RESTART_SECONDS = 1.0
"""After this a supervisor that ended is started again, as systemd (RestartSec) or an operator would."""
STOP_SECONDS = 60.0


class Node:
    """One supervisor, started again whenever it ends until `stop()`."""

    def __init__(
        self, name: str, log: Path, *, tree: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """`tree`: the code that it runs; `environment`: of its process. Both are this process's by default."""
        self.name = name
        self._tree = tree
        self._environment = environment or os.environ
        self.starts = 0
        self.exits: list[int] = []
        """Exit statuses of supervisors that ended without being killed."""
        self.log = log
        self._ended_at: float | None = None
        self._keeping = True
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self.starts += 1
        self._ended_at = None
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                COMMAND,
                env={**self._environment, "ORCA_NODE_NAME": self.name},
                cwd=self._tree,
                stdout=output,
                stderr=output,
            )

    def keep(self) -> None:
        """Start it again when it is time to; to be called often."""
        with self._lock:
            status = self._process.poll()
            if status is None or not self._keeping:
                return
            if self._ended_at is None:
                self._ended_at = time.monotonic()
                if status != -signal.SIGKILL:
                    self.exits.append(status)
            elif time.monotonic() - self._ended_at >= RESTART_SECONDS:
                self._start()

    def stop(self) -> int:
        """Ask it to stop and wait; its exit status, or -9 when it had to be killed."""
        with self._lock:
            self._keeping = False
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def roles(self) -> dict[str, list[int]]:
        """Process ids by role, as far as they are known at this moment; empty while the cluster starts."""
        if self._process.poll() is not None:
            return {}
        roles = {"supervisor": [self._process.pid]}
        for main in children_of(self._process.pid):
            for sentinel in children_of(main):
                roles |= {"main": [main], "sentinel": [sentinel]} | self._below(sentinel)
        return roles

    def _below(self, sentinel: int) -> dict[str, list[int]]:
        stat = next((stat for stat in Stat.get_all() if stat.sentinel == sentinel), None)
        if stat is None:
            return {}
        present = {pid for pid in children_of(sentinel) if not _is_zombie(pid)}
        workers = sorted(present & set(stat.workers))
        busy = [pid for pid in workers if (LivenessMarks(self.name).folder / f"worker-{pid}").exists()]
        return {
            "busy worker": busy,
            "idle worker": [pid for pid in workers if pid not in busy],
            "monitor": [pid for pid in [stat.monitor] if pid in present],
            "pusher": [pid for pid in [stat.pusher] if pid in present],
        }


def _is_zombie(pid: int) -> bool:
    """Killed already, not yet collected by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def below(pid: int) -> set[int]:
    """Every process below a process."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = set(children_of(waiting.pop())) - found
        found |= children
        waiting += children
    return found


def keep_until(nodes: Iterable[Node], condition: Callable[[], bool], seconds: float) -> bool:
    """Keep the nodes running until a condition holds; False when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for node in nodes:
            node.keep()
        try:
            if condition():
                return True
        except Error:  # the database is being struck
            connections.close_all()
        time.sleep(LOOK_SECONDS)
    return False

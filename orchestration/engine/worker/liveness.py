"""Liveness of a cluster's processes, read so that an outage or a pause is not taken for a wedged cluster.

Three things are watched. A heartbeat task proves that the broker, the pusher and a worker work. A mark that the
monitor process leaves proves that results are acknowledged. A mark of each busy worker tells "all workers have work"
(then a late heartbeat means nothing) from "an idle worker does not take the heartbeat" (then the cluster is wedged).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from orchestration.engine.node import node_file
from orchestration.engine.worker.process_group import is_alive


class LivenessMarks:
    """Small files in RUN_DIR that the processes of one node's cluster leave for its supervisor."""

    def __init__(self, node: str) -> None:
        self.folder = node_file(node, "marks")
        self.folder.mkdir(exist_ok=True)

    def clear(self) -> None:
        """Forget what an earlier cluster acknowledged. The deaths of its workers are still to be noted."""
        (self.folder / "monitor").unlink(missing_ok=True)

    def killed_at_work(self) -> list[int]:
        """Process ids of workers that were killed while they ran a task; until `forget()`."""
        return [_owner(path) for path in self.folder.glob("worker-*") if not is_alive(_owner(path))]

    def forget(self, pid: int) -> None:
        """The death of this worker has been noted."""
        (self.folder / f"worker-{pid}").unlink(missing_ok=True)

    def busy(self) -> None:
        """This worker took a task."""
        self._worker_mark().write_text(str(time.monotonic()))

    def idle(self) -> None:
        """This worker ended a task."""
        self._worker_mark().unlink(missing_ok=True)

    def acknowledged(self) -> None:
        """The monitor process has dealt with a result."""
        (self.folder / "monitor").write_text(str(time.monotonic_ns()))

    def last_acknowledged(self) -> str:
        """Changes with each result that the monitor process dealt with; empty before the first."""
        with suppress(FileNotFoundError):
            return (self.folder / "monitor").read_text()
        return ""

    def busy_workers(self, longest: float) -> int:
        """Living workers that are at work on one task for no longer than `longest` seconds."""
        started = (self._started(path) for path in self.folder.glob("worker-*") if is_alive(_owner(path)))
        return sum(time.monotonic() - at <= longest for at in started if at is not None)

    def _worker_mark(self) -> Path:
        return self.folder / f"worker-{os.getpid()}"

    @staticmethod
    def _started(path: Path) -> float | None:
        """None when the task ended, or its mark is being written, at this moment."""
        with suppress(FileNotFoundError, ValueError):
            return float(path.read_text())
        return None


def _owner(path: Path) -> int:
    return int(path.name.removeprefix("worker-"))


class Stillness:
    """Seconds for which a value that should change was *seen* not to; times are `time.monotonic()`.

    Time in which nobody could look (the database was away) or in which this process itself stood still (a paused
    machine: more than `longest_gap` seconds between two looks) does not count, and restarts the count: whatever is
    watched needs its own time to recover from the same event.
    """

    moved = False
    """Whether the value was ever seen to change."""

    def __init__(self, longest_gap: float) -> None:
        self._longest_gap = longest_gap
        self._value: object = None
        self._known = False
        self._seen_at: float | None = None
        self.seconds = 0.0

    def saw(self, value: object, now: float) -> None:
        """The value could be read."""
        changed = self._known and value != self._value
        self.moved = self.moved or changed
        if changed or self._seen_at is None or now - self._seen_at > self._longest_gap:
            self.seconds = 0.0
        else:
            self.seconds += now - self._seen_at
        self._value, self._known, self._seen_at = value, True, now

    def not_seen(self) -> None:
        """The value could not be read, or means nothing at present."""
        self._seen_at = None
        self.seconds = 0.0

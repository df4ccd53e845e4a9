"""Whether the worker that holds a lease is alive, as others on its machine can tell without asking the database.

Each worker holds a file lock in RUN_DIR, which the kernel releases when the process ends, however it ends. Whenever it
renews its leases, it writes into the file when that was and how far it is behind.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Self

from orchestration.conf import engine_settings
from orchestration.log import describe

logger = logging.getLogger(__name__)

NOTE = "{:020.3f} {:014.3f}\n"
"""Time and lag, always as long, so that one write replaces what was there. The time is the kernel's, which all
processes of a machine share: setting the wall clock does not change it, and it stops while the machine sleeps."""
FOLDER = "workers"
"""In RUN_DIR."""


class Evidence(Enum):
    """What a worker's file says about it."""

    LIVES = "lives"
    DIED = "died"
    NONE = "none"
    """There is no file: the worker ended normally, or runs on another machine."""


class WorkerLock:
    """Held while a worker works, as a context manager. Without a writable disk the worker runs without evidence."""

    def __init__(self, worker: str) -> None:
        self._path = _path(worker)
        self._handle = -1

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.note()
        except OSError as error:
            logger.warning("worker file not held path=%s error=%s", self._path, describe(error))
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle >= 0:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1

    def note(self, lag: float = 0.0) -> None:
        """Write that the worker is alive at this moment, and its lag in seconds."""
        if self._handle >= 0:
            with suppress(OSError):  # a full disk must not stop the renewal
                os.pwrite(self._handle, NOTE.format(time.monotonic(), min(lag, 1e9)).encode(), 0)


def evidence(worker: str) -> Evidence:
    """What this machine knows of a worker, by its name."""
    try:
        handle = os.open(_path(worker), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return Evidence.NONE
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Evidence.LIVES
    finally:
        os.close(handle)
    return Evidence.DIED


def silent_for(worker: str) -> float:
    """Seconds since a worker of this machine last wrote into its file; 0 when there is nothing to read."""
    noted = _noted(_path(worker))
    return max(0.0, time.monotonic() - noted[0]) if noted else 0.0


def lag_of_node(node: str) -> float:
    """The largest lag, in seconds, among the workers of a node of this machine."""
    found = [0.0]
    with suppress(OSError):
        for path in (engine_settings().RUN_DIR / FOLDER).glob(f"{node}:*"):
            noted = _noted(path)
            if noted and evidence(path.name) is Evidence.LIVES:
                found.append(noted[1])
    return max(found)


def _noted(path: Path) -> tuple[float, float] | None:
    """When it was noted, and the lag; workers of earlier versions note nothing."""
    try:
        at, lag = path.read_text().split()
        return float(at), float(lag)
    except (OSError, ValueError):
        return None


def dead_workers() -> set[str]:
    """Names of workers of this machine, whichever its node, that were killed and whose files are still there."""
    with suppress(OSError):
        return {path.name for path in (engine_settings().RUN_DIR / FOLDER).iterdir() if _has_died(path.name)}
    return set()


def remove_file_of(worker: str) -> None:
    """Forget a dead worker; one that lives keeps its file."""
    with suppress(OSError):
        if _has_died(worker):
            _path(worker).unlink(missing_ok=True)


def _has_died(worker: str) -> bool:
    return evidence(worker) is Evidence.DIED


def _path(worker: str) -> Path:
    return engine_settings().RUN_DIR / FOLDER / worker.replace("/", "_")

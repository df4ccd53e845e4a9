"""Finds the processes of a run by a variable that each of them inherits, and ends them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "CHAOS_RUN"
PATIENCE_SECONDS = 5.0


def left_behind(run: str) -> dict[int, str]:
    """Command lines of the run's processes by process id; what ends by itself within some seconds does not count."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := _present(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def kill_all(run: str) -> None:
    """SIGKILL to every process of the run."""
    for _ in range(20):
        found = _present(run)
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _present(run: str) -> dict[int, str]:
    marker = f"{VARIABLE}={run}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = marker in (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if ours and command and int(entry.name) != os.getpid():
            found[int(entry.name)] = command
    return found

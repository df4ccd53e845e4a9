"""Finds processes that a test run started and did not end."""

from __future__ import annotations

import os
import time
from pathlib import Path

RUN_VARIABLE = "ORCA_TEST_RUN"
"""Each process started by a test inherits it, so that an orphan is found too."""
PATIENCE_SECONDS = 5.0
TOLERATED = ("multiprocessing.resource_tracker",)
"""Ends with the test process itself."""


def leftovers(run: str) -> list[str]:
    """`pid: command line` of each process of this run that does not end by itself within some seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := _present(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _present(run: str) -> list[str]:
    marker = f"{RUN_VARIABLE}={run}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile, or is not ours
            continue
        ours = marker in environment.split(b"\0") or parent == os.getpid()
        if ours and command and int(entry.name) != os.getpid() and not any(name in command for name in TOLERATED):
            found.append(f"{entry.name}: {command[:200]}")
    return found

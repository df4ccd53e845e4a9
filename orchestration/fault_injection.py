"""Fault injection: named places where a test may kill the process or raise an error; one `is None` check in production.

A test arms them in process (`armed`), or in worker processes through the environment variable ORCA_FAULTS
(`name[:nth]`, comma separated: the nth process to reach the point is killed), which is read only when
`ORCHESTRAI["FAULT_POINTS"]` is on. Each fires once per RUN_DIR, or a cluster would be killed again and again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FAULT_POINTS = {
    "after_submit": "after submit, before the commit",
    "after_commit": "after the commit, before the wake-up",
    "after_claim": "after the claim",
    "before_send": "request audited, not sent",
    "in_flight": "sent, answer not read",
    "after_answer": "answer read, not stored",
    "after_store": "answer stored, not validated",
    "in_repair": "repair audited, not sent",
    "in_tool": "tool begun, not run",
    "after_tool": "tool run, its result not stored",
    "before_drain": "result pending, not drained",
    "after_chunk": "chunk k of n written",
    "before_link": "domain rows written, chunk not linked",
    "before_finalize": "everything written, record not marked",
    "in_retry": "during a retry action",
    "in_prune": "during prune",
    "in_stop": "during graceful stop",
}
ENVIRONMENT = "ORCA_FAULTS"


class InjectedFault(Exception):
    """A fault point was armed to raise."""


_armed: dict[str, Callable[[], None]] | None = None


def fault(name: str) -> None:
    """Run the action that a test armed for this place, if any."""
    if _armed is not None and name in _armed:
        _armed[name]()


def is_armed(name: str) -> bool:
    return _armed is not None and name in _armed


@contextmanager
def armed(name: str, action: Callable[[], None] | None = None) -> Iterator[None]:
    """Within the block, reaching `name` runs `action`, which by default raises InjectedFault."""
    global _armed
    before = _armed
    _armed = {**(before or {}), _known(name): action or _raise}
    try:
        yield
    finally:
        _armed = before


def arm_from_environment(folder: Path) -> None:
    """Arm what ORCA_FAULTS says, once per process; `folder` remembers which have fired. ValueError for an unknown
    name."""
    global _armed
    if _armed is not None:
        return
    for item in filter(None, os.environ.get(ENVIRONMENT, "").split(",")):
        name, _, nth = item.partition(":")
        _armed = {**(_armed or {}), _known(name): _nth_time(int(nth or 1), folder / f"fault-{name}")}


def _known(name: str) -> str:
    if name not in FAULT_POINTS:
        raise ValueError(f"{name!r} is not a fault point; they are {', '.join(FAULT_POINTS)}.")
    return name


def _nth_time(nth: int, marker: Path) -> Callable[[], None]:
    seen = 0

    def act() -> None:
        nonlocal seen
        seen += 1
        if seen >= nth and _first(marker):
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def _first(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _raise() -> None:
    raise InjectedFault

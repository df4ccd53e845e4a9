"""Named places where a test may let the process die or an error happen; in production each is one `is None` check.

A test arms them in process (`armed`), or in a child process through the environment variable ORCA_FAULTS
(`name[:action[:nth]]`, comma separated, action `kill` or `raise`), which is read only when
`ORCHESTRAI["FAULT_POINTS"]` is on: production settings leave it off, and a system check says so otherwise.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FAULT_POINTS = {
    "after_submit": "after submit, before the commit",
    "after_commit": "after the commit, before the wake-up",
    "after_claim": "after the claim",
    "before_send": "request audited, not sent",
    "in_flight": "sent, answer not read",
    "after_answer": "answer read, not stored",
    "after_store": "answer stored, not validated",
    "in_repair": "repair audited, not sent",
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
    """Do what a test armed for this place; nothing otherwise."""
    if _armed is not None and name in _armed:
        _armed[name]()


def is_armed(name: str) -> bool:
    return _armed is not None and name in _armed


@contextmanager
def armed(name: str, action: Callable[[], None] | None = None) -> Iterator[None]:
    """Within the block reaching `name` does `action`, by default raises InjectedFault."""
    global _armed
    before = _armed
    _armed = {**(before or {}), _known(name): action or _raise}
    try:
        yield
    finally:
        _armed = before


def arm_from_environment() -> None:
    """Arm what ORCA_FAULTS says, once per process; ValueError for a name or action that does not exist."""
    global _armed
    if _armed is not None:
        return
    for item in filter(None, os.environ.get(ENVIRONMENT, "").split(",")):
        name, _, rest = item.partition(":")
        action, _, nth = rest.partition(":")
        _armed = {**(_armed or {}), _known(name): _nth_time(int(nth or 1), ACTIONS[action or "kill"])}


def _known(name: str) -> str:
    if name not in FAULT_POINTS:
        raise ValueError(f"There is no fault point {name!r}; there are {', '.join(FAULT_POINTS)}.")
    return name


def _nth_time(nth: int, action: Callable[[], None]) -> Callable[[], None]:
    seen = 0

    def act() -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            action()

    return act


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise InjectedFault


ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "raise": _raise}

"""What a worker process shares with its node: the name, the slots for long work, and the request to stop.

The supervisor (`manage.py qcluster`) hands these to its cluster through the environment; outside a cluster there is
a node name and a slot all the same, and never a request to stop.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from orchestration.conf import engine_settings
from orchestration.errors import NotConfigured

NODE_VARIABLE = "ORCA_NODE_NAME"
STOP_FILE_VARIABLE = "ORCA_STOP_FILE"
SUPERVISOR_VARIABLE = "ORCA_SUPERVISOR_PID"
CLUSTER_VARIABLE = "Q_CLUSTER_NAME"

TASK_MARGIN_SECONDS = 15.0
"""django-q ends a task that exceeds its timeout; some seconds later its worker counts as stuck."""
NODE_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
"""Node names are parts of file names and of queue names (at most 100 characters)."""


CALLS, DRAINS = "slot", "drain-slot"
"""What slots are for, as their files are named."""


class Slot:
    """The right to run one worker loop, or one drain, on this node, until it is released or the process dies. A context
    manager."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Free the slot for others; once."""
        os.close(self._handle)


def node_name() -> str:
    """ORCA_NODE_NAME, else the host's name (with the cluster's, for a dedicated one); NotConfigured when unusable."""
    cluster = os.environ.get(CLUSTER_VARIABLE, "")
    dedicated = f"-{cluster}" if cluster and cluster != settings.Q_CLUSTER.get("name") else ""
    name = os.environ.get(NODE_VARIABLE) or f"{socket.gethostname()}{dedicated}"
    if not NODE_NAME.fullmatch(name):
        raise NotConfigured(
            f"{NODE_VARIABLE}={name!r}: a node name must be 1-80 characters of letters, digits, '.', '_', '-'."
        )
    return name


def node_queue(node: str) -> str:
    """The queue that only this node's cluster reads: its heartbeats must not be run by another node."""
    return f"node.{node}"


def node_file(node: str, suffix: str) -> Path:
    """`<RUN_DIR>/<node>.<suffix>`; the directory exists afterwards."""
    directory = engine_settings().RUN_DIR
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{node}.{suffix}"


def cluster_options() -> Mapping[str, Any]:
    """`settings.Q_CLUSTER` as django-q reads it in this process, with a dedicated cluster's options on top."""
    common: dict[str, Any] = settings.Q_CLUSTER
    alternatives: dict[str, dict[str, Any]] = common.get("ALT_CLUSTERS") or {}
    return {**common, **alternatives.get(os.environ.get(CLUSTER_VARIABLE, ""), {})}


def worker_count() -> int:
    """Worker processes of this node's cluster."""
    return int(cluster_options().get("workers") or os.cpu_count() or 1)


def longest_task_seconds() -> float:
    """After this time django-q has ended a task's worker; some seconds beyond the timeout of its settings."""
    return float(cluster_options().get("timeout") or 0) + TASK_MARGIN_SECONDS


def slot_count() -> int:
    """Worker loops that may run on this node at once, and drains: of three workers, two at most run calls, so that
    results are stored, and two at most store results, so that calls run."""
    return max(1, worker_count() - 1)


def claim_slot(node: str | None = None, *, of: str = CALLS) -> Slot | None:
    """A free slot of the node (default: this process's) for CALLS or DRAINS, or None when all are taken; never waits.

    It is a file lock: the kernel frees it when the process ends, even by a kill.
    """
    owner = node or node_name()
    for number in range(slot_count()):
        path = node_file(owner, f"{of}-{number}")
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(handle):
            return Slot(path, handle)
        os.close(handle)
    return None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop_requested() -> bool:
    """Whether this worker's cluster is stopping, or its parents are gone; microseconds, meant to be polled.

    Always False outside a supervised cluster.
    """
    stop_file = os.environ.get(STOP_FILE_VARIABLE)
    return stop_file is not None and (os.path.exists(stop_file) or _orphaned())


_parent_of: dict[int, int] = {}
"""The parent of this process when it was first asked; keyed by process, because forks inherit it."""


def _orphaned() -> bool:
    """An orphan is adopted by process 1 or by the supervisor."""
    parent = os.getppid()
    adopters = {"1", os.environ.get(SUPERVISOR_VARIABLE, "1")}
    return str(parent) in adopters or parent != _parent_of.setdefault(os.getpid(), parent)

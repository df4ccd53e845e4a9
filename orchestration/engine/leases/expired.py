"""The states of workers whose leases ran out: not every one of them is dead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.leases.process_lock import Evidence, evidence, silent_for
from orchestration.engine.node import longest_task_seconds
from orchestration.engine.queue.claim import node_of, own_node
from orchestration.models import WorkerNode

VOUCHING_LEASES = 2
"""A supervisor on another machine is responsible for its workers while its beat is younger than this many leases."""


class WorkerState(Enum):
    DEAD = "dead"
    """Its process is gone, or its machine has no living supervisor."""
    ALIVE = "alive"
    """Its process is on this machine and could not renew."""
    REMOTE = "remote"
    """Its machine's supervisor is alive, and renews its leases or ends them."""
    HUNG = "hung"
    """Its process exists, and has done nothing for longer than a task may take."""


def worker_states(workers: Iterable[str]) -> dict[str, WorkerState]:
    """By the worker's name; asks the database only about other machines."""
    seen = {worker: evidence(worker) for worker in workers}
    other_nodes = {node_of(worker) for worker, found in seen.items() if found is Evidence.NONE} - {own_node()}
    oldest = database_now() - timedelta(seconds=VOUCHING_LEASES * engine_settings().LEASE_SECONDS)
    vouched = set(_alive_since(oldest, other_nodes)) if other_nodes else set()
    return {worker: _state(worker, found, vouched) for worker, found in seen.items()}


def _state(worker: str, found: Evidence, vouched: set[str]) -> WorkerState:
    if found is Evidence.LIVES:
        return WorkerState.HUNG if silent_for(worker) > longest_task_seconds() else WorkerState.ALIVE
    if found is Evidence.NONE and node_of(worker) in vouched:
        return WorkerState.REMOTE
    return WorkerState.DEAD


def _alive_since(oldest: object, nodes: Iterable[str]) -> Iterable[str]:
    alive = WorkerNode.objects.filter(name__in=list(nodes), beat_at__gte=oldest, stopping=False)
    return alive.values_list("name", flat=True)

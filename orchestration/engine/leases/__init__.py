"""Leases of claimed calls: renewed while the worker lives, evaluated when they ran out."""

from orchestration.engine.leases.expired import WorkerState, worker_states
from orchestration.engine.leases.renewal import LeaseKeeper, Renewal

__all__ = ["LeaseKeeper", "Renewal", "WorkerState", "worker_states"]

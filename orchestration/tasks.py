"""Task entry points of django-q. Each is idempotent, asks the database first, and takes ids, never payloads."""

from __future__ import annotations

import os

from orchestration.clock import database_now
from orchestration.components.lifecycle import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine.execution.event_thread import process_announcer
from orchestration.engine.node import claim_slot
from orchestration.engine.queue.transport import wake
from orchestration.engine.throttling.snapshot import anything_to_run
from orchestration.engine.worker import rescuer
from orchestration.engine.worker.loop import run_worker_loop
from orchestration.fault_injection import arm_from_environment
from orchestration.models import WorkerNode


def run_service_call(*_: object) -> int:
    """A wake-up: run what is due in a worker loop of this process, if the node has a free slot; returns calls claimed.

    Messages that earlier versions left on the broker carry an argument.
    """
    ensure_autostarted()
    if engine_settings().FAULT_POINTS:
        arm_from_environment(engine_settings().RUN_DIR)
    if not anything_to_run():
        return 0
    slot = claim_slot()
    if slot is None:
        return 0
    with slot:
        report = run_worker_loop()
    if report.work_left:
        wake(engine_settings().QUEUE, force=True)
    return report.claimed


def sweep() -> None:
    """Rescue calls of dead workers; wake for due calls whose wake-up was lost."""
    ensure_autostarted()
    rescuer.sweep(process_announcer().put)


def heartbeat(node: str) -> None:
    """Proof that the node's cluster really runs tasks: pusher, a worker and the broker all work."""
    beat(node)


def beat(node: str | None = None) -> None:
    """Note a sign of life of a node's workers; long tasks call it so that they are not taken for a wedge."""
    name = node or os.environ.get("ORCA_NODE_NAME")
    if name:
        WorkerNode.objects.filter(name=name).update(task_beat_at=database_now())

"""The doors that django-q opens. Each is idempotent, asks the database first, and takes ids, never payloads."""

from __future__ import annotations

import os

from django.utils import timezone

from orchestration.app import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine import rescue
from orchestration.engine.faultpoints import arm_from_environment
from orchestration.engine.limits import anything_to_run
from orchestration.engine.pump import run_pump
from orchestration.engine.slots import claim_slot
from orchestration.engine.submit import wake
from orchestration.models import WorkerNode


def run_service_call(call_id: str | None = None) -> int:
    """A wake-up: run what is due, in a pump of this process, if the node has a free slot; returns calls claimed.

    `call_id` says who caused the wake-up; the row is the truth, so a call that is taken already is a cheap no-op.
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
        report = run_pump()
    if report.work_left:
        wake(engine_settings().QUEUE, force=True)
    return report.claimed


def sweep() -> None:
    """Rescue calls of dead workers; wake for due calls whose wake-up was lost."""
    ensure_autostarted()
    rescue.sweep()


def heartbeat(node: str) -> None:
    """Proof that the node's cluster really runs tasks: pusher, a worker and the broker all work."""
    beat(node)


def beat(node: str | None = None) -> None:
    """Note a sign of life of a node's workers; long tasks call it so that they are not taken for a wedge."""
    name = node or os.environ.get("ORCA_NODE_NAME")
    if name:
        WorkerNode.objects.filter(name=name).update(task_beat_at=timezone.now())

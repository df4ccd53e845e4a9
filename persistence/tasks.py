"""The doors that django-q opens: to the drain, and to bulk runs."""

from __future__ import annotations

from dataclasses import asdict

from orchestration.app import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine.faultpoints import arm_from_environment
from orchestration.models import ServiceCallRecord
from persistence.bulk import work
from persistence.drain import drain_batch
from persistence.models import DrainWake
from persistence.waking import ask_for_drain


def process_pending_persistence() -> dict[str, int]:
    """Drain one batch; returns {"claimed", "processed", "failed", "skipped"}.

    Never calls a model. Leaves a wake-up behind when it got somewhere and more is due.
    """
    ensure_autostarted()
    if engine_settings().FAULT_POINTS:
        arm_from_environment(engine_settings().RUN_DIR)
    DrainWake.answer()
    counts = drain_batch()
    if counts.claimed and ServiceCallRecord.objects.pending_persistence().exists():
        ask_for_drain()
    return asdict(counts)


def run_bulk(run_id: int) -> int:
    """Work on a bulk run for one budget; returns how many items it did."""
    ensure_autostarted()
    return work(run_id)

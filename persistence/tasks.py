"""The door that django-q opens to the drain."""

from __future__ import annotations

from dataclasses import asdict

from orchestration.app import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine.faultpoints import arm_from_environment
from orchestration.models import ServiceCallRecord
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

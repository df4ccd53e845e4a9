"""The door that django-q opens to the drain."""

from __future__ import annotations

from dataclasses import asdict

from orchestration.app import ensure_autostarted
from orchestration.models import ServiceCallRecord
from persistence.drain import drain_batch
from persistence.models import DrainWake
from persistence.waking import ask_for_drain


def process_pending_persistence() -> dict[str, int]:
    """Drain one batch; returns {"claimed", "processed", "failed", "skipped"}.

    Never calls a model. Leaves a wake-up behind when it got somewhere and more is due.
    """
    ensure_autostarted()
    DrainWake.answer()
    counts = drain_batch()
    if counts.claimed and ServiceCallRecord.objects.pending_persistence().exists():
        ask_for_drain()
    return asdict(counts)

"""For tests of services and handlers: run what is due in this thread, inside the test's transaction."""

from __future__ import annotations

from asgiref.sync import async_to_sync

from orchestration import signals
from orchestration.app import ensure_autostarted
from orchestration.engine.pump import Pump
from orchestration.models import ServiceCallRecord


def run_due_calls() -> int:
    """Run every due call, and what becomes due through it, to its end with the configured provider; then persist.

    Returns how many calls were claimed. Calls that handlers submit are run as well.
    """
    ensure_autostarted()
    claimed = 0
    while (ran := async_to_sync(Pump(stopping=lambda: False).run_until_idle)().claimed) or _persist():
        claimed += ran
    return claimed


def _persist() -> bool:
    """Hand what is due to persistence, as an immediate caller would; False when nothing moved."""
    pending = list(ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True))
    if pending:
        signals.tell(signals.results_stored, None, call_ids=pending, immediate=True)
    left = set(ServiceCallRecord.objects.pending_persistence().values_list("pk", flat=True))
    return bool(set(pending) - left)

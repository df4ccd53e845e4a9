"""Wakes the drain: at most one request waits at the broker, however many results are stored meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestration.engine.execution.result_takers import register_taker
from orchestration.engine.execution.tool_approval import register_asker
from orchestration.engine.queue.transport import send_task
from orchestration.models import ServiceCallRecord
from orchestration.signals import results_stored, tick
from persistence.approval.deadlines import wake_for_deadlines
from persistence.approval.holding import hold_back
from persistence.approval.tools import ask_about, undecided
from persistence.bulk.runs import start_scheduled, wake_forgotten
from persistence.conf import persistence_settings
from persistence.handlers.adapters import takes
from persistence.maintenance.erasure import wake_unfinished
from persistence.models import DrainWake, PersistedChunk
from persistence.outbox.drain import drain_calls
from persistence.outbox.gate import register_gate

DRAIN_TASK = "persistence.tasks.process_pending_persistence"
LOST_AFTER = timedelta(seconds=10)
"""A drain that was asked for and has not begun by then may have been lost with its message: ask again."""


def ask_for_drain() -> bool:
    """Send the drain's task, unless one waits that will see everything committed so far; True if it was sent."""
    if not DrainWake.ask(expires=LOST_AFTER):
        return False
    sent = send_task(DRAIN_TASK, queue=persistence_settings().DOMAIN_PERSIST_QUEUE)
    if not sent:
        DrainWake.answer()
    return sent


def on_results_stored(*, call_ids: list[str], immediate: bool, **_: Any) -> dict[str, Any]:
    """A caller who waits gets the rows now, in this thread, and its codecs' summaries; the rest comes with the next
    drain."""
    if not immediate:
        ask_for_drain()
        return {}
    drain_calls(call_ids)
    summarized = PersistedChunk.objects.filter(call_id__in=call_ids, summary__isnull=False)
    return dict(summarized.values_list("call_id", "summary"))


def on_tick(**_: Any) -> None:
    """Find what no wake-up announced: a lost message, a retry whose time has come."""
    if ServiceCallRecord.objects.pending_persistence().exists():
        ask_for_drain()
    start_scheduled()
    wake_forgotten()
    wake_unfinished()
    wake_for_deadlines()


def connect() -> None:
    results_stored.connect(on_results_stored, dispatch_uid="persistence.results_stored")
    tick.connect(on_tick, dispatch_uid="persistence.tick")
    register_gate(hold_back)
    register_asker(ask_about, undecided)
    register_taker(takes, objects_made="persistence.testing.objects_made")

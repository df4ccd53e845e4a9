"""The signals of persistence, sent after commit, and those of the engine, to import from one place."""

from __future__ import annotations

from orchestration.signals import (
    EngineSignal,
    ai_request_sent,
    ai_response_failed,
    ai_response_ready,
    ai_response_received,
)

domain_object_created = EngineSignal()  # instance, response, and the common payload; sender is the handler class
result_held = EngineSignal()  # hold_id, trigger, reason, and the common payload; sender is the service class
hold_decided = EngineSignal()
"""hold_id, kind (`DecisionKind`), state (`HoldState`; `open` when more is to be decided), user_id, and the common
payload; sender is the service class."""

__all__ = [
    "ai_request_sent",
    "ai_response_failed",
    "ai_response_ready",
    "ai_response_received",
    "domain_object_created",
    "hold_decided",
    "result_held",
]

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

__all__ = [
    "ai_request_sent",
    "ai_response_failed",
    "ai_response_ready",
    "ai_response_received",
    "domain_object_created",
]

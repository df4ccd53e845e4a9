"""Rows of the engine."""

from orchestration.models.audits import AIRequestAudit, AIResponseAudit
from orchestration.models.calls import OrderingKey, ServiceCallRecord
from orchestration.models.limits import Pause, ProviderCircuit, RateLimit
from orchestration.models.nodes import EngineCounter, WorkerNode
from orchestration.models.prices import ModelPrice

__all__ = [
    "AIRequestAudit",
    "AIResponseAudit",
    "EngineCounter",
    "ModelPrice",
    "OrderingKey",
    "Pause",
    "ProviderCircuit",
    "RateLimit",
    "ServiceCallRecord",
    "WorkerNode",
]

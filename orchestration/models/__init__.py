"""Rows of the engine."""

from orchestration.models.api_answers import ApiAnswer
from orchestration.models.audits import AIRequestAudit, AIResponseAudit
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.limits import Pause, ProviderCircuit, RateLimit
from orchestration.models.nodes import EngineCounter, WorkerNode
from orchestration.models.ordering import OrderingKey
from orchestration.models.prices import ModelPrice
from orchestration.models.prompts import PromptPart, PromptText
from orchestration.models.rollups import CallRollup, RollupMark, RollupState

__all__ = [
    "AIRequestAudit",
    "AIResponseAudit",
    "ApiAnswer",
    "CallRollup",
    "EngineCounter",
    "ModelPrice",
    "OrderingKey",
    "Pause",
    "PromptPart",
    "PromptText",
    "ProviderCircuit",
    "RateLimit",
    "RollupMark",
    "RollupState",
    "ServiceCallRecord",
    "WorkerNode",
]

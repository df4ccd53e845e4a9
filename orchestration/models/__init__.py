"""The models of the engine: calls, their audits and tools, throttles, prices, prompt texts, nodes.

Content of messages, stored REST answers, ordering keys, rollups, saved searches and runs of tools are the business of a
few modules each, which import them from theirs.
"""

import orchestration.models.content
import orchestration.models.engine_events
import orchestration.models.idempotency
import orchestration.models.ordering_keys
import orchestration.models.rollups
import orchestration.models.saved_searches
import orchestration.models.stream_chunks
import orchestration.models.tool_runs  # noqa: F401 - Django finds models that are imported
from orchestration.models.audits import AIRequestAudit, AIResponseAudit
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.nodes import EngineCounter, WorkerNode
from orchestration.models.prices import ModelPrice
from orchestration.models.prompt_overrides import PromptText
from orchestration.models.throttles import Pause, ProviderCircuit, RateLimit

__all__ = [
    "AIRequestAudit",
    "AIResponseAudit",
    "EngineCounter",
    "ModelPrice",
    "Pause",
    "PromptText",
    "ProviderCircuit",
    "RateLimit",
    "ServiceCallRecord",
    "WorkerNode",
]

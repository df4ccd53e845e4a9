"""Everything the engine tells the world. All are sent after commit, with `send_robust`.

Every public signal carries `call_id, service_identity, namespace, correlation_id, context`; what else it carries
stands beside it. `sender` is the service class (the handler class for persistence's `domain_object_created`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from orchestration.log import describe

if TYPE_CHECKING:
    from orchestration.models import ServiceCallRecord

logger = logging.getLogger(__name__)


class EngineSignal(Signal):
    """A signal whose failing receivers are logged by `tell`: Django's own log line would carry the exception's
    message, which may quote a prompt or personal data."""

    def _log_robust_failure(self, receiver: object, err: Exception) -> None:
        """Nothing: see `tell`."""


ai_request_sent = EngineSignal()  # request_audit_id, attempt
ai_response_received = EngineSignal()  # response_audit_id, response (Response | None when it failed)
ai_response_ready = EngineSignal()  # response, objects
ai_response_failed = EngineSignal()  # error_code, error, retryable

# Internal seams, for packages that build on the engine and for the supervisor.
results_stored = EngineSignal()
"""call_ids: list[str], immediate: bool. Immediate: a caller waits for the domain rows; receivers return a dict of
call id → summary for whatever they have to tell that caller."""
tick = EngineSignal()  # every TICK_SECONDS in the supervisor: look for work that no wake-up announced


def payload(record: ServiceCallRecord) -> dict[str, Any]:
    """The part of the payload that all public signals share."""
    return {
        "call_id": record.pk,
        "service_identity": record.service_identity,
        "namespace": record.namespace,
        "correlation_id": record.correlation_id,
        "context": record.context,
    }


def tell(signal: Signal, sender: Any, **named: Any) -> list[Any]:
    """Send robustly and return what the receivers returned; one that raises is logged by type and place, never
    swallowed, never in the way."""
    returned = []
    for receiver, outcome in signal.send_robust(sender=sender, **named):
        if isinstance(outcome, Exception):
            logger.error(
                "signal receiver failed receiver=%s call_id=%s error=%s",
                receiver,
                named.get("call_id"),
                describe(outcome),
            )
        else:
            returned.append(outcome)
    return returned

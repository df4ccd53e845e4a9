"""The engine's signals. All are sent after commit, with `send_robust`.

Every public signal carries `call_id, service_identity, namespace, correlation_id, context`; what else it carries
is noted beside it. `sender` is the service class (the handler class for persistence's `domain_object_created`).
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

from orchestration.receiver_guard import guarded, guarded_async, name_of, nothing_left_open, reason_of

logger = logging.getLogger(__name__)


class EngineSignal(Signal):
    """A signal whose receivers are guarded. `dispatch` logs those that fail: Django's own log line would carry the
    exception's message, which may quote a prompt or personal data."""

    def _live_receivers(self, sender: object) -> tuple[list[Any], list[Any]]:
        in_turn, asynchronous = super()._live_receivers(sender)
        return [guarded(receiver) for receiver in in_turn], [guarded_async(receiver) for receiver in asynchronous]

    def _log_robust_failure(self, receiver: object, err: Exception) -> None:
        """Nothing: see `dispatch`."""


ai_request_sent = EngineSignal()  # request_audit_id, attempt
ai_response_received = EngineSignal()  # response_audit_id, response (Response | None when it failed)
ai_response_ready = EngineSignal()  # response, objects
ai_response_failed = EngineSignal()  # error_code, error, retryable

# Internal signals, for packages that build on the engine and for the supervisor.
results_stored = EngineSignal()
"""call_ids: list[str], immediate: bool. Immediate: a caller waits for the domain rows; receivers return a dict of
call id → summary for whatever that caller is to learn."""
calls_gave_no_result = EngineSignal()
"""call_ids: list[str]. These calls failed for good, or their results are dead: those of one commit, or of one batch of
a drain, together. For receivers that look at rows of their own, once for all; `ai_response_failed` tells each."""
tick = EngineSignal()  # every TICK_SECONDS in the supervisor: look for work that no wake-up announced


def dispatch(signal: Signal, sender: Any, **named: Any) -> list[Any]:
    """Send robustly and return what the receivers returned; one that raises is logged by type and place and does not
    stop the others."""
    returned: list[Any] = []
    if not signal.has_listeners(sender):  # nearly always: spare the hot path
        return returned
    with nothing_left_open("asynchronous"):  # other receivers are logged by name
        outcomes = signal.send_robust(sender=sender, **named)
    for receiver, outcome in outcomes:
        if isinstance(outcome, Exception):
            logger.error(
                "signal receiver failed receiver=%s call_id=%s error=%s",
                name_of(receiver),
                named.get("call_id"),
                reason_of(outcome),
            )
        else:
            returned.append(outcome)
    return returned

"""The signals that calls have failed for good, and their sender."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestration import signals
from orchestration.components.registry import services
from orchestration.models import ServiceCallRecord


def announce_failure(record: ServiceCallRecord, *, error_code: str, error: str | None, retryable: bool) -> None:
    """Send `ai_response_failed`, once, for a call that has failed for good."""
    signals.dispatch(
        signals.ai_response_failed,
        sender_of(record),
        error_code=error_code,
        error=error,
        retryable=retryable,
        **record.signal_payload(),
    )


def announce_without_result(calls: Iterable[ServiceCallRecord]) -> None:
    """Send `calls_gave_no_result`, once for all these calls; each has been announced by `announce_failure`."""
    call_ids = [call.pk for call in calls]
    if call_ids:
        signals.dispatch(signals.calls_gave_no_result, None, call_ids=call_ids)


def sender_of(record: ServiceCallRecord) -> Any:
    """The call's service class, None when the service does not exist, or no longer does."""
    return services.try_get(record.service_identity)

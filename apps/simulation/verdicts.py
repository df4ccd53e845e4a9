"""Why a call has no result, for programs and for people."""

from __future__ import annotations

from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord

NOT_STORED = "not_stored"

REASONS = {
    "refused": "The simulated patient's model refused to answer this.",
    "cancelled": "The answer was cancelled.",
    NOT_STORED: "The answer is there but could not be stored; an operator has to look at it.",
}
"""By failure code. The provider's own words are in the audit, not here."""
ANY_REASON = "The simulated patient could not answer."


def reason_of(code: str) -> str:
    return REASONS.get(code, ANY_REASON)


def verdict(call: ServiceCallRecord) -> tuple[str, bool]:
    """Why a call has no domain objects, as a code, and whether its asker may try again."""
    if call.result is not None:
        return NOT_STORED, False  # the answer is there; an operator can persist it again
    return call.error_code or call.status, call.retryable or call.cancel_requested_at is not None


def try_again(call: ServiceCallRecord) -> bool:
    """Queue a failed call anew in the caller's transaction; False when it is not failed."""
    try:
        call.retry()
    except TransitionRefused:
        return False
    return True

"""Why a call has no result: codes for programs, sentences for people, and what helps."""

from __future__ import annotations

from enum import StrEnum

from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState

NOT_STORED = "not_stored"
NOT_RELEASED = "not_released"


class Subject(StrEnum):
    """What was asked for."""

    OPENING = "opening"
    REPLY = "reply"
    RESULTS = "results"
    FEEDBACK = "feedback"
    ANSWER = "answer"
    """About the feedback."""


class Cause(StrEnum):
    """What kept the answer away, as far as it matters to the person who waits for it."""

    OUTAGE = "outage"
    BUSY = "busy"
    CREDENTIALS = "credentials"
    INVALID_ANSWER = "invalid_answer"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    NOT_STORED = "not_stored"
    FAULT = "fault"

    @property
    def retry_helps(self) -> bool:
        """Whether the same again may succeed, now or when somebody has mended it."""
        return self not in {Cause.REFUSED, Cause.NOT_STORED}

    @property
    def rewording_helps(self) -> bool:
        return self is Cause.REFUSED


_CODES = {
    Cause.OUTAGE: (
        "connection_error",
        "database_away",
        "held",
        "malformed_response",
        "provider_conflict",
        "provider_error",
        "provider_unavailable",
        "timeout",
    ),
    Cause.BUSY: ("rate_limited",),
    Cause.CREDENTIALS: (
        "insufficient_quota",
        "model_not_found",
        "not_configured",
        "paid_requests_forbidden",
        "provider_auth",
        "provider_forbidden",
        "provider_key_invalid",
        "provider_key_missing",
    ),
    Cause.INVALID_ANSWER: ("invalid_output", "truncated", "unexpected_tool_call"),
    Cause.REFUSED: ("refused", "content_filter"),
    Cause.CANCELLED: ("cancelled",),
    Cause.NOT_STORED: (NOT_STORED, NOT_RELEASED, "not_storable"),
}
CAUSES = {code: cause for cause, codes in _CODES.items() for code in codes}

REASONS = {
    "refused": "The model refused to answer this.",
    "cancelled": "The answer was cancelled.",
    NOT_STORED: "The answer could not be stored. An operator has to look at it.",
    NOT_RELEASED: "An instructor did not release it.",
}
"""By failure code, whatever was asked for. The provider's own words are in the audit, not here."""
ANY_REASON = {
    Subject.OPENING: "The session could not be opened.",
    Subject.REPLY: "The simulated patient could not answer.",
    Subject.RESULTS: "The results could not be reported.",
    Subject.FEEDBACK: "The feedback could not be written.",
    Subject.ANSWER: "The question could not be answered.",
}
EXPLANATIONS = {
    Cause.OUTAGE: "The model could not be reached. Try again in a minute.",
    Cause.BUSY: "The model has too many requests at the moment. Try again in a minute.",
    Cause.CREDENTIALS: "The model refused our access, which an operator has to restore. Try again when that is done.",
    Cause.INVALID_ANSWER: "The model's answer was not usable. Try again.",
    Cause.REFUSED: "The model declined to answer this.",
    Cause.CANCELLED: "The answer was cancelled. Try again.",
    Cause.NOT_STORED: "The answer arrived, but could not be stored. An operator has to look at it.",
    Cause.FAULT: "Something went wrong on our side. Try again; if it fails again, tell your instructor.",
}
REWORDABLE = {
    Subject.REPLY: "Put it in other words.",
    Subject.RESULTS: "Order something else.",
    Subject.ANSWER: "Put it in other words.",
}
"""What one may change oneself when the model declines."""


def cause_of(code: str) -> Cause:
    return CAUSES.get(code, Cause.FAULT)


def reason_of(code: str, subject: Subject = Subject.REPLY) -> str:
    """What happened, in a sentence."""
    return REASONS.get(code, ANY_REASON[subject])


def explanation(code: str, subject: Subject) -> str:
    """Why it happened and what helps, for the person who waits: behind a heading that says what is missing."""
    cause = cause_of(code)
    hint = REWORDABLE.get(subject, "Try again, or tell your instructor.") if cause.rewording_helps else ""
    return f"{EXPLANATIONS[cause]} {hint}".strip()


VERDICT_COLUMNS = ("status", "error_code", "domain_persist_state")
"""What `verdict` reads of a call."""


def verdict(call: ServiceCallRecord) -> tuple[str, bool]:
    """Why a call has no domain objects, as a code, and whether its asker may try again."""
    if call.domain_persist_state == PersistState.DEAD:
        return NOT_STORED, False  # the answer exists; an operator can reprocess it
    if call.domain_persist_state == PersistState.SKIPPED:
        return NOT_RELEASED, False
    code = call.error_code or call.status
    return code, cause_of(code).retry_helps


def try_again(call: ServiceCallRecord) -> bool:
    """Retry a failed call in the caller's transaction; False when it has not failed."""
    try:
        call.retry()
    except TransitionRefused:
        return False
    return True

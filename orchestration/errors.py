"""Every error that orchestration raises on purpose; the docstring is the default message."""

from __future__ import annotations

import math
from collections.abc import Iterable

from orchestration.types import Usage


class OrchestrationError(Exception):
    """Something went wrong in orchestration."""

    code = "orchestration_error"
    call_id: str | None = None
    """The call this is about, once it is a row."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


# --- components -----------------------------------------------------------------------------


class IdentityError(OrchestrationError, ValueError):
    """This is not a valid component identity."""

    code = "invalid_identity"


class IdentityCollision(OrchestrationError):
    """Two different classes claim one identity."""

    code = "identity_collision"


class RegistryFrozenError(OrchestrationError):
    """The registry is frozen: components register while Django starts, not later."""

    code = "registry_frozen"


class ComponentNotFound(OrchestrationError, LookupError):
    """No component is registered under this identity."""

    code = "component_not_found"


class ServiceNotFound(ComponentNotFound):
    """No service is registered under this identity."""

    code = "unknown_service"


class ComponentDefinitionError(OrchestrationError, TypeError):
    """This class does not fulfil the contract of its component type."""

    code = "invalid_component"


class SchemaNotStrict(OrchestrationError, TypeError):
    """This schema cannot be expressed as a strict structured output."""

    code = "schema_not_strict"


class NotConfigured(OrchestrationError):
    """OrchestrAI is not configured: ORCA_CONFIG and ORCHESTRAI are read from the Django settings."""

    code = "not_configured"


class BrokenComponent(NotConfigured):
    """A module of components cannot be imported, so no component of the project is known."""

    code = "broken_component"


# --- submitting -----------------------------------------------------------------------------


class InvalidCall(OrchestrationError, ValueError):
    """This call cannot be submitted as it stands."""

    code = "invalid_call"


class MissingContext(InvalidCall):
    """The service needs context keys that were not given."""

    code = "missing_context"


class NotJson(InvalidCall):
    """Payload and context must be JSON."""

    code = "not_json"


class PayloadTooLarge(InvalidCall):
    """Input and context are larger than MAX_PAYLOAD_BYTES."""

    code = "payload_too_large"


class UnknownOption(InvalidCall, TypeError):
    """This is not an option of Service.using()."""

    code = "unknown_option"


class IdempotencyConflict(InvalidCall):
    """This idempotency key was used before with another request."""

    code = "idempotency_conflict"


class ContentRefused(InvalidCall):
    """This image, audio or file cannot be part of a message."""

    code = "content_refused"


class ContentTooLarge(ContentRefused):
    """This image, audio or file is larger than MAX_CONTENT_BYTES."""

    code = "content_too_large"


class ToolError(OrchestrationError):
    """A tool could not do what it was asked for. The model is told this text, and may ask again.

    For what tools themselves raise; of any other exception the model is told the type only.
    """

    code = "tool_failed"


# --- running --------------------------------------------------------------------------------


class CallError(OrchestrationError):
    """The call failed; `retryable` says whether trying again unchanged may help."""

    code = "call_failed"
    retryable = False

    def __init__(self, message: str | None = None, *, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class OutOfSight(CallError):
    """The database went away after the call was stored: look it up by `call_id`, do not submit it again."""

    code = "database_away"
    retryable = True


class PromptError(CallError):
    """The prompt could not be rendered, so nothing was sent."""

    code = "prompt_failed"


class ContentUnavailable(CallError):
    """The storage did not give the content of a message, so nothing was sent."""

    code = "content_unavailable"
    retryable = True


class InvalidOutput(CallError):
    """The model's answer does not match the schema, and neither did its repair."""

    code = "invalid_output"


class OutputRefused(CallError):
    """The model refused to answer."""

    code = "refused"


class OutputTruncated(CallError):
    """The model's answer was cut off before its end."""

    code = "truncated"


class OutputFiltered(CallError):
    """The provider's content filter withheld the answer."""

    code = "content_filter"


class UnexpectedToolCall(CallError):
    """The model answered only with calls of tools that its service does not let the engine run."""

    code = "unexpected_tool_call"


class ToolLimitReached(CallError):
    """The model asked for more than the limits of the service's tools allow."""

    code = "tool_limit"


class NotStorable(CallError):
    """The database refused to store this."""

    code = "not_storable"


class CallCancelled(CallError):
    """The call was cancelled."""

    code = "cancelled"


class CallPoisoned(CallError):
    """Too many workers died while they ran this call; it is not tried again."""

    code = "poisoned"


class CallHeld(CallError):
    """Its service or model is paused, its provider's circuit is open, or its rate limit is used up.

    `seconds`: when asking again may help; None: not before it is resumed or the provider works again.
    """

    code = "held"
    retryable = True

    def __init__(self, message: str | None = None, *, code: str | None = None, seconds: float | None = None) -> None:
        super().__init__(message, code=code)
        self.seconds = seconds


class PutOff(CallError):
    """The call cannot continue yet: it is queued again as it is, and no failure is charged to it.

    Each kind is one of PUT_OFF, and orchestration/causes/known.py says what the call waits for and what lets it run.
    """

    retryable = True
    seconds = 60.0
    """Until it is looked at again, if nobody brings it forward."""


class WaitsForApproval(PutOff):
    """A tool that the model asked for waits for a person's approval."""

    code = "waits_for_approval"
    seconds = 3600.0

    def __init__(self, message: str | None = None, *, runs: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.runs = frozenset(runs)
        """The keys of the tools' runs that it waits for."""


class WrittenByNewerVersion(PutOff):
    """This was written by a newer version: upgrade this process."""

    code = "newer_version"
    seconds = 30.0


PUT_OFF = frozenset(each.code for each in (WaitsForApproval, WrittenByNewerVersion))
"""The codes of queued calls that did not fail, and were not scheduled for later either."""


class StaleLease(OrchestrationError):
    """Another worker owns this call now; this worker's result was dropped."""

    code = "stale_lease"


class TransitionRefused(OrchestrationError):
    """The call's present status does not allow this."""

    code = "conflict"


class AppendOnly(OrchestrationError):
    """These rows are append-only: they are created and read; only the retention command removes any."""

    code = "append_only"


class NodeNameTaken(OrchestrationError):
    """Another supervisor already runs under this node name."""

    code = "node_name_taken"


class PaidRequestsForbidden(OrchestrationError):
    """A request to a real provider was attempted while paid requests are switched off."""

    code = "paid_requests_forbidden"


class ProviderError(CallError):
    """The provider did not answer as asked.

    `retry_after` is in seconds, as the provider asked for it, None when that is not a number; `status` the HTTP
    status, None when no response arrived; `sent` whether the request may have reached the provider (then it may
    have been billed); `headers` its rate-limit headers in lower case.
    """

    code = "provider_error"
    usage = Usage()
    """What it cost all the same."""
    model = ""
    """As the provider names it; empty when it does not."""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        sent: bool = True,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.retry_after = retry_after if retry_after is not None and math.isfinite(retry_after) else None
        self.status = status
        self.sent = sent
        self.body = body
        self.headers = headers or {}

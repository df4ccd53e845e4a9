"""How an error is written: in OpenAI's shape, and below `/v1/messages` in Anthropic's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.gateway.errors import GatewayError

ANTHROPIC_PATH = "/v1/messages"
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status → the type of an error, in Anthropic's API."""
Shape = Callable[[GatewayError, str], dict[str, Any]]
"""What an error of the request with this id looks like."""


def shape_of(path: str) -> Shape:
    """Of the errors of a path."""
    is_anthropic = path == ANTHROPIC_PATH or path.startswith(f"{ANTHROPIC_PATH}/")
    return anthropic_shape if is_anthropic else openai_shape


def openai_shape(error: GatewayError, request_id: str) -> dict[str, Any]:
    return {"error": error.as_object()}


def anthropic_shape(error: GatewayError, request_id: str) -> dict[str, Any]:
    """With the provider's own type where it is one of Anthropic's, and says more than the status."""
    general = KINDS[500] if error.status >= 500 else KINDS[400]
    says_more = error.kind in KINDS.values() and error.kind != KINDS[400]
    kind = error.kind if says_more else KINDS.get(error.status, general)
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}

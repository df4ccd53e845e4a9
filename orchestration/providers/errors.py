"""Errors of providers, classified by one table: by HTTP status, or by the error inside an answer with status 200."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from orchestration.errors import OutputFiltered, ProviderError
from orchestration.types import JsonObject

NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Meaning(NamedTuple):
    """What an HTTP status of the provider means to the engine."""

    code: str
    message: str
    retryable: bool = False


BY_STATUS = {
    401: Meaning("provider_auth", "The provider rejected the API key."),
    402: Meaning("insufficient_quota", "The provider requires payment first."),
    403: Meaning("provider_forbidden", "The API key is not allowed to do this."),
    404: Meaning("model_not_found", "The provider does not have this model at this address."),
    408: Meaning("timeout", "The provider timed out waiting for the request.", retryable=True),
    409: Meaning("provider_conflict", "The provider reported a conflict.", retryable=True),
    422: Meaning("bad_request", "The provider cannot process this request."),
    429: Meaning("rate_limited", "The provider's rate limit is exceeded.", retryable=True),
}
REFUSED = Meaning("bad_request", "The provider refused the request.")
FAILED = Meaning("provider_unavailable", "The provider failed.", retryable=True)

OUT_OF_QUOTA = Meaning("insufficient_quota", "The provider's quota is used up.")
FILTERED = Meaning(OutputFiltered.code, "The provider's content filter refused the request.")

STATUS_OF = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "billing_error": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "timeout": 408,
    "timeout_error": 408,
    "rate_limit": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "too_many_requests": 429,
    "api_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "server_error": 500,
    "overloaded": 503,
    "overloaded_error": 503,
    "service_unavailable": 503,
    "server_overloaded": 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTable:
    """What the failures of one API mean."""

    statuses: Mapping[str, int]
    """The status of an error that came with status 200, by its code or its type in lower case; a number is the status
    itself."""
    reasons: Mapping[str, Meaning]
    """What an error means whatever its status, by a name in it, in lower case."""

    def extended(self, *, statuses: Mapping[str, int], reasons: Mapping[str, Meaning]) -> ErrorTable:
        """This table with more, or other, entries."""
        return ErrorTable(statuses={**self.statuses, **statuses}, reasons={**self.reasons, **reasons})


COMMON = ErrorTable(
    statuses=STATUS_OF,
    reasons={
        "insufficient_quota": OUT_OF_QUOTA,
        "content_filter": FILTERED,
        "content_policy_violation": FILTERED,
    },
)
"""Of OpenAI, and of the servers that are compatible with it."""


def meaning_of(status: int) -> Meaning:
    """What a status of 400 or more means."""
    return BY_STATUS.get(status, FAILED if status >= 500 else REFUSED)


def provider_error(http_status: int, error: Any, table: ErrorTable = COMMON) -> ProviderError:
    """The error that the provider reported under this HTTP status; `error` is its JSON, whatever that may be.

    Its text is not in the message: it may quote the request.
    """
    names = list(dict.fromkeys(_names(error)))
    status = http_status if http_status >= 300 else reported_status(error, table) or 400
    reasons = (table.reasons.get(name.lower()) for name in names)
    meaning = next(filter(None, reasons), None) or meaning_of(status)
    details = ", ".join([f"HTTP {http_status}", *names])
    return ProviderError(
        f"{meaning.message} ({details})", code=meaning.code, retryable=meaning.retryable, status=http_status, body=error
    )


def reported_status(error: Any, table: ErrorTable = COMMON) -> int | None:
    """The status that an error within an answer of status 200 stands for; None when it does not say."""
    return next(filter(None, (_status_of(name, table) for name in _names(error))), None)


def reported_error(answer: JsonObject) -> ProviderError | None:
    """The error inside an answer that came with HTTP status 200; None when it has none."""
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    error = answer.get("error") or (first.get("error") if isinstance(first, dict) else None)
    if not error and answer.get("status") != "failed":
        return None
    return provider_error(200, error)


def _names(error: Any) -> Iterator[str]:
    """Its code, status and type, and what it was caused by, where they are names or numbers."""
    if not isinstance(error, dict):
        return
    details = error.get("details")
    for value in (
        *(error.get(key) for key in ("code", "status", "type")),
        *(each.get("reason") for each in (details if isinstance(details, list) else ()) if isinstance(each, dict)),
    ):
        if isinstance(value, str | int) and not isinstance(value, bool) and NAME.fullmatch(str(value)):
            yield str(value)


def _status_of(name: str, table: ErrorTable) -> int | None:
    if name.isdecimal():
        return int(name) if 400 <= int(name) < 600 else None
    return table.statuses.get(name.lower())

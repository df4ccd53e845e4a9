"""The format of every error of the API: `{code, message, details, request_id}`."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from uuid_utils.compat import uuid7

API_ROOT = "api/"
"""Everything below this path answers errors with the envelope."""
REQUEST_ID = "X-Request-ID"
VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
META_KEY = "orchestrai.request_id"

CODES = {
    400: ("bad_request", "The request cannot be read."),
    401: ("unauthenticated", "Sign in, or send an API key as `Authorization: Bearer ...`."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "This address does not exist."),
    405: ("method_not_allowed", "This address does not support this method."),
    406: ("not_acceptable", "No acceptable format is available."),
    413: ("payload_too_large", "The body is too large."),
    415: ("unsupported_media_type", "Send this request as application/json."),
    422: ("invalid_request", "The request is not valid."),
    429: ("rate_limited", "Too many requests."),
    500: ("internal_error", "Something went wrong here. It is recorded under the request_id."),
    503: ("unavailable", "Not available now. Try again later."),
}


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith((f"/{API_ROOT}", "/v1/"))


def assign_request_id(request: HttpRequest) -> str:
    """The caller's X-Request-ID when it is well formed, else a new one; remembered with the request."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    chosen = given if VALID_REQUEST_ID.match(given) else str(uuid7())
    request.META[META_KEY] = chosen
    return chosen


def request_id(request: HttpRequest) -> str:
    """The id that the middleware assigned."""
    known: str | None = request.META.get(META_KEY)
    return known or assign_request_id(request)


def envelope(request: HttpRequest, status: int, code: str = "", message: str = "", details: Any = None) -> JsonResponse:
    """An error response; code and message default to those of the status."""
    default_code, default_message = CODES.get(status, CODES[500 if status >= 500 else 400])
    content = {
        "code": code or default_code,
        "message": message or default_message,
        "details": details,
        "request_id": request_id(request),
    }
    response = JsonResponse(content, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if isinstance(details, dict) and "retry_after" in details:
        response["Retry-After"] = str(details["retry_after"])
    if isinstance(details, dict) and "location" in details:
        response["Location"] = details["location"]
    return response


def in_envelope(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Put errors of Django or Ninja that have another format (HTML, plain text) into the envelope."""
    if response.status_code < 400 or not is_api(request):
        return response
    if response.get("Content-Type", "").startswith("application/json"):
        return response
    wrapped = envelope(request, response.status_code)
    for header in ("Allow", "Retry-After", "WWW-Authenticate"):
        if header in response:
            wrapped[header] = response[header]
    # The replaced response is not closed here: close() would signal that the request is finished, which it is not.
    return wrapped

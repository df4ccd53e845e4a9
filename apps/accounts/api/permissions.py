"""What requests about accounts have in common: their refusals, and the checks of those that need no sign-in."""

from __future__ import annotations

from functools import partial

from django.http import HttpRequest

from apps.accounts.client_ip import client_address
from apps.accounts.errors import AccountRefused, WeakPassword
from apps.accounts.throttle import CLAIMS
from orchestration.api.errors import ApiError, refused_as
from orchestration.api.schemas import ErrorOut

REFUSED = {401: ErrorOut, 403: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}
PUBLIC = {401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 410: ErrorOut, 415: ErrorOut, 422: ErrorOut, 429: ErrorOut}
"""The errors of requests that need no sign-in."""


def check_public_request(request: HttpRequest) -> None:
    """ApiError for a request that needs no sign-in: 415 unless it is JSON, 429 when one address sends too many."""
    require_json(request)
    CLAIMS.check(client_address(request), "attempts")


def _refusal(error: AccountRefused) -> ApiError:
    reasons = {"reasons": error.reasons} if isinstance(error, WeakPassword) else None
    return ApiError(error.status, error.code, str(error), reasons)


refusals = partial(refused_as, {AccountRefused: _refusal})
"""Turns the errors of accounts into ApiError."""


def require_json(request: HttpRequest) -> None:
    """ApiError 415 for anything but JSON: another site's form cannot send that, so it cannot act for a visitor."""
    if request.content_type != "application/json":
        raise ApiError(415, "json_required", "Send this request as application/json.")

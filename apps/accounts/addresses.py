"""Where a request comes from, as far as one can trust it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address that throttles count by: of the connection, or behind a proxy what that proxy added last to
    `X-Forwarded-For`; what stands before it, anybody can write."""
    if settings.BEHIND_PROXY:
        seen = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if seen:
            return seen[:64]
    return str(request.META.get("REMOTE_ADDR", ""))

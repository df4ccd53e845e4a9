"""Operations that are kept for one more release under an old name, and say so in every response (RFC 9745)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from ninja.operation import Operation

HEADER = "Deprecation"
SINCE = "x-deprecated-since"
"""The day, in an operation's description."""


def announce_deprecation(operation: Operation) -> None:
    """Add the header to every response of a deprecated operation, errors included.

    ValueError when it does not say since when it is deprecated.
    """
    if not operation.deprecated:
        return
    since = (operation.openapi_extra or {}).get(SINCE)
    if since is None:
        raise ValueError(f"{operation.view_func.__qualname__} is deprecated: give the date as openapi_extra {SINCE!r}.")
    if operation.is_async:
        raise ValueError(f"{operation.view_func.__qualname__} is deprecated and asynchronous, which is not supported.")
    operation.run = _announcing(operation.run, since)  # type: ignore[method-assign]


def _announcing(run: Callable[..., HttpResponseBase], since: str) -> Callable[..., HttpResponseBase]:
    value = f"@{int(datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp())}"

    @wraps(run)
    def announcing(*args: Any, **kwargs: Any) -> HttpResponseBase:
        response = run(*args, **kwargs)
        response[HEADER] = value
        return response

    return announcing

"""The one exception that REST code raises; the API's error handler turns it into the envelope."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A request is refused: `status` is the HTTP status, `code` a stable word, `message` says what and how to mend it.

    `details` is JSON and becomes part of the envelope; `details["retry_after"]` is in seconds.
    """

    def __init__(self, status: int, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

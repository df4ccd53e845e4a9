"""Limits for uploads, which are refused while they arrive, before anything is stored."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from orchestration.conf import CONTENT_BYTES, engine_settings

MAX_UPLOAD_BYTES = 10_000_000
"""Of a form with its files, unless its view raised the limit. Other bodies: DATA_UPLOAD_MAX_MEMORY_SIZE."""


CONTENT_ROUTE = "api:upload_content"
FORM_BYTES = 100_000
"""Of a form around its file."""


def limit_for(request: HttpRequest | None) -> int:
    """Bytes of a form with its files: content for models may be as large as the engine takes it, and what is too large
    for its kind is refused there."""
    match = request.resolver_match if request is not None else None
    if match is None or match.view_name != CONTENT_ROUTE:
        return MAX_UPLOAD_BYTES
    return max(MAX_UPLOAD_BYTES, FORM_BYTES + max(map(engine_settings().content_bytes, CONTENT_BYTES)))


class UploadTooBig(RequestDataTooBig):
    """A form with files is larger than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"An upload may have at most {limit:,} bytes.")
        self.limit = limit


class BoundedUpload(FileUploadHandler):
    """Comes before Django's own handlers, which store everything that arrives."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.limit = limit_for(request)
        """A view may raise it before the body is read: apps/training/uploads.py."""
        self._taken = 0

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],  # noqa: N803 - Django calls it so
        content_length: int,
        *_: Any,
        **__: Any,
    ) -> None:
        self._check(content_length)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self._taken += len(raw_data)
        self._check(self._taken)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The next handler has the file."""

    def _check(self, size: int) -> None:
        if size > self.limit:
            raise UploadTooBig(self.limit)


def limit_of(error: RequestDataTooBig) -> int:
    """The limit that was exceeded, in bytes."""
    return error.limit if isinstance(error, UploadTooBig) else int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

"""Reads the chunks in a stream's events."""

from __future__ import annotations

from apps.gateway.proxy.answer_json import Document, read_document
from orchestration.providers.streams.event_reader import malformed

NO_USAGE = b',"usage":null'
"""What chunks carry when usage was asked for. Inside a JSON string its quotes would be escaped: no false match."""


def read_chunk(data: bytes) -> Document:
    """The chunk in an event's data; ProviderError `malformed_response` when it is not one."""
    found = read_document(data)
    if found is None or not isinstance(found.value.get("choices") or [], list):
        raise malformed()
    return found

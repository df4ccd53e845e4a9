"""Which fields of a stream's deltas come in pieces, and which as a whole."""

from __future__ import annotations

from typing import Any

APPENDED = frozenset(
    (
        *("content", "refusal", "reasoning", "reasoning_content", "text", "thinking", "summary", "transcript"),
        *("arguments", "input", "data", "partial_json"),
    )
)
"""Texts that come in pieces, wherever they are."""
NAMES = frozenset({"id", "type", "role", "name", "format", "object", "call_id"})
"""Texts that come as a whole; some servers repeat them with each piece."""
PIECEWISE = frozenset({"content", "thinking", "reasoning_details", "tool_calls"})
"""Lists whose items come in pieces; items of other lists are whole."""


def names_call(piece: dict[str, Any]) -> bool:
    """Whether a piece of a tool call says which tool is called, as its first piece does."""
    made = piece.get("function") or piece.get("custom")
    return isinstance(made, dict) and bool(made.get("name"))

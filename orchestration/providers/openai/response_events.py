"""The events of a stream of `POST /responses`, made from the response that it ends with.

For the simulator, and for whoever has a whole response and a client that wants a stream. The names are those of
OpenAI's reference of streaming events.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from orchestration.providers.streams.event_writer import Split, at_once
from orchestration.types import JsonObject

PARTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
"""Type of a part of a message → the field of its text."""
ITEMS = {
    "function_call": ("arguments", "function_call_arguments"),
    "custom_tool_call": ("input", "custom_tool_call_input"),
    "mcp_call": ("arguments", "mcp_call_arguments"),
    "code_interpreter_call": ("code", "code_interpreter_call_code"),
}
"""Type of an item → the field of its text, and the name of the events about it."""
FINAL = frozenset({"completed", "incomplete", "failed", "cancelled"})


def response_events(response: JsonObject, split: Split = at_once) -> Iterator[JsonObject]:
    """In order, numbered from 0; `split` says in which pieces a text comes."""
    numbers = count()
    for event in _events(response, split):
        yield event | {"sequence_number": next(numbers)}


def _events(response: JsonObject, split: Split) -> Iterator[JsonObject]:
    begun = response | {"status": "in_progress", "output": [], "usage": None, "error": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response.get("output") or ()):
        if isinstance(item, dict):
            yield from _item_events(item, index, split)
    status = response.get("status")
    yield {"type": f"response.{status if str(status) in FINAL else 'completed'}", "response": response}


def _item_events(item: JsonObject, index: int, split: Split) -> Iterator[JsonObject]:
    place = {"output_index": index}
    empty: JsonObject = {name: [] for name in ("content", "summary") if isinstance(item.get(name), list)}
    field, name = ITEMS.get(str(item.get("type")), ("", ""))
    begun = item | {"status": "in_progress"} if "status" in item else item
    yield {"type": "response.output_item.added", **place, "item": begun | empty | ({field: ""} if field else {})}
    inside = place | {"item_id": item.get("id", "")}
    summary, content = item.get("summary"), item.get("content")
    for number, part in enumerate(summary if isinstance(summary, list) else ()):
        yield from _part_events(part, "reasoning_summary_part", inside | {"summary_index": number}, split)
    for number, part in enumerate(content if isinstance(content, list) else ()):
        yield from _part_events(part, "content_part", inside | {"content_index": number}, split)
    if field:
        yield from _text_events(str(item.get(field) or ""), f"response.{name}", field, inside, split)
    yield {"type": "response.output_item.done", **place, "item": item}


def _part_events(part: Any, kind: str, place: JsonObject, split: Split) -> Iterator[JsonObject]:
    if not isinstance(part, dict):
        return
    is_summary = kind == "reasoning_summary_part"
    field = "text" if is_summary else PARTS.get(str(part.get("type")), "")
    name = "reasoning_summary_text" if is_summary else part.get("type")
    yield {"type": f"response.{kind}.added", **place, "part": part | ({field: ""} if field else {})}
    if field:
        yield from _text_events(str(part.get(field) or ""), f"response.{name}", field, place, split)
    yield {"type": f"response.{kind}.done", **place, "part": part}


def _text_events(text: str, name: str, field: str, place: JsonObject, split: Split) -> Iterator[JsonObject]:
    """A text in pieces, then as a whole."""
    more: JsonObject = {"logprobs": []} if name == "response.output_text" else {}
    for piece in split(text):
        yield {"type": f"{name}.delta", **place, "delta": piece, **more}
    yield {"type": f"{name}.done", **place, field: text, **more}

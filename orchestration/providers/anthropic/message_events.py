"""The events of a stream of `POST /messages`, made from the message that they amount to.

For the simulator, and for whoever has a whole message and a client that wants a stream. The names are those of
Anthropic's reference of streaming messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.providers.streams.event_writer import Split, at_once
from orchestration.types import JsonObject
from orchestration.values.json_bodies import write_json

DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
    "citations_delta": "citation",
}
"""Type of a delta → the field that it brings a piece of."""
TEXTS = {"text": ("text_delta",), "thinking": ("thinking_delta", "signature_delta")}
"""Type of a block → the deltas of its texts, whose fields are the block's."""
AT_THE_END = ("stop_reason", "stop_sequence", "stop_details", "container")
"""Fields of a message that are known when it ends."""


def message_events(message: JsonObject, split: Split = at_once) -> Iterator[JsonObject]:
    """In order; `split` says in which pieces a text comes."""
    usage = message.get("usage")
    counted = usage if isinstance(usage, dict) else {}
    begun = {name: None if name in AT_THE_END else value for name, value in message.items()}
    begun |= {"content": [], "usage": counted | {"output_tokens": 0}}
    yield {"type": "message_start", "message": begun}
    content = message.get("content")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        yield from _block_events(block, index, split)
    ended = {name: message[name] for name in AT_THE_END if name in message}
    yield {"type": "message_delta", "delta": ended, "usage": counted}
    yield {"type": "message_stop"}


def _block_events(block: Any, index: int, split: Split) -> Iterator[JsonObject]:
    deltas = list(_deltas(block, split)) if isinstance(block, dict) else []
    yield {"type": "content_block_start", "index": index, "content_block": _begun(block, deltas)}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(block: JsonObject, split: Split) -> Iterator[JsonObject]:
    for kind in TEXTS.get(str(block.get("type")), ()):
        text = block.get(DELTAS[kind])
        for piece in split(text) if isinstance(text, str) and text else ():
            yield {"type": kind, DELTAS[kind]: piece}
    citations = block.get("citations")
    for citation in citations if isinstance(citations, list) else ():
        yield {"type": "citations_delta", "citation": citation}
    if isinstance(block.get("input"), dict):
        written = write_json(block["input"]).decode() if block["input"] else ""
        for piece in split(written) or [""]:
            yield {"type": "input_json_delta", "partial_json": piece}


def _begun(block: Any, deltas: list[JsonObject]) -> Any:
    """A block before its deltas: without what they bring."""
    empty: JsonObject = {}
    for delta in deltas:
        match delta["type"]:
            case "citations_delta":
                empty["citations"] = []
            case "input_json_delta":
                empty["input"] = {}
            case kind:
                empty[DELTAS[kind]] = ""
    return block | empty if empty else block

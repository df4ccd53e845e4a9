"""The chunks of a stream from one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.providers.openai.chat_assembly import OF_A_CHOICE, TEXT_COMPLETION
from orchestration.providers.wire import as_objects
from orchestration.values.json_bodies import write_json

DONE = b"data: [DONE]\n\n"


def as_chunks(answer: dict[str, Any], *, with_usage: bool) -> list[bytes]:
    """A whole answer as the events of a stream, `[DONE]` included."""
    head = {name: value for name, value in answer.items() if name not in {"choices", "usage", "object", "error"}}
    is_text = answer.get("object") == TEXT_COMPLETION
    head["object"] = TEXT_COMPLETION if is_text else "chat.completion.chunk"
    choices = as_objects(answer.get("choices"))
    events = [head | {"choices": [part]} for choice in choices for part in _parts(choice)]
    if with_usage and answer.get("usage"):
        events.append(head | {"choices": [], "usage": answer["usage"]})
    return [*(b"data: " + write_json(event) + b"\n\n" for event in events), DONE]


def _parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was said, and how it ended."""
    if isinstance(choice.get("text"), str):
        yield choice
        return
    message = choice.get("message")
    delta = dict(message) if isinstance(message, dict) else {}
    if isinstance(delta.get("tool_calls"), list):
        delta["tool_calls"] = [
            {"index": number} | call for number, call in enumerate(delta["tool_calls"]) if isinstance(call, dict)
        ]
    common = {"index": choice.get("index", 0)}
    others = {name: value for name, value in choice.items() if name not in OF_A_CHOICE}
    yield common | {"delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
    yield common | others | {"delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}

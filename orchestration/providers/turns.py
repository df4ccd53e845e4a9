"""Turns of a conversation with tools, as messages that every wire format knows how to say."""

from __future__ import annotations

from orchestration.providers.wire import GENERATED
from orchestration.types import JsonObject, Message


def identified(calls: list[JsonObject], turn: int) -> list[JsonObject]:
    """Calls of tools, each with an id: some servers give none, or one of them twice."""
    given = [call["id"] for call in calls]
    return [
        call if call["id"] and given.count(call["id"]) == 1 else {**call, "id": f"{GENERATED}{turn}_{number}"}
        for number, call in enumerate(calls)
    ]


def asking_turn(text: str, calls: list[JsonObject], *, surface: str = "", raw: JsonObject | None = None) -> Message:
    """What the model said when it asked for tools; `raw` is its answer as it came, in the wire format `surface`."""
    message: Message = {"role": "assistant", "content": text, "tool_calls": calls}
    return message if raw is None else {**message, "surface": surface, "raw": raw}


def result_turn(call: JsonObject, content: str | list[JsonObject], *, is_error: bool = False) -> Message:
    """What came of one of those calls."""
    return {
        "role": "tool",
        "content": content,
        "tool_call_id": call["id"],
        "name": call["name"],
        "is_error": is_error,
    }

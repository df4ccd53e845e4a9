"""Streams are read whatever is in them: what is said is told as it comes, and the rest is an answer or an error."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestration.providers.anthropic.message_events import message_events
from orchestration.providers.anthropic.wire import MESSAGES
from orchestration.providers.gemini.wire import GENERATE_CONTENT
from orchestration.providers.openai.response_events import response_events
from orchestration.providers.openai.wire import CHAT, RESPONSES
from orchestration.providers.streams.event_writer import words
from orchestration.providers.streams.reading import StreamReading
from orchestration.providers.wire import Wire
from orchestration.values.json_bodies import read_json

WIRES = {wire.name: wire for wire in (RESPONSES, CHAT, MESSAGES, GENERATE_CONTENT)}
MESSAGE = {
    "id": "m",
    "type": "message",
    "content": [{"type": "text", "text": "two words"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
RESPONSE = {
    "id": "r",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "two words"}]}],
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2}
COUNTS = {"promptTokenCount": 9, "candidatesTokenCount": 2}


def content(text: str, **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text, **fields}], "role": "model"}}]}


def delta(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


EVENTS: dict[str, list[dict[str, Any]]] = {
    "responses": list(response_events(RESPONSE, words)),
    "chat": [delta("two "), delta("words"), delta("", "stop"), {"id": "c", "choices": [], "usage": USAGE}],
    "messages": list(message_events(MESSAGE, words)),
    "generateContent": [
        content("Hm.", thought=True),
        content("two "),
        content("words"),
        {"candidates": [{"finishReason": "STOP"}], "usageMetadata": COUNTS},
    ],
}
NOISE = [b": ping\n\n", b"\n\n", b"data:\n\n", b"event: ping\n\n", b'data: {"type": "ping"}\r\n\r\n']
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(-1e9, 1e9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(sorted(
        {"type", "delta", "text", "index", "choices", "content", "parts", "candidates", "usage", "response", "error"}
        | {"message", "item", "output_index", "content_block", "finish_reason", "usageMetadata", "thought"}
    )), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def reading(wire: Wire, *parts: bytes) -> tuple[StreamReading, list[str]]:
    pieces: list[str] = []
    assert wire.streaming is not None
    found = StreamReading(wire.streaming, pieces.append)
    for part in parts:
        found.append(part)
    found.end()
    return found, pieces


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


@pytest.mark.parametrize("name", WIRES)
def test_what_is_said_is_told_as_it_comes(name: str) -> None:
    """With whatever else comes between: keep-alives, empty events, events of unknown types."""
    for between in (b"", *NOISE):
        parts = [event(each) + between for each in EVENTS[name]]
        found, pieces = reading(WIRES[name], *parts)
        assert pieces == ["two ", "words"]
        assert found.is_settled
        answer = WIRES[name].to_answer(read_json(found.body()))
        assert (answer.text, answer.usage.input_tokens, answer.usage.output_tokens) == ("two words", 9, 2)


@pytest.mark.parametrize("name", WIRES)
def test_an_error_within_a_stream_ends_it(name: str) -> None:
    first = event(EVENTS[name][0])
    for error in ({"error": {"type": "overloaded_error"}}, {"type": "error", "error": {"type": "overloaded_error"}}):
        found, pieces = reading(WIRES[name], first, event(error), *map(event, EVENTS[name][1:]))
        assert found.error == {"type": "overloaded_error"}
        assert not found.is_whole
        assert pieces == ([] if name != "chat" else ["two "])


@pytest.mark.parametrize("garbage", [b"5", b"null", b"[1]", b'"text"', b"{", b"\xff\xfe", b"<html>", b"{}x"])
def test_an_event_that_is_not_an_object_is_noted(garbage: bytes) -> None:
    for name, wire in WIRES.items():
        found, _ = reading(wire, event(EVENTS[name][0]), b"data: " + garbage + b"\n\n", *map(event, EVENTS[name][1:]))
        assert found.is_unreadable
        assert not found.is_whole
        read_json(found.body())


def test_what_is_not_a_stream_is_left_as_it_is() -> None:
    for body in (b"", b'{"choices": []}', b"<!doctype html>\n\n<p>data: none", b"\x1f\x8b\n\n\x00"):
        found, pieces = reading(CHAT, body)
        assert (found.has_events, found.body(), pieces) == (False, body, [])


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "\ud83d", "\ude00"], ["�", "😀"]),
        (["\ude00", "x"], ["�", "x"]),
        (["\ud83d"], []),
        (["\x00"], ["�"]),
    ],
)
def test_characters_are_told_whole(pieces: list[str], told: list[str]) -> None:
    """Halves are written as escapes in events of their own."""
    written = [
        b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
        % piece.encode("unicode_escape").replace(b"\\x", b"\\u00")
        for piece in pieces
    ]
    assert reading(CHAT, *written)[1] == told


@settings(max_examples=60, deadline=None)
@example([{"choices": 1}], "chat")
@given(st.lists(JSON, max_size=6), st.sampled_from(sorted(WIRES)))
def test_any_events_are_read(values: list[Any], name: str) -> None:
    """Nothing is raised, and what comes of it is JSON."""
    events = [*EVENTS[name][:2], *values, *EVENTS[name][2:]]
    found, pieces = reading(WIRES[name], *map(event, events))
    read_json(found.body())
    assert all(isinstance(piece, str) for piece in pieces)


def test_parts_of_gemini_are_joined_where_they_are_one() -> None:
    """Thoughts, signed parts and calls of tools stay apart."""
    call = {"functionCall": {"name": "look", "args": {}}}
    parts = [{"text": "a"}, {"text": "b"}, {"text": "c", "thought": True}, {"text": "d"}, call, {"text": "e"}]
    signed = [{"text": "f", "thoughtSignature": "s"}, {"text": "g"}]
    answers = [{"candidates": [{"content": {"parts": [part]}}]} for part in (*parts, *signed)]
    found, _ = reading(GENERATE_CONTENT, *map(event, [*answers, {"candidates": [{"finishReason": "STOP"}]}]))
    (candidate,) = read_json(found.body())["candidates"]
    assert candidate["content"]["parts"] == [
        {"text": "ab"},
        {"text": "c", "thought": True},
        {"text": "d"},
        call,
        {"text": "ef", "thoughtSignature": "s"},
        {"text": "g"},
    ]
    blocked, _ = reading(GENERATE_CONTENT, event({"promptFeedback": {"blockReason": "SAFETY"}}))
    assert blocked.is_whole

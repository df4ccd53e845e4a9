"""Streams in the shapes that providers send, and the message that each of them is."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def call(index: int | None, made: Json, kind: str = "function", **fields: Any) -> Json:
    """A piece of a tool call, as a delta."""
    place = {} if index is None else {"index": index}
    return {"tool_calls": [place | fields | {kind: made}]}


def details(*items: Json) -> Json:
    return {"reasoning_details": list(items)}


CITED = {"type": "url_citation", "url_citation": {"url": "http://a", "title": "A", "start_index": 0, "end_index": 2}}
ALSO_CITED = {"type": "url_citation", "url_citation": {"url": "http://b", "title": "A", "start_index": 0}}
SIGNED = {"google": {"thought_signature": "c2ln"}}
WEATHER = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}
NEWS = {"id": "call_2", "type": "function", "function": {"name": "news", "arguments": "{}"}}

RECORDED: dict[str, tuple[list[Json], Json]] = {
    "text": ([{"role": "assistant", "content": ""}, {"content": "ha"}, {"content": "ha"}, {}], {"content": "haha"}),
    "refusal": (
        [{"role": "assistant", "content": None}, {"refusal": "I "}, {"refusal": "won't"}],
        {"refusal": "I won't"},
    ),
    "legacy function call": (
        [
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": ""}},
            {"function_call": {"arguments": '{"city":'}},
            {"function_call": {"arguments": '"Paris"}'}},
        ],
        {"function_call": {"name": "weather", "arguments": '{"city":"Paris"}'}},
    ),
    "parallel calls": (
        [
            call(0, {"name": "weather", "arguments": ""}, id="call_1", type="function"),
            call(0, {"arguments": '{"a"'}),
            call(1, {"name": "news", "arguments": ""}, id="call_2", type="function"),
            call(0, {"arguments": ":1}"}),
            call(1, {"arguments": "{}"}),
        ],
        {"tool_calls": [WEATHER, NEWS]},
    ),
    "calls without index": (
        [
            call(None, {"name": "weather", "arguments": '{"a"'}, id="call_1", type="function"),
            call(None, {"arguments": ":1}"}),
            call(None, {"name": "news", "arguments": "{}"}, id="call_2", type="function"),
        ],
        {"tool_calls": [WEATHER, NEWS]},
    ),
    "calls that repeat id and name": (
        [
            call(0, {"name": "weather", "arguments": '{"a"'}, id="call_1", type="function"),
            call(0, {"name": "weather", "arguments": ":1}"}, id="call_1", type="function"),
            call(1, {"name": "news", "arguments": "{}"}, id="call_2", type=""),
        ],
        {"tool_calls": [WEATHER, NEWS | {"type": ""}]},
    ),
    "a whole call with extra content": (
        [call(0, {"name": "news", "arguments": "{}"}, id="call_2", type="function", extra_content=SIGNED)],
        {"tool_calls": [NEWS | {"extra_content": SIGNED}]},
    ),
    "custom tool": (
        [
            call(0, {"name": "shell", "input": ""}, "custom", id="call_1", type="custom"),
            call(0, {"input": "ls"}, "custom"),
            call(0, {"input": " -l"}, "custom"),
        ],
        {"tool_calls": [{"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}]},
    ),
    "audio": (
        [
            {"role": "assistant", "audio": {"id": "a1", "transcript": "Hel"}},
            {"audio": {"data": "QUJD"}},
            {"audio": {"data": "QUJD", "transcript": "lo"}},
            {"audio": {"expires_at": 5}},
        ],
        {"audio": {"id": "a1", "transcript": "Hello", "data": "QUJDQUJD", "expires_at": 5}},
    ),
    "reasoning beside content": (
        [{"reasoning_content": "be"}, {"reasoning_content": "cause", "content": None}, {"content": "so"}],
        {"reasoning_content": "because", "content": "so"},
    ),
    "reasoning details": (
        [
            {"reasoning": "be"} | details({"type": "reasoning.text", "text": "be", "format": "x", "index": 0}),
            {"reasoning": "be"} | details({"type": "reasoning.text", "text": "be", "format": "x", "index": 0}),
            details({"type": "reasoning.text", "signature": "c2ln", "index": 0}),
            details({"type": "reasoning.encrypted", "data": "ZW5j", "id": "r", "index": 1}),
        ],
        {"reasoning": "bebe"}
        | details(
            {"type": "reasoning.text", "text": "bebe", "format": "x", "index": 0, "signature": "c2ln"},
            {"type": "reasoning.encrypted", "data": "ZW5j", "id": "r", "index": 1},
        ),
    ),
    "reasoning details without index": (
        [
            details({"type": "reasoning.text", "text": "be"}),
            details({"type": "reasoning.text", "text": "cause"}),
            details({"type": "reasoning.encrypted", "data": "ZW5j"}),
            details({"type": "reasoning.encrypted", "data": "ZW5j"}),
        ],
        details(
            {"type": "reasoning.text", "text": "because"},
            {"type": "reasoning.encrypted", "data": "ZW5j"},
            {"type": "reasoning.encrypted", "data": "ZW5j"},
        ),
    ),
    "annotations": (
        [{"content": "so"}, {"annotations": [CITED]}, {"annotations": [ALSO_CITED]}],
        {"content": "so", "annotations": [CITED, ALSO_CITED]},
    ),
    "annotations so far": (
        [{"annotations": [CITED]}, {"annotations": [CITED, ALSO_CITED]}],
        {"annotations": [CITED, ALSO_CITED]},
    ),
    "citations in the delta": (
        [{"citations": ["http://a"]}, {"citations": ["http://a"], "content": "x"}],
        {"citations": ["http://a"], "content": "x"},
    ),
    "content of parts": (
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "be"}]}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "cause"}]}]},
            {"content": "s"},
            {"content": "o"},
        ],
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "because"}]},
                {"type": "text", "text": "so"},
            ]
        },
    ),
    "images": (
        [{"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}],
        {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
    ),
    "extra content": (
        [{"content": "x", "extra_content": SIGNED}, {"extra_content": SIGNED["google"]}],
        {"content": "x", "extra_content": SIGNED | SIGNED["google"]},
    ),
    "unknown text": ([{"plan": "a"}, {"plan": "a"}], {"plan": "aa"}),
    "unknown number": ([{"score": 1}, {"score": None}, {"score": 1}], {"score": 1}),
    "halves of a character": ([{"content": "\ud83d"}, {"content": "\ude00"}], {"content": "\U0001f600"}),
}
"""Name, deltas, message."""

DOUBTFUL: dict[str, tuple[list[Json], Json]] = {
    "a text becomes an object": ([{"plan": "a"}, {"plan": {"b": 1}}], {"plan": "a"}),
    "an object becomes a text": ([{"plan": {"b": 1}}, {"plan": "a"}], {"plan": {"b": 1}}),
    "another number": ([{"score": 1}, {"score": 2}], {"score": 2}),
    "a text within an object": ([{"plan": {"step": "a"}}, {"plan": {"step": "b"}}], {"plan": {"step": "ab"}}),
    "another id at the index": (
        [
            call(0, {"name": "weather", "arguments": '{"a":1}'}, id="call_1"),
            call(0, {"name": "news", "arguments": "{}"}, id="call_2"),
        ],
        {"tool_calls": [WEATHER, NEWS]},
    ),
}
"""What no rule is about: nothing is lost, but it is not cached."""

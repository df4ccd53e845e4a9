"""Whatever JSON stands where the API has something else: it is refused or passed on, and never an error of ours."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.gateway.cache.key import is_comparable, question_of
from apps.gateway.cache.lookup import is_whole
from apps.gateway.compression import Level, compress_request
from apps.gateway.errors import GatewayError, from_report
from apps.gateway.masking import MaskingFailed, Restorer, StreamRestorer, mask_request
from apps.gateway.metering.reported_usage import read_usage, said_tokens
from apps.gateway.metering.token_estimate import priced_apart, size_of
from apps.gateway.models import Endpoint
from apps.gateway.proxy.answer_json import error_in, write_json
from apps.gateway.proxy.assembly import as_chunks
from apps.gateway.proxy.messages import MessageRestorer
from apps.gateway.proxy.request_checks import check_body, kept_elsewhere, others_named
from apps.gateway.proxy.responses import ResponseRestorer
from orchestration.providers.anthropic.message_assembly import MessageAssembly
from orchestration.providers.anthropic.message_events import message_events
from orchestration.providers.openai.chat_assembly import Assembly, find_usage
from orchestration.providers.openai.response_assembly import ResponseAssembly
from orchestration.providers.openai.response_events import response_events
from orchestration.providers.streams.event_writer import event_bytes

NAMES = (
    *("type", "text", "content", "role", "index", "id", "function", "name", "arguments", "tool_calls", "choices"),
    *("delta", "message", "usage", "finish_reason", "output", "item", "part", "response", "image_url", "file", "audio"),
    *("object", "error", "code", "logprobs", "token", "annotations", "summary", "custom", "input", "reasoning_details"),
    *("prompt_tokens", "total_tokens", "output_index", "content_index", "status", "tools", "models", "service_tier"),
    *("content_block", "partial_json", "citation", "citations", "source", "system", "stop_reason", "cache_control"),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**12),
    st.floats(),
    st.sampled_from(["", "text", "function", "item_reference", "[EMAIL_1]", "a@b.example", "{", '{"a": 1}', "stop"]),
    st.text(max_size=5),
)
ODD = VALUES | st.sampled_from(["\ud800", "a\n\nb", 10**40])
"""What only answers have: half a surrogate pair is refused in a request."""


def shapes(values: st.SearchStrategy[Any]) -> tuple[st.SearchStrategy[Any], st.SearchStrategy[dict[str, Any]]]:
    """Anything, and objects, of these values."""
    anything = st.recursive(
        values,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        max_leaves=12,
    )
    return anything, st.dictionaries(st.sampled_from(NAMES), anything, max_size=5)


ANYTHING, OBJECTS = shapes(VALUES)
ANY_ODD, ODD_OBJECTS = shapes(ODD)
MESSAGES = st.lists(OBJECTS, min_size=1, max_size=3)
GIVEN = {
    **{"chat": "messages", "completions": "prompt", "responses": "input", "embeddings": "input"},
    "messages": "messages",
}
KINDS = ("message_start", "message_delta", "content_block_start", "content_block_delta", "content_block_stop")
pytestmark = pytest.mark.long
DELTAS = ("text_delta", "input_json_delta", "citations_delta", "thinking_delta", "odd_delta")
MARK = "[EMAIL_1]"


@settings(max_examples=300, deadline=None)
@example("chat", [{"content": [{"type": {}, "text": ""}]}], {"tools": [{"type": []}], "service_tier": {}})
@example("responses", [{"type": ["x"]}], {"tools": [{"type": {}}]})
@given(st.sampled_from(sorted(Endpoint)), MESSAGES | ANYTHING, OBJECTS)
def test_a_request_of_any_shape_is_refused_or_read(endpoint, asked, more):
    body = {"model": "m", **more, GIVEN[endpoint]: asked}
    try:
        check_body(body, endpoint)
    except GatewayError as error:
        assert error.status == 400
        return
    size = size_of(body, endpoint, default_output=9)
    assert 0 <= size.likely_prompt <= size.worst_prompt
    assert isinstance(priced_apart(body), str)
    assert isinstance(kept_elsewhere(body), str)
    assert all(isinstance(each, str) for each in others_named(body))
    assert isinstance(is_comparable(body, endpoint), bool)
    question = question_of("1", body, endpoint)
    assert (len(question.key), len(question.wording) in {0, 33}) == (64, True)
    if endpoint == Endpoint.CHAT:
        compress_request(body["messages"], Level("high"), "m")
    try:
        mask_request(body)
    except MaskingFailed as error:
        assert "failed" not in str(error), "the search itself"


@settings(max_examples=300, deadline=None)
@given(st.lists(ODD_OBJECTS | ANY_ODD, max_size=4), ODD_OBJECTS)
def test_an_answer_of_any_shape_is_counted_and_replayed(choices, more):
    chunk = {**more, "choices": choices}
    assembly, restorer = Assembly(), StreamRestorer(Restorer({MARK: "a@b.example"}))
    for _ in range(2):
        assembly.feed(restorer.feed(copy.deepcopy(chunk)))
    restorer.rest()
    for answer in (assembly.answer(), chunk):
        usage = read_usage(find_usage(answer))
        assert usage.cached >= 0
        assert said_tokens(answer["choices"]) >= 0
        assert isinstance(is_whole(write_json(answer)), bool)
        assert as_chunks(answer, with_usage=True)[-1] == b"data: [DONE]\n\n"
        if error_in(answer):
            error = from_report(error_in(answer), default_wait=1)
            assert error.status >= 400
            assert error.record() or not error.reported_message


@settings(max_examples=300, deadline=None)
@example([{"type": "response.output_text.delta", "output_index": [1], "delta": "x"}], {})
@given(st.lists(ODD_OBJECTS, max_size=4), ODD_OBJECTS)
def test_events_of_any_shape_are_assembled_and_restored(events, more):
    assembly, restorer = ResponseAssembly(), ResponseRestorer(Restorer({MARK: "a@b.example"}))
    for event in events:
        named = {**event, "type": str(event.get("type"))}
        for each in restorer.feed(copy.deepcopy(named)):
            assembly.feed(each)
            assert event_bytes(each).count(b"\n") == 3
    for event in restorer.rest():
        assembly.feed(event)
    for answer in (assembly.answer(), more):
        assert said_tokens(answer.get("output") or ()) >= 0 if isinstance(answer.get("output"), list) else True
        assert isinstance(is_whole(write_json(answer)), bool)
        if isinstance(answer.get("output"), list):
            assert b"".join(map(event_bytes, response_events(answer))).endswith(b"\n\n")


@settings(max_examples=300, deadline=None)
@example([("content_block_delta", "text_delta", {"index": [1], "delta": {"text": "x"}})], {})
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(DELTAS), ODD_OBJECTS), max_size=5), ODD_OBJECTS)
def test_messages_of_any_shape_are_assembled_and_restored(events, more):
    assembly, restorer = MessageAssembly(), MessageRestorer(Restorer({MARK: "a@b.example"}))
    for kind, delta, event in events:
        typed = {"delta": event["delta"] | {"type": delta}} if isinstance(event.get("delta"), dict) else {}
        for each in restorer.feed(copy.deepcopy(event | typed | {"type": kind})):
            assembly.feed(each)
            assert event_bytes(each).count(b"\n") == 3
    for event in restorer.rest():
        assembly.feed(event)
    for answer in (assembly.answer(), {"type": "message", **more}):
        assert isinstance(is_whole(write_json(answer)), bool)
        assert b"".join(map(event_bytes, message_events(answer))).endswith(b'{"type":"message_stop"}\n\n')

"""The Messages API as JSON, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.anthropic.wire import MESSAGES, NO_REASON
from orchestration.providers.wire import Answer
from tests.orchestration.providers.asking import REPLY_SCHEMA, question

ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 7},
}


def sent(**fields: Any) -> dict[str, Any]:
    return MESSAGES.to_request(question(**fields))


def read(**fields: Any) -> Answer:
    return MESSAGES.to_answer({**ANSWER, **fields})


def test_instructions_have_a_field_of_their_own() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "One."},
            {"role": "user", "content": "Q"},
            {"role": "assistant", "content": ""},
            {"role": "developer", "content": "Two."},
        ],
        schema=None,
    )
    assert body == {
        "model": "gpt-4o-mini",
        "max_tokens": 4096,
        "system": "One.\n\nTwo.",
        "messages": [{"role": "user", "content": "Q"}],
    }


def test_a_schema_is_sent_without_what_is_not_taken() -> None:
    schema = sent(parameters={"output_config": {"effort": "low"}})["output_config"]
    assert schema["effort"] == "low"
    assert schema["format"]["type"] == "json_schema"
    properties = schema["format"]["schema"]["properties"]
    assert properties["urgency"] == {"type": "integer", "description": "(minimum 1, maximum 5)"}
    assert properties["content"] == REPLY_SCHEMA["properties"]["content"]


@pytest.mark.parametrize("name", ["max_tokens", "max_output_tokens", "max_completion_tokens"])
def test_parameters_have_its_names(name: str) -> None:
    body = sent(parameters={name: 9, "stop": "END", "temperature": 0, "thinking": {"type": "disabled"}})
    assert (body["max_tokens"], body["stop_sequences"], body["temperature"]) == (9, ["END"], 0)
    assert body["thinking"] == {"type": "disabled"}


def test_a_parameter_under_two_names_is_refused() -> None:
    with pytest.raises(ProviderError, match="max_tokens is given twice"):
        sent(parameters={"max_tokens": 1, "max_output_tokens": 2})


def test_functions_are_client_tools_and_others_are_left_alone() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    own = {"type": "web_search_20250305", "name": "web_search"}
    expected = {"name": "f", "description": "d", "strict": True, "input_schema": {"type": "object"}}
    tools = sent(tools=[{"type": "function", **function}, {"type": "function", "function": function}, own])["tools"]
    assert tools == [expected, expected, own]


def test_texts_are_joined_without_what_was_thought() -> None:
    answer = read()
    assert (answer.text, answer.finish_reason, answer.model) == ("ab", "end_turn", "claude-1")
    assert (answer.refusal, answer.truncated) == (None, False)


def test_input_is_what_is_new_and_what_caches_know() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 300,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
        "service_tier": "priority",
    }
    answer = read(usage=usage)
    assert answer.usage.model_dump() == {
        "input_tokens": 330,
        "cached_input_tokens": 300,
        "output_tokens": 7,
        "reasoning_tokens": 5,
        "total_tokens": 337,
    }
    assert answer.service_tier == "priority"


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "pause_turn"])
def test_an_answer_that_is_not_whole_is_truncated(reason: str) -> None:
    answer = read(stop_reason=reason)
    assert (answer.truncated, answer.finish_reason) == (True, reason)


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use", None])
def test_other_reasons_end_a_whole_answer(reason: str | None) -> None:
    assert not read(stop_reason=reason).truncated


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, "ab"),
        ({"content": [], "stop_details": {"type": "refusal", "explanation": "Not this."}}, "Not this."),
        ({"content": []}, NO_REASON),
    ],
)
def test_a_refusal_says_why(fields: dict[str, Any], refusal: str) -> None:
    answer = read(stop_reason="refusal", **fields)
    assert (answer.text, answer.refusal) == ("", refusal)


def test_a_tool_call_is_read() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"id": 7}}
    assert read(content=[block]).tool_calls == [{"id": "toolu_1", "name": "f", "arguments": '{"id": 7}'}]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ("provider_unavailable", True)),
        ("rate_limit_error", ("rate_limited", True)),
        ("authentication_error", ("provider_auth", False)),
        ("billing_error", ("insufficient_quota", False)),
        ("invalid_request_error", ("bad_request", False)),
    ],
)
def test_an_error_inside_a_success_is_an_error(kind: str, expected: tuple[str, bool]) -> None:
    with pytest.raises(ProviderError) as caught:
        MESSAGES.to_answer({"type": "error", "error": {"type": kind, "message": "m"}})
    assert (caught.value.code, caught.value.retryable) == expected


def test_the_limit_that_is_nearer_to_its_end_counts() -> None:
    told = MESSAGES.limits(
        {
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-02-25T20:02:32Z",
            "anthropic-ratelimit-input-tokens-remaining": "900",
            "anthropic-ratelimit-output-tokens-remaining": "80",
            "anthropic-ratelimit-output-tokens-reset": "2026-02-25T20:03:00Z",
            "retry-after": "3",
            "anthropic-organization-id": "org",
        }
    )
    assert told == {
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "2026-02-25T20:02:32Z",
        "x-ratelimit-remaining-tokens": "80",
        "x-ratelimit-reset-tokens": "2026-02-25T20:03:00Z",
        "retry-after": "3",
    }
    both = {"anthropic-ratelimit-tokens-remaining": "5", "anthropic-ratelimit-input-tokens-remaining": "1"}
    assert MESSAGES.limits(both) == {"x-ratelimit-remaining-tokens": "5"}

"""Requests and answers as JSON, without a network: the corners that servers have."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.openai.provider import OpenAIProvider
from orchestration.providers.wire import Answer
from tests.orchestration.providers.asking import REPLY_SCHEMA, question

SURFACES = OpenAIProvider.wires
FLAT_TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": True}
NESTED_TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}, "strict": True}}


def sent(surface: str, **fields: Any) -> dict[str, Any]:
    return SURFACES[surface].to_request(question(**fields))


def read(surface: str, raw: dict[str, Any]) -> Answer:
    return SURFACES[surface].to_answer(raw)


def test_responses_sends_input_and_a_strict_format_and_no_store() -> None:
    body = sent("responses")
    assert [message["role"] for message in body["input"]] == ["developer", "user"]
    assert body["text"]["format"] == {"type": "json_schema", "name": "reply", "schema": REPLY_SCHEMA, "strict": True}
    assert body["store"] is False
    assert "messages" not in body


def test_chat_sends_a_system_role_and_a_strict_format() -> None:
    body = sent("chat")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": REPLY_SCHEMA, "strict": True},
    }
    assert "input" not in body


@pytest.mark.parametrize("surface", SURFACES)
def test_parameters_pass_through_unchanged_even_a_zero(surface: str) -> None:
    body = sent(surface, parameters={"temperature": 0, "seed": 7, "store": True})
    assert (body["temperature"], body["seed"], body["store"]) == (0, 7, True)


def test_text_parameters_and_the_format_stand_side_by_side() -> None:
    body = sent("responses", parameters={"text": {"verbosity": "low"}})
    assert body["text"]["verbosity"] == "low"
    assert body["text"]["format"]["name"] == "reply"


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", ["model", "messages", "input", "stream", "tools", "response_format"])
def test_a_parameter_that_would_alter_an_audited_body_is_refused(surface: str, name: str) -> None:
    with pytest.raises(ProviderError, match=name) as caught:
        sent(surface, parameters={name: "x"})
    assert (caught.value.code, caught.value.sent) == ("bad_request", False)


def test_without_a_schema_no_format_is_asked_for() -> None:
    assert "text" not in sent("responses", schema=None)
    assert "response_format" not in sent("chat", schema=None)


@pytest.mark.parametrize("tool", [FLAT_TOOL, NESTED_TOOL])
def test_tools_take_the_form_of_the_surface(tool: dict[str, Any]) -> None:
    assert sent("responses", tools=[tool])["tools"] == [FLAT_TOOL]
    assert sent("chat", tools=[tool])["tools"] == [NESTED_TOOL]


def test_tools_that_are_no_functions_are_left_alone() -> None:
    assert sent("chat", tools=[{"type": "web_search"}])["tools"] == [{"type": "web_search"}]


def test_the_texts_of_all_messages_are_joined_without_reasoning() -> None:
    part = {"type": "output_text", "text": "b"}
    output = [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "thinking"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a"}, part]},
        {"type": "message", "content": [part]},
    ]
    assert read("responses", {"status": "completed", "output": output}).text == "abb"


def test_chat_content_may_be_a_list_of_parts() -> None:
    message = {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}
    assert read("chat", {"choices": [{"message": message}]}).text == "ab"


def test_cached_and_reasoning_tokens_are_counted_on_both_apis() -> None:
    responses = read(
        "responses",
        {
            "output": [],
            "usage": {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 17,
            },
        },
    )
    chat = read(
        "chat",
        {
            "choices": [{"message": {}}],
            "usage": {
                "prompt_tokens": 10,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 17,
            },
        },
    )
    assert responses.usage == chat.usage
    assert chat.usage.model_dump() == {
        "input_tokens": 10,
        "cached_input_tokens": 4,
        "output_tokens": 7,
        "reasoning_tokens": 5,
        "total_tokens": 17,
    }


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"prompt_tokens": None, "prompt_tokens_details": None}, {"total_tokens": "seven"}]
)
def test_missing_and_odd_counts_are_zero(usage: Any) -> None:
    assert read("chat", {"choices": [{"message": {}}], "usage": usage}).usage.total_tokens == 0


def test_a_missing_total_is_the_sum_and_counts_fit_their_columns() -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 3}
    assert read("chat", {"choices": [{"message": {}}], "usage": usage}).usage.total_tokens == 5
    huge = {"prompt_tokens": 2**40, "completion_tokens": -3, "total_tokens": 2**40}
    counts = read("chat", {"choices": [{"message": {}}], "usage": huge}).usage
    assert (counts.input_tokens, counts.output_tokens, counts.total_tokens) == (2**31 - 1, 0, 2**31 - 1)


def test_texts_longer_than_their_column_are_cut() -> None:
    raw = {"choices": [{"message": {}, "finish_reason": "x" * 500}], "id": "x" * 500, "model": "x" * 500}
    answer = read("chat", raw)
    assert (len(answer.finish_reason), len(answer.provider_response_id), len(answer.model)) == (64, 128, 128)


@pytest.mark.parametrize(
    ("surface", "raw"),
    [
        ("chat", {}),
        ("chat", {"choices": []}),
        ("chat", {"choices": "none"}),
        ("chat", {"choices": [{"message": None}]}),
        ("responses", {}),
        ("responses", {"output": "text"}),
        ("responses", {"output": [], "status": "in_progress"}),
    ],
)
def test_json_that_is_not_an_answer_is_malformed_and_kept(surface: str, raw: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        read(surface, raw)
    assert (caught.value.code, caught.value.retryable) == ("malformed_response", True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("server_error", ("provider_unavailable", True)),
        ("rate_limit_exceeded", ("rate_limited", True)),
        ("invalid_prompt", ("bad_request", False)),
        (None, ("bad_request", False)),
    ],
)
@pytest.mark.parametrize("surface", SURFACES)
def test_an_error_inside_a_success_is_an_error(surface: str, code: str | None, expected: tuple[str, bool]) -> None:
    with pytest.raises(ProviderError) as caught:
        read(surface, {"status": "failed", "error": {"code": code, "message": "m"}, "output": []})
    assert (caught.value.code, caught.value.retryable) == expected

"""generateContent as JSON, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.errors import provider_error
from orchestration.providers.gemini.wire import GENERATE_CONTENT, WITHHELD
from orchestration.providers.wire import Answer
from tests.orchestration.providers.asking import question


def sent(**fields: Any) -> dict[str, Any]:
    return GENERATE_CONTENT.to_request(question(**fields))


def read(reason: str | None = "STOP", *parts: dict[str, Any], **fields: Any) -> Answer:
    candidate = {"content": {"role": "model", "parts": list(parts) or [{"text": "a"}]}, "finishReason": reason}
    return GENERATE_CONTENT.to_answer({"candidates": [candidate], "modelVersion": "m", "responseId": "r", **fields})


def test_instructions_and_turns_have_their_places() -> None:
    body = sent(
        messages=[
            {"role": "developer", "content": "One."},
            {"role": "user", "content": "Q"},
            {"role": "assistant", "content": "A"},
        ],
        schema=None,
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "One."}]},
        "contents": [{"role": "user", "parts": [{"text": "Q"}]}, {"role": "model", "parts": [{"text": "A"}]}],
    }


def test_sampling_and_schema_are_the_generation_config() -> None:
    parameters = {
        "max_output_tokens": 9,
        "stop": "END",
        "top_p": 0.5,
        "seed": 1,
        "thinkingConfig": {"thinkingBudget": 0},
        "safetySettings": [{"category": "c", "threshold": "t"}],
        "generationConfig": {"candidateCount": 1},
    }
    body = sent(parameters=parameters)
    config = body["generationConfig"]
    schema = config.pop("responseJsonSchema")
    assert config == {
        "candidateCount": 1,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "topP": 0.5,
        "seed": 1,
        "thinkingConfig": {"thinkingBudget": 0},
        "responseMimeType": "application/json",
    }
    assert schema["properties"]["urgency"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert body["safetySettings"] == [{"category": "c", "threshold": "t"}]
    assert "model" not in body


def test_functions_are_declared_and_other_tools_left_alone() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    tools = sent(tools=[{"type": "function", **function}, {"googleSearch": {}}])["tools"]
    declared = {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}
    assert tools == [{"functionDeclarations": [declared]}, {"googleSearch": {}}]


def test_texts_are_joined_without_what_was_thought() -> None:
    answer = read("STOP", {"text": "hm", "thought": True}, {"text": "a"}, {"text": "b"})
    assert (answer.text, answer.model, answer.provider_response_id) == ("ab", "m", "r")


def test_thoughts_are_output_and_tools_are_input() -> None:
    counts = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 3,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 6,
    }
    expected = {
        "input_tokens": 13,
        "cached_input_tokens": 4,
        "output_tokens": 11,
        "reasoning_tokens": 6,
        "total_tokens": 24,
    }
    assert read(usageMetadata=counts).usage.model_dump() == expected
    assert read(usageMetadata={**counts, "totalTokenCount": 25}).usage.total_tokens == 25


@pytest.mark.parametrize("reason", sorted(WITHHELD))
def test_an_answer_that_safety_stopped_is_filtered(reason: str) -> None:
    answer = GENERATE_CONTENT.to_answer({"candidates": [{"finishReason": reason}]})
    assert (answer.filtered, answer.truncated, answer.text, answer.finish_reason) == (True, True, "", reason)


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "OF_TOMORROW"])
def test_an_answer_that_is_not_whole_is_truncated(reason: str) -> None:
    answer = read(reason)
    assert (answer.truncated, answer.filtered) == (True, False)


def test_a_prompt_that_safety_stopped_is_an_error_with_its_cost() -> None:
    raw = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}
    with pytest.raises(ProviderError, match="SAFETY") as caught:
        GENERATE_CONTENT.to_answer(raw)
    assert (caught.value.code, caught.value.retryable) == ("content_filter", False)
    assert GENERATE_CONTENT.to_usage(raw).total_tokens == 5


@pytest.mark.parametrize(
    "raw", [{}, {"candidates": []}, {"candidates": [{}]}, {"candidates": [{"finishReason": "STOP"}]}]
)
def test_json_that_is_not_an_answer_is_malformed(raw: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        GENERATE_CONTENT.to_answer(raw)
    assert (caught.value.code, caught.value.retryable) == ("malformed_response", True)


def test_a_tool_call_is_read() -> None:
    calls = read("STOP", {"functionCall": {"name": "f", "args": {"id": 7}}}, {"functionCall": {"name": "g"}}).tool_calls
    assert calls == [{"id": "", "name": "f", "arguments": '{"id": 7}'}, {"id": "", "name": "g", "arguments": "{}"}]


@pytest.mark.parametrize(
    ("status", "name", "reason", "expected"),
    [
        (400, "INVALID_ARGUMENT", "API_KEY_INVALID", ("provider_auth", False)),
        (400, "INVALID_ARGUMENT", "", ("bad_request", False)),
        (403, "PERMISSION_DENIED", "", ("provider_forbidden", False)),
        (429, "RESOURCE_EXHAUSTED", "", ("rate_limited", True)),
        (503, "UNAVAILABLE", "", ("provider_unavailable", True)),
        (200, "RESOURCE_EXHAUSTED", "", ("rate_limited", True)),
        (200, "INTERNAL", "", ("provider_unavailable", True)),
    ],
)
def test_its_errors_have_a_table(status: int, name: str, reason: str, expected: tuple[str, bool]) -> None:
    error = {"message": "m", "status": name, "details": [{"@type": "x.ErrorInfo", "reason": reason}]}
    found = provider_error(status, error, GENERATE_CONTENT.errors)
    assert (found.code, found.retryable) == expected


def test_the_wait_is_in_the_error_and_the_error_may_be_in_a_list() -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    body = [{"error": {"code": 429, "details": [{"@type": "other"}, detail]}}]
    assert GENERATE_CONTENT.wait_of(GENERATE_CONTENT.error_of(body)) == 34.5
    assert GENERATE_CONTENT.wait_of({"details": "none"}) is None
    assert GENERATE_CONTENT.wait_of(None) is None

"""Answers that are errors, refusals of a filter, or calls of tools: each ends with its own code, counted."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from django.test import Client

from tests.apps.gateway.raw_provider import RESET, Part, http
from tests.engineapp.orca.services import triage
from tests.orchestration.engine.execution.asking import ask, chat, check_ended, check_pages, responses

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
GOOD = '{"urgency": 9, "reason": "fire"}'
FUNCTION = {"name": "look_up", "arguments": '{"id": 7}'}


def called(**message: Any) -> dict[str, Any]:
    answer = chat(None, finish="tool_calls")
    answer["choices"][0]["message"] |= message
    return answer


ONLY_TOOLS = {
    "tool_calls": called(tool_calls=[{"id": "call_1", "type": "function", "function": FUNCTION}]),
    "two tool_calls": called(tool_calls=[{"id": "call_1", "function": FUNCTION}, {"id": "call_2", "function": {}}]),
    "custom tool": called(tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "look_up", "input": "7"}}]),
    "function_call": called(function_call=FUNCTION),
    "arguments as object": called(tool_calls=[{"function": {"name": "look_up", "arguments": {"id": 7}}}]),
    "empty text": called(content="", tool_calls=[{"function": FUNCTION}]),
    "function_call item": responses(output=[{"type": "function_call", "call_id": "call_1"} | FUNCTION]),
    "custom_tool_call item": responses(output=[{"type": "custom_tool_call", "name": "look_up", "input": "7"}]),
    "reasoning and a call": responses(output=[{"type": "reasoning"}, {"type": "function_call"} | FUNCTION]),
    "web_search_call item": responses(output=[{"type": "web_search_call", "id": "ws_1"}]),
}


def broken(head: str, body: bytes, *parts: Part) -> list[Part]:
    return [f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode() + body, *parts]


WHOLE = orjson.dumps(chat(GOOD))
CHUNK = b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE)
NOT_WHOLE = {
    "plain, said to be gzip": broken(f"Content-Encoding: gzip\r\nContent-Length: {len(WHOLE)}", WHOLE),
    "plain, said to be deflate": broken(f"Content-Encoding: deflate\r\nContent-Length: {len(WHOLE)}", WHOLE),
    "shorter than said": broken(f"Content-Length: {len(WHOLE) + 10}", WHOLE, 0.2, RESET),
    "chunks without end": broken("Transfer-Encoding: chunked", CHUNK, 0.2, RESET),
}


@pytest.mark.parametrize("what", NOT_WHOLE)
@pytest.mark.sampled(2)
def test_what_came_of_a_broken_answer_is_stored_and_counted(what: str, root: Client) -> None:
    record = ask(triage.Triage, NOT_WHOLE[what])
    wanted = "malformed_response" if "said to be" in what else "connection_error"
    assert (record.status, record.error_code, record.retryable, record.total_tokens) == ("failed", wanted, True, 15)
    assert record.request_audits.get().response_audit.raw == orjson.loads(WHOLE)
    check_ended(record)
    check_pages(record, root)


@pytest.mark.parametrize("service", [triage.Triage, triage.FreeText])
@pytest.mark.parametrize("what", ONLY_TOOLS)
def test_only_tool_calls_end_with_their_own_code(what: str, service: Any) -> None:
    body = ONLY_TOOLS[what]
    record = ask(service, body, surface="chat" if "choices" in body else "responses")
    assert (record.status, record.error_code, record.retryable) == ("failed", "unexpected_tool_call", False)
    assert record.total_tokens == 15
    audit = record.request_audits.get()
    assert (audit.outcome, audit.response_audit.error_code) == ("answered", "")
    name = "web_search_call" if "web" in what else "look_up"
    assert audit.response_audit.tool_calls[0]["name"] == name
    assert audit.response_audit.tool_calls[0]["arguments"] in {'{"id": 7}', "7", ""}


def test_tool_calls_with_odd_arguments_are_kept(root: Client) -> None:
    body = orjson.dumps(called(tool_calls=[{"function": {"name": "look_up", "arguments": "ODD"}}]))
    record = ask(triage.Triage, body.replace(b"ODD", rb"\ud83d \\ \u0000"))
    assert record.error_code == "unexpected_tool_call"
    [call] = record.request_audits.get().response_audit.tool_calls
    assert (call["arguments"], call["escaped"]) == ("\\ud83d \\\\ \ufffd", ["arguments"])
    check_pages(record, root)


def test_a_text_beside_tool_calls_is_judged() -> None:
    record = ask(triage.Triage, called(content=GOOD, tool_calls=[{"function": FUNCTION}]))
    assert (record.status, record.error_code) == ("succeeded", "")
    assert record.request_audits.get().response_audit.tool_calls[0]["name"] == "look_up"


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        ("chat", chat(GOOD, finish="content_filter")),
        ("chat", chat("", finish="content_filter")),
        ("chat", chat(None, finish="content_filter")),
        ("responses", responses("half", status="incomplete", incomplete_details={"reason": "content_filter"})),
        ("responses", responses(output=[], status="incomplete", incomplete_details={"reason": "content_filter"})),
    ],
)
def test_a_content_filter_is_not_a_truncation(surface: str, body: Any) -> None:
    record = ask(triage.Triage, body, surface=surface)
    assert (record.status, record.error_code, record.retryable) == ("failed", "content_filter", False)
    assert (record.total_tokens, record.request_audits.get().outcome) == (15, "answered")


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        ("chat", chat("ha", finish="length")),
        ("responses", responses("ha", status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
        ("responses", responses("ha", status="incomplete")),
    ],
)
def test_a_cut_answer_is_truncated(surface: str, body: Any) -> None:
    record = ask(triage.Triage, body, surface=surface)
    assert (record.error_code, record.retryable, record.total_tokens) == ("truncated", False, 15)


ERRORS = {
    "router's limit": ({"message": "Rate limit exceeded: limit_rpm/x", "code": 429}, "rate_limited", True),
    "limit by type": ({"message": "m", "type": "rate_limit", "code": None}, "rate_limited", True),
    "limit by text code": ({"message": "m", "code": "rate_limit_exceeded"}, "rate_limited", True),
    "limit as text": ({"message": "m", "code": "429"}, "rate_limited", True),
    "limit by status": ({"message": "m", "code": "x", "status": 429}, "rate_limited", True),
    "no money": ({"message": "m", "code": 402}, "insufficient_quota", False),
    "quota": ({"message": "m", "code": 429, "type": "insufficient_quota"}, "insufficient_quota", False),
    "key": ({"message": "m", "code": "invalid_api_key"}, "provider_auth", False),
    "forbidden": ({"message": "m", "code": 403}, "provider_forbidden", False),
    "model": ({"message": "m", "code": "model_not_found"}, "model_not_found", False),
    "timeout": ({"message": "m", "code": 408}, "timeout", True),
    "overloaded": ({"message": "m", "type": "overloaded_error"}, "provider_unavailable", True),
    "bad gateway": ({"message": "m", "code": 502}, "provider_unavailable", True),
    "filter": ({"message": "m", "code": "content_filter"}, "content_filter", False),
    "request": ({"message": "m", "type": "invalid_request_error"}, "bad_request", False),
    "text": ("The model is not loaded.", "bad_request", False),
    "list": ([{"message": "m"}], "bad_request", False),
    "odd": ({"code": {"a": [1]}, "type": float("inf"), "message": "m"}, "bad_request", False),
    "odd number": ({"code": 10**30, "message": "m"}, "bad_request", False),
}


@pytest.mark.parametrize("what", ERRORS)
@pytest.mark.sampled(3)
def test_an_error_inside_a_200_keeps_its_code_and_reason(what: str) -> None:
    error, code, retryable = ERRORS[what]
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    record = ask(triage.Triage, json.dumps({"error": error, "user_id": "u", "usage": usage}).encode())
    assert (record.status, record.error_code, record.retryable) == ("failed", code, retryable)
    answer = record.request_audits.get().response_audit
    assert (answer.http_status, answer.error_code, answer.total_tokens, record.total_tokens) == (200, code, 15, 15)
    assert "m" in str(answer.raw)
    if isinstance(error, dict) and isinstance(error.get("code"), str | int) and len(str(error["code"])) < 20:
        assert str(error["code"]) in record.error
    check_ended(record)


def test_an_error_inside_a_choice_is_an_error() -> None:
    choice = {"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "m"}}
    record = ask(triage.Triage, chat() | {"choices": [choice]})
    assert (record.error_code, record.retryable, record.total_tokens) == ("provider_unavailable", True, 15)


def test_an_error_inside_a_200_waits_as_long_as_it_says() -> None:
    body = orjson.dumps({"error": {"message": "m", "code": 429}})
    record = ask(triage.Triage, http(200, body, retry_after="30"), max_attempts=2)
    assert (record.status, record.error_code) == ("queued", "rate_limited")
    assert record.request_audits.get().response_audit.execution_metadata["retry_after"] == 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [b"", b"<html>\x00\xff</html>", b'"text"', b"[1]", b'{"error":{"message":"\\ud83d"}}', b"NaN"]
)
@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.sampled(3)
def test_the_body_of_an_http_error_is_kept(status: int, body: bytes, root: Client) -> None:
    record = ask(triage.Triage, http(status, body))
    code = {400: "bad_request", 429: "rate_limited", 500: "provider_unavailable"}[status]
    assert (record.status, record.error_code) == ("failed", code)
    assert record.request_audits.get().response_audit.raw is not None
    check_ended(record)
    check_pages(record, root)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ratelimit_remaining_requests": "9" * 5000},
        {"x_ratelimit_remaining_tokens": "\xb2"},
        {"x_ratelimit_reset_requests": "\xff", "x_ratelimit_remaining_requests": "0"},
        {"retry_after": "\xff\x01"},
        {"x_request_id": "\xff" * 100},
    ],
)
def test_odd_headers_harm_nothing(headers: dict[str, str]) -> None:
    [raw] = http(200, orjson.dumps(chat(GOOD)), **headers)
    record = ask(triage.Triage, [str(raw, "utf-8").encode("latin-1")])  # one byte for each character
    assert (record.status, record.error, record.total_tokens) == ("succeeded", None, 15)


def test_a_body_that_cannot_be_unpacked_is_an_end() -> None:
    record = ask(triage.Triage, http(200, orjson.dumps(chat(GOOD)), content_encoding="gzip"))
    assert (record.status, record.retryable) == ("failed", True)
    check_ended(record)

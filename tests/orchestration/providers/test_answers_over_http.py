"""What the engine gets for each kind of good answer, with the real client over a socket, on both surfaces."""

from __future__ import annotations

import asyncio
import json

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.values.sanitize import is_storable_json
from tests.orchestration.providers.asking import REPLY_SCHEMA, Send, provider_at, question


def test_an_answer_fits_the_schema_and_refers_to_the_question(send: Send) -> None:
    answer = json.loads(send(text="Since when?").text)
    assert answer.keys() == REPLY_SCHEMA["properties"].keys()
    assert "Since when?" in answer["content"]
    assert 1 <= answer["urgency"] <= 5


def test_an_answer_carries_what_the_audit_needs(send: Send, server: SimulatedProviderServer) -> None:
    response = send()
    [entry] = server.request_log()
    assert response.raw["simulated"] is True
    assert entry["id"] in response.provider_response_id
    assert response.model == "gpt-4o-mini"
    assert response.service_tier == "default"
    assert response.http_status == 200
    assert response.first_byte_ms is not None
    assert response.first_byte_ms >= 0
    assert set(response.headers) == {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"}
    assert response.usage.input_tokens > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert not response.truncated
    assert response.refusal is None
    assert response.tool_calls == []
    assert response.finish_reason == {"/responses": "completed", "/chat/completions": "stop"}[entry["path"]]


def test_the_same_question_gets_the_same_answer(send: Send) -> None:
    first, again, other = send(), send(), send(text="And now?")
    assert first.text == again.text != other.text
    assert first.provider_response_id != again.provider_response_id


def test_a_question_without_a_schema_gets_a_sentence(send: Send) -> None:
    assert "Where does it hurt?" in send(schema=None, schema_name="").text


def test_an_exact_text_arrives_unchanged(send: Send, server: SimulatedProviderServer) -> None:
    server.script(
        [Fault(kind="text", text='ä "quoted" \n 😀'), Fault(kind="json", data={"content": "x", "urgency": 2})]
    )
    assert send().text == 'ä "quoted" \n 😀'
    assert json.loads(send().text) == {"content": "x", "urgency": 2}


def test_prose_and_a_wrong_shape_arrive_as_text(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="not_json"), Fault(kind="wrong_shape")])
    with pytest.raises(json.JSONDecodeError):
        json.loads(send().text)
    assert json.loads(send().text).keys().isdisjoint(REPLY_SCHEMA["properties"])


def test_a_refusal_is_no_text(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="refusal", text="I would rather not.")])
    response = send()
    assert response.refusal == "I would rather not."
    assert response.text == ""


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("truncated", {"responses": "max_output_tokens", "chat": "length"}),
        ("content_filter", {"responses": "content_filter", "chat": "content_filter"}),
    ],
)
def test_a_truncated_answer_says_by_what(
    send: Send, server: SimulatedProviderServer, surface: str, kind: str, reasons: dict[str, str]
) -> None:
    server.script([Fault(kind=kind)])
    response = send()
    assert response.truncated
    assert response.finish_reason == reasons[surface]
    assert response.text


def test_tool_calls_look_the_same_on_both_surfaces(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="tool_call", data={"name": "look_up", "arguments": {"id": 7}})])
    tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
    [call] = send(tools=[tool]).tool_calls
    assert call["name"] == "look_up"
    assert json.loads(call["arguments"]) == {"id": 7}
    assert call["id"].startswith("call_")


def test_a_nul_character_in_an_answer_is_replaced(send: Send, server: SimulatedProviderServer) -> None:
    """The database cannot store it."""
    server.script([Fault(kind="text", text="a\x00b")])
    response = send()
    assert response.text == "a\N{REPLACEMENT CHARACTER}b"
    assert is_storable_json(response.raw)
    assert "a\\u0000b" in response.raw["$body"]


def test_our_request_id_reaches_the_providers_log(send: Send, server: SimulatedProviderServer) -> None:
    send(request_id="call-1/attempt-2")
    assert [entry["correlation"] for entry in server.request_log()] == ["call-1/attempt-2"]


def test_a_request_that_cannot_be_written_as_json_is_not_sent(send: Send, server: SimulatedProviderServer) -> None:
    with pytest.raises(ProviderError) as caught:
        send(text="\ud800")
    assert (caught.value.code, caught.value.retryable, caught.value.sent) == ("bad_request", False, False)
    assert server.request_log() == []


def test_many_requests_share_one_provider(server: SimulatedProviderServer, surface: str) -> None:
    async def ask() -> list[str]:
        provider = provider_at(server.base_url, surface)
        try:
            responses = await asyncio.gather(*(provider.send(question(text=f"Number {n}?")) for n in range(100)))
        finally:
            await provider.aclose()
        return [response.text for response in responses]

    assert [text for number, text in enumerate(asyncio.run(ask())) if f"Number {number}?" not in text] == []
    assert [entry["outcome"] for entry in server.request_log()] == ["answered"] * 100

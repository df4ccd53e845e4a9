"""`/v1/responses` and `/v1/completions` with the real client: passed through natively, under the rules of chats."""

from __future__ import annotations

import json
from typing import Any

import openai
import orjson
import pytest

from apps.gateway.models import Interaction, Status
from orchestration.providers.simulator.faults import Fault
from tests.apps.gateway.api.test_chat import payload, raw
from tests.apps.gateway.raw_provider import CHUNKED, END, RawProvider, chunked, event, http
from tests.apps.gateway.serving import MODEL, client, gateway, key, price

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
ASKED: dict[str, Any] = {"model": MODEL, "input": "Hello"}
CALL = Fault(kind="tool_call", data={"name": "look", "arguments": {"city": "Oslo"}})
TOOLS = [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}]


def sent(value: dict[str, Any]) -> bytes:
    """An event with its name, as a chunk."""
    return chunked(b"event: " + value["type"].encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n")


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def response(*output: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    return {"id": "resp_1", "object": "response", "status": status, "output": list(output), "usage": usage, **fields}


def text_delta(text: str, number: int = 0) -> dict[str, Any]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **place, "delta": text, "sequence_number": number}


def test_responses_pass_whole_and_streamed_and_are_metered(provider):
    price()
    made, secret = key(budget=100_000)
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        whole = caller.responses.create(**ASKED, instructions="Be brief.")
        with caller.responses.stream(**ASKED, instructions="Be brief.") as stream:
            kinds = [event.type for event in stream]
            streamed = stream.get_final_response()
        provider.script([CALL, CALL])
        called = caller.responses.create(**ASKED, tools=TOOLS)
        with caller.responses.stream(**ASKED, tools=TOOLS) as stream:
            again = stream.get_final_response()
        told = raw(server, "POST", "/v1/responses", secret, orjson.dumps(ASKED | {"stream": True})).text
    assert streamed.output_text == whole.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert (called.output[0].name, json.loads(again.output[0].arguments)) == ("look", {"city": "Oslo"})
    assert told.count("event: response.") == told.count("data: {")
    assert "[DONE]" not in told

    rows = list(Interaction.objects.order_by("id").select_related("payload"))
    assert {(row.endpoint, row.status, row.error_code) for row in rows} == {("responses", Status.COMPLETED, "")}
    assert [row.streamed for row in rows] == [False, True, False, True, True]
    assert whole.usage is not None
    assert rows[0].prompt_tokens == rows[1].prompt_tokens == whole.usage.input_tokens
    assert rows[0].response_tokens == rows[1].response_tokens == whole.usage.output_tokens
    assert not any(row.tokens_estimated for row in rows)
    assert payload(rows[1])[1]["output"][0]["content"] == payload(rows[0])[1]["output"][0]["content"]
    made.refresh_from_db()
    assert made.spent == sum(row.cost for row in rows) > 0


def test_completions_pass_whole_and_streamed_and_are_metered(provider):
    price()
    _, secret = key(budget=100_000)
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        whole = caller.completions.create(model=MODEL, prompt="Hello")
        pieces = list(caller.completions.create(model=MODEL, prompt="Hello", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    first, second = Interaction.objects.order_by("id").select_related("payload")
    assert (first.endpoint, first.prompt_tokens, first.response_tokens) == (
        "completions",
        second.prompt_tokens,
        second.response_tokens,
    )
    assert not second.tokens_estimated
    assert payload(second)[1]["choices"] == payload(first)[1]["choices"]
    assert payload(second)[1]["object"] == "text_completion"


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("responses", {**ASKED, "background": True}, "background", "unsupported_parameter"),
        ("responses", {"model": MODEL}, "input", "missing_required_parameter"),
        ("responses", {"model": MODEL, "input": 5}, "input", "invalid_type"),
        ("responses", {**ASKED, "stream": "yes"}, "stream", "invalid_type"),
        ("responses", {**ASKED, "previous_response_id": "resp_1"}, "previous_response_id", "masking_failed"),
        ("responses", {**ASKED, "input": [{"type": "item_reference", "id": "msg_1"}]}, "input", "masking_failed"),
        ("responses", {**ASKED, "input": [{"id": "msg_1"}]}, "input", "masking_failed"),
        ("completions", {"model": MODEL}, "prompt", "missing_required_parameter"),
        ("completions", {"model": MODEL, "prompt": [[1, 2]]}, None, "masking_failed"),
        ("completions", {"model": MODEL, "prompt": {}}, "prompt", "invalid_type"),
    ],
)
def test_what_cannot_be_asked_is_said(path, body, param, code):
    _, secret = key(policy={"mask_personal_data": True})
    with gateway() as server:
        answer = raw(server, "POST", f"/v1/{path}", secret, orjson.dumps(body))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize(
    "field",
    [
        {"previous_response_id": "resp_1"},
        {"tools": [{"type": "web_search"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_id": "file_1"}]}]},
        {"service_tier": "priority"},
    ],
)
def test_a_budget_pays_only_for_what_has_a_price(field):
    price()
    _, limited = key(budget=100_000)
    _, free = key()
    with gateway() as server:
        refused = raw(server, "POST", "/v1/responses", limited, orjson.dumps(ASKED | field))
        passed = raw(server, "POST", "/v1/responses", free, orjson.dumps(ASKED | field))
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, next(iter(field)))
    assert passed.status_code == 200


def test_a_response_that_was_asked_before_comes_from_the_cache(provider):
    price()
    _, secret = key(policy={"cache": "exact"})
    tools = [{"type": "web_search"}]
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        provider.script([Fault(kind="text", text="One two."), Fault(kind="text", text="One two.")])
        whole = caller.responses.create(**ASKED)
        with caller.responses.stream(**ASKED) as stream:
            replayed = stream.get_final_response()
        other = caller.responses.create(**ASKED, temperature=0.5)
        for more in ({"tools": tools}, {"previous_response_id": whole.id}):
            states = [caller.responses.with_raw_response.create(**ASKED, **more).headers["x-cache"] for _ in range(2)]
            assert states == ["BYPASS", "BYPASS"]
        words = [caller.completions.create(model=MODEL, prompt="Hello").choices[0].text for _ in range(2)]
        chunks = list(caller.completions.create(model=MODEL, prompt="Hello", stream=True))
    assert (replayed.id, replayed.usage, replayed.output_text) == (whole.id, whole.usage, whole.output_text)
    assert other.id != whole.id
    assert words[0] == words[1] == "".join(chunk.choices[0].text for chunk in chunks)
    hits = Interaction.objects.filter(cache_hit=True)
    assert list(hits.order_by("id").values_list("endpoint", "streamed")) == [
        ("responses", True),
        ("completions", False),
        ("completions", True),
    ]


def test_masked_values_return_in_events_wherever_they_are_split():
    _, secret = key(policy={"mask_personal_data": True})
    final = response(message("Mail [EMAIL_1] now"))
    parts = ["Mail [EM", "AIL_", "1", "] now [EMAIL"]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    done = {"type": "response.output_text.done", **place, "text": "Mail [EMAIL_1] now [EMAIL", "sequence_number": 9}
    stream = [sent(text_delta(part, number)) for number, part in enumerate(parts)]
    completed = sent({"type": "response.completed", "response": final, "sequence_number": 10})
    choice = {"index": 0, "logprobs": None, "finish_reason": None}
    texts = [{"object": "text_completion", "choices": [choice | {"text": part}]} for part in parts]
    texts.append({"object": "text_completion", "choices": [choice | {"text": "", "finish_reason": "stop"}]})
    answers = (
        [CHUNKED, *stream, sent(done), completed, END],
        [CHUNKED, *map(event, texts), event(b"[DONE]"), END],
        http(200, orjson.dumps(final)),
    )
    with RawProvider(*answers) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        asked = {"model": MODEL, "input": [{"role": "user", "content": "Write to a@b.example"}]}
        events: list[Any] = list(caller.responses.create(**asked, stream=True))
        chunks = list(caller.completions.create(model=MODEL, prompt="Write to a@b.example", stream=True))
        whole = caller.responses.create(**asked)
    said = "Mail a@b.example now [EMAIL"
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == said
    assert events[-2].text == said
    assert events[-1].response.output_text == whole.output_text == "Mail a@b.example now"
    assert "".join(chunk.choices[0].text for chunk in chunks) == said
    assert b"a@b.example" not in orjson.dumps(provider.bodies)
    rows = list(Interaction.objects.order_by("id").select_related("payload"))
    assert payload(rows[0])[1]["output"][0]["content"][0]["text"] == "Mail a@b.example now"
    assert payload(rows[1])[1]["choices"][0]["text"] == said


ADDED = {"type": "response.output_item.added", "output_index": 0, "item": message("") | {"content": []}}
BEGUN = [CHUNKED, sent({"type": "response.created", "response": response(status="in_progress") | {"usage": None}})]


@pytest.mark.parametrize(
    ("parts", "status", "code", "said"),
    [
        ([sent(ADDED), sent(text_delta("Hel")), sent(text_delta("lo")), END], "failed", "connection_error", "Hello"),
        ([sent(text_delta("Hel")), chunked(b"data: {\n\n"), END], "failed", "malformed_response", "Hel"),
        ([sent({"type": "error", "code": "server_error", "message": "no"}), END], "failed", "provider_unavailable", ""),
        ([sent({"type": "x", "error": {"code": "odd", "message": "no"}}), END], "failed", "odd", ""),
    ],
    ids=("cut", "unreadable", "error", "nested error"),
)
def test_a_broken_stream_ends_with_an_error_event(parts, status, code, said):
    _, secret = key()
    with RawProvider([*BEGUN, *parts]) as provider, gateway(provider.base_url) as server:
        with pytest.raises(openai.APIError):
            list(client(server, secret).responses.create(**ASKED, stream=True))
    row = Interaction.objects.get()
    assert (row.status, row.error_code) == (status, code)
    kept = json.dumps(payload(row)[1])
    assert said in kept
    assert row.tokens_estimated
    assert bool(row.response_tokens) == bool(said)


def test_a_failed_response_ends_as_it_came_and_is_recorded():
    _, secret = key()
    failed = response(status="failed", error={"code": "server_error", "message": "no"})
    last = {"type": "response.failed", "response": failed, "sequence_number": 1}
    with RawProvider([*BEGUN, sent(last), END]) as provider, gateway(provider.base_url) as server:
        events: list[Any] = list(client(server, secret).responses.create(**ASKED, stream=True))
    assert events[-1].type == "response.failed"
    row = Interaction.objects.get()
    assert (row.status, row.error_code, row.response_tokens) == ("failed", "provider_unavailable", 5)


def test_unknown_events_and_fields_pass_byte_by_byte():
    _, secret = key()
    odd = {"type": "response.thinking_aloud.delta", "output_index": 3, "delta": "hm", "n": 123456789012345678901}
    final = {"type": "response.completed", "response": response(message("ok")), "sequence_number": 2}
    raw_odd = b"event: response.thinking_aloud.delta\nid: 7\ndata:" + json.dumps(odd).encode() + b"\n\n"
    with (
        RawProvider([*BEGUN, chunked(raw_odd), sent(final), END]) as provider,
        gateway(provider.base_url) as server,
    ):
        got = raw(server, "POST", "/v1/responses", secret, orjson.dumps(ASKED | {"stream": True})).content
    assert raw_odd in got
    assert got.endswith(b"event: response.completed\ndata: " + orjson.dumps(final) + b"\n\n")

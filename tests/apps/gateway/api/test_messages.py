"""`/v1/messages` over raw HTTP: Anthropic's shape, passed through natively, under the rules of the other endpoints."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from apps.gateway.models import Interaction, Status
from orchestration.providers.simulator.faults import Fault
from tests.apps.gateway.api.test_chat import payload, raw
from tests.apps.gateway.proxy.test_messages import message, piece
from tests.apps.gateway.raw_provider import CHUNKED, END, GOOD, RawProvider, chunked, http
from tests.apps.gateway.serving import MODEL, ThreadServer, ask, gateway, key, price

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
TOOLS = [{"name": "look", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
CALL = Fault(kind="tool_call", data={"name": "look", "arguments": {"city": "Oslo"}})


def post(server: ThreadServer, secret: str, body: Any, path: str = "/v1/messages", **headers: str) -> Any:
    """As Anthropic's clients send it: with the key in a header of its own."""
    sent = {"x-api-key": secret, "anthropic-version": "2023-06-01", **headers}
    return raw(server, "POST", path, body=body if isinstance(body, bytes) else orjson.dumps(body), **sent)


def events(answer: Any) -> list[dict[str, Any]]:
    """Of a stream; each has its type as its name."""
    found = []
    for part in answer.text.split("\n\n")[:-1]:
        name, data = part.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def said(stream: list[dict[str, Any]], field: str = "text") -> str:
    deltas = (event["delta"] for event in stream if event["type"] == "content_block_delta")
    return "".join(delta.get(field, "") for delta in deltas)


def sent(*stream: dict[str, Any]) -> list[Any]:
    """A provider's stream of these events."""
    named = (f"event: {event['type']}\ndata: ".encode() + orjson.dumps(event) + b"\n\n" for event in stream)
    return [CHUNKED, *map(chunked, named), END]


def test_messages_pass_whole_and_streamed_and_are_metered(provider):
    price()
    made, secret = key(budget=100_000)
    with gateway(provider.base_url, speaks="anthropic") as server:
        whole = post(server, secret, ASKED | {"system": "Be brief."})
        streamed = post(server, secret, ASKED | {"system": "Be brief.", "stream": True})
        provider.script([CALL, CALL])
        called = post(server, secret, ASKED | {"tools": TOOLS}).json()
        calling = events(post(server, secret, ASKED | {"tools": TOOLS, "stream": True}))
        models = raw(server, "GET", "/v1/models", **{"x-api-key": secret}).json()["data"]
    assert whole.status_code == streamed.status_code == 200
    assert whole.headers["request-id"] == whole.headers["x-request-id"]
    answer, stream = whole.json(), events(streamed)
    assert (answer["type"], answer["stop_reason"]) == ("message", "end_turn")
    assert said(stream) == answer["content"][0]["text"]
    assert [stream[0]["type"], *(event["type"] for event in stream[-2:])] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert called["content"][0]["input"] == json.loads(said(calling, "partial_json")) == {"city": "Oslo"}
    assert MODEL in [model["id"] for model in models]

    rows = list(Interaction.objects.order_by("id").select_related("payload"))
    assert {(row.endpoint, row.provider, row.status, row.error_code) for row in rows} == {
        ("messages", "anthropic", Status.COMPLETED, "")
    }
    assert [row.streamed for row in rows] == [False, True, False, True]
    usage = answer["usage"]
    assert {(row.prompt_tokens, row.response_tokens) for row in rows[:2]} == {
        (usage["input_tokens"], usage["output_tokens"])
    }
    assert not any(row.estimated for row in rows)
    assert payload(rows[1])[1]["content"] == answer["content"]
    assert payload(rows[3])[1]["content"][0]["input"] == {"city": "Oslo"}
    made.refresh_from_db()
    assert made.spent == sum(row.cost for row in rows) > 0
    assert {entry["credential"] for entry in provider.request_log()} == {"x-api-key"}


def test_a_message_that_was_asked_before_comes_from_the_cache(provider):
    price()
    _, secret = key(policy={"cache": "exact"})
    with gateway(provider.base_url, speaks="anthropic") as server:
        provider.script([CALL])
        whole = post(server, secret, ASKED | {"tools": TOOLS}).json()
        same = ASKED | {"tools": TOOLS, "stream": True, "metadata": {"user_id": "u"}}
        again = post(server, secret, same)
        for other in ({"temperature": 0.5}, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}):
            assert post(server, secret, ASKED | {"tools": TOOLS} | other).headers["x-cache"] != "HIT"
    assert again.headers["x-cache"] == "HIT"
    replayed = events(again)
    assert replayed[0]["message"]["id"] == whole["id"]
    assert json.loads(said(replayed, "partial_json")) == whole["content"][0]["input"]
    assert replayed[-2]["delta"]["stop_reason"] == whole["stop_reason"]
    assert replayed[-2]["usage"] == whole["usage"]


def test_personal_data_is_masked_and_given_back():
    _, secret = key(policy={"mask_personal_data": True})
    start = {"type": "message_start", "message": message(stop_reason=None)}
    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    texts = [piece("text_delta", text=part) for part in ("Mail [EM", "AIL_", "1", "] now")]
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    last = {"type": "message_stop"}
    stop = {"type": "content_block_stop", "index": 0}
    whole = message({"type": "tool_use", "id": "t", "name": "send", "input": {"to": "[EMAIL_1]", "card": "[CARD_1]"}})
    call = {"type": "tool_use", "id": "t", "name": "send", "input": {"card": 4111111111111111}}
    history = [{"role": "user", "content": "Write to a@b.example"}, {"role": "assistant", "content": [call]}]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b@c.example"}}
    with (
        RawProvider(sent(start, begun, *texts, stop, ended, last), http(200, orjson.dumps(whole))) as provider,
        gateway(provider.base_url, speaks="anthropic") as server,
    ):
        stream = events(post(server, secret, ASKED | {"messages": history, "stream": True}))
        answer = post(server, secret, ASKED | {"messages": [*history, {"role": "user", "content": [document]}]})
        refused = post(server, secret, ASKED | {"messages": [{"role": "user", "content": [picture]}]})
    assert said(stream) == "Mail a@b.example now"
    assert answer.json()["content"][0]["input"] == {"to": "a@b.example", "card": 4111111111111111}
    assert b"b.example" not in orjson.dumps(provider.bodies)
    assert b"c.example" not in orjson.dumps(provider.bodies)
    assert provider.bodies[0]["messages"][1]["content"][0]["input"] == {"card": "[CARD_1]"}
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "messages[0].content[0]" in refused.json()["error"]["message"]


def test_errors_have_the_shape_of_anthropics_api():
    _, secret = key()
    told = {"type": "error", "error": {"type": "overloaded_error", "message": "Too busy"}}
    limited = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slower"}}
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too many"}}
    answers = (
        http(529, orjson.dumps(told)),
        http(429, orjson.dumps(limited), retry_after="7"),
        http(400, orjson.dumps(refused)),
        http(200, orjson.dumps(told)),
    )
    with RawProvider(*answers) as provider, gateway(provider.base_url, speaks="anthropic") as server:
        cases = [
            (post(server, secret, ASKED), 529, "overloaded_error"),
            (post(server, secret, ASKED), 429, "rate_limit_error"),
            (post(server, secret, ASKED), 400, "invalid_request_error"),
            (post(server, secret, ASKED), 503, "overloaded_error"),
            (post(server, "wrong", ASKED), 401, "authentication_error"),
            (post(server, secret, b"{"), 400, "invalid_request_error"),
            (post(server, secret, {"model": MODEL}), 400, "invalid_request_error"),
            (post(server, secret, ASKED, "/v1/messages/count_tokens"), 404, "not_found_error"),
            (raw(server, "GET", "/v1/messages"), 405, "invalid_request_error"),
        ]
        by_bearer = raw(server, "POST", "/v1/messages", secret, b"[]")
    for answer, status, kind in cases:
        body = answer.json()
        assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", kind), body
        assert set(body["error"]) == {"type", "message"}
        assert body["request_id"] == answer.headers["request-id"]
    assert cases[1][0].headers["retry-after"] == "7"
    assert "max_tokens: too many" in cases[2][0].json()["error"]["message"]
    assert by_bearer.status_code == 400


BEGUN = [
    {"type": "message_start", "message": message(stop_reason=None, usage={"input_tokens": 7, "output_tokens": 1})},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    piece("text_delta", text="Hello"),
]


@pytest.mark.parametrize(
    ("more", "kind", "code"),
    [
        ([], "api_error", "connection_error"),
        ([{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}], "overloaded_error", None),
    ],
    ids=("cut", "error"),
)
def test_a_broken_stream_ends_with_an_error_event(more, kind, code):
    price()
    _, secret = key(budget=100_000)
    with (
        RawProvider(sent(*BEGUN, *more)) as provider,
        gateway(provider.base_url, speaks="anthropic") as server,
    ):
        stream = events(post(server, secret, ASKED | {"stream": True}))
    assert (stream[-1]["type"], stream[-1]["error"]["type"]) == ("error", kind)
    row = Interaction.objects.select_related("payload").get()
    assert row.status == Status.FAILED
    assert code is None or row.error_code == code
    assert (row.prompt_tokens, row.estimated) == (7, "response")
    assert row.response_tokens > 0
    assert payload(row)[1]["content"] == [{"type": "text", "text": "Hello"}]


def test_a_stream_without_its_last_event_is_whole():
    _, secret = key()
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    with (
        RawProvider(sent(*BEGUN, ended), http(200, orjson.dumps(message({"type": "text", "text": "Hi"})))) as provider,
        gateway(provider.base_url, speaks="anthropic") as server,
    ):
        first = events(post(server, secret, ASKED | {"stream": True}))
        whole = events(post(server, secret, ASKED | {"stream": True}))
    assert first[-1] == whole[-1] == {"type": "message_stop"}
    assert said(whole) == "Hi"
    rows = Interaction.objects.order_by("id")
    assert [(row.error_code, row.response_tokens) for row in rows] == [("done_missing", 5), ("", 5)]


def test_a_budget_pays_only_for_what_has_a_price():
    price()
    _, limited = key(budget=100_000)
    _, free = key()
    cached = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    far = {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"system": [cached]}, "cache_control"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [cached]}]}]}, "cache_control"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"mcp_servers": [{"type": "url", "url": "https://a.example", "name": "a"}]}, "mcp_servers"),
        ({"messages": [{"role": "user", "content": [far]}]}, "messages"),
        ({"speed": "fast"}, "speed"),
    ]
    written = message({"type": "text", "text": "ok"}, usage={"input_tokens": 1, "output_tokens": 1})
    written["usage"]["cache_creation_input_tokens"] = 100
    with (
        RawProvider(http(200, orjson.dumps(written))) as provider,
        gateway(provider.base_url, speaks="anthropic") as it,
    ):
        for more, field in cases:
            refused = post(it, limited, ASKED | more)
            assert (refused.status_code, repr(field) in refused.json()["error"]["message"]) == (400, True), field
        own = {"type": "bash_20250124", "name": "bash"}
        assert post(it, limited, ASKED | {"tools": [own], "service_tier": "standard_only"}).status_code == 200
        assert post(it, free, ASKED | {"system": [cached]}).status_code == 200
    last = Interaction.objects.order_by("id").last()
    assert last is not None
    assert (last.prompt_tokens, last.estimated) == (101, "cost")


def test_each_api_goes_to_the_client_that_speaks_it():
    _, secret = key()
    answer = orjson.dumps(message({"type": "text", "text": "ok"}))
    with RawProvider(http(200, orjson.dumps(GOOD))) as chats, RawProvider(http(200, answer)) as claude:
        named = {"model": MODEL, "api_key_envvar": "ORCA_PROVIDER_API_KEY"}
        clients = {
            "chats": named | {"provider": "openai", "base_url": chats.base_url},
            "claude": named | {"provider": "anthropic", "base_url": claude.base_url},
        }
        found = {}
        for wanted in ({"CLIENT": "chats", "MESSAGES_CLIENT": "claude"}, {"CLIENT": "chats"}, {"CLIENT": "claude"}):
            with gateway(clients=clients, **wanted) as server:
                messages, chat = post(server, secret, ASKED), post(server, secret, ask(), "/v1/chat/completions")
                found[wanted["CLIENT"], len(wanted)] = messages.status_code, chat.status_code
    assert found == {("chats", 2): (200, 200), ("chats", 1): (404, 200), ("claude", 1): (200, 404)}
    assert chat.json()["error"]["code"] == "endpoint_not_configured"
    assert all(b"anthropic-version: 2023-06-01" in head for head in claude.heads)
    asked = [row.provider for row in Interaction.objects.order_by("id")]
    assert asked == ["anthropic", "openai", "", "openai", "anthropic", ""]

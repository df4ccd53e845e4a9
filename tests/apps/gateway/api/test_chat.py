"""The real client, the real server and the simulated provider: what passes through, and what is recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx2
import openai
import orjson
import pytest

from apps.accounts.models import ApiKey
from apps.gateway.crypto import decrypt
from apps.gateway.models import Interaction, Status
from tests.apps.gateway.raw_provider import CHUNKED, END, USAGE, RawProvider, delta, event, http
from tests.apps.gateway.serving import MODEL, ThreadServer, ask, client, gateway, key, price
from tests.apps.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def payload(row: Interaction) -> tuple[Any, Any]:
    """What was asked and answered, read back."""
    response = row.payload.response_enc
    return json.loads(decrypt(row.payload.prompt_enc)), None if response is None else json.loads(decrypt(response))


def raw(server: ThreadServer, method: str, path: str, secret: str = "", body: bytes = b"", **headers: str) -> Any:
    """A request without the client's manners."""
    sent = {"Authorization": f"Bearer {secret}", **headers} if secret else headers
    return httpx2.request(method, server.base_url.removesuffix("/v1") + path, content=body, headers=sent, timeout=20)


def test_json_and_stream_pass_and_are_recorded(provider):
    price()
    made, secret = key()
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        answer = caller.chat.completions.with_raw_response.create(**ask("One", temperature=0))
        whole = answer.parse()
        pieces = list(caller.chat.completions.create(**ask("One"), stream=True))
        counted = list(
            caller.chat.completions.create(**ask("One"), stream=True, stream_options={"include_usage": True})
        )
        vectors = caller.embeddings.create(model=MODEL, input=["a b", "a b"], dimensions=8)

    said = whole.choices[0].message.content
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == said
    assert {piece.usage for piece in pieces} == {None}
    assert [piece for piece in pieces if not piece.choices] == []
    assert counted[-1].usage.total_tokens == whole.usage.total_tokens
    assert not counted[-1].choices
    assert vectors.data[0].embedding == vectors.data[1].embedding

    rows = list(Interaction.objects.order_by("id").select_related("payload"))
    assert [row.status for row in rows] == [Status.COMPLETED] * 4
    assert [row.streamed for row in rows] == [False, True, True, False]
    assert [row.endpoint for row in rows] == ["chat"] * 3 + ["embeddings"]
    assert {(row.prompt_tokens, row.response_tokens) for row in rows[:3]} == {
        (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    }
    assert {(row.user_id, row.api_key_id, row.http_status) for row in rows} == {(str(made.owner_id), made.pk, 200)}
    assert rows[0].request_id == answer.headers["x-request-id"]
    assert rows[0].cost * 10 == whole.usage.total_tokens
    assert Decimal(answer.headers["x-gateway-cost"]) == rows[0].cost
    assert float(answer.headers["x-gateway-overhead-ms"]) >= 0
    assert None not in [row.first_token_ms for row in rows[1:3]]
    asked, told = payload(rows[0])
    assert (asked, told["choices"][0]["message"]["content"]) == (ask("One", temperature=0), said)
    assert payload(rows[1])[1]["choices"][0]["message"]["content"] == said
    assert ApiKey.objects.get(pk=made.pk).spent == sum(row.cost for row in rows)


UNKNOWN_FIELDS = {
    "id": "x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "odd": [1, {"a": "ü"}]}}],
    "usage": USAGE,
    "unheard_of": {"deep": [None, 1.5]},
}
EVERY_PARAMETER = {
    "temperature": 0,
    "top_p": 0.1,
    "n": 1,
    "seed": 0,
    "stop": ["a", "b"],
    "logprobs": False,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_object"},
    "never_seen": {"x": [1, None, "ü"]},
    "messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "2"},
    ],
}


def chunks_of_a_tool_call():
    """A text and a tool call, whose arguments come in two parts."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ": 1}"}}
    chunks = [delta("Hé"), delta(), delta("llo"), delta(), delta(finish="tool_calls") | {"usage": None}]
    chunks[1]["choices"][0]["delta"] = {"tool_calls": [call]}
    chunks[3]["choices"][0]["delta"] = {"tool_calls": [more]}
    return chunks


def test_every_field_reaches_the_provider_and_comes_back():
    chunks = chunks_of_a_tool_call()
    stream = [CHUNKED, *map(event, chunks), event({**delta(), "choices": [], "usage": USAGE}), event(b"[DONE]"), END]
    body = ask() | EVERY_PARAMETER
    path, streaming = "/v1/chat/completions", body | {"stream": True}
    _, secret = key()
    answer = http(200, json.dumps(UNKNOWN_FIELDS).encode())
    with RawProvider(answer, stream) as provider, gateway(provider.base_url) as server:
        plain = raw(server, "POST", path, secret, json.dumps(body).encode(), Cookie="a=b", Host="evil")
        streamed = raw(server, "POST", path, secret, json.dumps(streaming).encode())

    assert plain.json() == UNKNOWN_FIELDS
    assert provider.bodies == [body, streaming | {"stream_options": {"include_usage": True}}]
    assert b"Bearer simulated" in provider.heads[0]
    assert secret.encode() not in provider.heads[0]
    assert b"cookie" not in provider.heads[0].lower()
    events = [line[6:] for line in streamed.text.split("\n") if line.startswith("data: ")]
    assert [json.loads(line) for line in events[:-1]] == [*chunks[:-1], delta(finish="tool_calls")]
    assert events[-1] == "[DONE]"
    told = payload(Interaction.objects.get(streamed=True))[1]
    assert told["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Héllo",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}],
    }
    assert told["usage"] == USAGE
    assert told["choices"][0]["finish_reason"] == "tool_calls"


BAD_BODIES = [
    (b"{", "invalid_json"),
    (b'{"model": "\xff"}', "invalid_json"),
    (b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}', "invalid_json"),
    (b"[]", "invalid_json"),
    (b"{}", "missing_required_parameter"),
    (b'{"model": 1, "messages": []}', "missing_required_parameter"),
    (b'{"model": "a\\u0000b", "messages": []}', "invalid_request_error"),
    (b'{"model": "m"}', "missing_required_parameter"),
    (b'{"model": "m", "messages": []}', "invalid_type"),
    (b'{"model": "m", "messages": ["x"]}', "invalid_type"),
    (b'{"model": "m", "messages": [{}], "stream": "yes"}', "invalid_type"),
    (b'{"model": "m", "messages": [{}], "stream": true, "stream_options": 1}', "invalid_type"),
]


def test_a_bad_request_is_answered_like_openai_and_recorded():
    made, secret = key(allowed_models=[MODEL])
    _, other = key(scopes=["calls:read"])
    gone, revoked = key()
    gone.revoke()
    with gateway(MAX_BODY_BYTES=100_000) as server:
        path = "/v1/chat/completions"
        bad = [raw(server, "POST", path, secret, body) for body, _ in BAD_BODIES]
        foreign = raw(server, "POST", path, secret, orjson.dumps(ask() | {"model": "gpt-5"}))
        large = raw(server, "POST", path, secret, b" " * 100_001)
        chunked = raw(server, "POST", path, secret, iter([b"x" * 60_000, b"y" * 60_000]))  # announces no length
        keyless = [raw(server, "POST", path, given, b"{}") for given in ("", "orca_nothing", secret + "x", revoked)]
        elsewhere = [
            raw(server, method, f"/v1{place}", secret, b"{}")
            for method, place in (("POST", "/threads"), ("GET", ""), ("PUT", "/nothing/at/all"), ("POST", "/chatter"))
        ]
        method = raw(server, "GET", path, secret)
        scopeless = raw(server, "POST", path, other, b"{}")
        consensus = raw(server, "GET", "/v1/runs")

    assert [(each.status_code, each.json()["error"]["code"]) for each in bad] == [(400, code) for _, code in BAD_BODIES]
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "model_not_found")
    assert [large.status_code, chunked.status_code] == [413, 413]
    assert {each.status_code for each in keyless} == {401}
    assert len({each.text for each in keyless}) == 1, "an unknown key and a revoked one must look alike"
    assert keyless[0].json()["error"] | {"message": ""} == {
        "message": "",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    for each in elsewhere:
        assert (each.status_code, each.json()["error"]["code"]) == (404, "unknown_url")
        assert set(each.json()["error"]) == {"message", "type", "param", "code"}
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert scopeless.status_code == 403
    assert consensus.status_code == 401
    assert consensus.json()["code"] == "unauthenticated"

    rows = Interaction.objects.all()
    assert set(rows.values_list("status", flat=True)) == {Status.REFUSED}
    assert rows.count() == len(bad) + 1 + 2 + len(keyless) + 1
    assert rows.filter(error_code="invalid_api_key", api_key=None, user_id="").count() == len(keyless)
    assert made.prefix not in json.dumps([each.text for each in (*bad, foreign, large, *keyless)])


def test_models_and_usage_are_the_keys_own():
    owner = person("staff")
    _, first = key(owner, allowed_models=["other"])
    _, second = key(owner)
    _, stranger = key()
    price(per_million="1")
    with gateway() as server:
        narrow, wide = client(server, first), client(server, second)
        assert [model.id for model in wide.models.list()] == [MODEL]
        assert wide.models.retrieve(MODEL).id == MODEL
        assert list(narrow.models.list()) == []
        for model in (MODEL, "nothing"):
            with pytest.raises(openai.NotFoundError):
                narrow.models.retrieve(model)
        wide.chat.completions.create(**ask())
        narrow.chat.completions.create(**ask() | {"model": "other"})
        mine = raw(server, "GET", "/v1/usage?days=1", first).json()["data"]
        theirs = raw(server, "GET", "/v1/usage", stranger).json()["data"]
        refused = raw(server, "GET", "/v1/usage?days=0", first)
    assert [(row["model"], row["requests"], row["cost"] is None) for row in mine] == [
        (MODEL, 1, False),
        ("other", 1, True),
    ]
    assert theirs == []
    assert refused.status_code == 400


def test_a_key_names_no_other_model_beside_the_one_it_may_use(provider):
    """Some routers let a request list others, which they ask in its place."""
    _, secret = key(allowed_models=[MODEL])
    with gateway(provider.base_url) as server:
        for fields in ({"models": ["o1-pro"]}, {"fallbacks": [{"model": "o1-pro"}]}, {"models": [MODEL]}):
            answer = raw(server, "POST", "/v1/chat/completions", secret, orjson.dumps(ask(**fields)))
            assert answer.status_code == (200 if fields == {"models": [MODEL]} else 404)
    assert len(provider.request_log()) == 1

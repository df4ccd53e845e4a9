"""Charged is what the provider said; what it did not say is estimated, and what nobody can read was reserved."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx2
import orjson
import pytest

from apps.accounts.models import ApiKey
from apps.gateway.models import Interaction, KeyMeter, Status
from tests.apps.gateway.raw_provider import CHUNKED, END, HANG, Part, RawProvider, chunked, delta, event, http
from tests.apps.gateway.serving import MODEL, ask, gateway, key, price

PROMPT = 4
"""Estimated tokens of the question: eight of its message, five letters."""
WORST = Decimal("11.3")
"""Reserved: thirteen bytes of the question and a hundred tokens, at 0.1 each."""


def answer(content: Any = "word " * 10, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **fields.pop("message", {})}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice], **fields}


def used(**counts: Any) -> bytes:
    return json.dumps(answer(usage=counts)).encode()


SURROGATE = (
    rb'{"id":"c","choices":[{"index":0,"message":{"content":"hi \ud83d there"},"finish_reason":"stop"}],"usage":%s}'
)
NAN = (
    b'{"id":"c","choices":[{"index":0,"message":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":%s}]},'
    b'"finish_reason":"stop"}],"usage":%s}'
)
CHUNK = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":%s}],"usage":%s}'
COUNTS = b'{"prompt_tokens":10,"completion_tokens":20}'
HELD = {"prompt_tokens": 10, "completion_tokens": 20}
CALL = {"tool_calls": [{"id": "x", "type": "function", "function": {"name": "find", "arguments": '{"a": "b c d e"}'}}]}

WHOLE: list[tuple[str, bytes, int, int, int, str, str]] = [
    ("both", used(prompt_tokens=10, completion_tokens=20), 200, 10, 20, "", "3"),
    ("no prompt", used(prompt_tokens=0, completion_tokens=20, total_tokens=20), 200, 0, 20, "", "2"),
    ("nothing", used(prompt_tokens=0, completion_tokens=0), 200, 0, 0, "", "0"),
    ("floats", used(prompt_tokens=10.0, completion_tokens=20.0), 200, 10, 20, "", "3"),
    ("texts", used(prompt_tokens="10", completion_tokens="20"), 200, 10, 20, "", "3"),
    ("other names", used(input_tokens=10, output_tokens=20), 200, 10, 20, "", "3"),
    ("only prompt", used(prompt_tokens=10, total_tokens=10), 200, 10, 10, "response", "2"),
    ("only response", used(completion_tokens=20), 200, PROMPT, 20, "prompt", "2.4"),
    ("one side and the total", used(prompt_tokens=10, total_tokens=30), 200, 10, 20, "", "3"),
    ("not counts", used(prompt_tokens=-1, completion_tokens=True), 200, PROMPT, 10, "prompt response", "1.4"),
    ("beyond all counts", used(prompt_tokens=10, completion_tokens=10**20), 200, 10, 10, "response", "2"),
    ("infinite", SURROGATE % b'{"prompt_tokens":1e400,"completion_tokens":20}', 200, PROMPT, 20, "prompt", "2.4"),
    ("none", json.dumps(answer()).encode(), 200, PROMPT, 10, "prompt response", "1.4"),
    ("calls", json.dumps(answer(None, message=CALL)).encode(), 200, PROMPT, 10, "prompt response", "1.4"),
    ("surrogate", SURROGATE % COUNTS, 200, 10, 20, "", "3"),
    ("surrogate without counts", SURROGATE % b"null", 200, PROMPT, 3, "prompt response", "0.7"),
    ("nan", NAN % (b"NaN", COUNTS), 200, 10, 20, "", "3"),
    ("byte-order mark", b"\xef\xbb\xbf" + used(prompt_tokens=10, completion_tokens=20), 200, 10, 20, "", "3"),
    ("not utf-8", used(prompt_tokens=10, completion_tokens=20).replace(b"word", b"w\xf6rd"), 200, 10, 20, "", "3"),
    ("cut after its counts", b'{"usage":%s,"choices":[{"ind' % COUNTS, 502, 10, 20, "", "3"),
    ("cut", b'{"id":"c","choices":[{"index":0,"mess', 502, PROMPT, 13, "prompt response cost", str(WORST)),
    ("page", b"<html>Oops</html>", 502, PROMPT, 7, "prompt response cost", str(WORST)),
    ("no choices", b'{"usage":%s}' % COUNTS, 502, 10, 20, "", "3"),
    ("failed", b'{"error":{"code":429,"message":"slow"}}', 429, 0, 0, "", "0"),
    ("a stream", CHUNK % (b'"stop"', COUNTS), 200, 10, 20, "", "3"),
    ("a stream cut", CHUNK % (b"null", b"null"), 502, PROMPT, 25, "prompt response cost", str(WORST)),
    ("a stream that failed", b'data: {"error":{"code":429}}\n\n', 429, 0, 0, "", "0"),
    ("failed, at a price", b'{"error":{"code":503},"usage":%s}' % COUNTS, 503, 10, 20, "", "3"),
    ("failed in words", b'{"error":{"type":"rate_limit_error"}}', 429, 0, 0, "", "0"),
    ("the total alone", used(total_tokens=30), 200, PROMPT, 26, "prompt response", "3"),
    ("a small total alone", used(total_tokens=3), 200, 3, 0, "prompt response", "0.3"),
    ("thoughts in the total", used(prompt_tokens=10, completion_tokens=5, total_tokens=30), 200, 10, 20, "", "3"),
    ("cached apart", used(input_tokens=4, cache_read_input_tokens=6, output_tokens=20), 200, 10, 20, "", "3"),
    (
        "a dearer tier",
        json.dumps(answer(usage=HELD, service_tier="priority")).encode(),
        200,
        10,
        20,
        "cost",
        str(WORST),
    ),
    ("a cheaper tier", json.dumps(answer(usage=HELD, service_tier="flex")).encode(), 200, 10, 20, "cost", "3"),
    ("the usual tier", json.dumps(answer(usage=HELD, service_tier="default")).encode(), 200, 10, 20, "", "3"),
    (
        "an error for an answer",
        b'{"object":"error","message":"no","type":"BadRequestError","code":400}',
        400,
        0,
        0,
        "",
        "0",
    ),
    ("an error by its type", b'{"type":"error","message":"no","code":"overloaded"}', 503, 0, 0, "", "0"),
    ("an error for each choice", b'{"choices":[{"error":{"code":429},"finish_reason":"error"}]}', 429, 0, 0, "", "0"),
    ("failed in its own words", b'{"error":{"code":"odd","message":"x"}}', 502, 0, 0, "", "0"),
]
"""Name, bytes, the client's status, tokens of the prompt and of the response, what is estimated, cost."""


@pytest.mark.django_db(transaction=True)
def test_a_whole_answer_is_charged_as_its_provider_said():
    price()
    made, secret = key(budget=Decimal(1000))
    seen = []
    with RawProvider(*[http(200, case[1]) for case in WHOLE]) as provider, gateway(provider.base_url) as server:
        for _ in WHOLE:
            seen.append(post(server.base_url, secret, stream=False))
    for (name, raw, status, *figures, cost), got, row in zip(WHOLE, seen, rows(), strict=True):
        assert (name, got.status_code) == (name, status)
        assert (name, *figures, Decimal(cost)) == (
            name,
            row.prompt_tokens,
            row.response_tokens,
            row.estimated,
            row.cost,
        )
        assert row.tokens_estimated == bool(row.estimated.replace("cost", ""))
        if status == 200:
            assert_readable(raw, got.content)
    assert_settled(made)


def assert_readable(came: bytes, passed: bytes) -> None:
    """Any client can read it, and nothing was changed without need."""
    json.loads(passed.decode(), parse_constant=pytest.fail)
    repaired = came.startswith((b"data:", b"\xef\xbb\xbf")) or b"NaN" in came or b"\xf6" in came
    assert (passed != came) is repaired


LEFT = delta("word " * 10)


def separated(separator: bytes, *events: Any) -> list[Part]:
    raw = separator.join(b"data: " + (each if isinstance(each, bytes) else orjson.dumps(each)) for each in events)
    return [CHUNKED, *[chunked(raw[place : place + 7]) for place in range(0, len(raw), 7)], END]


LAST = delta(finish="stop")
COUNTED = {"choices": [], "usage": HELD}
STREAMS: list[tuple[str, list[Part], str, int, int, str, str]] = [
    ("plain", separated(b"\n\n", LEFT, LAST, COUNTED, b"[DONE]\n\n"), "completed", 10, 20, "", "3"),
    ("returns", separated(b"\r\r", LEFT, LAST, COUNTED, b"[DONE]\r\r"), "completed", 10, 20, "", "3"),
    ("both ends", separated(b"\r\n\r\n", LEFT, LAST, COUNTED, b"[DONE]\r\n\r\n"), "completed", 10, 20, "", "3"),
    ("lines", separated(b"\n", LEFT, LAST, COUNTED, b"[DONE]\n\n"), "completed", 10, 20, "", "3"),
    ("not ended", separated(b"\n\n", LEFT, LAST, COUNTED), "completed", 10, 20, "", "3"),
    (
        "one side each",
        separated(b"\n\n", LEFT, LAST, {"usage": {"prompt_tokens": 10}}, COUNTED),
        "completed",
        10,
        20,
        "",
        "3",
    ),
    (
        "in the choice",
        separated(b"\n\n", LEFT, {"choices": [LAST["choices"][0] | {"usage": HELD}]}),
        "completed",
        10,
        20,
        "",
        "3",
    ),
    ("no prompt", separated(b"\n\n", LEFT, LAST, {"usage": HELD | {"prompt_tokens": 0}}), "completed", 0, 20, "", "2"),
    ("no counts", separated(b"\n\n", LEFT, LAST, b"[DONE]\n\n"), "completed", PROMPT, 10, "prompt response", "1.4"),
    (
        "only prompt",
        separated(b"\n\n", LEFT, LAST, {"usage": {"prompt_tokens": 9}}),
        "completed",
        9,
        10,
        "response",
        "1.9",
    ),
    ("json", http(200, used(**HELD)), "completed", 10, 20, "", "3"),
    ("json of another kind", http(200, b'{"id":1}'), "failed", PROMPT, 5, "prompt response cost", str(WORST)),
    (
        "another type",
        http(200, b"data: %s\n\n" % orjson.dumps(LAST | {"usage": HELD}), "text/plain"),
        "completed",
        10,
        20,
        "",
        "3",
    ),
    (
        "nan",
        separated(b"\n\n", NAN.replace(b'"message"', b'"delta"') % (b"-Infinity", COUNTS)),
        "completed",
        10,
        20,
        "",
        "3",
    ),
    (
        "surrogate",
        separated(b"\n\n", SURROGATE.replace(b'"message"', b'"delta"') % COUNTS),
        "completed",
        10,
        20,
        "",
        "3",
    ),
    (
        "byte-order mark",
        [CHUNKED, chunked(b"\xef\xbb\xbf"), *separated(b"\n\n", LEFT, LAST, COUNTED)[1:]],
        "completed",
        10,
        20,
        "",
        "3",
    ),
    ("broken chunk", separated(b"\n\n", LEFT, b"{\n\n"), "failed", PROMPT, 10, "prompt response cost", str(WORST)),
    ("stalled", [CHUNKED, event(LEFT), HANG], "failed", PROMPT, 10, "prompt response cost", str(WORST)),
    ("stalled at once", [HANG], "failed", PROMPT, 0, "prompt response cost", str(WORST)),
    ("stalled after its counts", [CHUNKED, event(LEFT), event(COUNTED), HANG], "failed", 10, 20, "", "3"),
    ("empty", [CHUNKED, END], "failed", PROMPT, 0, "prompt response cost", str(WORST)),
    (
        "a dearer tier",
        separated(b"\n\n", LEFT, LAST | {"service_tier": "priority"}, COUNTED, b"[DONE]\n\n"),
        "completed",
        10,
        20,
        "cost",
        str(WORST),
    ),
    (
        "failed in place of a chunk",
        [CHUNKED, event({"object": "error", "code": 429}), event(b"[DONE]"), END],
        "failed",
        0,
        0,
        "",
        "0",
    ),
    ("failed", [CHUNKED, event({"error": {"code": 429}}), END], "failed", 0, 0, "", "0"),
]
"""Name, bytes, how it ends, tokens of the prompt and of the response, what is estimated, cost."""


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_charged_as_its_provider_said():
    price()
    made, secret = key(budget=Decimal(1000))
    seen = []
    with (
        RawProvider(*[case[1] for case in STREAMS]) as provider,
        gateway(provider.base_url, IDLE_SECONDS=0.5) as server,
    ):
        for _ in STREAMS:
            seen.append(post(server.base_url, secret, stream=True))
    for (name, _, status, *figures, cost), got, row in zip(STREAMS, seen, rows(), strict=True):
        assert (name, row.status) == (name, status)
        assert (name, *figures, Decimal(cost)) == (
            name,
            row.prompt_tokens,
            row.response_tokens,
            row.estimated,
            row.cost,
        )
        if row.status == Status.COMPLETED:
            *events, last, rest = got.text.split("\n\n")
            assert (name, last, rest) == (name, "data: [DONE]", "")
            assert all(json.loads(each.removeprefix("data: "), parse_constant=pytest.fail) for each in events)
    assert seen[-1].status_code == 429
    assert_settled(made)


def rows() -> list[Interaction]:
    return list(Interaction.objects.order_by("id"))


def post(url: str, secret: str, **fields: Any) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx2.post(f"{url}/chat/completions", json=ask(max_tokens=100, **fields), headers=headers, timeout=10)


def assert_settled(made: ApiKey) -> None:
    meter = KeyMeter.objects.select_related("api_key").get(pk=made.pk)
    assert (meter.reserved, meter.in_flight) == (0, 0)
    assert meter.api_key.spent == sum(row.cost or 0 for row in rows())


SOUND = {
    "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]
}


@pytest.mark.django_db(transaction=True)
def test_a_budget_pays_for_nothing_that_has_no_price(provider):
    """Other tiers, sounds and searches; another model by a name that only begins like one. Without a budget they go."""
    price()
    _, budgeted = key(budget=Decimal(1000))
    _, free = key()
    wanted: list[tuple[dict[str, Any], str | None]] = [
        ({"service_tier": "priority"}, "service_tier"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        (SOUND, "messages"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, *ask()["messages"]]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]}]}, "messages"),
        ({"prediction": {"type": "content", "content": "x" * 1000}}, "prediction"),
        ({"models": ["o1-pro"]}, "models"),
        ({"tools": [{"type": ["x"]}]}, "tools"),
        ({"model": "gpt-4o-mini-pro"}, "model"),
        ({"service_tier": "default", "modalities": ["text"], "audio": None}, None),
        ({"service_tier": "auto", "model": "gpt-4o-mini-2024-07-18"}, None),
    ]
    with gateway(provider.base_url) as server:
        for fields, param in wanted:
            answer = post(server.base_url, budgeted, **fields)
            assert (fields, answer.status_code) == (fields, 400 if param else 200)
            assert param is None or answer.json()["error"]["param"] == param
        assert post(server.base_url, free, service_tier="priority").status_code == 200
    assert len(provider.request_log()) == 3


EMBEDDINGS: list[tuple[str, dict[str, Any], int, str]] = [
    ("given", {"prompt_tokens": 9.0, "total_tokens": 9}, 9, ""),
    ("only the total", {"total_tokens": 9}, 9, ""),
    ("zero", {"prompt_tokens": 0}, 0, ""),
    ("none", {}, 2, "prompt"),
]


@pytest.mark.django_db(transaction=True)
def test_embeddings_are_charged_as_their_provider_said():
    price()
    made, secret = key(budget=Decimal(1000))
    answers = [http(200, orjson.dumps({"data": [{"embedding": [1.0]}], "usage": case[1]})) for case in EMBEDDINGS]
    with RawProvider(*answers) as provider, gateway(provider.base_url) as server:
        for name, *_ in EMBEDDINGS:
            body = {"model": "gpt-4o-mini", "input": "one two"}
            headers = {"Authorization": f"Bearer {secret}"}
            answer = httpx2.post(f"{server.base_url}/embeddings", json=body, headers=headers, timeout=10)
            assert (name, answer.status_code) == (name, 200)
    found = [(row.prompt_tokens, row.response_tokens, row.estimated, row.cost) for row in rows()]
    assert found == [(tokens, 0, estimated, tokens * Decimal("0.1")) for _, _, tokens, estimated in EMBEDDINGS]
    assert_settled(made)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_model_that_was_given_up_is_charged_too():
    """It may have worked on its answer, and the budget pays for that as for the answer of the next one."""
    price()
    price("spare")
    made, secret = key(budget=Decimal(1000), policy={"fallback_models": ["spare"]})
    good = http(200, used(prompt_tokens=10, completion_tokens=20))
    limited = http(429, b"{}")
    attempts = ([HANG], good, [HANG], [HANG], [HANG], limited)
    with RawProvider(*attempts) as provider, gateway(provider.base_url, IDLE_SECONDS=0.3) as server:
        statuses = [post(server.base_url, secret).status_code for _ in range(3)]
        usage = httpx2.get(f"{server.base_url}/usage", headers={"Authorization": f"Bearer {secret}"}).json()["data"]
    assert statuses == [200, 504, 429]
    found = [(row.answered_by, row.estimated, row.cost) for row in rows()]
    assert found == [
        ("spare", "cost", WORST + 3),
        ("", "prompt response cost", 2 * WORST),
        ("", "cost", WORST),
    ]
    estimated = {row["model"]: row["estimated_cost"] for row in usage}
    assert estimated == {"spare": f"{WORST + 3:.8f}", MODEL: f"{3 * WORST:.8f}"}, "by the model that answered"
    assert_settled(made)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_usage_of_an_error_before_another_model_is_charged():
    price()
    price("spare")
    made, secret = key(budget=Decimal(1000), tokens_per_minute=100_000, policy={"fallback_models": ["spare"]})
    usage = {"prompt_tokens": 8, "completion_tokens": 4}
    busy = http(200, json.dumps({"error": {"message": "no", "code": 429}, "usage": usage}).encode())
    good = http(200, used(prompt_tokens=10, completion_tokens=20))
    with RawProvider(busy, good) as provider, gateway(provider.base_url) as server:
        assert post(server.base_url, secret).status_code == 200
    (row,) = rows()
    price_of_one = Decimal("0.1")
    assert (row.answered_by, row.estimated, row.cost) == ("spare", "", (30 + 12) * price_of_one)
    assert_settled(made)

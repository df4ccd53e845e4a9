"""A provider that fails in every way it can: the client gets OpenAI's shape, the row says why, nothing hangs."""

from __future__ import annotations

import json
import time

import httpx2
import openai
import orjson
import pytest

from apps.gateway.models import Interaction, Status
from tests.apps.gateway.api.test_chat import payload, raw
from tests.apps.gateway.raw_provider import (
    CHUNKED,
    END,
    GOOD,
    HANG,
    RESET,
    Part,
    RawProvider,
    chunked,
    delta,
    event,
    http,
)
from tests.apps.gateway.serving import MODEL, ask, client, gateway, key

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = http(200, b"<!doctype html><title>Oops</title>", "text/html")
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
FAR = "Fri, 31 Dec 9999 23:59:59 GMT"
HALF = json.dumps(GOOD).encode()[:40]


def failure(status: int, error: object, **headers: str) -> list[Part]:
    return http(status, json.dumps({"error": error}).encode(), **headers)


WHOLE: list[tuple[str, list[Part], int, str, str]] = [
    ("html", PAGE, 502, "malformed_response", "malformed_response"),
    ("not json", http(200, HALF), 502, "malformed_response", "malformed_response"),
    ("no choices", http(200, b"{}"), 502, "malformed_response", "malformed_response"),
    ("error within", failure(200, {"message": "no"}), 502, "provider_error", "provider_error"),
    ("429", failure(429, {"message": "slow"}), 429, "rate_limit_exceeded", "rate_limited"),
    ("429 later", failure(429, {}, Retry_After="7"), 429, "rate_limit_exceeded", "rate_limited"),
    ("429 for ever", failure(429, {}, Retry_After=FAR), 429, "rate_limit_exceeded", "rate_limited"),
    ("quota", failure(429, {"code": "insufficient_quota"}), 429, "insufficient_quota", "insufficient_quota"),
    ("401", failure(401, {"message": "key sk-abc"}), 502, "provider_refused", "provider_auth"),
    ("403", failure(403, {}), 502, "provider_refused", "provider_forbidden"),
    ("400", failure(400, {"message": "bad", "param": "n", "code": "odd"}), 400, "odd", "bad_request"),
    ("400 text", http(400, b"nope", "text/plain"), 400, "invalid_request_error", "bad_request"),
    ("404", failure(404, {"message": "none"}), 404, "model_not_found", "model_not_found"),
    ("500", http(500, b"oops"), 500, "provider_error", "provider_unavailable"),
    ("503", failure(503, {}, Retry_After="3"), 503, "provider_error", "provider_unavailable"),
    ("redirect", http(307, b"", Location="http://127.0.0.1:1/"), 502, "provider_error", "bad_request"),
    ("reset", [RESET], 502, "provider_unreachable", "connection_error"),
    (
        "cut",
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", RESET],
        502,
        "provider_unreachable",
        "connection_error",
    ),
    ("garbage", [b"not http at all\r\n\r\n", RESET], 502, "provider_unreachable", "connection_error"),
    ("stall", [HANG], 504, "provider_timeout", "timeout"),
    ("stall within", [CUT, HANG], 504, "provider_timeout", "timeout"),
]
"""What comes, whole: name, bytes, the client's status and code, the row's code."""

BILLED = {"html", "not json", "no choices", "cut", "stall", "stall within"}
"""What the provider may have worked for, and bills: without a price, the cost is not known."""
BEGUN = [CHUNKED, event(delta("Hel"))]
STREAMED: list[tuple[str, list[Part], int, str]] = [
    ("html", PAGE, 502, "malformed_response"),
    ("429", failure(429, {}), 429, "rate_limited"),
    ("stall before", [HANG], 504, "timeout"),
    ("stall before a chunk", [CHUNKED, HANG], 504, "timeout"),
    ("first chunk malformed", [CHUNKED, event(b"{")], 502, "malformed_response"),
    ("empty", [CHUNKED, END], 502, "connection_error"),
    ("malformed", [*BEGUN, event(b'{"a": '), HANG], 200, "malformed_response"),
    ("no object", [*BEGUN, event(b"[]"), HANG], 200, "malformed_response"),
    ("choices no list", [*BEGUN, event({"choices": 1}), HANG], 200, "malformed_response"),
    ("error", [*BEGUN, event({"error": {"message": "x"}}), HANG], 200, "provider_error"),
    ("reset", [*BEGUN, RESET], 200, "connection_error"),
    ("ends early", [*BEGUN, END], 200, "connection_error"),
    ("half an event", [*BEGUN, chunked(b"data: {"), END], 200, "connection_error"),
    ("stall", [*BEGUN, HANG], 200, "timeout"),
]
"""What comes, streamed: name, bytes, the client's status, the row's code."""


def test_whatever_comes_instead_of_an_answer():
    _, secret = key()
    url = "/chat/completions"
    with (
        RawProvider(*[case[1] for case in (*WHOLE, *STREAMED)]) as provider,
        gateway(provider.base_url, IDLE_SECONDS=0.3) as server,
        httpx2.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=10) as http_client,
    ):
        for name, _, status, code, recorded in WHOLE:
            answer = http_client.post(server.base_url + url, json=ask(name))
            error = answer.json()["error"]
            assert (name, answer.status_code, error["code"]) == (name, status, code)
            assert set(error) == {"message", "type", "param", "code"}
            assert "sk-abc" not in answer.text
            row = Interaction.objects.latest("id")
            assert (name, row.status, row.error_code, row.http_status) == (name, Status.FAILED, recorded, status)
            billed = name in BILLED
            assert (name, row.tokens_estimated, row.cost) == (name, billed, None if billed else 0)
            wait = {"429": "1", "429 later": "7", "429 for ever": "600", "quota": "1", "503": "3"}.get(name)
            assert (name, answer.headers.get("retry-after")) == (name, wait)
        for name, _, status, recorded in STREAMED:
            answer = http_client.post(server.base_url + url, json=ask(name, stream=True))
            assert (name, answer.status_code) == (name, status)
            row = Interaction.objects.latest("id")
            assert (name, row.status, row.error_code) == (name, Status.FAILED, recorded)
            if status == 200:
                first, last = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
                assert first == delta("Hel")
                assert set(last["error"]) == {"message", "type", "param", "code"}
                assert row.tokens_estimated
                assert row.prompt_tokens
                assert row.response_tokens
                assert row.payload.response_enc is not None
    assert Interaction.objects.count() == len(WHOLE) + len(STREAMED)
    assert not Interaction.objects.in_flight().exists()


def test_a_broken_stream_is_an_error_and_an_unfinished_one_whole():
    """An error event raises in the real client; a missing [DONE] after the last word is mended."""
    _, secret = key()
    finished: list[Part] = [*BEGUN, event(delta("lo")), event(delta(finish="stop")), END]
    comments: list[Part] = [CHUNKED, chunked(b": keep-alive\n\n"), *finished[1:-1], event(b"[DONE]"), END]
    pieces = [
        chunked(bytes([byte]))
        for part in comments[1:-1]
        if isinstance(part, bytes)
        for byte in part.split(b"\r\n", 1)[1][:-2]
    ]
    with RawProvider([*BEGUN, RESET], finished, comments, [CHUNKED, *pieces, END]) as provider:
        with gateway(provider.base_url) as server:
            caller = client(server, secret)
            seen = []
            with pytest.raises(openai.APIError, match="connection"):
                seen.extend(caller.chat.completions.create(**ask(), stream=True))
            told = [
                "".join(
                    each.choices[0].delta.content or "" for each in caller.chat.completions.create(**ask(), stream=True)
                )
                for _ in range(3)
            ]
    assert told == ["Hello"] * 3
    rows = Interaction.objects.order_by("id").values_list("status", "error_code", "tokens_estimated")
    assert list(rows) == [
        (Status.FAILED, "connection_error", True),
        (Status.COMPLETED, "done_missing", True),
        (Status.COMPLETED, "", True),
        (Status.COMPLETED, "", True),
    ]


def test_the_next_model_answers_when_the_first_one_cannot():
    """Only models of the key's own list, only for failures that another model may not have, and never silently."""
    _, secret = key(policy={"fallback_models": ["spare"]})
    good = http(200, json.dumps(GOOD).encode())
    refused = failure(400, {"message": "bad"})
    stream: list[Part] = [*BEGUN, event(delta(finish="stop")), event(b"[DONE]"), END]
    busy = failure(429, {})
    with RawProvider(http(503, b""), good, [RESET], stream, refused, busy, busy) as provider:
        with gateway(provider.base_url) as server:
            caller = client(server, secret)
            answer = caller.chat.completions.with_raw_response.create(**ask())
            assert answer.headers["x-gateway-model"] == "spare"
            assert list(caller.chat.completions.create(**ask(), stream=True))
            with pytest.raises(openai.BadRequestError):
                caller.chat.completions.create(**ask())
            with pytest.raises(openai.RateLimitError):
                caller.chat.completions.create(**ask())
    assert [body["model"] for body in provider.bodies] == [MODEL, "spare", MODEL, "spare", MODEL, MODEL, "spare"]
    rows = Interaction.objects.order_by("id").values_list("model", "answered_by", "status")
    assert list(rows) == [
        (MODEL, "spare", Status.COMPLETED),
        (MODEL, "spare", Status.COMPLETED),
        (MODEL, "", Status.FAILED),
        (MODEL, "", Status.FAILED),
    ]


def test_an_error_within_status_200_starts_the_next_model_too():
    _, secret = key(policy={"fallback_models": ["spare"]})
    busy, refused = (http(200, json.dumps({"error": {"message": "no", "code": code}}).encode()) for code in (429, 400))
    good = http(200, json.dumps(GOOD).encode())
    with RawProvider(busy, good, busy, good, refused, busy, busy) as provider:
        with gateway(provider.base_url) as server:
            caller = client(server, secret)
            assert caller.chat.completions.create(**ask()).choices[0].message.content == "ok"
            assert list(caller.chat.completions.create(**ask(), stream=True))
            with pytest.raises(openai.BadRequestError):
                caller.chat.completions.create(**ask())
            with pytest.raises(openai.RateLimitError):
                caller.chat.completions.create(**ask())
    assert [body["model"] for body in provider.bodies] == [MODEL, "spare", MODEL, "spare", MODEL, MODEL, "spare"]


def test_a_paid_provider_is_not_asked_where_that_is_forbidden():
    _, secret = key()
    started = time.monotonic()
    with gateway("https://api.openai.invalid/v1") as server, pytest.raises(openai.InternalServerError) as error:
        client(server, secret).chat.completions.create(**ask())
    assert error.value.code == "paid_requests_forbidden"
    assert time.monotonic() - started < 5
    assert Interaction.objects.get().status == Status.FAILED


SAID = [
    ("text", http(400, b'{"error": "no such voice"}'), 400, "no such voice"),
    ("detail", http(422, b'{"detail": [{"loc": ["n"], "msg": "too large"}]}'), 422, "too large"),
    ("message", http(404, b'{"message": "no deployment"}'), 404, "no deployment"),
    ("list", http(400, b'[{"error": {"code": 400, "message": "bad schema"}}]'), 400, "bad schema"),
    ("500", http(500, b'{"error": {"message": "CUDA out of memory"}}'), 500, "The provider failed: CUDA out of memory"),
    ("page", http(502, b"<html><style>a{}</style><h1>Oh\n no</h1>", "text/html"), 502, "The provider failed: Oh no"),
    ("plain", http(503, b"busy, call +49 30 901820", "text/plain"), 503, "The provider failed: busy, call [PHONE]"),
    ("secret", http(400, b'{"error": {"message": "key sk-abc of a@b.example"}}'), 400, "key *** of [EMAIL]"),
    ("long", http(400, orjson.dumps({"error": "x" * 9000})), 400, "x" * 2000),
    ("surrogate", http(400, b'{"error": {"message": "bad \\ud800 sign"}}'), 400, "bad \ud800 sign"),
    ("surrogates", http(200, b'{"error": "\\udfff\\ud800"}'), 502, "\udfff\ud800"),
    ("within", http(200, b'{"error": "model is loading"}'), 502, "model is loading"),
    ("account", http(401, b'{"error": {"message": "billing is off"}}'), 502, "The provider refuses the gateway."),
]  # fmt: skip
"""What a provider says in its errors: name, answer, the client's status and message."""


def test_what_the_provider_says_reaches_client_and_record():
    _, secret = key()
    with RawProvider(*[case[1] for case in SAID]) as provider, gateway(provider.base_url) as server:
        for name, _, status, message in SAID:
            answer = raw(server, "POST", "/v1/chat/completions", secret, orjson.dumps(ask()))
            assert (name, answer.status_code, answer.json()["error"]["message"]) == (name, status, message)
            kept = payload(Interaction.objects.latest("id"))[1]["error"]["message"]
            said = "billing is off" if name == "account" else message.removeprefix("The provider failed: ")
            assert (name, kept) == (name, said)

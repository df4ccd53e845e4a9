"""Bodies as clients send them: compressed, nested, with long numbers."""

from __future__ import annotations

import gzip
import json
import zlib

import orjson
import pytest

from apps.gateway.errors import GatewayError
from apps.gateway.http.request import inflated
from apps.gateway.models import Interaction, Status
from tests.apps.gateway.api.test_chat import payload, raw
from tests.apps.gateway.raw_provider import GOOD, RawProvider, http
from tests.apps.gateway.serving import ask, gateway, key

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = "/v1/chat/completions"
LIMIT = 100_000


def test_compressed_bodies_are_read_up_to_the_limit():
    _, secret = key()
    body = orjson.dumps(ask("x" * 50_000))
    half = len(body) // 2
    good = [
        ("gzip", gzip.compress(body)),
        ("GZIP", gzip.compress(body[:half]) + gzip.compress(body[half:])),
        ("deflate", zlib.compress(body)),
        ("identity", body),
    ]
    bad = [
        ("gzip", gzip.compress(b"x" * (LIMIT + 1)), 413),
        ("gzip", gzip.compress(gzip.compress(bytes(100 * LIMIT))), 400),
        ("gzip", gzip.compress(body)[:-9], 400),
        ("gzip", body, 400),
        ("deflate", b"", 400),
        ("br", body, 415),
        ("gzip, gzip", body, 415),
    ]
    with (
        RawProvider(http(200, orjson.dumps(GOOD))) as provider,
        gateway(provider.base_url, MAX_BODY_BYTES=LIMIT) as server,
    ):
        for encoding, sent in good:
            answer = raw(server, "POST", CHAT, secret, sent, **{"Content-Encoding": encoding})
            assert (encoding, answer.status_code) == (encoding, 200)
        for encoding, sent, status in bad:
            answer = raw(server, "POST", CHAT, secret, sent, **{"Content-Encoding": encoding})
            assert (encoding, answer.status_code) == (encoding, status)
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert provider.bodies == [orjson.loads(body)] * len(good)
    assert payload(Interaction.objects.filter(status=Status.COMPLETED).latest("id"))[0] == orjson.loads(body)


def test_a_bomb_is_inflated_no_further_than_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < LIMIT
    with pytest.raises(GatewayError) as refused:
        inflated(bomb, 1_000_000)
    assert refused.value.status == 413
    assert inflated(gzip.compress(b"x" * 7), 7) == b"x" * 7


def test_members_without_end_are_refused():
    """Each costs a copy of the rest: a few megabytes of empty ones would take minutes."""
    with pytest.raises(GatewayError) as refused:
        inflated(gzip.compress(b"") * 300_000, 8_000_000)
    assert refused.value.status == 400
    assert inflated(gzip.compress(b"x") * 50, 100) == b"x" * 50


NUMBERS = "[123456789012345678901234567890, -9223372036854775809, 18446744073709551615, 1.0, 1e300, 0.1]"


@pytest.mark.parametrize(
    "policy", [{}, {"cache": "exact"}, {"mask_personal_data": True}], ids=["plain", "cached", "masked"]
)
def test_integers_keep_their_digits(policy):
    _, secret = key(policy=policy)
    body = json.loads(json.dumps(ask("of a@b.example")))
    arguments = '{"mail": "\\u0061@b.example", "n": 123456789012345678901234567890}'
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body["messages"] = [{"role": "assistant", "tool_calls": [call]}, *body["messages"]]
    sent = json.dumps(body)[:-1] + f', "logit_bias": {NUMBERS}}}'
    with RawProvider(http(200, orjson.dumps(GOOD))) as provider, gateway(provider.base_url) as server:
        answer = raw(server, "POST", CHAT, secret, sent.encode())
    assert answer.status_code == 200, answer.text
    assert json.dumps(provider.bodies[0]["logit_bias"]) == json.dumps(json.loads(NUMBERS))
    got = json.loads(provider.bodies[0]["messages"][0]["tool_calls"][0]["function"]["arguments"])
    assert got["n"] == 123456789012345678901234567890


@pytest.mark.parametrize("depth", [101, 300, 1500, 100_000])
@pytest.mark.parametrize("policy", [{}, {"cache": "semantic", "mask_personal_data": True}], ids=["plain", "all"])
def test_what_is_nested_too_deeply_is_a_bad_request(depth, policy):
    _, secret = key(policy=policy)
    with gateway() as server:
        sent = json.dumps(ask())[:-1] + f', "tools": {"[" * depth}{"]" * depth}}}'
        refused = raw(server, "POST", CHAT, secret, sent.encode())
        fine = raw(server, "POST", CHAT, secret, (json.dumps(ask())[:-1] + f', "x": {"[" * 95}{"]" * 95}}}').encode())
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")
    assert fine.status_code == 200


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity", "9" * 5000])
def test_a_number_that_is_none_is_a_bad_request(number):
    _, secret = key()
    with gateway() as server:
        answer = raw(server, "POST", CHAT, secret, (json.dumps(ask())[:-1] + f', "seed": {number}}}').encode())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")

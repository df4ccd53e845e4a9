"""Cache, compression and masking on a request's way: what is asked, sent, answered and recorded with each."""

from __future__ import annotations

import json
from decimal import Decimal

import httpx2
import openai
import pytest

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import Scope
from apps.gateway.cache.lookup import LONGEST_ANSWER
from apps.gateway.crypto import LONG, decrypt
from apps.gateway.models import CacheEntry, Interaction, InteractionPayload, KeyMeter, Status
from tests.apps.gateway.api.test_chat import raw
from tests.apps.gateway.raw_provider import CHUNKED, END, USAGE, Part, RawProvider, delta, event, http
from tests.apps.gateway.serving import MODEL, ask, client, gateway, key, price
from tests.apps.people import person

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_is_given_again_to_its_owner_alone(provider):
    """Whole and as a stream, from either; counted by the request limit; until it is deleted."""
    price()
    owner = person("staff")
    exact = {"cache": "exact"}
    _, first = key(owner, requests_per_minute=5, policy=exact)
    _, second = key(owner, policy=exact)
    _, stranger = key(policy=exact)
    with gateway(provider.base_url) as server:
        mine, also_mine, other = (client(server, secret) for secret in (first, second, stranger))
        miss = mine.chat.completions.with_raw_response.create(**ask("Same"))
        hit = also_mine.chat.completions.with_raw_response.create(**ask("Same"))
        pieces = list(mine.chat.completions.create(**ask("Same"), stream=True, stream_options={"include_usage": True}))
        theirs = other.chat.completions.with_raw_response.create(**ask("Same"))
        anew = mine.chat.completions.with_raw_response.create(
            **ask("Same"), extra_headers={"Cache-Control": "no-cache"}
        )
        list(mine.chat.completions.create(**ask("Streamed"), stream=True))
        of_stream = mine.chat.completions.with_raw_response.create(**ask("Streamed"))
        with pytest.raises(openai.RateLimitError):
            mine.chat.completions.create(**ask("Same"))
        headers = {"Authorization": f"Bearer {second}"}
        deleted = httpx2.delete(f"{server.base_url}/cache", headers=headers).json()
        gone = also_mine.chat.completions.with_raw_response.create(**ask("Same"))
        asked = len(provider.request_log())

    shown = [answer.headers["x-cache"] for answer in (miss, hit, theirs, anew, of_stream, gone)]
    assert shown == ["MISS", "HIT", "MISS", "BYPASS", "HIT", "MISS"]
    assert hit.parse().to_dict() == miss.parse().to_dict()
    assert int(hit.headers["age"]) >= 0
    said = miss.parse().choices[0].message.content
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == said
    assert pieces[-1].usage == miss.parse().usage
    assert deleted == {"object": "cache", "deleted": 2}
    assert asked == 5
    hits = Interaction.objects.filter(cache_hit=True)
    assert hits.count() == 3
    assert {(row.cost, row.cache_kind, row.status) for row in hits} == {(0, "exact", "completed")}
    assert [row for row in hits.select_related("payload") if not (row.prompt_tokens and row.payload.response_enc)] == []
    assert Interaction.objects.filter(status=Status.REFUSED, cache_hit=False, prompt_tokens=0).count() == 1


def test_a_key_without_a_policy_has_no_cache(provider):
    _, secret = ApiKey.issue(person("staff"), "test", [Scope.GATEWAY_CALL])
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        shown = [caller.chat.completions.with_raw_response.create(**ask()).headers["x-cache"] for _ in range(2)]
        asked = len(provider.request_log())
    assert shown == ["BYPASS"] * 2
    assert asked == 2


def test_a_long_answer_is_kept_up_to_a_limit():
    """A short one is encrypted once, for its record and for the cache; one beyond the limit is asked for again."""
    _, secret = key(policy={"cache": "exact"})
    texts = {"short": "x", "long": "x" * 2 * LONG, "too long": "x" * LONGEST_ANSWER}
    shown = []
    with RawProvider(http(200, b"{}")) as provider, gateway(provider.base_url) as server:
        for name, text in texts.items():
            provider.answers[:] = [http(200, whole(text, "stop"))]
            sent = json.dumps(ask(name)).encode()
            answers = [raw(server, "POST", "/v1/chat/completions", secret, sent) for _ in range(2)]
            assert [answer.json()["choices"][0]["message"]["content"] for answer in answers] == [text] * 2
            shown.append(answers[1].headers["x-cache"])
    assert shown == ["HIT", "HIT", "MISS"]
    short, long = CacheEntry.objects.order_by("id")
    records = [row.payload.response_enc for row in Interaction.objects.select_related("payload").order_by("id")]
    assert bytes(short.answer_enc) == bytes(records[0])
    assert bytes(long.answer_enc) != bytes(records[2])
    assert decrypt(long.answer_enc) == decrypt(records[2]) == whole(texts["long"], "stop")


def whole(text: str, finish_reason: str | None) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return json.dumps({"id": "x", "choices": [choice], "usage": USAGE}).encode()


def test_only_complete_answers_are_cached():
    """A request in other words finds the complete one."""
    good = {
        "id": "x",
        "choices": [{"index": 0, "message": {"content": "Paris"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    cut = json.dumps(good | {"choices": [{"index": 0, "message": {"content": "Pa"}, "finish_reason": None}]}).encode()
    answers = [
        http(500, b"no"),
        [CHUNKED, event(delta("Pa")), END],
        http(200, cut),
        http(200, json.dumps(good).encode()),
    ]
    _, secret = key(policy={"cache": "semantic"})
    _, off = key()
    with RawProvider(*answers) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        question = ask("What is the capital of France?")
        with pytest.raises(openai.InternalServerError):
            caller.chat.completions.create(**question)
        with pytest.raises(openai.APIError):
            list(caller.chat.completions.create(**question, stream=True))
        for _ in range(2):
            assert caller.chat.completions.with_raw_response.create(**question).headers["x-cache"] == "MISS"
        similar = ask("Please tell me what is the capital of France")
        again = caller.chat.completions.with_raw_response.create(**similar)
        differs = caller.chat.completions.with_raw_response.create(**ask("What is not the capital of France?"))
        never = [client(server, off).chat.completions.with_raw_response.create(**question) for _ in range(2)]
    assert again.headers["x-cache"] == "SEMANTIC"
    assert 0.95 <= float(again.headers["x-cache-similarity"]) <= 1
    assert differs.headers["x-cache"] == "MISS"
    assert [each.headers["x-cache"] for each in never] == ["BYPASS"] * 2


def embedded(*numbers: float) -> list[Part]:
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return http(200, json.dumps({"data": [{"embedding": numbers}], "usage": usage}).encode())


def test_requests_of_the_cache_are_limited_recorded_and_charged():
    """One embedding a miss, asked for after the limits, and not of a text that the provider must not see."""
    price()
    semantic = {"cache": "semantic"}
    made, secret = key(budget=Decimal(100_000), requests_per_minute=3, policy=semantic)
    _, private = key(policy=semantic | {"mask_personal_data": True})
    answer = http(200, whole("Paris", "stop"))
    question, similar = ask("What is the capital of France?"), ask("Which city is the capital of France?")
    with RawProvider(embedded(3, 4), answer, embedded(3, 4), answer) as provider:
        with gateway(provider.base_url, EMBEDDING_MODEL="embed") as server:
            caller = client(server, secret)
            with pytest.raises(openai.BadRequestError, match="no price"):
                caller.chat.completions.create(**question)
            price("embed")
            miss = caller.chat.completions.with_raw_response.create(**question)
            hit = caller.chat.completions.with_raw_response.create(**similar)
            kept = client(server, secret).chat.completions.with_raw_response.create(
                **ask("And of Spain?"), extra_headers={"Cache-Control": "no-store"}
            )
            with pytest.raises(openai.RateLimitError):
                caller.chat.completions.create(**ask("What was the capital of France?"))
            assert len(provider.bodies) == 4, "who may not ask has nothing embedded"
            client(server, private).chat.completions.create(**ask("Who is jane.doe@example.com?"))
            assert "model" in provider.bodies[4]
            assert "jane" not in json.dumps(provider.bodies[4:])
    assert [body["model"] for body in provider.bodies] == ["embed", MODEL, "embed", MODEL, MODEL]
    assert [each.headers["x-cache"] for each in (miss, hit, kept)] == ["MISS", "SEMANTIC", "BYPASS"]
    assert [each.headers["x-gateway-cost"] for each in (miss, hit, kept)] == ["2.10000000", "0.90000000", "1.20000000"]
    rows = (
        Interaction.objects.filter(api_key=made).order_by("id").values_list("status", "embedding_tokens", "cache_hit")
    )
    assert list(rows.values_list("status", "embedding_tokens", "cache_hit")) == [
        (Status.REFUSED, 0, False),
        (Status.COMPLETED, 9, False),
        (Status.COMPLETED, 9, True),
        (Status.COMPLETED, 0, False),
        (Status.REFUSED, 0, False),
    ]
    meter = KeyMeter.objects.select_related("api_key").get(pk=made.pk)
    assert (meter.reserved, meter.in_flight, meter.api_key.spent) == (0, 0, Decimal("4.2"))


def test_what_was_asked_and_what_was_sent_are_both_recorded():
    """Compressed by a header; personal data replaced for the provider and put back, whole and in a stream."""
    asked = ask(
        "Mail   jane.doe@example.com    and   say   hello   to   everybody   for   me,   please.\n\n\n\n\nThanks"
    )
    _, secret = key(policy={"mask_personal_data": True})
    _, plain = key()

    def echo(body: dict) -> str:
        text = body["messages"][0]["content"]
        return next(word for word in text.split() if "EMAIL" in word)

    with RawProvider(http(500, b"")) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        with pytest.raises(openai.InternalServerError):
            caller.chat.completions.create(**asked)
        placeholder = echo(provider.bodies[0])
        answered = http(200, whole(f"To {placeholder}!", "stop"))
        pieces = [delta(part) for part in ("To ", placeholder[:3], placeholder[3:-1], placeholder[-1], "!")]
        stream = [CHUNKED, *map(event, pieces), event(delta(finish="stop")), event(b"[DONE]"), END]
        provider.answers = [answered, stream, answered]
        answer = caller.chat.completions.create(**asked)
        streamed = list(caller.chat.completions.create(**asked, stream=True))
        client(server, plain).chat.completions.create(**asked, extra_headers={"X-Gateway-Compression": "low"})
        with pytest.raises(openai.BadRequestError):
            client(server, plain).chat.completions.create(**asked, extra_headers={"X-Gateway-Compression": "lots"})

    assert "jane" not in json.dumps(provider.bodies[:3])
    assert answer.choices[0].message.content == "To jane.doe@example.com!"
    assert "".join(each.choices[0].delta.content or "" for each in streamed) == "To jane.doe@example.com!"
    rows = list(Interaction.objects.order_by("id").select_related("payload"))
    assert [row.masked for row in rows] == [True] * 3 + [False] * 2
    assert (rows[3].compression, rows[3].tokens_saved > 0) == ("low", True)
    sent = provider.bodies[3]["messages"][0]["content"]
    assert "say hello to everybody" in sent
    assert "jane.doe@example.com" in sent
    for row, body in zip(rows[1:4:2], provider.bodies[1:4:2], strict=True):
        assert json.loads(decrypt(row.payload.prompt_enc)) == asked
        assert json.loads(decrypt(row.payload.sent_enc)) == body
    assert "jane.doe@example.com" in decrypt(rows[2].payload.response_enc).decode()
    assert InteractionPayload.objects.count() == 5
    assert rows[4].error_code == "invalid_header"
    assert MODEL

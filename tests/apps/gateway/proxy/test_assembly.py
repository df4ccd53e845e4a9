"""A stream is kept whole: in the record, in the cache, for JSON and for streams, and with masks restored."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.gateway.cache.lookup import is_whole
from apps.gateway.crypto import decrypt
from apps.gateway.masking import Restorer, StreamRestorer
from apps.gateway.metering.reported_usage import said_tokens
from apps.gateway.models import Interaction
from apps.gateway.proxy.answer_json import write_json
from apps.gateway.proxy.assembly import as_chunks
from apps.gateway.proxy.sse_parser import read_chunk
from orchestration.providers.openai.chat_assembly import Assembly
from orchestration.providers.streams.event_reader import EventReader, event_data
from tests.apps.gateway.proxy.recorded_streams import DOUBTFUL, RECORDED, Json
from tests.apps.gateway.raw_provider import CHUNKED, END, USAGE, Part, RawProvider, chunked, event
from tests.apps.gateway.serving import ask, gateway, key

MARK = "[EMAIL_1]"
VALUE = "jane@example.com"
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
ENDED = {"index": 0, "delta": {}, "finish_reason": "stop"}
COUNTED = HEAD | {"choices": [], "usage": USAGE}


def chunks(deltas: list[Json]) -> list[Json]:
    pieces = [HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return copy.deepcopy([*pieces, HEAD | {"choices": [ENDED]}, COUNTED])


def assembled(pieces: list[Json]) -> Assembly:
    found = Assembly()
    for piece in pieces:
        found.feed(piece)
    return found


def read(raw: bytes) -> list[Json]:
    reader = EventReader()
    data = [event_data(each) for each in [*reader.feed(raw), *reader.end()]]
    return [read_chunk(each).value for each in data if each and each != b"[DONE]"]


def expected(message: Json) -> Json:
    return {"role": "assistant", "content": None} | message


def as_stored(answer: Json) -> Json:
    """Halves of characters join when they are written."""
    found: Json = json.loads(write_json(answer))
    return found


@pytest.mark.parametrize("name", RECORDED)
def test_deltas_are_folded_into_the_message(name):
    deltas, message = RECORDED[name]
    found = assembled(chunks(deltas))
    answer = as_stored(found.answer())
    assert answer["choices"][0]["message"] == expected(message)
    assert (found.certain, answer["usage"], answer["choices"][0]["finish_reason"]) == (True, USAGE, "stop")
    again = assembled(read(b"".join(as_chunks(answer, with_usage=True))))
    assert (again.answer(), again.certain) == (answer, True)


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_has_no_rule_is_kept_but_doubtful(name):
    deltas, message = DOUBTFUL[name]
    found = assembled(chunks(deltas))
    choice = found.answer()["choices"][0]
    folded = choice["message"]
    assert {field: without_type(folded[field]) for field in message} == {f: without_type(message[f]) for f in message}
    assert not found.certain
    lost = [
        field for field in deltas[-1] if field in message and not isinstance(deltas[-1][field], type(message[field]))
    ]
    assert choice.get("unfolded", []) == [{field: deltas[-1][field]} for field in lost]


def without_type(value: Any) -> Any:
    return [item | {"type": "function"} for item in value] if isinstance(value, list) else value


def test_fields_beside_the_deltas_are_kept():
    """Of the answer and of its choices: the latest, lists that grow, filters, tokens; padding is none of it."""
    sources = {"citations": ["http://a"], "search_results": [{"title": "t"}], "obfuscation": "xyz", "provider": "p"}
    safe = {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    token = {"token": "x", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    said = {"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [token], "refusal": None}, "token_ids": [1]}
    first = HEAD | {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "service_tier": "default"}
    pieces = [first, *[HEAD | sources | {"choices": [said | safe]} for _ in range(2)]]
    pieces.append(HEAD | sources | {"choices": [ENDED | {"stop_reason": None, "native_finish_reason": "STOP"}]})
    found = assembled(copy.deepcopy(pieces))
    answer = found.answer()
    assert found.certain
    assert {name: answer.get(name) for name in sources} == sources | {"obfuscation": None}
    assert (answer["prompt_filter_results"], answer["service_tier"]) == ([{"prompt_index": 0}], "default")
    choice = answer["choices"][0]
    assert choice == safe | {
        "index": 0,
        "message": expected({"content": "xx"}),
        "logprobs": {"content": [token, token], "refusal": None},
        "finish_reason": "stop",
        "token_ids": [1, 1],
        "stop_reason": None,
        "native_finish_reason": "STOP",
    }
    assert assembled(read(b"".join(as_chunks(answer, with_usage=False)))).answer() == answer


ODD: list[Any] = [
    {"choices": None},
    {"choices": [None, 1, {}]},
    {"choices": [{"index": "x", "delta": None, "finish_reason": []}]},
    {"choices": [{"delta": {"tool_calls": "x", "content": 1}}, {"delta": {"content": "x", "tool_calls": [1, None]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": "a"}, {"function": None}, {"function": {"name": 1}}]}}]},
    {"choices": [{"logprobs": {"content": 1}}, {"logprobs": {"content": [1]}}, {"logprobs": []}]},
    {"choices": [{"delta": {"content": "[EM"}}, {"delta": {"content": [{"type": "text", "text": "x"}]}}, ENDED]},
    {"choices": [{"delta": {"plan": orjson.loads("[" * 200 + "]" * 200)}}], "usage": []},
]


@pytest.mark.parametrize("chunk", ODD)
def test_no_chunk_breaks_the_gateway(chunk):
    """Whatever its shape: it is assembled, written, counted and restored."""
    found, restorer = Assembly(), StreamRestorer(Restorer({MARK: VALUE}))
    for _ in range(2):
        found.feed(restorer.feed(copy.deepcopy(chunk)))
    answer = found.answer()
    restorer.rest()
    assert isinstance(is_whole(write_json(answer)), bool)
    assert said_tokens([choice["message"] for choice in answer["choices"]]) >= 0
    assert as_chunks(answer, with_usage=True)[-1] == b"data: [DONE]\n\n"


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_record_and_cache_give_what_the_client_first_got():
    """The record, the hit as JSON and the hit as a stream; what is doubtful is asked for again."""
    cases = {**RECORDED, **DOUBTFUL}
    _, secret = key(policy={"cache": "exact"})
    asked = []
    answers: list[list[Part]] = []
    for deltas, _ in cases.values():
        sent = [chunked(b"data: " + write_json(piece) + b"\n\n") for piece in chunks(deltas)]
        answers += [[CHUNKED, *sent, event(b"[DONE]"), END]] * (3 if deltas in [d for d, _ in DOUBTFUL.values()] else 1)
    with RawProvider(*answers) as provider, gateway(provider.base_url) as server:
        for name, (deltas, _) in cases.items():
            first, again, whole = (post(server.base_url, secret, name, stream) for stream in (True, True, False))
            answer = as_stored(assembled(read(first.content)).answer())
            assert as_stored(assembled(read(again.content)).answer()) == answer
            assert {name: whole.json()[name] for name in ("id", "choices")} == {n: answer[n] for n in ("id", "choices")}
            asked.append((name, again.headers["x-cache"], whole.headers["x-cache"]))
            stored = Interaction.objects.order_by("-id")[2].payload.response_enc
            assert json.loads(decrypt(stored))["choices"] == answer["choices"]
            assert deltas
    assert asked == [(name, *["HIT" if name in RECORDED else "MISS"] * 2) for name in cases]


def post(url: str, secret: str, name: str, stream: bool) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx2.post(f"{url}/chat/completions", json=ask(name, stream=stream), headers=headers, timeout=10)


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
CALLS = st.lists(st.tuples(st.sampled_from(["function", "custom"]), TEXT), max_size=3)


@st.composite
def messages(draw: Any, text: st.SearchStrategy[str] = TEXT) -> Json:
    """A message with any of the fields that come in pieces."""
    fields = dict.fromkeys(("content", "refusal", "reasoning_content", "plan"), text)
    found: Json = {"role": "assistant", "content": None} | draw(st.fixed_dictionaries({}, optional=fields))
    if draw(st.booleans()):
        found["audio"] = {"id": "a", "data": draw(text), "transcript": draw(text), "expires_at": 5}
    if draw(st.booleans()):
        found["function_call"] = {"name": "f", "arguments": draw(text)}
    if draw(st.booleans()):
        kinds = draw(st.lists(st.sampled_from(["reasoning.text", "reasoning.summary"]), min_size=1, max_size=3))
        said = {"reasoning.text": "text", "reasoning.summary": "summary"}
        details = [{"type": kind, said[kind]: draw(text), "index": number} for number, kind in enumerate(kinds)]
        found["reasoning_details"] = details
    kinds = draw(st.lists(st.sampled_from(["function", "custom"]), max_size=3))
    if kinds:
        found["content"] = found["content"] or None
        names = {"function": "arguments", "custom": "input"}
        found["tool_calls"] = [
            {"id": f"call_{number}", "type": kind, kind: {"name": "f", names[kind]: draw(text)}}
            for number, kind in enumerate(kinds)
        ]
    return found


def cut(draw: Any, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def splits(draw: Any, message: Json, indexed: bool) -> list[Json]:
    """The message as deltas: texts in pieces, calls with their indexes or without."""
    deltas: list[Json] = [{"role": "assistant", "content": None}]
    for name, value in message.items():
        if isinstance(value, str) and name != "role":
            deltas += [{name: piece} for piece in cut(draw, value)]
        elif isinstance(value, dict):
            deltas += [{name: {key: each}} for key, each in within(draw, value)]
        elif isinstance(value, list):
            for number, item in enumerate(value):
                place = {"index": number} if indexed or name != "tool_calls" else {}
                names = {key: each for key, each in item.items() if key in {"id", "type"}}
                deltas.append({name: [place | names | first(item)]})
                rest = [(key, each) for key, each in item.items() if key not in {"id", "type", "index"}]
                deltas += [{name: [place | {key: each}]} for key, each in pieces_of(draw, rest)]
    return deltas


def first(item: Json) -> Json:
    """What the first piece of a call has besides its names."""
    return {kind: {"name": item[kind]["name"]} for kind in ("function", "custom") if kind in item}


def within(draw: Any, value: Json) -> list[tuple[str, Any]]:
    return [
        (key, piece)
        for key, each in value.items()
        for piece in (cut(draw, each) if isinstance(each, str) and key not in {"id", "name"} else [each])
    ]


def pieces_of(draw: Any, rest: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, each in rest:
        if isinstance(each, dict):
            found += [(name, {field: piece}) for field, piece in within(draw, each) if field != "name"]
        else:
            found += [(name, piece) for piece in cut(draw, each)]
    return found


@settings(max_examples=100, deadline=None)
@given(data=st.data(), indexed=st.booleans())
def test_any_split_joins_to_the_message(data, indexed):
    message = data.draw(messages())
    deltas = data.draw(splits(message, indexed))
    found = assembled(chunks(deltas))
    answer = found.answer()
    assert answer["choices"][0]["message"] == message
    assert found.certain
    raw = b"".join(b"data: " + write_json(piece) + b"\n\n" for piece in chunks(deltas))
    reader, events = EventReader(), []
    places = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    for start, end in zip([0, *places], [*places, len(raw)], strict=True):
        events += reader.feed(raw[start:end])
    parts = [orjson.loads(event_data(each) or b"") for each in [*events, *reader.end()]]
    assert assembled(parts).answer() == answer
    assert assembled(read(b"".join(as_chunks(answer, with_usage=True)))).answer() == answer


@settings(max_examples=100, deadline=None)
@given(data=st.data(), indexed=st.booleans())
def test_any_split_of_a_placeholder_is_restored(data, indexed):
    """In every field, and nothing of it is shown before it is whole."""
    marked = st.lists(st.sampled_from(["a", "[", "[EMAIL", MARK, " "]), min_size=1, max_size=4).map("".join)
    message = data.draw(messages(marked))
    restorer = StreamRestorer(Restorer({MARK: VALUE}))
    seen = [restorer.feed(piece) for piece in chunks(data.draw(splits(message, indexed)))]
    assert not restorer.rest()
    assert assembled(seen).answer()["choices"][0]["message"] == json.loads(json.dumps(message).replace(MARK, VALUE))

"""Streams as servers of other makes send them: the client's message is the same, and so are record and cost."""

from __future__ import annotations

import json
from typing import Any

import openai
import orjson
import pytest

from apps.gateway.crypto import decrypt
from apps.gateway.models import Interaction
from tests.apps.gateway.raw_provider import CHUNKED, END, USAGE, Part, RawProvider, chunked, delta
from tests.apps.gateway.serving import ask, client, gateway, key

VALUE = "jane@example.com"
CALL = {"function": {"name": "look", "arguments": '{"city": "Oslo"}'}, "id": "", "type": "function", "index": 0}
OTHER = CALL | {"function": {"name": "look", "arguments": '{"city": "Rome"}'}}


def event(value: Any, before: bytes = b"", end: bytes = b"\n\n") -> bytes:
    return before + b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + end


def said(text: str, index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    return delta() | {"choices": [choice | fields]}


LAST = delta() | {"choices": [], "usage": USAGE}
DONE = event(b"[DONE]")
TEXT = "Mail [EMAIL_1] now"
PARTS = ["Mail [EM", "AIL_1] ", "now"]
PLAIN = [event(said(part)) for part in PARTS] + [event(said("", finish="stop")), event(LAST), DONE]
LINES = json.dumps(said(PARTS[1]), indent=1).encode().replace(b"\n", b"\ndata: ")
STREAMS: dict[str, list[bytes]] = {
    "plain": PLAIN,
    "comments": [b": OPENROUTER PROCESSING\n\n", *(b":\n" + each for each in PLAIN), b": bye\n\n"],
    "named, with ids and times to wait": [b"event: message\nid: 7\nretry: 10\n" + each for each in PLAIN],
    "both line ends": [each.replace(b"\n", b"\r\n") for each in PLAIN],
    "no space after the colon": [each.replace(b"data: ", b"data:") for each in PLAIN],
    "several lines of data": [PLAIN[0], b"data: " + LINES + b"\n\n", *PLAIN[2:]],
    "an empty first chunk": [event({"choices": [], "prompt_filter_results": []}), *PLAIN],
    "counts in each chunk": [
        *(event(said(part) | {"usage": USAGE | {"completion_tokens": 1}}) for part in PARTS),
        *PLAIN[3:],
    ],
    "counts with the end": [*PLAIN[:3], event(said("", finish="stop") | {"usage": USAGE}), DONE],
    "no end": PLAIN[:-1],
    "nothing at the end of the last event": [*PLAIN[:-2], event(LAST, end=b"")],
    "all in one piece": [b"".join(PLAIN)],
    "a byte at a time": [bytes([sign]) for sign in b"".join(PLAIN)],
}


def answers(streams: list[list[bytes]]) -> list[list[Part]]:
    return [[CHUNKED, *map(chunked, stream), END] for stream in streams]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
def test_events_in_any_dress_are_the_same_message(masked):
    _, secret = key(policy={"mask_personal_data": masked})
    with RawProvider(*answers(list(STREAMS.values()))) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        told = {}
        for name in STREAMS:
            asked = ask(f"I am {VALUE}", stream_options={"include_usage": True})
            with caller.chat.completions.stream(**asked) as stream:
                found = stream.get_final_completion()
            told[name] = (found.choices[0].message.content, found.usage and found.usage.total_tokens)
    wanted = TEXT.replace("[EMAIL_1]", VALUE) if masked else TEXT
    assert told == dict.fromkeys(STREAMS, (wanted, 12))
    rows = Interaction.objects.order_by("id").select_related("payload")
    for name, row in zip(STREAMS, rows, strict=True):
        kept = json.loads(decrypt(row.payload.response_enc))
        assert (name, kept["choices"][0]["message"]["content"]) == (name, wanted)
        assert (name, row.prompt_tokens, row.response_tokens, row.estimated) == (name, 7, 5, "")
        assert (name, row.status) == (name, "completed")


@pytest.mark.django_db(transaction=True)
def test_choices_that_come_mixed_are_kept_apart():
    _, secret = key(policy={"mask_personal_data": True})
    mixed = [
        event({"choices": [said("Mail [EM", 2)["choices"][0], said("", 0)["choices"][0]]}),
        *(event(said(part, index)) for part in ("A [EMAIL", "_1]") for index in (1, 0)),
        event(said("AIL_1] now", 2, "stop")),
        *(event(said("", index, "stop")) for index in (0, 1)),
        event(LAST),
        DONE,
    ]
    with RawProvider(*answers([mixed])) as provider, gateway(provider.base_url) as server:
        texts = ["", "", ""]
        for chunk in client(server, secret).chat.completions.create(**ask(VALUE), n=3, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    assert texts == [f"A {VALUE}", f"A {VALUE}", f"Mail {VALUE} now"]
    kept = json.loads(decrypt(Interaction.objects.get().payload.response_enc))
    assert [choice["message"]["content"] for choice in kept["choices"]] == texts


@pytest.mark.django_db(transaction=True)
def test_calls_that_share_a_number_are_two_in_the_record():
    """As one large provider numbers them: passed on as they came, recorded as two calls, and not cached."""
    _, secret = key(policy={"cache": "exact"})
    stream = [event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}) for call in (CALL, OTHER)]
    stream += [event(said("", finish="tool_calls")), event(LAST), DONE]
    with RawProvider(*answers([stream])) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        pieces = [list(caller.chat.completions.create(**ask(), stream=True)) for _ in range(2)]
    assert len(provider.bodies) == 2
    assert [len(each) for each in pieces] == [3, 3]
    for row in Interaction.objects.all():
        calls = json.loads(decrypt(row.payload.response_enc))["choices"][0]["message"]["tool_calls"]
        assert [call["function"] for call in calls] == [CALL["function"], OTHER["function"]]


@pytest.mark.django_db(transaction=True)
def test_an_error_event_within_a_stream_keeps_its_code():
    _, secret = key()
    failed = [*PLAIN[:2], event({"object": "error", "message": "no", "code": 429}, b"event: error\n"), DONE]
    with RawProvider(*answers([failed])) as provider, gateway(provider.base_url) as server:
        with pytest.raises(openai.APIError):
            list(client(server, secret).chat.completions.create(**ask(), stream=True))
    row = Interaction.objects.get()
    assert (row.status, row.error_code) == ("failed", "rate_limited")

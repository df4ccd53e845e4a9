"""Streams of Anthropic's messages: what they amount to, and what of them is restored."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.gateway.masking import Restorer
from apps.gateway.proxy.messages import MessageRestorer
from orchestration.providers.anthropic.message_assembly import MessageAssembly
from orchestration.providers.anthropic.message_events import message_events

Json = dict[str, Any]
USAGE = {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5}
CITED = {"type": "char_location", "cited_text": "wet", "document_index": 0, "start_char_index": 1, "end_char_index": 4}
BLOCKS: dict[str, Json] = {
    "text": {"type": "text", "text": "Hello there"},
    "cited text": {"type": "text", "text": "It is wet.", "citations": [CITED, CITED | {"cited_text": "It"}]},
    "thinking": {"type": "thinking", "thinking": "hm, well", "signature": "c2lnbmVk"},
    "hidden thinking": {"type": "redacted_thinking", "data": "b3BhcXVl"},
    "tool": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Oslo", "days": [1, 2.5]}},
    "tool without input": {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    "search": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}},
    "found": {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "title": "Wet", "url": "https://a.example", "page_age": None}],
    },
    "unknown": {"type": "hologram", "shape": {"sides": 4}, "text": "as it is"},
}


def message(*blocks: Json, **fields: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return {**head, "content": list(blocks), **ended, "usage": USAGE, **fields}


def assembled(events: list[Json]) -> MessageAssembly:
    assembly = MessageAssembly()
    for event in copy.deepcopy(events):
        assembly.feed(event)
    return assembly


def letters(text: str) -> list[str]:
    return [text[place : place + 3] for place in range(0, len(text), 3)]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stream_amounts_to_its_message(name: str) -> None:
    whole = message(BLOCKS["text"], BLOCKS[name], stop_reason="tool_use", container={"id": "c_1"})
    for split in (letters, lambda text: [text]):
        found = assembled(list(message_events(whole, split)))
        assert found.answer() == whole
        assert found.finished
        assert found.certain


def events(*more: Json, block: Json | None = None) -> list[Json]:
    begun = message(stop_reason=None, usage={"input_tokens": 7, "output_tokens": 1})
    start = {"type": "content_block_start", "index": 0, "content_block": block or {"type": "text", "text": ""}}
    return [{"type": "message_start", "message": begun}, {"type": "ping"}, start, *more]


def piece(kind: str, index: int = 0, **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def test_a_stream_that_was_cut_says_no_count_of_its_answer() -> None:
    found = assembled(events(piece("text_delta", text="Hel"), piece("text_delta", text="lo")))
    assert (found.begun, found.finished, found.usage) == (True, False, {"input_tokens": 7})
    assert found.answer()["content"] == [{"type": "text", "text": "Hello"}]
    assert not assembled(events()[:2]).begun


def test_the_input_of_a_tool_that_was_cut_is_kept_but_doubtful() -> None:
    tool = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    found = assembled(events(piece("input_json_delta", partial_json='{"city": "Os'), block=tool))
    assert found.answer()["content"][0]["input"] == '{"city": "Os'
    assert not found.certain


def test_what_belongs_to_no_block_is_kept_but_doubtful() -> None:
    stray = piece("text_delta", index=4, text="stray")
    found = assembled(events(stray))
    assert found.answer()["unfolded"] == [stray]
    assert not found.certain
    odd = assembled(events(piece("dance_delta", steps=["left"]), piece("dance_delta", steps=3)))
    assert "left" in str(odd.answer())
    assert not odd.certain


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_split_of_a_placeholder_is_restored(data: st.DataObject) -> None:
    masked = "Mail [EMAIL_1] or [EMAIL_1"
    written = '{"to": "[EMAIL_1]", "card": "[CARD_1]"}'
    tool = {"type": "tool_use", "id": "t", "name": "send", "input": {}}
    pieces = [piece("text_delta", text=part) for part in split(data, masked)]
    stop = {"type": "content_block_stop", "index": 0}
    start = {"type": "content_block_start", "index": 1, "content_block": tool}
    inputs = [piece("input_json_delta", index=1, partial_json=part) for part in split(data, written)]
    restorer = MessageRestorer(
        Restorer({"[EMAIL_1]": 'a"@b.example', "[CARD_1]": "4111111111111111"}, numbers={"[CARD_1]"})
    )
    shown = [
        each
        for event in [*events(*pieces), stop, start, *inputs, {"type": "message_delta", "delta": {}}]
        for each in restorer.feed(event)
    ]
    content = assembled(shown).answer()["content"]
    assert content[0]["text"] == 'Mail a"@b.example or [EMAIL_1'
    assert content[1]["input"] == {"to": 'a"@b.example', "card": 4111111111111111}
    assert restorer.rest() == []
    assert shown.index(stop) > max(
        place for place, each in enumerate(shown) if each.get("index") == 0 and "delta" in each
    )


def split(data: st.DataObject, text: str) -> list[str]:
    places = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=6)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def test_numbers_within_an_input_are_numbers_again() -> None:
    restorer = Restorer({"[CARD_1]": "4111111111111111"}, numbers={"[CARD_1]"})
    block = {"type": "tool_use", "input": {"card": "[CARD_1]", "all": ["[CARD_1]"], "note": "no [CARD_1]"}}
    value = restorer.value({"content": [block, {"type": "text", "text": "[CARD_1]"}]})
    card = 4111111111111111
    assert value["content"][0]["input"] == {"card": card, "all": [card], "note": f"no {card}"}
    assert value["content"][1]["text"] == str(card)

"""Turns of a conversation with tools in each wire format: what a provider gets back of its own, and of another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.anthropic.wire import MESSAGES
from orchestration.providers.gemini.wire import GENERATE_CONTENT
from orchestration.providers.openai.wire import CHAT, RESPONSES
from orchestration.providers.registry import open_provider
from orchestration.providers.turns import asking_turn, identified, result_turn
from orchestration.providers.wire import Wire
from orchestration.types import Message
from tests.orchestration.providers.asking import question

CALL = {"id": "call_1", "name": "look_up", "arguments": '{"id": 7}'}
BLOCKS = [{"type": "thinking", "thinking": "…", "signature": "s"}, {"type": "tool_use", "id": "call_1"}]
CONTENT = {"role": "model", "parts": [{"functionCall": {"name": "look_up"}, "thoughtSignature": "s"}]}
REASONING = {"type": "reasoning", "encrypted_content": "s"}
OWN: dict[str, tuple[Wire, dict[str, Any], Any]] = {
    "messages": (MESSAGES, {"content": BLOCKS}, {"role": "assistant", "content": BLOCKS}),
    "generateContent": (GENERATE_CONTENT, {"candidates": [{"content": CONTENT}]}, CONTENT),
    "responses": (RESPONSES, {"output": [REASONING, {"type": "function_call", "call_id": "call_1"}]}, REASONING),
}
"""By surface: the wire format, an answer in it, and the first of what goes back of that."""
FIELD = {"messages": "messages", "generateContent": "contents", "responses": "input", "chat": "messages"}


def sent(wire: Wire, *messages: Message) -> list[Any]:
    body = wire.to_request(question(messages=[{"role": "user", "content": "Where is 7?"}, *messages]))
    found: list[Any] = body[FIELD[wire.name]]
    return found[1:]


@pytest.mark.parametrize("surface", OWN)
def test_a_provider_gets_its_own_answer_back(surface: str) -> None:
    """What it thought is signed or encrypted, and it refuses to continue without it."""
    wire, raw, expected = OWN[surface]
    assert sent(wire, asking_turn("", [CALL], surface=surface, raw=raw))[0] == expected


@pytest.mark.parametrize("surface", OWN)
@pytest.mark.parametrize("raw", [None, {}, {"content": [], "candidates": [], "output": []}, {"$body": "x"}])
def test_what_another_provider_answered_is_said_in_its_words(surface: str, raw: Any) -> None:
    wire = OWN[surface][0]
    for turn in (
        asking_turn("Hm.", [CALL], surface="chat", raw=OWN[surface][1]),
        asking_turn("Hm.", [CALL], surface=surface, raw=raw),
    ):
        assert (
            sent(wire, turn)
            == {
                "messages": [
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "text", "text": "Hm."},
                            {"type": "tool_use", "id": "call_1", "name": "look_up", "input": {"id": 7}},
                        ],
                    }
                ],
                "generateContent": [
                    {
                        "role": "model",
                        "parts": [
                            {"text": "Hm."},
                            {"functionCall": {"name": "look_up", "args": {"id": 7}, "id": "call_1"}},
                        ],
                    }
                ],
                "responses": [
                    {"role": "assistant", "content": "Hm."},
                    {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": '{"id": 7}'},
                ],
            }[surface]
        )


def test_chat_has_calls_and_results_as_messages() -> None:
    assert sent(CHAT, asking_turn("", [CALL]), result_turn(CALL, "On the shelf.")) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "On the shelf."},
    ]


def test_results_of_one_turn_are_one_message() -> None:
    """Where the API wants roles to alternate; a result that failed says so."""
    other = {**CALL, "id": "call_2"}
    results = [result_turn(CALL, "On the shelf."), result_turn(other, "Lost.", is_error=True)]
    assert sent(MESSAGES, asking_turn("", [CALL, other]), *results)[1] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "On the shelf."},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "Lost.", "is_error": True},
        ],
    }
    parts = sent(GENERATE_CONTENT, asking_turn("", [CALL, other]), *results)[1]["parts"]
    assert [part["functionResponse"]["response"] for part in parts] == [{"output": "On the shelf."}, {"error": "Lost."}]


def test_calls_without_an_id_get_one_that_gemini_does_not_see() -> None:
    nameless, twice = {**CALL, "id": ""}, {**CALL, "id": "x"}
    first, second, third = identified([nameless, twice, twice], 3)
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert identified([CALL], 3) == [CALL]
    asked, answered = sent(GENERATE_CONTENT, asking_turn("", [first]), result_turn(first, "Lost."))
    assert "id" not in asked["parts"][0]["functionCall"]
    assert "id" not in answered["parts"][0]["functionResponse"]
    assert sent(CHAT, asking_turn("", [first]))[0]["tool_calls"][0]["id"] == first["id"]


@pytest.mark.parametrize("arguments", ["", "no JSON", "[1]"])
def test_arguments_that_are_no_object_are_none_elsewhere(arguments: str) -> None:
    turn = asking_turn("", [{**CALL, "arguments": arguments}])
    assert sent(MESSAGES, turn)[0]["content"][0]["input"] == {}
    assert sent(CHAT, turn)[0]["tool_calls"][0]["function"]["arguments"] == arguments


def test_parameters_that_a_provider_cannot_express_are_refused(settings: Any, monkeypatch: Any) -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}, "required": ["next"]}
    parameters = {"type": "object", "properties": {"tree": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": tree}}
    tool = {"type": "function", "name": "plant", "parameters": parameters, "strict": True}
    client = {"provider": "anthropic", "model": "m", "api_key_envvar": "KEY", "base_url": "http://127.0.0.1:9/v1"}
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": client}
    monkeypatch.setenv("KEY", "sk-1")

    async def ask() -> None:
        provider = open_provider("default")
        try:
            await provider.send(question(tools=[tool], schema=None))
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError, match=r"tool plant: \$defs.Tree.next: a recursive reference") as caught:
        asyncio.run(ask())
    assert caught.value.code == "schema_not_supported"

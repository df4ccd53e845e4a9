"""The question of a chat request, in the form that the cache compares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from apps.gateway.cache.semantic_guard import meaning_of
from apps.gateway.cache.wording import is_code, words_of
from apps.gateway.conf import gateway_settings
from apps.gateway.metering.token_estimate import is_run_by_client
from apps.gateway.models import Endpoint
from orchestration.values.json_bodies import write_json

UNASKED = frozenset({"messages", "stream", "stream_options", "user", "metadata", "store", "safety_identifier"})
"""Fields that do not change the answer; unknown fields count as changing it."""
DELIVERY = frozenset({"stream", "stream_options", "user", "safety_identifier"})
"""The same, of the other endpoints: a response tells its metadata and whether it is kept."""
KEPT_ELSEWHERE = ("previous_response_id", "conversation", "container", "mcp_servers")
"""Fields that stand for what the provider keeps, or looks up elsewhere."""
LONGEST_TEXT = 20_000
"""Characters of a last message whose wording is compared; longer ones are only compared exactly."""
WORDING_DIGITS = 33


@dataclass(frozen=True)
class Question:
    """`key` identifies the question exactly, `wording` by the same words, `scope` by the same meaning."""

    owner: str
    model: str
    key: str
    text: str
    """The last user message; empty when it is not plain text, and then no other wording matches."""
    rest: Any = field(repr=False)
    """All but that text."""

    @cached_property
    def wording(self) -> str:
        """A digest of its words and all that is around them; empty when it is only compared exactly."""
        if not self.text or is_code(self.text):
            return ""
        return _digest(["wording", self.rest, words_of(self.text)])[:WORDING_DIGITS]

    @cached_property
    def scope(self) -> str:
        """A digest of what questions of the same meaning have in common; empty when it is too long for that."""
        is_short = 0 < len(self.text) <= gateway_settings().SEMANTIC_MAX_CHARACTERS
        meaning = meaning_of(self.text) if is_short else ""
        return _digest(["meaning", self.rest, meaning]) if meaning else ""


def is_comparable(body: dict[str, Any], endpoint: str) -> bool:
    """Whether equal bodies are equal questions: not when the provider adds what it keeps, or what its tools find."""
    if endpoint == Endpoint.EMBEDDINGS or any(body.get(field) is not None for field in KEPT_ELSEWHERE):
        return False
    tools = body.get("tools") if endpoint in {Endpoint.RESPONSES, Endpoint.MESSAGES} else None
    return not isinstance(tools, list) or all(map(is_run_by_client, tools))


def question_of(owner: str, body: dict[str, Any], endpoint: str = Endpoint.CHAT, is_compared: bool = False) -> Question:
    """The question in a request's body, as its client sent it; only that of a chat is found in other words.
    `is_compared`: its wording and its scope are needed, which takes as long as the text is."""
    question = _question_of(owner, body, endpoint)
    if is_compared:
        _ = question.wording, question.scope
    return question


def _question_of(owner: str, body: dict[str, Any], endpoint: str) -> Question:
    if endpoint != Endpoint.CHAT:
        delivery = DELIVERY | ({"metadata"} if endpoint == Endpoint.MESSAGES else set())
        asked = {name: value for name, value in body.items() if name not in delivery and value is not None}
        return Question(owner, _model_of(body), _digest([owner, endpoint, asked]), "", [])
    messages = [_plain(message) for message in body["messages"]]
    parameters = {name: value for name, value in body.items() if name not in UNASKED and value is not None}
    last = messages[-1]
    text = last.get("content") if isinstance(last, dict) and last.get("role") == "user" else None
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
        text, rest = "", []
    else:
        rest = [owner, parameters, messages[:-1], last | {"content": ""}]
    return Question(owner, _model_of(body), _digest([owner, parameters, messages]), text, rest)


def _model_of(body: dict[str, Any]) -> str:
    """Of a route that is not the usual one the body has client and model."""
    return str(body["model"] if isinstance(body["model"], str) else body["model"][-1])


def _plain(message: Any) -> Any:
    """A message whose content is one text part, as if it were that text; without what is null."""
    if not isinstance(message, dict):
        return message
    given = {name: value for name, value in message.items() if value is not None}
    content = given.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        if part.keys() == {"type", "text"} and part["type"] == "text":
            given["content"] = part["text"]
    return given


def _digest(value: Any) -> str:
    """SHA-256 of the value's JSON with sorted keys, 1.0 as 1."""
    return hashlib.sha256(write_json(_canonical(value), sort_keys=True)).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    return value

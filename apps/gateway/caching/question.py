"""What a chat request asks, as the cache compares it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from apps.gateway.caching.sameness import Wording, guarded_by, wording_of

UNASKED = frozenset({"messages", "stream", "stream_options", "user", "metadata", "store", "safety_identifier"})
"""Fields that do not change the answer; a field that nobody knows yet does."""
LONGEST_TEXT = 20_000
"""Characters of a last message that is compared by meaning; in longer ones a changed word is lost."""


@dataclass(frozen=True)
class Question:
    """`key` for the very same question; `scope` and `wording`, made when they are asked for, for other wordings."""

    owner: str
    model: str
    key: str
    text: str
    """The last user message; empty when it is no plain text, and then no other question is the same."""
    rest: Any = field(repr=False)
    """All but that text."""

    @cached_property
    def scope(self) -> str:
        """What other wordings must have in common, as a digest; empty when there are none."""
        return _digest([self.rest, guarded_by(self.text)]) if self.text else ""

    @cached_property
    def wording(self) -> Wording:
        return wording_of(self.text) if self.text else Wording()


def question_of(owner: str, body: dict[str, Any]) -> Question:
    """The question in a chat request's body, as its client sent it."""
    messages = [_plain(message) for message in body["messages"]]
    parameters = {name: value for name, value in body.items() if name not in UNASKED and value is not None}
    last = messages[-1]
    text = last.get("content") if isinstance(last, dict) and last.get("role") == "user" else None
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
        text, rest = "", []
    else:
        rest = [owner, parameters, messages[:-1], last | {"content": ""}]
    return Question(owner, str(body["model"]), _digest([owner, parameters, messages]), text, rest)


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
    return hashlib.sha256(orjson.dumps(_canonical(value), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    return value

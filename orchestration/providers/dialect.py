"""Dialects of the simulated model: how it reads a request, and writes an answer, in one wire format.

A provider's package has one beside its wire format, so that the simulator can stand in for its server: in process, over
HTTP, and under the conformance tests.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from orchestration.errors import InvalidCall
from orchestration.types import JsonObject

CHARACTERS_PER_TOKEN = 4
"""A common rule of thumb; close enough for counts that cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the simulated model answers, before it becomes JSON of a wire format."""

    id: str
    model: str
    prompt_characters: int
    text: str = ""
    refusal: str = ""
    cut_by: str = ""
    """`length` or `content_filter` when the text was cut off."""
    tool_calls: list[JsonObject] = field(default_factory=list)
    """`{"name", "arguments"}`, the arguments as JSON text."""
    cached_tokens: int = 0
    """Of the prompt."""
    reasoning_tokens: int = 0
    """Part of the output."""

    @property
    def input_tokens(self) -> int:
        return max(-(-self.prompt_characters // CHARACTERS_PER_TOKEN), self.cached_tokens)

    @property
    def output_tokens(self) -> int:
        written = len(self.text) + len(self.refusal) + sum(len(call["arguments"]) for call in self.tool_calls)
        return -(-written // CHARACTERS_PER_TOKEN) + self.reasoning_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedContent:
    """An image, audio or file as it came."""

    kind: str
    media_type: str = ""
    size: int = 0
    """In bytes."""
    sha256: str = ""
    name: str = ""
    url: str = ""
    """What it was to fetch; then there are no bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """The body of a request, read."""

    model: str
    texts: tuple[str, ...]
    """The text of each message, instructions included, in order."""
    last_user_message: str
    schema: JsonObject | None = None
    tool_results: tuple[str, ...] = ()
    """What came of the tools that it asked for, in order."""
    content: tuple[ReceivedContent, ...] = ()
    """Its images, audio and files, in order."""
    stream: bool = False
    stream_usage: bool = False

    @property
    def digest(self) -> str:
        """16 hex digits of the messages."""
        said = self.texts if not self.content else (self.texts, self.content)
        return hashlib.blake2b(orjson.dumps(said), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An answer that is an error."""

    status: int
    body: JsonObject
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How the simulated model speaks one wire format."""

    path: re.Pattern[str]
    """Which requests it answers: the path below the version, in full. A group `model` names the model."""
    read: Callable[[JsonObject, str], SimulatedRequest]
    """A request's body, and the model of its path (empty without one). InvalidCall where the real server would answer
    400."""
    payload: Callable[[Reply], JsonObject]
    """The body of a good answer, with `"simulated": true` in it."""
    failure: Callable[[str, str, float | None], Failure]
    """What an error looks like: by the kind of a fault (`orchestration/providers/simulator/faults.py`), with a message
    and with the seconds that it asks to wait."""
    failed: Callable[[str, str], JsonObject]
    """An answer of status 200, by id and model, that is an error."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Rate-limit headers of a good answer."""
    events: Callable[[SimulatedRequest, Reply], Iterator[bytes]] | None = None
    """The same answer as a stream; None: it has no streams."""
    failed_events: Callable[[JsonObject], Iterator[bytes]] | None = None
    """`failed` as a stream."""
    needs_headers: tuple[str, ...] = ()
    """In lower case: without one of these the real server would answer 400."""


def text_of(content: Any) -> str:
    """The text of a message's content, which is a text or a list of parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def received(kind: str, data: Any, *, media_type: Any = "", name: Any = "", url: Any = "") -> ReceivedContent:
    """Content from the base64 in a request, or from a URL, which may be a `data:` one; InvalidCall as real servers say
    it of what is not valid."""
    if isinstance(data, str) and data.startswith("data:"):
        head, _, data = data.removeprefix("data:").partition(",")
        media_type, _, encoding = head.partition(";")
        if encoding != "base64":
            raise InvalidCall(f"Invalid {kind}: a data URL must hold base64.")
    elif isinstance(data, str) and "://" in data[:16]:
        data, url = None, data
    told = ReceivedContent(kind=kind, media_type=str(media_type or ""), name=str(name or ""), url=str(url or ""))
    if url or data is None:  # the latter: what was uploaded before
        return told
    try:
        content = b64decode(data, validate=True)
    except (TypeError, ValueError):
        raise InvalidCall(f"Invalid {kind}: its data is not valid base64.") from None
    if not content:
        raise InvalidCall(f"Invalid {kind}: it is empty.")
    return replace(told, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def refuse_unanswered(asked: Iterable[str], answered: Iterable[str]) -> None:
    """InvalidCall when a conversation has a result for no call of a tool, or none for a call, as real servers say."""
    calls, results = list(asked), list(answered)
    if sorted(calls) != sorted(results):
        raise InvalidCall(f"Each call of a tool needs one result: there are calls {calls}, and results for {results}.")


def refuse_unsupported(schema: Any, keywords: frozenset[str], path: str = "$") -> None:
    """InvalidCall for the first keyword of a schema that the real server would not take."""
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key not in keywords:
            raise InvalidCall(f"{path}: the keyword {key} is not supported.")
        if key in {"properties", "$defs"}:
            for name, each in value.items():
                refuse_unsupported(each, keywords, f"{path}.{name}")
        for each in value if key == "anyOf" else [value] if key == "items" else []:
            refuse_unsupported(each, keywords, f"{path}.{key}")

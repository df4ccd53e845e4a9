"""How many tokens a request may need, estimated from its body before it is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.gateway.models import Endpoint
from orchestration.values.json_bodies import write_json

CHARACTERS_PER_TOKEN = 4
MEDIA_TOKENS = 50_000
"""The worst case of an image or audio part: eight tiles of gpt-4o-mini, the most expensive case, are 48,169."""
MEDIA = ("image_url", "input_audio", "input_image", "image")
TEXTS = (None, "text", "input_text", "output_text")
"""Types of parts that are as long as their text."""
WRITTEN = ("tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "search_result")
"""Types of parts of Anthropic's messages that are as long as their JSON, with the parts in them."""
MESSAGE_TOKENS = 8
"""Tokens of a message besides its text."""
LARGEST = 2**31 - 1
DEEPEST = 5
"""Parts within parts."""
PLAIN_TOOLS = (None, "function", "custom")
RUN_BY_CLIENT = re.compile(r"(?:bash|computer|memory|text_editor)_\d{8}", re.ASCII)
"""Types of tools that the client runs; the provider's own cost extra. The second are Anthropic's."""
TOOLS_TOKENS = 2_000
"""The most that Anthropic's API adds to a prompt with tools, to describe how they are used."""
NOT_PROMPT = frozenset(
    ("messages", "input", "model", "user", "metadata", "stream_options", "logit_bias", "safety_identifier")
)
"""Fields that no model reads, and those whose parts are counted one by one."""
MOST_OUTPUT = {
    Endpoint.CHAT: ("max_completion_tokens", "max_tokens"),
    Endpoint.COMPLETIONS: ("max_tokens",),
    Endpoint.RESPONSES: ("max_output_tokens",),
    Endpoint.MESSAGES: ("max_tokens",),
}
"""The fields that bound an answer, by endpoint: no provider looks at the others."""
COUNT = re.compile(r"\d{1,12}(?:\.0*)?", re.ASCII)
PRICED_APART = ("prediction", "models", "fallbacks", "plugins", "mcp_servers", "container", "inference_geo")
"""Text that is paid for although it is not said, other models, and services and places of the provider."""
PLAIN_TIERS = (None, "", "auto", "default", "standard", "standard_only", "on_demand")
"""Service tiers at the price of the model, as providers call them."""
CHEAPER_TIERS = ("flex", "batch")


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of a request."""

    likely_prompt: int
    """By the rule of thumb; reserved from the token limit."""
    worst_prompt: int
    """Every byte a token, which no tokenizer exceeds; reserved from the budget."""
    output: int
    """The most that the answer may have, over all choices."""


def size_of(body: dict[str, Any], endpoint: str = Endpoint.CHAT, *, default_output: int) -> Size:
    """The size of a request to this endpoint."""
    if endpoint == Endpoint.EMBEDDINGS:
        given = body["input"]
        length = len(given.encode(errors="replace")) if isinstance(given, str) else len(write_json(given))
        return Size(likely_tokens(length), length, 0)
    worst = sum(map(_message_bytes, _messages(body)))
    for name, value in body.items():
        if name not in NOT_PROMPT and isinstance(value, str | list | dict):
            worst += len(write_json(value))
    if endpoint == Endpoint.MESSAGES and body.get("tools"):
        worst += TOOLS_TOKENS
    asked = (_count(body.get(name)) for name in MOST_OUTPUT[Endpoint(endpoint)])
    output = max((count for count in asked if count is not None), default=default_output)
    choices = max(_count(body.get(name)) or 1 for name in ("n", "best_of"))
    prompts = body.get("prompt")
    if isinstance(prompts, list) and not all(isinstance(each, int) for each in prompts):
        choices *= max(1, len(prompts))
    return Size(likely_tokens(worst), worst, min(output * choices, LARGEST))


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a chat, or the items of a response's input."""
    given = body.get("messages", body.get("input"))
    if isinstance(given, str):
        return [{"content": given}]
    return [each for each in _parts(given) if isinstance(each, dict)]


def priced_apart(body: dict[str, Any]) -> str:
    """The first field of a request that makes tokens cost something else than the model's price says, or costs extra;
    empty when there is none. Images in a prompt are part of its tokens, at their price."""
    modalities = body.get("modalities")
    messages = _messages(body)
    parts = [part for message in messages for part in _inner_parts(message)]
    tools = [tool for tool in _parts(body.get("tools")) if isinstance(tool, dict)]
    system = [part for part in _parts(body.get("system")) if isinstance(part, dict)]
    found = {
        "service_tier": body.get("service_tier") not in PLAIN_TIERS,
        "speed": body.get("speed") not in PLAIN_TIERS,
        # What is written to the provider's cache costs more than other input.
        "cache_control": any(each.get("cache_control") for each in (body, *messages, *parts, *tools, *system)),
        "modalities": isinstance(modalities, list) and modalities != ["text"] and bool(modalities),
        "audio": bool(body.get("audio")),
        "web_search_options": body.get("web_search_options") is not None,
        "tools": not all(map(is_run_by_client, tools)),
        "messages" if "messages" in body else "input": any(map(_is_beyond_text, (*messages, *parts))),
        "previous_response_id": body.get("previous_response_id") is not None,
        "conversation": body.get("conversation") is not None,
        "prompt": isinstance(body.get("prompt"), dict),
    } | {name: bool(body.get(name)) for name in PRICED_APART}
    return next((name for name, is_there in found.items() if is_there), "")


def is_run_by_client(tool: Any) -> bool:
    """Whether a tool is the client's own, so that calling it costs no more than its text."""
    kind = tool.get("type") if isinstance(tool, dict) else ""
    return kind in PLAIN_TOOLS or (isinstance(kind, str) and RUN_BY_CLIENT.fullmatch(kind) is not None)


def _inner_parts(item: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """The parts of a message or an item, with those of the results of tools."""
    for name in ("content", "output") if depth < DEEPEST else ():
        for part in _parts(item.get(name)):
            if isinstance(part, dict):
                yield part
                yield from _inner_parts(part, depth + 1)


def _is_beyond_text(item: dict[str, Any]) -> bool:
    """Whether a message, an item or a part is sound, or stands for something at the provider that is of any size."""
    source = item.get("source") if item.get("type") == "document" else None
    places = [place for place in (item, item.get("file"), source) if isinstance(place, dict)]
    names = ("file_id", "file_url", *(["url"] if isinstance(source, dict) else []))
    is_elsewhere = any(place.get(name) for place in places for name in names) or is_reference(item)
    return is_elsewhere or item.get("type") == "input_audio" or bool(item.get("audio"))


def is_reference(item: dict[str, Any]) -> bool:
    """Whether an item of a response's input is one that the provider kept."""
    return item.get("type") == "item_reference" or (item.get("id") is not None and item.keys() <= {"id", "type"})


def likely_tokens(length: int) -> int:
    """Of a text of that many bytes, by the rule of thumb."""
    return -(-length // CHARACTERS_PER_TOKEN)


def _count(value: Any) -> int | None:
    """A number as servers read it, some of them from a text or a float, too; None where it is none, or not positive."""
    if isinstance(value, str) and COUNT.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:  # NaN, too
        return None
    return math.ceil(min(value, LARGEST))


def _message_bytes(message: dict[str, Any]) -> int:
    beside = {name: value for name, value in message.items() if name not in {"role", "content"} and value}
    total = MESSAGE_TOKENS + (len(write_json(beside)) if beside else 0)
    content = message.get("content")
    if isinstance(content, str):
        return total + len(content.encode())
    if isinstance(content, dict):
        return total + _part_bytes(content)
    return total + sum(map(_part_bytes, _parts(content)))


def _is_text_document(part: Any) -> bool:
    source = part.get("source") if isinstance(part, dict) and part.get("type") == "document" else None
    return isinstance(source, dict) and source.get("type") == "text"


def _parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _part_bytes(part: Any) -> int:
    kind, text = (part.get("type"), part.get("text")) if isinstance(part, dict) else (None, None)
    length = len(text.encode()) if isinstance(text, str) else 0
    if kind in MEDIA:
        return MEDIA_TOKENS + length
    if kind in TEXTS and isinstance(text, str):
        return length
    if kind in WRITTEN or _is_text_document(part):
        inside = _parts(part.get("content"))
        written = {**part, "content": []} if inside else part
        return len(write_json(written)) + sum(map(_part_bytes, inside))
    return max(MEDIA_TOKENS, len(write_json(part)))  # a file's text is at most as long as the file

"""What an answer used: as its provider reports it, and estimated for the part that it does not report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from apps.gateway.metering.token_count import estimate
from apps.gateway.metering.token_estimate import LARGEST
from orchestration.values.sanitize import MAX_DEPTH

NUMBER = re.compile(r"\d{1,12}(\.\d{1,12})?")
PROMPT = ("prompt_tokens", "input_tokens")
RESPONSE = ("completion_tokens", "output_tokens")
CACHED = ("cached_tokens", "prompt_cache_hit_tokens")
"""Names in use by OpenAI and by servers that are compatible with it."""
CACHED_APART = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's; its `input_tokens` do not contain them."""
SERVICES = ("server_tool_use", "cache_creation_input_tokens")
"""What is counted in a usage and costs more than the model's tokens: Anthropic's tools, and what it writes to its
cache."""
NOT_SAID = frozenset({"id", "type", "role", "format", "signature", "index"})
"""Fields of a message that hold names, not text of the model."""
AUDIO_BYTES_PER_TOKEN = 200
"""Of the most compressed format: a token is a twentieth of a second."""
IMAGE_TOKENS = 6_240
"""The largest image of the most expensive quality."""


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """Token counts as the provider gave them; None where it gave none."""

    prompt: int | None = None
    response: int | None = None
    cached: int = 0
    total: int | None = None


def read_usage(usage: Any) -> ReportedUsage:
    """The counts of a `usage`. A side that is missing is the difference of the total and the other one; tokens that
    only the total has are of the response: some servers leave out what was thought, and bill it."""
    if not isinstance(usage, dict):
        return ReportedUsage()
    prompt, response, total = _first(usage, PROMPT), _first(usage, RESPONSE), count_of(usage.get("total_tokens"))
    apart = 0
    if prompt is not None and count_of(usage.get(PROMPT[0])) is None:
        apart = sum(count_of(usage.get(name)) or 0 for name in CACHED_APART)
        prompt += apart
    if total is not None:
        if prompt is None and response is not None and total > response:
            prompt = total - response
        elif prompt is not None and total > prompt + (response or 0):
            response = total - prompt
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = _first(details, CACHED) if isinstance(details, dict) else None
    cached = _first(usage, CACHED) if cached is None else cached
    if cached is None and apart:
        cached = count_of(usage.get(CACHED_APART[0]))
    return ReportedUsage(prompt, response, cached or 0, total)


def tier_of(answer: dict[str, Any]) -> str:
    """The service tier that an answer, or its usage, names; empty when none is named."""
    named = (place.get("service_tier") for place in (answer, answer.get("usage")) if isinstance(place, dict))
    return next((tier for tier in named if isinstance(tier, str)), "")


def has_services(usage: Any) -> bool:
    """Whether something was used that the price of the model's tokens is not about."""
    given = (usage.get(name) for name in SERVICES) if isinstance(usage, dict) else ()
    counts = (each.values() if isinstance(each, dict) else (each,) for each in given)
    return any(count_of(count) for each in counts for count in each)


def count_of(value: Any) -> int | None:
    """A number of tokens, which some servers write as a float or a text; None for anything else, and for more than any
    answer has."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:  # NaN, too
        return None
    return int(value)


def said_tokens(messages: Iterable[Any]) -> int:
    """An estimate of all that the model said: text, refusals, reasoning, calls of tools, audio and images."""
    return sum(_tokens(name, text) for message in messages for name, text in _said(_once(message)))


def _first(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for count in map(count_of, map(usage.get, names)) if count is not None), None)


def _once(message: Any) -> Any:
    """The message without the list that repeats its reasoning."""
    if isinstance(message, dict) and message.get("reasoning") and "reasoning_details" in message:
        return {name: value for name, value in message.items() if name != "reasoning_details"}
    return message


def _said(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif depth > MAX_DEPTH:
        return
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in NOT_SAID:
                yield from _said(each, f"{name}.{key}" if name == "audio" else key, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _said(each, name, depth + 1)


def _tokens(name: str, text: str) -> int:
    if name == "audio.data":
        return len(text) * 3 // 4 // AUDIO_BYTES_PER_TOKEN
    return IMAGE_TOKENS if text.startswith("data:image/") else estimate(text)

"""Wire formats: what a provider's API says, as pure functions. Nothing here touches a network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderRequest
from orchestration.providers.content import TEXT_ALONE, ContentSupport
from orchestration.providers.errors import COMMON, ErrorTable
from orchestration.providers.streams.reading import Streaming
from orchestration.types import JsonObject, Message, Usage
from orchestration.values.content_parts import text_of_content
from orchestration.values.sanitize import NUL, legible

LARGEST_COUNT = 2**31 - 1
COUNT = re.compile(r"\d{1,20}(?:\.\d{1,20})?", re.ASCII)
"""A count that came as text."""
CONTENT_FILTER = "content_filter"
COMMON_LIMITS = ("x-ratelimit-", "retry-after")
"""How the names of OpenAI's rate-limit headers begin."""
INSTRUCTING = frozenset({"system", "developer"})
"""Roles whose messages are instructions; some APIs have a place of their own for them."""
GENERATED = "orca_"
"""How ids of tool calls begin that are ours, because the provider gave none."""
LIMIT_NAMES = ("max_output_tokens", "max_completion_tokens", "max_tokens")
"""The names under which APIs know the longest answer. A service may use any of them with any provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer's JSON says, whichever API it came through. Lengths fit the audit's columns."""

    text: str
    refusal: str | None = None
    truncated: bool = False
    filtered: bool = False
    tool_calls: list[JsonObject]
    """`{"id", "name", "arguments"}`; the arguments are the JSON text the model wrote."""
    finish_reason: str
    provider_response_id: str
    model: str
    service_tier: str = ""
    usage: Usage


def no_violations(_: JsonObject) -> list[str]:
    """Of an API whose structured output takes every adapted schema."""
    return []


def same_names(headers: dict[str, str]) -> dict[str, str]:
    """The rate-limit headers of an API that calls them as OpenAI does."""
    return {name: value for name, value in headers.items() if name.startswith(COMMON_LIMITS)}


def error_of(body: Any) -> Any:
    """The error in the body of a failure: most APIs have an object `error`."""
    return body.get("error", body) if isinstance(body, dict) else body


def no_wait(_: Any) -> float | None:
    """Of an API that says how long to wait in headers alone."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One API of a provider."""

    name: str
    """As stored in audits (`surface`)."""
    to_request: Callable[[ProviderRequest], JsonObject]
    """The request's body. ProviderError `bad_request` for a parameter that would overwrite a field of ours."""
    to_answer: Callable[[JsonObject], Answer]
    """Reads an answer. ProviderError, with its usage: `malformed_response`, or the error it reports."""
    to_usage: Callable[[JsonObject], Usage]
    """The token counts in whatever object came, also in a part of an answer; what is not a count is 0."""
    usage_field: str = "usage"
    """Where an answer has its counts."""
    model_field: str = "model"
    """Where an answer says which model made it."""
    content: ContentSupport = TEXT_ALONE
    """Which images, audio and files `to_request` can say."""
    schema_violations: Callable[[JsonObject], list[str]] = no_violations
    """Why an adapted strict schema cannot be expressed, as `path: rule` lines."""
    error_of: Callable[[Any], Any] = error_of
    """The error in the JSON of a failed request."""
    errors: ErrorTable = COMMON
    """What its statuses and the names in its errors mean."""
    limits: Callable[[dict[str, str]], dict[str, str]] = same_names
    """Its headers about limits (in lower case) under OpenAI's names, and no others."""
    wait_of: Callable[[Any], float | None] = no_wait
    """Seconds that an error asks to wait, where its body says so."""
    streaming: Streaming | None = None
    """How its answers come in pieces; None: they come at once."""


# --- reading ----------------------------------------------------------------------------------


def as_object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[JsonObject]:
    """The objects of a list; nothing of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """PostgreSQL cannot store NUL characters, and a paid answer must not be lost because of one."""
    return value.replace(NUL, "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else ""


def as_label(value: Any, longest: int) -> str:
    """A short text that goes into a column of its own."""
    return legible(value, longest) if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """A number of tokens, which some servers write as a float or a text; 0 for anything else."""
    if isinstance(value, str) and COUNT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # NaN
        return 0
    return int(min(max(value, 0), LARGEST_COUNT))


def total_of(*counts: int) -> int:
    return min(sum(counts), LARGEST_COUNT)


# --- writing ----------------------------------------------------------------------------------


def parameters_of(request: ProviderRequest, own: frozenset[str], names: Mapping[str, str]) -> JsonObject:
    """The request's parameters under this API's names.

    ProviderError `bad_request` for one of the fields that are the request's own, and for a parameter that is given
    under two names.
    """
    taken = sorted(own & request.parameters.keys())
    if taken:
        raise _refused(f"These parameters are set by the engine and cannot be given: {', '.join(taken)}.")
    named: JsonObject = {}
    for given, value in request.parameters.items():
        name = names.get(given, given)
        if name in named:
            raise _refused(f"The parameter {name} is given twice, once as {given}.")
        named[name] = value
    return named


def as_list(value: Any) -> Any:
    """Texts that may be one or several (`stop`), for an API that wants a list."""
    return [value] if isinstance(value, str) else value


def split_instructions(messages: list[Message]) -> tuple[list[str], list[Message]]:
    """The instructions, and the conversation, for APIs that have a place of their own for instructions.

    Messages without text are left out, which such APIs refuse. A prompt of instructions alone is the conversation.
    """
    spoken = [message for message in messages if message["content"] or message["role"] == "tool" or asks(message)]
    instructions = [text_of_content(message["content"]) for message in spoken if message["role"] in INSTRUCTING]
    conversation = [message for message in spoken if message["role"] not in INSTRUCTING]
    if conversation:
        return instructions, conversation
    return [], [{"role": "user", "content": text} for text in instructions]


def asks(message: Message) -> list[JsonObject]:
    """The calls of tools that a message of the assistant asks for."""
    return message.get("tool_calls") or []


def own_answer(message: Message, surface: str) -> JsonObject | None:
    """The answer behind such a message, when it came in this wire format, with ids of the provider's own."""
    if message.get("surface") != surface or any(call["id"].startswith(GENERATED) for call in asks(message)):
        return None
    return message.get("raw")


def arguments_of(call: JsonObject) -> JsonObject:
    """The arguments of a call for APIs that have them as an object; empty when the model wrote no object."""
    try:
        read = json.loads(call["arguments"] or "{}")
    except ValueError:
        return {}
    return as_object(read)


def function_of(tool: JsonObject) -> JsonObject | None:
    """The function (`name`, `description`, `parameters`) of a tool as OpenAI's APIs describe it, flat or nested; None
    for a tool of another kind, which goes to the provider as it is."""
    nested = tool.get("function")
    if isinstance(nested, dict):
        return nested
    if tool.get("type", "function") == "function" and "name" in tool and "parameters" in tool:
        return {key: value for key, value in tool.items() if key != "type"}
    return None


def _refused(message: str) -> ProviderError:
    return ProviderError(message, code="bad_request", sent=False)


# --- failures -----------------------------------------------------------------------------------


def malformed(why: str) -> ProviderError:
    """An answer of status 200 that is none."""
    message = f"The provider's answer is malformed: {why}."
    return ProviderError(message, code="malformed_response", retryable=True, status=200)

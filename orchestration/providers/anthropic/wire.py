"""The Messages API of Anthropic, both ways, as pure functions.

From its reference and its SDK, as of August 2026: instructions are a field of their own, `max_tokens` is required,
structured output is `output_config.format`, and cached input is counted beside `input_tokens`.
"""

from __future__ import annotations

import json
import re

from orchestration.components.strict_schema import FORMATS
from orchestration.providers.anthropic.message_assembly import MessageAssembly
from orchestration.providers.base import ProviderRequest
from orchestration.providers.content import IMAGES, PDFS, ContentSupport
from orchestration.providers.errors import provider_error
from orchestration.providers.schema_subset import Subset, narrowed
from orchestration.providers.streams.reading import Streaming
from orchestration.providers.wire import (
    COMMON_LIMITS,
    LIMIT_NAMES,
    Answer,
    Wire,
    arguments_of,
    as_count,
    as_label,
    as_list,
    as_object,
    as_objects,
    as_text,
    asks,
    function_of,
    malformed,
    own_answer,
    parameters_of,
    split_instructions,
    total_of,
)
from orchestration.types import JsonObject, Message, Usage

OWN_FIELDS = frozenset({"model", "messages", "system", "stream", "tools"})
"""Parts of a request that only ProviderRequest's own fields may set."""
NAMES = {**dict.fromkeys(LIMIT_NAMES, "max_tokens"), "stop": "stop_sequences"}
MAX_TOKENS = 4096
"""The longest answer where a service and its client say nothing: every model may have that."""
SUBSET = Subset(
    keywords=frozenset({"enum"}),
    formats=FORMATS | {"uri"},
    takes={"minItems": lambda value: value in (0, 1)},
    described_references=False,
)
CUT = frozenset({"max_tokens", "model_context_window_exceeded", "pause_turn"})
"""Stop reasons of an answer that is not whole; after `pause_turn` the model waits to be asked to continue."""
REFUSED = "refusal"
NO_REASON = "The model refused to answer and gave no reason."
LIMIT = re.compile(r"anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)")


def messages_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /messages`."""
    instructions, conversation = split_instructions(request.messages)
    body: JsonObject = {"model": request.model, "max_tokens": MAX_TOKENS, "messages": _turns(conversation)}
    if instructions:
        body["system"] = "\n\n".join(instructions)
    body |= parameters_of(request, OWN_FIELDS, NAMES)
    if "stop_sequences" in body:
        body["stop_sequences"] = as_list(body["stop_sequences"])
    if request.schema is not None:
        schema = narrowed(request.schema, SUBSET).schema
        body["output_config"] = as_object(body.get("output_config")) | {
            "format": {"type": "json_schema", "schema": schema}
        }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    return body


def messages_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `POST /messages`."""
    if raw.get("type") == "error" or raw.get("error"):
        raise provider_error(200, raw.get("error"))
    content = raw.get("content")
    if not isinstance(content, list):
        raise malformed("it has no list `content`")
    blocks = as_objects(content)
    text = "".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text")
    reason = as_label(raw.get("stop_reason"), 64)
    usage = as_object(raw.get("usage"))
    return Answer(
        text="" if reason == REFUSED else text,
        refusal=_refusal(raw, text) if reason == REFUSED else None,
        truncated=reason in CUT,
        tool_calls=[_called(block) for block in blocks if block.get("type") == "tool_use"],
        finish_reason=reason,
        provider_response_id=as_label(raw.get("id"), 128),
        model=as_label(raw.get("model"), 128),
        service_tier=as_label(usage.get("service_tier"), 32),
        usage=messages_usage(raw),
    )


def messages_stream(body: JsonObject) -> JsonObject:
    """The body of `POST /messages` for a stream."""
    return body | {"stream": True}


def messages_text(event: JsonObject) -> str:
    """The piece of text in an event."""
    delta = as_object(event.get("delta")) if event.get("type") == "content_block_delta" else {}
    return as_text(delta.get("text")) if delta.get("type") == "text_delta" else ""


def messages_usage(raw: JsonObject) -> Usage:
    """The token counts. `input_tokens` are those that no cache knows: what is read from it, and what is written to it,
    comes on top."""
    usage = as_object(raw.get("usage"))
    fresh, written, read, made = (
        as_count(usage.get(name))
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    return Usage(
        input_tokens=total_of(fresh, written, read),
        cached_input_tokens=read,
        output_tokens=made,
        reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")),
        total_tokens=total_of(fresh, written, read, made),
    )


def messages_limits(headers: dict[str, str]) -> dict[str, str]:
    """`anthropic-ratelimit-tokens-remaining` and the others under OpenAI's names. Of the limits of input and of output,
    which it may have instead of one of tokens, that counts which is nearer to its end."""
    found = {name: value for name, value in headers.items() if name.startswith(COMMON_LIMITS)}
    limits: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        match = LIMIT.fullmatch(name)
        if match is not None:
            limits.setdefault(match[1], {})[match[2]] = value
    apart = [limits[kind] for kind in ("input-tokens", "output-tokens") if "remaining" in limits.get(kind, {})]
    if "tokens" not in limits and apart:
        limits["tokens"] = min(apart, key=lambda limit: as_count(limit["remaining"]))
    for kind in ("requests", "tokens"):
        found |= {f"x-ratelimit-{what}-{kind}": value for what, value in limits.get(kind, {}).items()}
    return found


def schema_violations(schema: JsonObject) -> list[str]:
    """Recursion is what it cannot express of an adapted schema."""
    return list(narrowed(schema, SUBSET).violations)


def _turns(conversation: list[Message]) -> list[JsonObject]:
    """The conversation; results of tools that follow each other are one message of the user."""
    turns: list[JsonObject] = []
    for message in conversation:
        if message["role"] != "tool":
            turns.append({"role": message["role"], "content": _content(message)})
            continue
        result: JsonObject = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
        result |= {"content": _blocks(message["content"])} | ({"is_error": True} if message.get("is_error") else {})
        if turns and isinstance(turns[-1]["content"], list) and turns[-1]["role"] == "user":
            turns[-1]["content"].append(result)
        else:
            turns.append({"role": "user", "content": [result]})
    return turns


def _content(message: Message) -> str | list[JsonObject]:
    calls = asks(message)
    if not calls:
        return _blocks(message["content"])
    own = as_objects((own_answer(message, "messages") or {}).get("content"))
    if own:  # what it thought is signed, and belongs to what it asked
        return own
    said = [{"type": "text", "text": message["content"]}] if message["content"] else []
    used = [{"type": "tool_use", "id": call["id"], "name": call["name"], "input": arguments_of(call)} for call in calls]
    return [*said, *used]


def _blocks(content: str | list[JsonObject]) -> str | list[JsonObject]:
    return [_block(part) for part in content] if isinstance(content, list) else content


def _block(part: JsonObject) -> JsonObject:
    if part["part"] == "text":
        return {"type": "text", "text": part["text"]}
    source: JsonObject = {"type": "base64", "media_type": part.get("media_type"), "data": part.get("data")}
    if "url" in part:
        source = {"type": "url", "url": part["url"]}
    if part["part"] == "image":
        return {"type": "image", "source": source}
    return {"type": "document", "source": source} | ({"title": part["name"]} if part.get("name") else {})


def _tool(tool: JsonObject) -> JsonObject:
    """A function as a client tool; the provider's own tools (`web_search_20250305`) go as they are."""
    function = function_of(tool)
    if function is None:
        return tool
    described: JsonObject = {key: function[key] for key in ("description", "strict") if key in function}
    schema = function.get("parameters") or {"type": "object"}
    if function.get("strict"):
        schema = narrowed(schema, SUBSET).schema
    return {"name": function.get("name"), **described, "input_schema": schema}


def _called(block: JsonObject) -> JsonObject:
    arguments = json.dumps(block.get("input") or {})
    return {"id": as_text(block.get("id")), "name": as_text(block.get("name")), "arguments": as_text(arguments)}


def _refusal(raw: JsonObject, text: str) -> str:
    explained = as_text(as_object(raw.get("stop_details")).get("explanation"))
    return text or explained or NO_REASON


MESSAGES = Wire(
    name="messages",
    to_request=messages_request,
    to_answer=messages_answer,
    to_usage=messages_usage,
    content=ContentSupport(media_types={"image": IMAGES, "file": PDFS}, urls=frozenset({"image", "file"})),
    schema_violations=schema_violations,
    limits=messages_limits,
    streaming=Streaming(to_request=messages_stream, assembly=MessageAssembly, text_of=messages_text),
)

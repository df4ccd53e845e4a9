"""The simulated model as Anthropic's Messages API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from orchestration.errors import InvalidCall
from orchestration.providers.anthropic.message_events import message_events
from orchestration.providers.dialect import (
    Dialect,
    Failure,
    ReceivedContent,
    Reply,
    SimulatedRequest,
    received,
    refuse_unanswered,
    refuse_unsupported,
    text_of,
)
from orchestration.providers.streams.event_writer import event_bytes, words
from orchestration.types import JsonObject

KEYWORDS = frozenset(
    {"type", "description", "title", "properties", "required", "additionalProperties", "items", "anyOf", "allOf"}
    | {"enum", "const", "default", "format", "minItems", "$ref", "$defs"}
)
"""Of a schema; the real server answers 400 for any other."""
KINDS = {"image": "image", "document": "file"}
ERRORS = {
    "bad_request": (400, "invalid_request_error"),
    "unauthorized": (401, "authentication_error"),
    "payment_required": (402, "billing_error"),
    "forbidden": (403, "permission_error"),
    "model_not_found": (404, "not_found_error"),
    "request_timeout": (408, "timeout_error"),
    "conflict": (409, "invalid_request_error"),
    "unprocessable": (422, "invalid_request_error"),
    "redirect": (307, "invalid_request_error"),
    "rate_limit": (429, "rate_limit_error"),
    "quota": (402, "billing_error"),
    "server_error": (500, "api_error"),
    "unavailable": (529, "overloaded_error"),
}
"""Kind of fault → HTTP status, error type."""


def _read(body: JsonObject, _: str) -> SimulatedRequest:
    messages, model = body.get("messages"), body.get("model")
    if not isinstance(model, str) or not isinstance(body.get("max_tokens"), int):
        raise InvalidCall("model: Field required; max_tokens: Field required")
    if not isinstance(messages, list) or not messages:
        raise InvalidCall("messages: at least one message is required")
    for number, message in enumerate(messages):
        if message.get("role") not in {"user", "assistant"}:
            raise InvalidCall(f"messages.{number}.role: must be user or assistant")
        if not message.get("content"):
            raise InvalidCall(f"messages.{number}: all messages must have non-empty content")
    used, results = _blocks(messages, "assistant", "tool_use"), _blocks(messages, "user", "tool_result")
    refuse_unanswered((str(block.get("id")) for block in used), (str(block.get("tool_use_id")) for block in results))
    texts = [text_of(body.get("system")), *(text_of(message["content"]) for message in messages)]
    spoken = [text_of(message["content"]) for message in messages if message["role"] == "user"]
    return SimulatedRequest(
        model=model,
        texts=tuple(filter(None, texts)),
        last_user_message=spoken[-1] if spoken else "",
        schema=_schema(body),
        tool_results=tuple(text_of(block.get("content")) for block in results),
        content=tuple(each for message in messages for each in _content(message["content"])),
        stream=body.get("stream") is True,
    )


def _content(content: Any) -> Iterator[ReceivedContent]:
    """Images and documents, those in results of tools included."""
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_result":
            yield from _content(block.get("content"))
        if block.get("type") in KINDS:
            source = block.get("source") or {}
            where = {"url": source.get("url")} if source.get("type") == "url" else {}
            told = {"media_type": source.get("media_type"), "name": block.get("title")}
            yield received(KINDS[block["type"]], source.get("data"), **told, **where)


def _blocks(messages: list[JsonObject], role: str, kind: str) -> list[JsonObject]:
    contents = [message["content"] for message in messages if message["role"] == role]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return [block for block in blocks if isinstance(block, dict) and block.get("type") == kind]


def _schema(body: JsonObject) -> JsonObject | None:
    output_format = (body.get("output_config") or {}).get("format")
    if output_format is None:
        return None
    if output_format.get("type") != "json_schema" or not isinstance(output_format.get("schema"), dict):
        raise InvalidCall("output_config.format: must be json_schema with a schema")
    schema: JsonObject = output_format["schema"]
    refuse_unsupported(schema, KEYWORDS)
    return schema


def _payload(reply: Reply) -> JsonObject:
    content: list[JsonObject] = [{"type": "text", "text": reply.refusal or reply.text}]
    if reply.tool_calls:
        content = content if reply.text else []
        content += [
            {
                "type": "tool_use",
                "id": f"toolu_{reply.id}_{index}",
                "name": call["name"],
                "input": orjson.loads(call["arguments"]),
            }
            for index, call in enumerate(reply.tool_calls)
        ]
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": _stop_reason(reply),
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens - reply.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": reply.cached_tokens,
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"thinking_tokens": reply.reasoning_tokens},
            "service_tier": "standard",
        },
        "simulated": True,
    }


def _stop_reason(reply: Reply) -> str:
    """Its filters stop an answer as a refusal."""
    if reply.refusal or reply.cut_by == "content_filter":
        return "refusal"
    return "max_tokens" if reply.cut_by else "tool_use" if reply.tool_calls else "end_turn"


def _error(kind: str, message: str) -> JsonObject:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"}


def _failure(kind: str, message: str, retry_after: float | None) -> Failure:
    status, error_type = ERRORS[kind]
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Failure(status=status, body=_error(error_type, message), headers=headers)


def _failed(_: str, __: str) -> JsonObject:
    return _error("api_error", "The simulated model failed.")


def _stream(_: SimulatedRequest, reply: Reply) -> Iterator[bytes]:
    return map(event_bytes, message_events(_payload(reply), words))


def _failed_stream(failed: JsonObject) -> Iterator[bytes]:
    yield event_bytes(failed)


def _limits() -> dict[str, str]:
    found: dict[str, Any] = {}
    for kind, limit in (("requests", 4000), ("tokens", 400_000), ("input-tokens", 320_000), ("output-tokens", 80_000)):
        found |= {f"anthropic-ratelimit-{kind}-limit": limit, f"anthropic-ratelimit-{kind}-remaining": limit - 1}
    return {name: str(value) for name, value in found.items()}


MESSAGES = Dialect(
    path=re.compile("/messages"),
    read=_read,
    payload=_payload,
    failure=_failure,
    failed=_failed,
    limits=_limits(),
    events=_stream,
    failed_events=_failed_stream,
    needs_headers=("anthropic-version",),
)

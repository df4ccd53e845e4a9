"""The simulated model as generateContent of Google Gemini."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from orchestration.errors import InvalidCall
from orchestration.providers.dialect import (
    Dialect,
    Failure,
    ReceivedContent,
    Reply,
    SimulatedRequest,
    received,
    refuse_unanswered,
    refuse_unsupported,
)
from orchestration.providers.streams.event_writer import words
from orchestration.types import JsonObject

KEYWORDS = frozenset(
    {"type", "description", "title", "properties", "required", "additionalProperties", "items", "prefixItems"}
    | {"anyOf", "oneOf", "enum", "format", "minItems", "maxItems", "minimum", "maximum"}
    | {"propertyOrdering", "$ref", "$defs", "$id", "$anchor"}
)
"""Of a schema. The real server ignores others, which hides that they have no effect."""
ERRORS = {
    "bad_request": (400, "INVALID_ARGUMENT"),
    "unauthorized": (400, "INVALID_ARGUMENT"),  # with a reason of its own
    "payment_required": (402, "FAILED_PRECONDITION"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "model_not_found": (404, "NOT_FOUND"),
    "request_timeout": (504, "DEADLINE_EXCEEDED"),
    "conflict": (409, "ABORTED"),
    "unprocessable": (422, "INVALID_ARGUMENT"),
    "redirect": (307, "UNKNOWN"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),  # a quota is a rate
    "server_error": (500, "INTERNAL"),
    "unavailable": (503, "UNAVAILABLE"),
}
"""Kind of fault → HTTP status, and its name."""
STOPPED = {"": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def _read(body: JsonObject, model: str) -> SimulatedRequest:
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise InvalidCall("contents is not specified")
    for content in contents:
        if content.get("role", "user") not in {"user", "model"}:
            raise InvalidCall("Please use a valid role: user, model.")
    called, answered = _parts(contents, "functionCall"), _parts(contents, "functionResponse")
    refuse_unanswered((str(each.get("name")) for each in called), (str(each.get("name")) for each in answered))
    spoken = [_text(content) for content in contents if content.get("role") != "model"]
    texts = [_text(body.get("systemInstruction")), *map(_text, contents)]
    return SimulatedRequest(
        model=model,
        texts=tuple(filter(None, texts)),
        last_user_message=spoken[-1] if spoken else "",
        schema=_schema(body.get("generationConfig") or {}),
        content=tuple(_received(contents)),
        tool_results=tuple(str(value) for each in answered for value in each.get("response", {}).values()),
    )


def _received(contents: list[JsonObject]) -> Iterator[ReceivedContent]:
    """Images, audio and files, those in results of tools included."""
    for part in (part for content in contents for part in content.get("parts") or ()):
        for one in [part, *(part.get("functionResponse", {}).get("parts") or ())]:
            blob = one.get("inlineData") or one.get("fileData")
            if blob:
                media_type = str(blob.get("mimeType") or "")
                kind = media_type.partition("/")[0]
                kind = kind if kind in {"image", "audio"} else "file"
                yield received(kind, blob.get("data"), media_type=media_type, url=blob.get("fileUri"))


def _parts(contents: list[JsonObject], kind: str) -> list[JsonObject]:
    parts = [part for content in contents for part in content.get("parts") or ()]
    return [part[kind] for part in parts if isinstance(part, dict) and isinstance(part.get(kind), dict)]


def _text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    return "".join(str(part.get("text", "")) for part in parts) if isinstance(parts, list) else ""


def _schema(config: JsonObject) -> JsonObject | None:
    schema: JsonObject | None = config.get("responseJsonSchema")
    if schema is not None and config.get("responseMimeType") != "application/json":
        raise InvalidCall("responseMimeType must be application/json with a schema")
    refuse_unsupported(schema, KEYWORDS)
    return schema


def _payload(reply: Reply) -> JsonObject:
    parts: list[JsonObject] = [{"text": reply.text}] if reply.text else []
    for call in reply.tool_calls:
        parts.append({"functionCall": {"name": call["name"], "args": orjson.loads(call["arguments"])}})
    candidate: JsonObject = {"content": {"role": "model", "parts": parts}, "index": 0}
    candidate["finishReason"] = "PROHIBITED_CONTENT" if reply.refusal else STOPPED[reply.cut_by]
    if reply.refusal:
        del candidate["content"]
    said = reply.output_tokens - reply.reasoning_tokens
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": reply.input_tokens,
            "cachedContentTokenCount": reply.cached_tokens,
            "candidatesTokenCount": said,
            "thoughtsTokenCount": reply.reasoning_tokens,
            "totalTokenCount": reply.input_tokens + reply.output_tokens,
        },
        "modelVersion": reply.model,
        "responseId": reply.id,
        "simulated": True,
    }


def _error(status: int, name: str, message: str, details: list[JsonObject] | None = None) -> JsonObject:
    return {"error": {"code": status, "message": message, "status": name, **({"details": details} if details else {})}}


def _failure(kind: str, message: str, retry_after: float | None) -> Failure:
    status, name = ERRORS[kind]
    details: list[JsonObject] = []
    if kind == "unauthorized":
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
    if retry_after is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"})
    return Failure(status=status, body=_error(status, name, message, details))


def _failed(_: str, __: str) -> JsonObject:
    return _error(500, "INTERNAL", "The simulated model failed.")


GENERATE_CONTENT = Dialect(
    path=re.compile("/models/(?P<model>[^/:]+):generateContent"),
    read=_read,
    payload=_payload,
    failure=_failure,
    failed=_failed,
)


def _read_for_stream(body: JsonObject, model: str) -> SimulatedRequest:
    return replace(_read(body, model), stream=True)


def _events(_: SimulatedRequest, reply: Reply) -> Iterator[bytes]:
    """Pieces of the text, each in an answer of its own; the last one ends it, and has the calls of tools."""
    whole = _payload(reply)
    candidate: JsonObject = whole["candidates"][0]
    parts = candidate.get("content", {}).get("parts", [])
    for word in words(reply.text):
        yield _event(whole, {"content": {"role": "model", "parts": [{"text": word}]}, "index": 0}, counted=0)
    rest = [part for part in parts if "text" not in part]
    content: JsonObject = (
        {"content": {"role": "model", "parts": rest or [{"text": ""}]}} if "content" in candidate else {}
    )
    yield _event(whole, candidate | content, counted=whole["usageMetadata"]["candidatesTokenCount"])


def _event(whole: JsonObject, candidate: JsonObject, *, counted: int) -> bytes:
    usage = whole["usageMetadata"] | {"candidatesTokenCount": counted}
    return b"data: " + orjson.dumps(whole | {"candidates": [candidate], "usageMetadata": usage}) + b"\r\n\r\n"


def _failed_events(failed: JsonObject) -> Iterator[bytes]:
    yield b"data: " + orjson.dumps(failed) + b"\r\n\r\n"


STREAM_GENERATE_CONTENT = replace(
    GENERATE_CONTENT,
    path=re.compile(r"/models/(?P<model>[^/:]+):streamGenerateContent(?:\?alt=sse)?"),
    read=_read_for_stream,
    events=_events,
    failed_events=_failed_events,
)

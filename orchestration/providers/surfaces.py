"""The provider's JSON, both ways and for both surfaces, as pure functions: nothing here touches a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderRequest
from orchestration.types import JsonObject, Message, Usage

OWN_FIELDS = frozenset({"model", "messages", "input", "stream", "response_format", "tools"})
"""Parts of a request that only ProviderRequest's own fields may set."""
LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer's JSON says, whichever surface it came through. Lengths fit the audit's columns."""

    text: str
    refusal: str | None
    truncated: bool
    tool_calls: list[JsonObject]
    """`{"id", "name", "arguments"}`; the arguments are the JSON text the model wrote."""
    finish_reason: str
    provider_response_id: str
    model: str
    service_tier: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One API of the provider."""

    name: str
    path: str
    to_request: Callable[[ProviderRequest], JsonObject]
    """The request's body. ProviderError `bad_request` when a parameter would overwrite a field of ours."""
    to_answer: Callable[[JsonObject], Answer]
    """Reads an answer. ProviderError when it is none: `malformed_response`, or the error it reports."""


def responses_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /responses`."""
    body: JsonObject = {"model": request.model, "input": request.messages, "store": False} | _parameters(request)
    if request.schema is not None:
        body["text"] = _object(body.get("text")) | {"format": {"type": "json_schema"} | _strict_schema(request)}
    if request.tools:
        body["tools"] = [_flat_tool(tool) for tool in request.tools]
    return body


def chat_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /chat/completions`; developer messages go as system, which every compatible server knows."""
    messages = [_as_system(message) for message in request.messages]
    body: JsonObject = {"model": request.model, "messages": messages} | _parameters(request)
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": _strict_schema(request)}
    if request.tools:
        body["tools"] = [_nested_tool(tool) for tool in request.tools]
    return body


def responses_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `POST /responses`."""
    _raise_reported(raw)
    output = raw.get("output")
    status = _text(raw.get("status"))
    if not isinstance(output, list):
        raise _malformed(raw, "it has no list `output`")
    if status in {"cancelled", "queued", "in_progress"}:
        raise _malformed(raw, f"its status is {status}")
    items = _objects(output)
    parts = [part for item in items if item.get("type") == "message" for part in _objects(item.get("content"))]
    details = _object(raw.get("incomplete_details"))
    usage = _object(raw.get("usage"))
    return Answer(
        text="".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        refusal="".join(_text(part.get("refusal")) for part in parts if part.get("type") == "refusal") or None,
        truncated=status == "incomplete",
        tool_calls=[
            {
                "id": _text(item.get("call_id")),
                "name": _text(item.get("name")),
                "arguments": _text(item.get("arguments")),
            }
            for item in items
            if item.get("type") == "function_call"
        ],
        finish_reason=_text(details.get("reason"), 64) or status[:64],
        provider_response_id=_text(raw.get("id"), 128),
        model=_text(raw.get("model"), 128),
        service_tier=_text(raw.get("service_tier"), 32),
        usage=_usage(
            usage,
            read=("input_tokens", "output_tokens"),
            cached=_object(usage.get("input_tokens_details")),
            reasoning=_object(usage.get("output_tokens_details")),
        ),
    )


def chat_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `POST /chat/completions`; the first choice is the answer."""
    _raise_reported(raw)
    choices = _objects(raw.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise _malformed(raw, "it has no choice with a message")
    message = choices[0]["message"]
    usage = _object(raw.get("usage"))
    finish_reason = _text(choices[0].get("finish_reason"), 64)
    return Answer(
        text=_content(message.get("content")),
        refusal=_text(message.get("refusal")) or None,
        truncated=finish_reason in {"length", "content_filter"},
        tool_calls=[_called(call) for call in _objects(message.get("tool_calls"))],
        finish_reason=finish_reason,
        provider_response_id=_text(raw.get("id"), 128),
        model=_text(raw.get("model"), 128),
        service_tier=_text(raw.get("service_tier"), 32),
        usage=_usage(
            usage,
            read=("prompt_tokens", "completion_tokens"),
            cached=_object(usage.get("prompt_tokens_details")),
            reasoning=_object(usage.get("completion_tokens_details")),
        ),
    )


def _parameters(request: ProviderRequest) -> JsonObject:
    taken = sorted(OWN_FIELDS & request.parameters.keys())
    if taken:
        raise ProviderError(
            f"These parameters are set by the engine and cannot be given: {', '.join(taken)}.",
            code="bad_request",
            sent=False,
        )
    return request.parameters


def _strict_schema(request: ProviderRequest) -> JsonObject:
    return {"name": request.schema_name or "output", "schema": request.schema, "strict": True}


def _flat_tool(tool: JsonObject) -> JsonObject:
    """Responses has a function's fields beside its type, Chat Completions below `function`; we accept both."""
    function = tool.get("function")
    return {"type": "function"} | function if isinstance(function, dict) else tool


def _nested_tool(tool: JsonObject) -> JsonObject:
    if tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _as_system(message: Message) -> JsonObject:
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": message["content"]}


def _called(call: JsonObject) -> JsonObject:
    function = _object(call.get("function"))
    return {
        "id": _text(call.get("id")),
        "name": _text(function.get("name")),
        "arguments": _text(function.get("arguments")),
    }


def _content(content: Any) -> str:
    """A message's content: a text, or (some servers) a list of parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in _objects(content) if part.get("type") == "text")
    return _text(content)


def _usage(usage: JsonObject, *, read: tuple[str, str], cached: JsonObject, reasoning: JsonObject) -> Usage:
    given, made = (_count(usage.get(name)) for name in read)
    return Usage(
        input_tokens=given,
        cached_input_tokens=_count(cached.get("cached_tokens")),
        output_tokens=made,
        reasoning_tokens=_count(reasoning.get("reasoning_tokens")),
        total_tokens=_count(usage.get("total_tokens")) or min(given + made, LARGEST_COUNT),
    )


def _raise_reported(raw: JsonObject) -> None:
    """Some failures arrive as HTTP 200 with an `error` inside."""
    error = raw.get("error")
    if not error and raw.get("status") != "failed":
        return
    code = _text(_object(error).get("code"))
    ours, retryable = {
        "server_error": ("provider_unavailable", True),
        "rate_limit_exceeded": ("rate_limited", True),
    }.get(code, ("bad_request", False))
    raise ProviderError(
        "The provider accepted the request and then reported that it failed.",
        code=ours,
        retryable=retryable,
        status=200,
        body=raw,
    )


def _malformed(raw: JsonObject, why: str) -> ProviderError:
    return ProviderError(
        f"The provider's answer is not one of its kind: {why}.",
        code="malformed_response",
        retryable=True,
        status=200,
        body=raw,
    )


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any, longest: int | None = None) -> str:
    return value[:longest] if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return min(max(value, 0), LARGEST_COUNT) if isinstance(value, int) else 0


SURFACES: dict[str, Surface] = {
    "responses": Surface(name="responses", path="/responses", to_request=responses_request, to_answer=responses_answer),
    "chat": Surface(name="chat", path="/chat/completions", to_request=chat_request, to_answer=chat_answer),
}

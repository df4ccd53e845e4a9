"""The simulated model as OpenAI's API, and as servers that speak it: Responses, Chat Completions and Completions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
    text_of,
)
from orchestration.providers.openai.fake_payloads import (
    chat_chunks,
    chat_payload,
    completion_chunks,
    completion_payload,
    error_payload,
    failed_payload,
    responses_payload,
)
from orchestration.providers.openai.response_events import response_events
from orchestration.providers.streams.event_writer import event_bytes, words
from orchestration.types import JsonObject

CHAT = "/chat/completions"
COMPLETIONS = "/completions"
RESPONSES = "/responses"
DEPLOYMENT = r"(?:/openai/deployments/(?P<model>[^/]+))?"
"""Azure's addresses before the versions without a date."""
ANY_OBJECT: JsonObject = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
"""What JSON mode without a schema gets."""
ID_OF_RESULT = {"messages": "tool_call_id", "input": "call_id", "prompt": ""}
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
ERRORS = {
    "bad_request": (400, "invalid_request_error", "invalid_value"),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "payment_required": (402, "billing_error", None),
    "forbidden": (403, "invalid_request_error", "unsupported_country_region_territory"),
    "model_not_found": (404, "invalid_request_error", "model_not_found"),
    "request_timeout": (408, "timeout", None),
    "conflict": (409, "conflict_error", None),
    "unprocessable": (422, "invalid_request_error", None),
    "redirect": (307, "redirect", None),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "server_error": (500, "server_error", None),
    "unavailable": (503, "server_error", "overloaded"),
}
"""Kind of fault → HTTP status, error type, error code."""


def _read(field: str, schema_of: Callable[[JsonObject], tuple[JsonObject, JsonObject]]) -> Any:
    def read(body: JsonObject, model: str) -> SimulatedRequest:
        if not isinstance(body.get("model"), str):
            raise InvalidCall("The body must be an object with a `model`.")
        messages = _messages(body, field)
        texts = tuple(text_of(message.get("content") or message.get("output")) for message in messages)
        results = {number: each for number, each in enumerate(messages) if _is_result(each)}
        answered = [each[ID_OF_RESULT[field]] for each in results.values() if ID_OF_RESULT[field] in each]
        if "previous_response_id" not in body:  # what was asked may be in that response
            refuse_unanswered(_ids_asked(messages), map(str, answered))
        spoken = [text for message, text in zip(messages, texts, strict=True) if message.get("role") == "user"]
        return SimulatedRequest(
            model=body["model"],
            texts=texts,
            last_user_message=spoken[-1] if spoken else "",
            schema=_schema(*schema_of(body)),
            tool_results=tuple(texts[number] for number in results),
            content=tuple(each for message in messages for each in _content(message)),
            stream=body.get("stream") is True,
            stream_usage=_object(body.get("stream_options")).get("include_usage") is True,
        )

    return read


def _content(message: JsonObject) -> Iterator[ReceivedContent]:
    """Images, audio and files of a message, or of a tool's result."""
    content = message.get("content") or message.get("output")
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        inner = _object(part.get(part.get("type", "")))
        match part.get("type"):
            case "input_image":
                yield received("image", part.get("image_url"))
            case "image_url":
                yield received("image", inner.get("url"))
            case "input_audio":
                yield received("audio", inner.get("data"), media_type=AUDIO.get(str(inner.get("format"))))
            case "input_file":
                data = part.get("file_data") or part.get("file_url")
                yield received("file", data, name=part.get("filename"))
            case "file":
                yield received("file", inner.get("file_data"), name=inner.get("filename"))


def _messages(body: JsonObject, field: str) -> list[JsonObject]:
    messages = body.get(field)
    if isinstance(messages, str) and field != "messages":
        return [{"role": "user", "content": messages}]
    if isinstance(messages, list) and messages and field == "prompt":
        return [{"role": "user", "content": "\n".join(map(str, messages))}]
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise InvalidCall(f"`{field}` must be a list of messages, at least one.")
    return messages


def _is_result(message: JsonObject) -> bool:
    return message.get("role") == "tool" or message.get("type") == "function_call_output"


def _ids_asked(messages: list[JsonObject]) -> Iterator[str]:
    for message in messages:
        if message.get("type") == "function_call":
            yield str(message.get("call_id"))
        calls = message.get("tool_calls")
        yield from (str(call.get("id")) for call in calls or () if isinstance(call, dict))


def _of_chat(body: JsonObject) -> tuple[JsonObject, JsonObject]:
    output_format = _object(body.get("response_format"))
    return output_format, _object(output_format.get("json_schema"))


def _of_responses(body: JsonObject) -> tuple[JsonObject, JsonObject]:
    output_format = _object(_object(body.get("text")).get("format"))
    return output_format, output_format


def _schema(output_format: JsonObject, described: JsonObject) -> JsonObject | None:
    kind = output_format.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return ANY_OBJECT
    schema = described.get("schema")
    if kind != "json_schema" or not isinstance(schema, dict) or not described.get("name"):
        raise InvalidCall("The output format must be `text`, `json_object`, or `json_schema` with a name and a schema.")
    return schema


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _failure(kind: str, message: str, retry_after: float | None) -> Failure:
    status, error_type, code = ERRORS[kind]
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Failure(status=status, body=error_payload(message, kind=error_type, code=code), headers=headers)


def _response_stream(_: SimulatedRequest, reply: Reply) -> Iterator[bytes]:
    return map(event_bytes, response_events(responses_payload(reply), words))


def _failed_stream(failed: JsonObject) -> Iterator[bytes]:
    return map(event_bytes, response_events(failed))


def _failed_chunks(failed: JsonObject) -> Iterator[bytes]:
    yield b"data: " + orjson.dumps({"error": failed["error"]}) + b"\n\n"


def _stream(chunks: Any) -> Callable[[SimulatedRequest, Reply], Iterator[bytes]]:
    def stream(request: SimulatedRequest, reply: Reply) -> Iterator[bytes]:
        for chunk in chunks(reply, with_usage=request.stream_usage):
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
        yield b"data: [DONE]\n\n"

    return stream


def _dialect(
    path: str, field: str, payload: Any, events: Any, schema_of: Any = _of_chat, failed_events: Any = _failed_chunks
) -> Dialect:
    return Dialect(
        path=re.compile(path),
        read=_read(field, schema_of),
        payload=payload,
        failure=_failure,
        failed=failed_payload,
        limits={"x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999"},
        events=events,
        failed_events=failed_events,
    )


DIALECTS = (
    _dialect(f"(?:/openai)?{RESPONSES}", "input", responses_payload, _response_stream, _of_responses, _failed_stream),
    _dialect(DEPLOYMENT + CHAT, "messages", chat_payload, _stream(chat_chunks)),
    _dialect(COMPLETIONS, "prompt", completion_payload, _stream(completion_chunks)),
)

"""OpenAI's JSON, both ways and for both of its APIs, as pure functions: nothing here touches a network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from orchestration.providers.base import ProviderRequest
from orchestration.providers.content import IMAGES, PDFS, ContentSupport, data_url, file_name
from orchestration.providers.errors import reported_error
from orchestration.providers.openai.chat_assembly import Assembly
from orchestration.providers.openai.response_assembly import ResponseAssembly
from orchestration.providers.streams.reading import Streaming
from orchestration.providers.wire import (
    CONTENT_FILTER,
    LIMIT_NAMES,
    Answer,
    Wire,
    as_count,
    as_label,
    as_object,
    as_objects,
    as_text,
    asks,
    malformed,
    own_answer,
    parameters_of,
    total_of,
)
from orchestration.types import JsonObject, Message, Usage
from orchestration.values.content_parts import media_of, text_of_content

OWN_FIELDS = frozenset({"model", "messages", "input", "stream", "response_format", "tools"})
"""Parts of a request that only ProviderRequest's own fields may set."""
RESPONSES_NAMES = dict.fromkeys(LIMIT_NAMES, "max_output_tokens")
CHAT_NAMES = {"max_output_tokens": "max_completion_tokens"}
COMPATIBLE_NAMES = dict.fromkeys(LIMIT_NAMES, "max_tokens")
"""Servers that are compatible know the old name."""
AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
COUNTS = (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"))
"""Token counts, as Responses and as Chat Completions call them."""


def responses_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /responses`."""
    items = [item for message in request.messages for item in _items(message)]
    body: JsonObject = {"model": request.model, "input": items, "store": False}
    body |= parameters_of(request, OWN_FIELDS, RESPONSES_NAMES)
    if request.schema is not None:
        body["text"] = as_object(body.get("text")) | {"format": {"type": "json_schema"} | _strict_schema(request)}
    if request.tools:
        body["tools"] = [_flat_tool(tool) for tool in request.tools]
    return body


def chat_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /chat/completions`; developer messages go as system, which every compatible server knows."""
    return _chat_request(request, CHAT_NAMES)


def compatible_chat_request(request: ProviderRequest) -> JsonObject:
    """`chat_request` for servers that know OpenAI's API as it was."""
    return _chat_request(request, COMPATIBLE_NAMES)


def _chat_request(request: ProviderRequest, names: dict[str, str]) -> JsonObject:
    body: JsonObject = {"model": request.model, "messages": _all_spoken(request.messages)}
    body |= parameters_of(request, OWN_FIELDS, names)
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": _strict_schema(request)}
    if request.tools:
        body["tools"] = [_nested_tool(tool) for tool in request.tools]
    return body


def responses_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `POST /responses`."""
    _raise_reported(raw)
    output = raw.get("output")
    status = as_text(raw.get("status"))
    if not isinstance(output, list):
        raise malformed("it has no list `output`")
    if status in {"cancelled", "queued", "in_progress"}:
        raise malformed(f"its status is {status}")
    items = as_objects(output)
    parts = [part for item in items if item.get("type") == "message" for part in as_objects(item.get("content"))]
    details = as_object(raw.get("incomplete_details"))
    return Answer(
        text="".join(as_text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        refusal="".join(as_text(part.get("refusal")) for part in parts if part.get("type") == "refusal") or None,
        truncated=status == "incomplete",
        filtered=details.get("reason") == CONTENT_FILTER,
        tool_calls=[_item_called(item) for item in items if as_text(item.get("type")).endswith("_call")],
        finish_reason=as_label(details.get("reason"), 64) or as_label(status, 64),
        provider_response_id=as_label(raw.get("id"), 128),
        model=as_label(raw.get("model"), 128),
        service_tier=as_label(raw.get("service_tier"), 32),
        usage=usage_of(raw),
    )


def chat_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `POST /chat/completions`; the first choice is the answer."""
    _raise_reported(raw)
    choices = as_objects(raw.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise malformed("it has no choice with a message")
    message = choices[0]["message"]
    finish_reason = as_label(choices[0].get("finish_reason"), 64)
    calls = as_objects(message.get("tool_calls")) + as_objects(
        [message.get("function_call")]
    )  # the latter is the old name
    return Answer(
        text=_content(message.get("content")),
        refusal=as_text(message.get("refusal")) or None,
        truncated=finish_reason in {"length", CONTENT_FILTER},
        filtered=finish_reason == CONTENT_FILTER,
        tool_calls=[_called(call) for call in calls],
        finish_reason=finish_reason,
        provider_response_id=as_label(raw.get("id"), 128),
        model=as_label(raw.get("model"), 128),
        service_tier=as_label(raw.get("service_tier"), 32),
        usage=usage_of(raw),
    )


def responses_stream(body: JsonObject) -> JsonObject:
    """The body of `POST /responses` for a stream."""
    return body | {"stream": True}


def chat_stream(body: JsonObject) -> JsonObject:
    """The body of `POST /chat/completions` for a stream, whose last chunk counts its tokens."""
    return body | {"stream": True, "stream_options": as_object(body.get("stream_options")) | {"include_usage": True}}


def responses_text(event: JsonObject) -> str:
    """The piece of text in an event of Responses."""
    return as_text(event.get("delta")) if event.get("type") == "response.output_text.delta" else ""


def chat_text(chunk: JsonObject) -> str:
    """The piece of text in a chunk; that of the first choice, which is the answer."""
    first = next((choice for choice in as_objects(chunk.get("choices")) if choice.get("index", 0) == 0), {})
    return _content(as_object(first.get("delta") or first.get("message")).get("content"))


def usage_of(raw: JsonObject) -> Usage:
    """The token counts of an answer, under the names of either surface; what is not a count is 0."""
    usage = as_object(raw.get("usage"))
    given, made = (as_count(usage.get(name)) or as_count(usage.get(old)) for name, old in COUNTS)
    cached, reasoning = (
        as_object(usage.get(f"{name}_details")) or as_object(usage.get(f"{old}_details")) for name, old in COUNTS
    )
    return Usage(
        input_tokens=given,
        cached_input_tokens=as_count(cached.get("cached_tokens")),
        output_tokens=made,
        reasoning_tokens=as_count(reasoning.get("reasoning_tokens")),
        total_tokens=as_count(usage.get("total_tokens")) or total_of(given, made),
    )


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


def _all_spoken(messages: list[Message]) -> list[JsonObject]:
    """The messages of Chat Completions. Its results of tools are text alone: the user shows what else they have, after
    the last of the results that follow each other."""
    spoken: list[JsonObject] = []
    shown: list[JsonObject] = []
    for message in messages:
        if message["role"] != "tool" and shown:
            spoken.append({"role": "user", "content": shown})
            shown = []
        spoken.append(_spoken(message))
        if message["role"] == "tool" and media_of(message["content"]):
            told: JsonObject = {"type": "text", "text": f"From the tool {message['name']} ({message['tool_call_id']}):"}
            shown += [told, *map(_chat_part, media_of(message["content"]))]
    return [*spoken, {"role": "user", "content": shown}] if shown else spoken


def _spoken(message: Message) -> JsonObject:
    """A message of Chat Completions."""
    content = message["content"]
    if message["role"] == "tool":
        text = text_of_content(content) or ("See below." if media_of(content) else "")
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": text}
    role = "system" if message["role"] == "developer" else message["role"]
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in asks(message)
    ]
    if calls:
        return {"role": role, "content": message["content"] or None, "tool_calls": calls}
    return {"role": role, "content": [_chat_part(part) for part in content] if isinstance(content, list) else content}


def _chat_part(part: JsonObject) -> JsonObject:
    match part["part"]:
        case "image":
            return {"type": "image_url", "image_url": {"url": data_url(part)}}
        case "audio":
            sound = {"data": part["data"], "format": AUDIO_FORMATS[part["media_type"]]}
            return {"type": "input_audio", "input_audio": sound}
        case "file":
            return {"type": "file", "file": {"filename": file_name(part), "file_data": data_url(part)}}
    return {"type": "text", "text": part["text"]}


def _input_part(part: JsonObject) -> JsonObject:
    """A part of a message, or of a tool's result, of Responses."""
    match part["part"]:
        case "image":
            return {"type": "input_image", "detail": "auto", "image_url": data_url(part)}
        case "file" if "url" in part:
            return {"type": "input_file", "file_url": part["url"]}
        case "file":
            return {"type": "input_file", "filename": file_name(part), "file_data": data_url(part)}
    return {"type": "input_text", "text": part["text"]}


def _items(message: Message) -> list[JsonObject]:
    """A message as items of the input of Responses."""
    content = message["content"]
    written = [_input_part(part) for part in content] if isinstance(content, list) else content
    if message["role"] == "tool":
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": written}]
    said: JsonObject = {"role": message["role"], "content": written}
    if not asks(message):
        return [said]
    own = as_objects((own_answer(message, "responses") or {}).get("output"))
    if any(item.get("encrypted_content") for item in own):  # what it thought belongs to what it asked
        return own
    calls = [
        {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": call["arguments"]}
        for call in asks(message)
    ]
    return [*([said] if message["content"] else []), *calls]


def _called(call: JsonObject) -> JsonObject:
    """A tool call of Chat Completions: a function's, one of another kind, or of the old `function_call`."""
    made = as_object(call.get("function") or call.get("custom")) or call
    return _tool_call(call.get("id"), made)


def _item_called(item: JsonObject) -> JsonObject:
    """A tool call of Responses; the provider's own tools have no name but their type."""
    return _tool_call(item.get("call_id") or item.get("id"), {"name": item.get("type")} | item)


def _tool_call(call_id: Any, made: JsonObject) -> JsonObject:
    arguments = made.get("arguments", made.get("input"))
    written = arguments if isinstance(arguments, str | None) else json.dumps(arguments)  # some servers send an object
    return {"id": as_text(call_id), "name": as_text(made.get("name")), "arguments": as_text(written)}


def _content(content: Any) -> str:
    """A message's content: a text, or (some servers) a list of parts."""
    if isinstance(content, list):
        return "".join(as_text(part.get("text")) for part in as_objects(content) if part.get("type") == "text")
    return as_text(content)


def _raise_reported(raw: JsonObject) -> None:
    """Some failures arrive as HTTP 200 with an `error` inside."""
    error = reported_error(raw)
    if error is not None:
        raise error


RESPONSES = Wire(
    name="responses",
    to_request=responses_request,
    to_answer=responses_answer,
    to_usage=usage_of,
    content=ContentSupport(media_types={"image": IMAGES, "file": PDFS}, urls=frozenset({"image", "file"})),
    streaming=Streaming(to_request=responses_stream, assembly=ResponseAssembly, text_of=responses_text),
)
CHAT = Wire(
    name="chat",
    to_request=chat_request,
    to_answer=chat_answer,
    to_usage=usage_of,
    content=ContentSupport(
        media_types={"image": IMAGES, "audio": frozenset(AUDIO_FORMATS), "file": PDFS}, urls=frozenset({"image"})
    ),
    streaming=Streaming(to_request=chat_stream, assembly=Assembly, text_of=chat_text),
)
COMPATIBLE_CHAT = replace(CHAT, to_request=compatible_chat_request)

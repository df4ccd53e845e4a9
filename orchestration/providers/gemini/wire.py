"""`generateContent` of Google Gemini, both ways, as pure functions.

From its reference and its SDK, as of August 2026: the model is in the address, instructions are a field of their own,
sampling is `generationConfig`, an answer that safety stopped has a reason and no text, and a prompt that it stopped has
no answer at all.
"""

from __future__ import annotations

import json
from typing import Any

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderRequest
from orchestration.providers.content import PDFS, ContentSupport
from orchestration.providers.errors import COMMON, FILTERED, Meaning, provider_error
from orchestration.providers.gemini.content_assembly import ContentAssembly
from orchestration.providers.retry_after import seconds_of
from orchestration.providers.schema_subset import Subset, narrowed
from orchestration.providers.streams.reading import Streaming
from orchestration.providers.wire import (
    GENERATED,
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
    error_of,
    function_of,
    malformed,
    parameters_of,
    split_instructions,
    total_of,
)
from orchestration.types import JsonObject, Message, Usage
from orchestration.values.content_parts import media_of, text_of_content

OWN_FIELDS = frozenset({"model", "contents", "systemInstruction", "tools", "messages", "stream"})
"""Parts of a request that only ProviderRequest's own fields may set."""
TOP_LEVEL = frozenset({"safetySettings", "toolConfig", "cachedContent", "labels", "generationConfig", "serviceTier"})
"""Parameters that are not part of `generationConfig`."""
NAMES = {
    **dict.fromkeys(LIMIT_NAMES, "maxOutputTokens"),
    "stop": "stopSequences",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
SURFACE = "generateContent"
MIME_TYPES = {"audio/mpeg": "audio/mp3"}
"""Those that it has under another name."""
CONTENT = ContentSupport(
    media_types={
        "image": frozenset({"image/png", "image/jpeg", "image/webp"}),
        "audio": frozenset({"audio/wav", "audio/mpeg", "audio/ogg", "audio/flac"}),
        "file": PDFS,
    },
    urls=frozenset({"image", "audio", "file"}),
    result_urls=False,
)
SUBSET = Subset(
    keywords=frozenset({"enum", "minItems", "maxItems", "minimum", "maximum"}),
    formats=frozenset({"date-time", "date", "time"}),
    enum_types=(str, int, float),
    described_references=False,
)
WITHHELD = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)
"""Finish reasons of an answer that a filter stopped."""
WHOLE = frozenset({"", "STOP", "FINISH_REASON_UNSPECIFIED"})
RETRY_INFO = "google.rpc.RetryInfo"
ERRORS = COMMON.extended(
    statuses={
        "unauthenticated": 401,
        "permission_denied": 403,
        "not_found": 404,
        "deadline_exceeded": 504,
        "resource_exhausted": 429,
        "internal": 500,
        "unavailable": 503,
    },
    reasons={
        "api_key_invalid": Meaning("provider_auth", "The provider rejected the API key."),  # comes with 400
    },
)


def content_request(request: ProviderRequest) -> JsonObject:
    """The body of `POST /models/{model}:generateContent`."""
    instructions, conversation = split_instructions(request.messages)
    body: JsonObject = {"contents": _contents(conversation)}
    if instructions:
        body["systemInstruction"] = {"parts": [{"text": text} for text in instructions]}
    given = parameters_of(request, OWN_FIELDS, NAMES)
    body |= {name: value for name, value in given.items() if name in TOP_LEVEL}
    config = as_object(body.get("generationConfig"))
    config = config | {name: value for name, value in given.items() if name not in TOP_LEVEL}
    if "stopSequences" in config:
        config["stopSequences"] = as_list(config["stopSequences"])
    if request.schema is not None:
        schema = narrowed(request.schema, SUBSET).schema
        config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if config:
        body["generationConfig"] = config
    if request.tools:
        body["tools"] = _tools(request.tools)
    return body


def content_answer(raw: JsonObject) -> Answer:
    """Read the JSON of `generateContent`; the first candidate is the answer."""
    if raw.get("error"):
        raise provider_error(200, raw["error"], ERRORS)
    candidates = as_objects(raw.get("candidates"))
    if not candidates:
        raise _without_answer(raw)
    content = as_object(candidates[0].get("content"))
    reason = as_label(candidates[0].get("finishReason"), 64)
    if not content and reason in WHOLE:
        raise malformed("its candidate has no content")
    parts = as_objects(content.get("parts"))
    return Answer(
        text=_text(parts),
        truncated=reason not in WHOLE,
        filtered=reason in WITHHELD,
        tool_calls=[_called(part["functionCall"]) for part in parts if isinstance(part.get("functionCall"), dict)],
        finish_reason=reason,
        provider_response_id=as_label(raw.get("responseId"), 128),
        model=as_label(raw.get("modelVersion"), 128),
        usage=content_usage(raw),
    )


def content_text(event: JsonObject) -> str:
    """The piece of text in an event of a stream; that of the first candidate, which is the answer."""
    first = next((each for each in as_objects(event.get("candidates")) if each.get("index", 0) == 0), {})
    return _text(as_objects(as_object(first.get("content")).get("parts")))


def _text(parts: list[JsonObject]) -> str:
    return "".join(as_text(part.get("text")) for part in parts if part.get("thought") is not True)


def content_usage(raw: JsonObject) -> Usage:
    """The token counts. What it thought comes on top of `candidatesTokenCount`, and what tools gave it on top of
    `promptTokenCount`."""
    usage = as_object(raw.get("usageMetadata"))
    prompt, from_tools, cached, said, thought = (
        as_count(usage.get(f"{name}TokenCount"))
        for name in ("prompt", "toolUsePrompt", "cachedContent", "candidates", "thoughts")
    )
    return Usage(
        input_tokens=total_of(prompt, from_tools),
        cached_input_tokens=cached,
        output_tokens=total_of(said, thought),
        reasoning_tokens=thought,
        total_tokens=as_count(usage.get("totalTokenCount")) or total_of(prompt, from_tools, said, thought),
    )


def schema_violations(schema: JsonObject) -> list[str]:
    """Recursion, and enums of other values than texts and numbers, are what it cannot express of an adapted schema."""
    return list(narrowed(schema, SUBSET).violations)


def wait_of(error: Any) -> float | None:
    """The `retryDelay` in an error's details, such as `34s`."""
    for detail in as_objects(as_object(error).get("details")):
        if as_text(detail.get("@type")).endswith(RETRY_INFO):
            return seconds_of(as_text(detail.get("retryDelay")))
    return None


def reason_of(body: Any) -> Any:
    """The error in a body, which some of Google's servers put into a list."""
    return error_of(body[0] if isinstance(body, list) and body else body)


def _contents(conversation: list[Message]) -> list[JsonObject]:
    """The conversation; results of tools that follow each other are one content of the user."""
    contents: list[JsonObject] = []
    for message in conversation:
        if message["role"] != "tool":
            contents.append(_content(message))
        elif contents and "functionResponse" in contents[-1]["parts"][0]:
            contents[-1]["parts"].append(_response(message))
        else:
            contents.append({"role": "user", "parts": [_response(message)]})
    return contents


def _content(message: Message) -> JsonObject:
    role = "model" if message["role"] == "assistant" else "user"
    content = message["content"]
    said = [_part(part) for part in content] if isinstance(content, list) else [{"text": content}] if content else []
    if not asks(message):
        return {"role": role, "parts": said}
    candidates = as_objects((message.get("raw") or {}).get("candidates"))
    own = as_object(candidates[0].get("content")) if candidates and message.get("surface") == SURFACE else {}
    if as_objects(own.get("parts")):  # its thoughts are signed, and belong to what it asked
        return {"role": role, "parts": own["parts"]}
    called = [
        {"functionCall": {"name": call["name"], "args": arguments_of(call)} | _named(call["id"])}
        for call in asks(message)
    ]
    return {"role": role, "parts": [*said, *called]}


def _response(message: Message) -> JsonObject:
    outcome = "error" if message.get("is_error") else "output"
    response: JsonObject = {"name": message["name"], "response": {outcome: text_of_content(message["content"])}}
    shown = [_part(part) for part in media_of(message["content"])]
    return {"functionResponse": response | ({"parts": shown} if shown else {}) | _named(message["tool_call_id"])}


def _part(part: JsonObject) -> JsonObject:
    if part["part"] == "text":
        return {"text": part["text"]}
    typed = {"mimeType": MIME_TYPES.get(part["media_type"], part["media_type"])} if part.get("media_type") else {}
    if "url" in part:
        return {"fileData": {"fileUri": part["url"]} | typed}
    return {"inlineData": {"data": part["data"]} | typed}


def _named(call_id: str) -> JsonObject:
    """Most of its calls have no id: their results follow in the same order."""
    return {} if call_id.startswith(GENERATED) else {"id": call_id}


def _tools(tools: list[JsonObject]) -> list[JsonObject]:
    """Functions as one list of declarations; the provider's own tools (`googleSearch`) go as they are."""
    functions = [(tool, function_of(tool)) for tool in tools]
    declared = [_declared(function) for _, function in functions if function is not None]
    others = [tool for tool, function in functions if function is None]
    return [*([{"functionDeclarations": declared}] if declared else []), *others]


def _declared(function: JsonObject) -> JsonObject:
    named = {key: function[key] for key in ("name", "description") if key in function}
    parameters = function.get("parameters")
    if parameters and function.get("strict"):
        parameters = narrowed(parameters, SUBSET).schema
    return named | ({"parametersJsonSchema": parameters} if parameters else {})


def _called(call: JsonObject) -> JsonObject:
    arguments = json.dumps(call.get("args") or {})
    return {"id": as_text(call.get("id")), "name": as_text(call.get("name")), "arguments": as_text(arguments)}


def _without_answer(raw: JsonObject) -> ProviderError:
    """A prompt that a filter stopped has feedback in place of an answer."""
    reason = as_label(as_object(raw.get("promptFeedback")).get("blockReason"), 64)
    if not reason:
        return malformed("it has no candidate")
    return ProviderError(f"{FILTERED.message} (HTTP 200, {reason})", code=FILTERED.code, status=200)


GENERATE_CONTENT = Wire(
    name=SURFACE,
    to_request=content_request,
    to_answer=content_answer,
    to_usage=content_usage,
    content=CONTENT,
    usage_field="usageMetadata",
    model_field="modelVersion",
    schema_violations=schema_violations,
    error_of=reason_of,
    errors=ERRORS,
    wait_of=wait_of,
    streaming=Streaming(to_request=dict, assembly=ContentAssembly, text_of=content_text),
)

"""The JSON that OpenAI's API answers with, for the simulator: answers on both surfaces, and errors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

from orchestration.providers.dialect import Reply
from orchestration.providers.streams.event_writer import words
from orchestration.types import JsonObject

MODELS_CREATED = 1735689600


def responses_payload(reply: Reply) -> JsonObject:
    """The body of `POST /responses`."""
    if reply.refusal:
        part: JsonObject = {"type": "refusal", "refusal": reply.refusal}
    else:
        part = {"type": "output_text", "text": reply.text, "annotations": []}
    status = "incomplete" if reply.cut_by else "completed"
    message = {"type": "message", "id": f"msg_{reply.id}", "status": status, "role": "assistant", "content": [part]}
    calls = [
        {"type": "function_call", "id": f"fc_{index}", "call_id": f"call_{reply.id}_{index}", "status": status} | call
        for index, call in enumerate(reply.tool_calls)
    ]
    reason = {"length": "max_output_tokens", "": None}.get(reply.cut_by, reply.cut_by)
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "metadata": {},
        "model": reply.model,
        "output": [*([message] if reply.text or not calls else []), *calls],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "store": False,
        "service_tier": "default",
        "usage": {
            "input_tokens": reply.input_tokens,
            "input_tokens_details": {"cached_tokens": reply.cached_tokens},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
        "simulated": True,
    }


def chat_payload(reply: Reply) -> JsonObject:
    """The body of `POST /chat/completions`."""
    message: JsonObject = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.refusal:
        message |= {"content": None, "refusal": reply.refusal}
    if reply.tool_calls:
        message |= {
            "content": reply.text or None,
            "tool_calls": [
                {"id": f"call_{reply.id}_{index}", "type": "function", "function": call}
                for index, call in enumerate(reply.tool_calls)
            ],
        }
    finish_reason = reply.cut_by or ("tool_calls" if reply.tool_calls else "stop")
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": chat_usage(reply),
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "simulated": True,
    }


def completion_payload(reply: Reply) -> JsonObject:
    """The body of `POST /completions`."""
    return _completion(reply, reply.refusal or reply.text, reply.cut_by or "stop") | {"usage": chat_usage(reply)}


def completion_chunks(reply: Reply, *, with_usage: bool) -> Iterator[JsonObject]:
    """The events of `POST /completions` with `stream`, without the closing `[DONE]`."""
    for word in words(reply.refusal or reply.text):
        yield _completion(reply, word, None)
    yield _completion(reply, "", reply.cut_by or "stop")
    if with_usage:
        yield _completion(reply, "", None) | {"choices": [], "usage": chat_usage(reply)}


def _completion(reply: Reply, text: str, finish_reason: str | None) -> JsonObject:
    return {
        "id": f"cmpl-{reply.id}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": reply.model,
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}],
        "system_fingerprint": "fp_simulated",
        "simulated": True,
    }


def chat_usage(reply: Reply) -> JsonObject:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
    }


def error_payload(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> JsonObject:
    """The body of every error: OpenAI's envelope."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def model_payload(name: str) -> JsonObject:
    """The body of `GET /models/{id}`."""
    return {"id": name, "object": "model", "created": MODELS_CREATED, "owned_by": "simulator"}


def models_payload(names: Iterable[str]) -> JsonObject:
    """The body of `GET /models`."""
    return {"object": "list", "data": [model_payload(name) for name in names]}


def failed_payload(response_id: str, model: str) -> JsonObject:
    """HTTP 200 of `POST /responses` for a request that failed after it was accepted."""
    error = {"code": "server_error", "message": "The simulated model failed."}
    return {
        "id": f"resp_{response_id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "failed",
        "error": error,
        "model": model,
        "output": [],
        "usage": None,
        "simulated": True,
    }


def chat_chunks(reply: Reply, *, with_usage: bool) -> Iterator[JsonObject]:
    """The events of `POST /chat/completions` with `stream`, without the closing `[DONE]`."""
    deltas: list[JsonObject] = [{"role": "assistant", "content": ""}]
    deltas += [{"refusal" if reply.refusal else "content": word} for word in words(reply.refusal or reply.text)]
    deltas += [delta for index, call in enumerate(reply.tool_calls) for delta in _tool_deltas(reply, index, call)]
    for delta in deltas:
        yield _chunk(reply, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])
    finish_reason = reply.cut_by or ("tool_calls" if reply.tool_calls else "stop")
    yield _chunk(reply, [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish_reason}])
    if with_usage:
        yield _chunk(reply, []) | {"usage": chat_usage(reply)}


def _tool_deltas(reply: Reply, index: int, call: JsonObject) -> Iterator[JsonObject]:
    """A tool call in pieces: its name, then its arguments."""
    begun = {"id": f"call_{reply.id}_{index}", "type": "function", "function": {"name": call["name"], "arguments": ""}}
    yield {"tool_calls": [{"index": index} | begun]}
    for piece in re.findall(r".{1,8}", call["arguments"], re.DOTALL):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _chunk(reply: Reply, choices: list[JsonObject]) -> JsonObject:
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": reply.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "simulated": True,
    }

"""The JSON that OpenAI's API answers with, for the simulator: answers on both surfaces, and errors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestration.types import JsonObject

MODELS_CREATED = 1735689600
CHARACTERS_PER_TOKEN = 4
"""A common rule of thumb; close enough for counts that cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the simulated model says, before it is put into a surface's JSON."""

    id: str
    model: str
    prompt_characters: int
    text: str = ""
    refusal: str = ""
    cut_by: str = ""
    """`length` or `content_filter` when the text was cut off."""
    tool_calls: list[JsonObject] = field(default_factory=list)
    """`{"name", "arguments"}`, the arguments as JSON text."""

    @property
    def input_tokens(self) -> int:
        return -(-self.prompt_characters // CHARACTERS_PER_TOKEN)

    @property
    def output_tokens(self) -> int:
        written = len(self.text) + len(self.refusal) + sum(len(call["arguments"]) for call in self.tool_calls)
        return -(-written // CHARACTERS_PER_TOKEN)


def responses_payload(said: Said) -> JsonObject:
    """The body of `POST /responses`."""
    if said.refusal:
        part: JsonObject = {"type": "refusal", "refusal": said.refusal}
    else:
        part = {"type": "output_text", "text": said.text, "annotations": []}
    status = "incomplete" if said.cut_by else "completed"
    message = {"type": "message", "id": f"msg_{said.id}", "status": status, "role": "assistant", "content": [part]}
    calls = [
        {"type": "function_call", "id": f"fc_{index}", "call_id": f"call_{said.id}_{index}", "status": status} | call
        for index, call in enumerate(said.tool_calls)
    ]
    reason = {"length": "max_output_tokens", "": None}.get(said.cut_by, said.cut_by)
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "metadata": {},
        "model": said.model,
        "output": calls or [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "store": False,
        "service_tier": "default",
        "usage": {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.input_tokens + said.output_tokens,
        },
        "simulated": True,
    }


def chat_payload(said: Said) -> JsonObject:
    """The body of `POST /chat/completions`."""
    message: JsonObject = {"role": "assistant", "content": said.text, "refusal": None}
    if said.refusal:
        message |= {"content": None, "refusal": said.refusal}
    if said.tool_calls:
        message |= {
            "content": None,
            "tool_calls": [
                {"id": f"call_{said.id}_{index}", "type": "function", "function": call}
                for index, call in enumerate(said.tool_calls)
            ],
        }
    finish_reason = said.cut_by or ("tool_calls" if said.tool_calls else "stop")
    return {
        "id": f"chatcmpl-{said.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": said.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": chat_usage(said),
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "simulated": True,
    }


def chat_usage(said: Said) -> JsonObject:
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
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


def chat_chunks(said: Said, *, with_usage: bool) -> Iterator[JsonObject]:
    """The events of `POST /chat/completions` with `stream`, without the closing `[DONE]`."""
    words = re.findall(r"\S+\s*|\s+", said.refusal or said.text)
    deltas: list[JsonObject] = [{"role": "assistant", "content": ""}]
    deltas += [{"refusal" if said.refusal else "content": word} for word in words]
    deltas += [delta for index, call in enumerate(said.tool_calls) for delta in _tool_deltas(said, index, call)]
    for delta in deltas:
        yield _chunk(said, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])
    finish_reason = said.cut_by or ("tool_calls" if said.tool_calls else "stop")
    yield _chunk(said, [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish_reason}])
    if with_usage:
        yield _chunk(said, []) | {"usage": chat_usage(said)}


def _tool_deltas(said: Said, index: int, call: JsonObject) -> Iterator[JsonObject]:
    """A tool call in pieces: its name, then its arguments."""
    begun = {"id": f"call_{said.id}_{index}", "type": "function", "function": {"name": call["name"], "arguments": ""}}
    yield {"tool_calls": [{"index": index} | begun]}
    for piece in re.findall(r".{1,8}", call["arguments"], re.DOTALL):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _chunk(said: Said, choices: list[JsonObject]) -> JsonObject:
    return {
        "id": f"chatcmpl-{said.id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": said.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "simulated": True,
    }

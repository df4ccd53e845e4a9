"""The simulated model: from a request's bytes to an answer's bytes, for the in-process provider and the HTTP server."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import orjson

from orchestration.errors import InvalidCall
from orchestration.providers.faults import Fault, Script
from orchestration.providers.generate import CannotGenerate, value_for
from orchestration.providers.ledger import Entry, Ledger
from orchestration.providers.payloads import Said, chat_payload, error_payload, failed_payload, responses_payload
from orchestration.providers.questions import CHAT, Question, read_question
from orchestration.types import JsonObject

Delivery = Literal["whole", "hang", "trickle", "reset", "cut"]
DELIVERIES: dict[str, Delivery] = {"hang": "hang", "trickle": "trickle", "reset": "reset", "cut": "cut"}
NO_JSON = "I would rather explain this in a sentence than in JSON."
REFUSAL = "I cannot help with that. (simulated refusal)"
WEB_PAGE = b"<!doctype html><title>Bad gateway</title><p>This is a web page, not an API."

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An answer, ready to be written."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    """Beside Content-Type."""
    content_type: str = "application/json"
    latency: float = 0.0
    """Seconds to wait before the first byte."""
    delivery: Delivery = "whole"
    streamed: Said | None = None
    """Set when the client asked for a stream: what to send piece by piece instead of `body`."""
    stream_usage: bool = False


class Simulation:
    """Answers requests by a script and keeps a ledger. `script` and `latency_ms` may be replaced at any time."""

    def __init__(self, *, script: Script | None = None, latency_ms: int = 0, ledger: Ledger | None = None) -> None:
        self.script = script or Script()
        self.latency_ms = latency_ms
        self.ledger = ledger or Ledger()

    def answer(
        self, path: str, raw: bytes, *, correlation: str = "", context: JsonObject | None = None
    ) -> tuple[Entry, Outgoing]:
        """The answer to a request, entered in the ledger as open: who delivers it reports how that ended."""
        fault = question = None
        reply_id = self.ledger.next_id()
        try:
            question = read_question(path, raw)
            fault = self.script.take(question.model, question.texts)
            outgoing = self._planned(question, fault, reply_id, context or {})
        except (InvalidCall, CannotGenerate) as error:
            outgoing = Outgoing(status=400, body=_error(str(error), kind="invalid_request_error", code="simulator"))
        entry = Entry(
            id=reply_id,
            time=time.time(),
            path=path,
            model=question.model if question else "",
            digest=question.digest if question else "",
            correlation=correlation,
            fault=fault.kind if fault else "ok",
            status=0 if outgoing.delivery in {"hang", "reset"} else outgoing.status,
        )
        self.ledger.opened(entry)
        return entry, outgoing

    def _planned(self, question: Question, fault: Fault, reply_id: str, context: JsonObject) -> Outgoing:
        latency = (self.latency_ms if fault.latency_ms is None else fault.latency_ms) / 1000
        if fault.kind in ERRORS:
            return _failure(fault, latency)
        if fault.kind == "html":
            return Outgoing(status=200, body=WEB_PAGE, content_type="text/html", latency=latency)
        if fault.kind == "failed":
            body = orjson.dumps(failed_payload(reply_id, question.model))
            return Outgoing(status=200, body=body, latency=latency)
        said = _said(question, fault, reply_id, context)
        body = orjson.dumps(chat_payload(said) if question.path == CHAT else responses_payload(said))
        return Outgoing(
            status=200,
            body=body[: len(body) // 2] if fault.kind == "malformed" else body,
            headers={"x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999"},
            latency=latency,
            delivery=DELIVERIES.get(fault.kind, "whole"),
            streamed=said if question.stream else None,
            stream_usage=question.stream_usage,
        )


def _failure(fault: Fault, latency: float) -> Outgoing:
    status, kind, code = ERRORS[fault.kind]
    message = fault.text or f"Simulated error {status}."
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    if fault.kind == "redirect":
        headers["location"] = "/v1/elsewhere"
    return Outgoing(status=status, body=_error(message, kind=kind, code=code), headers=headers, latency=latency)


def _error(message: str, *, kind: str, code: str | None) -> bytes:
    return orjson.dumps(error_payload(message, kind=kind, code=code))


def _said(question: Question, fault: Fault, reply_id: str, context: JsonObject) -> Said:
    """What the model says to `question`, as the script has it."""
    spoken: dict[str, Any] = {}
    if fault.kind == "refusal":
        spoken["refusal"] = fault.text or REFUSAL
    elif fault.kind == "tool_call":
        called = fault.data if isinstance(fault.data, dict) else {}
        arguments = orjson.dumps(called.get("arguments", {})).decode()
        spoken["tool_calls"] = [{"name": str(called.get("name", "tool")), "arguments": arguments}]
    else:
        spoken["text"] = _text(question, fault, context)
    if fault.kind in {"truncated", "content_filter"}:
        spoken["text"] = spoken["text"][: len(spoken["text"]) // 2]
        spoken["cut_by"] = "length" if fault.kind == "truncated" else "content_filter"
    return Said(id=reply_id, model=question.model, prompt_characters=sum(map(len, question.texts)), **spoken)


def _text(question: Question, fault: Fault, context: JsonObject) -> str:
    match fault.kind:
        case "text":
            return fault.text
        case "json":
            return orjson.dumps(fault.data).decode()
        case "not_json":
            return fault.text or NO_JSON
        case "wrong_shape":
            return '{"simulated_wrong_shape": true}'
    return good_text(
        orjson.dumps(question.schema), orjson.dumps(question.texts), question.last_user_message, orjson.dumps(context)
    )


@lru_cache(maxsize=2048)
def good_text(schema: bytes, prompt: bytes, message: str, context: bytes) -> str:
    """The answer's text, from JSON: that of a schema (or null), of the prompt's texts, and of the context."""
    seed = hashlib.blake2b(schema + prompt, digest_size=16).digest()
    wanted = orjson.loads(schema)
    texts = orjson.loads(prompt)
    if wanted is None:
        return str(value_for({"type": "string"}, seed=seed, message=message, texts=texts))
    value = value_for(wanted, seed=seed, message=message, context=orjson.loads(context), texts=texts)
    return orjson.dumps(value).decode()

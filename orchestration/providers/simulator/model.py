"""The simulated model: from a request's bytes to an answer's bytes, for the in-process provider and the HTTP server."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import orjson

from orchestration.errors import InvalidCall, ProviderError
from orchestration.providers.dialect import Dialect, ReceivedContent, Reply, SimulatedRequest
from orchestration.providers.simulator.dialects import BUILT_IN, dialect_of, read_request
from orchestration.providers.simulator.faults import REFUSING, Fault, Script
from orchestration.providers.simulator.request_log import Entry, RequestLog
from orchestration.providers.simulator.responder import MakeResponder, responders
from orchestration.providers.simulator.schema_values import CannotGenerate, value_for
from orchestration.types import JsonObject

Delivery = Literal["whole", "hang", "trickle", "reset", "cut"]
DELIVERIES: dict[str, Delivery] = {"hang": "hang", "trickle": "trickle", "reset": "reset", "cut": "cut"}
NO_JSON = "I would rather explain this in a sentence than in JSON."
RESULTS = "$results"
CONTENT_CHARACTERS = 4000
"""As many characters an image, audio or file counts for: about a thousand tokens, as real models count a page."""
REFUSAL = "I cannot help with that. (simulated refusal)"
CREDENTIALS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key"})
"""Headers in which APIs expect a key, in lower case."""
GARBAGE = b'data: {"broken": \n\n'
"""An event that is not JSON."""
WEB_PAGE = b"<!doctype html><title>Bad gateway</title><p>This is a web page, not an API."


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
    events: Iterator[bytes] | None = None
    """Set when the client asked for a stream: what to send piece by piece instead of `body`."""
    tokens: tuple[int, int] = (0, 0)
    """Of input and output, as it says them."""
    pace: float = 0.0
    """Seconds before each event but the first."""


class Simulation:
    """Answers requests by a script and logs them. `script`, `latency_ms` and `pace_ms` may be replaced at any time."""

    def __init__(
        self,
        *,
        script: Script | None = None,
        latency_ms: int = 0,
        pace_ms: int = 0,
        request_log: RequestLog | None = None,
        dialects: Iterable[Dialect] = (),
    ) -> None:
        self.script = script or Script()
        self.latency_ms, self.pace_ms = latency_ms, pace_ms
        self.request_log = request_log or RequestLog()
        self.dialects = (*dialects, *BUILT_IN)
        """Those of a provider that is tested, before the built-in ones."""
        self.seen: deque[SimulatedRequest] = deque(maxlen=100)
        """The last requests, as they were read."""

    def answer(
        self,
        path: str,
        raw: bytes,
        *,
        correlation: str = "",
        context: JsonObject | None = None,
        headers: Collection[str] | None = None,
    ) -> tuple[Entry, Outgoing]:
        """The answer to a request, logged as open; what delivers it reports how that ended. `path` is that of one of
        `dialects`; `headers`: the names that came, in lower case, None where that is not known."""
        fault = request = None
        reply_id = self.request_log.next_id()
        dialect = dialect_of(path, self.dialects) or BUILT_IN[0]
        try:
            _check_headers(dialect, headers)
            request = read_request(dialect, path, raw)
            self.seen.append(request)
            fault = self.script.take(request.model, request.texts, len(request.tool_results))
            outgoing = self._planned(dialect, request, fault, reply_id, context or {})
        except (InvalidCall, CannotGenerate) as error:
            outgoing = _refused(dialect, Fault(kind="bad_request", text=str(error)), 0.0)
        entry = Entry(
            id=reply_id,
            time=time.time(),
            path=path,
            model=request.model if request else "",
            digest=request.digest if request else "",
            correlation=correlation,
            fault=fault.kind if fault else "ok",
            status=0 if outgoing.delivery in {"hang", "reset"} else outgoing.status,
            content=list(request.content) if request else [],
            credential=next((name for name in headers or () if name in CREDENTIALS), ""),
            input_tokens=outgoing.tokens[0],
            output_tokens=outgoing.tokens[1],
        )
        self.request_log.opened(entry)
        return entry, outgoing

    async def pass_time(self, entry: Entry, outgoing: Outgoing) -> None:
        """Take as long as the answer is to take, without end where it hangs; ProviderError where the connection is to
        break. For providers in this process: over HTTP the server does it. A stream breaks within: see `pieces`."""
        await asyncio.sleep(outgoing.latency)
        if outgoing.delivery == "hang" or (outgoing.delivery == "trickle" and outgoing.events is None):
            await asyncio.Event().wait()
        if outgoing.delivery == "reset" or (outgoing.delivery == "cut" and outgoing.events is None):
            raise self._broken(entry)

    async def pieces(self, entry: Entry, outgoing: Outgoing) -> AsyncIterator[bytes]:
        """The events of a stream at their pace, until it hangs, or breaks (ProviderError), where it is to."""
        async for event in paced(outgoing):
            yield event
        if outgoing.delivery == "trickle":
            await asyncio.Event().wait()
        if outgoing.delivery == "cut":
            raise self._broken(entry)

    def _broken(self, entry: Entry) -> ProviderError:
        self.request_log.ended(entry, "broken_off")
        return ProviderError("The connection broke.", code="connection_error", retryable=True)

    def _planned(
        self, dialect: Dialect, request: SimulatedRequest, fault: Fault, reply_id: str, context: JsonObject
    ) -> Outgoing:
        latency = (self.latency_ms if fault.latency_ms is None else fault.latency_ms) / 1000
        if fault.kind in REFUSING:
            return _refused(dialect, fault, latency)
        if fault.kind == "html":
            return Outgoing(status=200, body=WEB_PAGE, content_type="text/html", latency=latency)
        if fault.kind == "failed":
            failed = dialect.failed(reply_id, request.model)
            events = dialect.failed_events(failed) if request.stream and dialect.failed_events else None
            return Outgoing(status=200, body=orjson.dumps(failed), latency=latency, events=events)
        reply = _reply(request, fault, reply_id, context)
        body = orjson.dumps(dialect.payload(reply))
        return Outgoing(
            status=200,
            body=body[: len(body) // 2] if fault.kind == "malformed" else body,
            headers=dict(dialect.limits),
            latency=latency,
            delivery=DELIVERIES.get(fault.kind, "whole"),
            events=_streamed(fault, dialect.events(request, reply)) if request.stream and dialect.events else None,
            pace=(self.pace_ms if fault.pace_ms is None else fault.pace_ms) / 1000,
            tokens=(reply.input_tokens, reply.output_tokens),
        )


async def paced(outgoing: Outgoing) -> AsyncIterator[bytes]:
    """The events of a stream, each at its time."""
    for number, event in enumerate(outgoing.events or ()):
        if number and outgoing.pace:
            await asyncio.sleep(outgoing.pace)
        yield event


def _streamed(fault: Fault, events: Iterator[bytes]) -> Iterator[bytes]:
    """The events that are sent: those of a stream that breaks, hangs or holds garbage are the first ones."""
    if fault.kind not in {"cut", "malformed", "trickle"}:
        return events
    every = list(events)
    first = every[: len(every) // 2 if fault.events is None else fault.events]
    return iter([*first, GARBAGE] if fault.kind == "malformed" else first)


def _check_headers(dialect: Dialect, headers: Collection[str] | None) -> None:
    for name in dialect.needs_headers if headers is not None else ():
        if name not in (headers or ()):
            raise InvalidCall(f"{name}: header is required")


def _refused(dialect: Dialect, fault: Fault, latency: float) -> Outgoing:
    failure = dialect.failure(fault.kind, fault.text or f"Simulated error: {fault.kind}.", fault.retry_after)
    to = {"location": "/v1/elsewhere"} if fault.kind == "redirect" else {}
    body = orjson.dumps(failure.body)
    return Outgoing(status=failure.status, body=body, headers={**failure.headers, **to}, latency=latency)


def _reply(request: SimulatedRequest, fault: Fault, reply_id: str, context: JsonObject) -> Reply:
    """What the model says to `request`, as the script has it."""
    spoken: dict[str, Any] = {}
    if fault.kind == "refusal":
        spoken["refusal"] = fault.text or REFUSAL
    elif fault.kind == "tool_call":
        spoken["text"] = fault.text
        spoken["tool_calls"] = [
            _called(each, len(request.tool_results))
            for each in (fault.data if isinstance(fault.data, list) else [fault.data])
        ]
    else:
        spoken["text"] = _text(request, fault, context)
    if fault.kind in {"truncated", "content_filter"}:
        spoken["text"] = spoken["text"][: len(spoken["text"]) // 2]
        spoken["cut_by"] = "length" if fault.kind == "truncated" else "content_filter"
    return Reply(
        id=reply_id,
        model=request.model,
        prompt_characters=sum(map(len, request.texts)) + CONTENT_CHARACTERS * len(request.content),
        cached_tokens=fault.cached_tokens,
        reasoning_tokens=fault.reasoning_tokens,
        **spoken,
    )


def _called(asked: Any, results: int) -> JsonObject:
    call = asked if isinstance(asked, dict) else {}
    arguments = call.get("arguments", {})
    if isinstance(arguments, dict):
        arguments = {name: results if value == RESULTS else value for name, value in arguments.items()}
    return {"name": str(call.get("name", "tool")), "arguments": orjson.dumps(arguments).decode()}


def _text(request: SimulatedRequest, fault: Fault, context: JsonObject) -> str:
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
        orjson.dumps(request.schema),
        orjson.dumps(request.texts if not request.content else [*request.texts, *map(_told, request.content)]),
        request.last_user_message,
        orjson.dumps(context),
        responders(),
    )


def _told(content: ReceivedContent) -> str:
    """Content as a text of the prompt: other bytes have another answer."""
    return f"[{content.kind} {content.name} {content.sha256[:16] or content.url}]"


@lru_cache(maxsize=2048)
def good_text(schema: bytes, prompt: bytes, message: str, context: bytes, makers: tuple[MakeResponder, ...]) -> str:
    """The answer's text, from JSON: that of a schema (or null), of the prompt's texts, and of the context."""
    seed = hashlib.blake2b(schema + prompt, digest_size=16).digest()
    wanted = orjson.loads(schema)
    texts = orjson.loads(prompt)
    if wanted is None:
        return str(value_for({"type": "string"}, seed=seed, message=message, texts=texts, responders=makers))
    value = value_for(wanted, seed=seed, message=message, context=orjson.loads(context), texts=texts, responders=makers)
    return orjson.dumps(value).decode()

"""Forwards the provider's answer to the client: as a whole, or chunk by chunk."""

from __future__ import annotations

import time
from typing import Any

from apps.gateway.errors import GatewayError, from_connection, from_report, malformed_answer
from apps.gateway.http.request import Headers
from apps.gateway.masking import StreamRestorer
from apps.gateway.models import Endpoint, Status
from apps.gateway.proxy.answer_json import Document, error_in, read_document
from apps.gateway.proxy.assembly import DONE, as_chunks
from apps.gateway.proxy.request_lifecycle import ModelRequest
from apps.gateway.proxy.sse_parser import NO_USAGE, read_chunk
from orchestration.errors import ProviderError
from orchestration.providers.openai.chat_assembly import Assembly, find_usage
from orchestration.providers.passthrough import Reply
from orchestration.providers.streams.event_reader import EventReader, event_data
from orchestration.values.json_bodies import write_json

STREAM_TYPE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


ANSWERS = {
    Endpoint.CHAT: "choices",
    Endpoint.COMPLETIONS: "choices",
    Endpoint.RESPONSES: "output",
    Endpoint.MESSAGES: "content",
    Endpoint.EMBEDDINGS: "data",
}
"""The list that every answer has."""


async def forward_whole(request: ModelRequest) -> None:
    """Ask, record, answer: the client gets no byte before the record is committed."""
    started = time.perf_counter()
    async with request.reply() as reply:
        raw = await reply.read(request.settings.MAX_ANSWER_BYTES)
    request.provider_ms = (time.perf_counter() - started) * 1000
    compute = request.runtime.compute
    raw = (await compute(len(raw), _checked, request, raw, ANSWERS[Endpoint(request.row.endpoint)])).raw
    if request.restorer is not None:
        raw = await compute(len(raw), request.restorer.raw, raw)
    # The vectors of embeddings are not kept: they are large, and can be computed again from the prompt.
    await request.close(Status.COMPLETED, 200, None if request.row.endpoint == Endpoint.EMBEDDINGS else raw)
    await request.incoming.answer(200, raw, request.headers())


def _checked(request: ModelRequest, raw: bytes, needed: str) -> Document:
    """The answer, with its usage noted; GatewayError for an error in it, and for what is not an answer."""
    found = read_document(raw)
    if found is None and needed == "choices":
        found = _assembled(request, raw)
    if found is None:
        raise request.note_unreadable(raw)
    answer = found.value
    error = error_in(answer)
    if error:
        raise _reported(request, answer, error)
    if not isinstance(answer.get(needed), list):
        raise request.note_unreadable(raw)
    request.note_usage(find_usage(answer), _messages(answer))
    request.note_tier(answer)
    return found


def _assembled(request: ModelRequest, raw: bytes) -> Document | None:
    """The answer, or the error, in a stream that came although none was asked for; None when it is not a whole one."""
    assembly, reader = Assembly(), EventReader()
    try:
        for event in [*reader.feed(raw), *reader.end()]:
            data = event_data(event)
            if data is not None and data != b"[DONE]":
                found = read_chunk(data)
                if error_in(found.value):
                    return found
                assembly.feed(found.value)
    except ProviderError:
        return None
    answer = assembly.answer()
    request.cacheable = assembly.certain
    return Document(answer, write_json(answer)) if assembly.finished else None


def _reported(request: ModelRequest, answer: dict[str, Any], error: Any) -> GatewayError:
    """The error in an answer or a chunk. What was used is charged as far as it is reported."""
    messages = list(filter(None, _messages(answer)))
    request.note_usage(find_usage(answer), messages or None)
    return from_report(error, default_wait=request.settings.RETRY_AFTER_SECONDS)


def _messages(answer: dict[str, Any]) -> list[Any]:
    """What was said, in whichever shape."""
    choices, items = answer.get("choices"), answer.get("output", answer.get("content"))
    if isinstance(items, list):
        return [*items, *answer.get("unfolded", ())]
    said = (each for each in choices if isinstance(each, dict)) if isinstance(choices, list) else ()
    return [each.get("message", each.get("text")) for each in said]


class StreamForwarder:
    """Forwards one stream of chat or completion chunks as it arrives, and assembles a copy for the record."""

    assembly_type: Any = Assembly
    restorer_type: Any = StreamRestorer
    last = DONE
    """What the client gets when the record is committed."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        self.assembly = self.assembly_type()
        self.done = False
        self._restorer = self.restorer_type(request.restorer) if request.restorer is not None else None

    async def run(self) -> None:
        """Forward to the end. Before the first chunk a failure is an HTTP error, afterwards an error event."""
        try:
            async with self.request.reply() as reply:
                if reply.content_type == "text/event-stream":
                    await self._forward(reply)
                else:
                    await self._forward_body(await reply.read(self.request.settings.MAX_ANSWER_BYTES))
            self._check_end()
        except GatewayError as error:
            await self._end_with(error)
            return
        await self._pass_rest()
        status, code = self._outcome()
        await self._settle(status, 200, code)
        if not self.request.incoming.begun:
            await self._begin()
        await self.request.incoming.write(self.last, more=False)

    async def _forward(self, reply: Reply) -> None:
        reader = EventReader()
        async for data in reply.chunks:
            await self._forward_events(reader.feed(data))
            if self.done:
                return
        await self._forward_events(reader.end())

    async def _forward_body(self, raw: bytes) -> None:
        """Forward what came under another type: a whole answer as a stream, or events all the same."""
        found = read_document(raw)
        error = error_in(found.value) if found is not None else None
        if found is not None and error:
            raise _reported(self.request, found.value, error)
        if found is not None and isinstance(found.value.get(ANSWERS[Endpoint(self.request.row.endpoint)]), list):
            raw = self.events_of(found.value)
        elif found is not None or b"data:" not in raw:
            raise self.request.note_unreadable(raw)
        reader = EventReader()
        await self._forward_events([*reader.feed(raw), *reader.end()])

    async def _forward_events(self, events: list[bytes]) -> None:
        passed: list[bytes] = []
        try:
            for event in events:
                self._take(event, passed)
        finally:  # what came before a chunk that cannot be read is valid
            if passed:
                await self._pass_on(b"\n\n".join([*passed, b""]))

    def _take(self, event: bytes, passed: list[bytes]) -> None:
        """Read an event, and add to `passed` what the client gets of it."""
        data = event_data(event)
        if data is None or self.done:
            passed.extend([] if self.done else [event])
            return
        if data == b"[DONE]":
            self.done = True
            return
        found = read_chunk(data)
        chunk = found.value
        error = error_in(chunk)
        if error:
            self.assembly.feed(chunk)
            raise from_report(error, default_wait=self.request.settings.RETRY_AFTER_SECONDS)
        if found.raw is not data:
            event = b"data: " + found.raw
        if self._restorer is not None:
            chunk = self._restorer.feed(chunk)
            event = b"data: " + write_json(chunk)
        if self.assembly.feed(chunk) and self.request.row.first_token_ms is None:
            self.request.row.first_token_ms = round(self.request.incoming.milliseconds)
        if self.request.usage_wanted or "usage" not in chunk:
            passed.append(event)
        elif chunk.get("choices") or not chunk["usage"]:
            passed.append(event.replace(NO_USAGE, b""))

    async def _pass_on(self, data: bytes) -> None:
        incoming = self.request.incoming
        if not incoming.begun:
            await self._begin()
        await incoming.write(data)

    async def _begin(self) -> None:
        await self.request.incoming.begin(200, [*STREAM_TYPE, *self.request.headers()])

    def _check_end(self) -> None:
        """A stream without `[DONE]` is complete when every choice ended; otherwise it was cut."""
        begun = self.request.incoming.begun or self.assembly.begun
        if not begun:
            self.request.note_unreadable(b"")
        if not self.done and not self.assembly.finished:
            raise from_connection(ProviderError("The stream ended early.", code="connection_error"))
        if not begun:
            raise malformed_answer()

    async def _end_with(self, error: GatewayError) -> None:
        """End a stream that failed: first its record, then the error event."""
        if self.assembly.begun or self.assembly.usage:
            self._note_usage()
        if not self.request.incoming.begun:
            raise error
        await self._pass_rest()
        left = self.request.incoming.left
        await self._settle(Status.CLIENT_LEFT if left else Status.FAILED, 200, error.recorded_as, error)
        await self.request.incoming.write(self._error_event(error), more=False)

    def _outcome(self) -> tuple[Status, str]:
        """How a stream that came to its end is recorded."""
        return Status.COMPLETED, "" if self.done else "done_missing"

    def _error_event(self, error: GatewayError) -> bytes:
        return b"data: " + write_json(self.request.incoming.error_object(error)) + b"\n\n"

    @classmethod
    def events_of(cls, answer: dict[str, Any], *, with_usage: bool = True) -> bytes:
        """A whole answer as a stream, as which it is replayed."""
        return b"".join(as_chunks(answer | {"usage": find_usage(answer)}, with_usage=with_usage))

    async def _pass_rest(self) -> None:
        """What was held back because it might have become a placeholder."""
        rest = self._rest_events()
        if rest:
            await self._pass_on(b"".join(rest))

    def _rest_events(self) -> list[bytes]:
        rest = self._restorer.rest() if self._restorer is not None else []
        if not rest:
            return []
        if self.assembly.is_text:
            rest = [{"index": each["index"], "finish_reason": None, **each["delta"]} for each in rest]
        chunk = {"object": self.assembly.chunk_object, **self.assembly.head, "choices": rest}
        self.assembly.feed(chunk)
        return [b"data: " + write_json(chunk) + b"\n\n"]

    def _note_usage(self) -> None:
        self.request.note_usage(self.assembly.usage, _messages(self.assembly.answer()))

    async def _settle(self, status: Status, http_status: int, code: str, error: GatewayError | None = None) -> None:
        self._note_usage()
        self.request.cacheable = self.assembly.certain
        answer = self.assembly.answer()
        self.request.note_tier(answer)
        if error is not None and error.reported_message:
            answer["error"] = {"message": error.reported_message, "code": error.code}
        await self.request.close(status, http_status, write_json(answer), code)

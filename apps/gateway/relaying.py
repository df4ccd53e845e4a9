"""The provider's answer on its way to the client: whole, or chunk by chunk."""

from __future__ import annotations

import time
from typing import Any

import orjson

from apps.gateway.errors import GatewayError, from_connection, malformed_answer
from apps.gateway.events import DONE, NO_USAGE, Assembly, EventReader, event_data, read_chunk
from apps.gateway.exchange import Exchange, read_answer
from apps.gateway.http import Headers
from apps.gateway.masking import StreamRestorer
from apps.gateway.models import Endpoint, Status
from orchestration.errors import ProviderError
from orchestration.providers.relay import Reply

STREAM_TYPE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


async def relay_whole(exchange: Exchange) -> None:
    """Ask, record, answer: the client has no byte before the record is committed."""
    await exchange.open()
    started = time.perf_counter()
    async with exchange.reply() as reply:
        raw = await reply.read(exchange.settings.MAX_ANSWER_BYTES)
    exchange.provider_ms = (time.perf_counter() - started) * 1000
    if exchange.restorer is not None:
        raw = exchange.restorer.raw(raw)
    is_chat = exchange.row.endpoint == Endpoint.CHAT
    answer = read_answer(raw, "choices" if is_chat else "data")
    exchange.note_usage(answer.get("usage"), _said(answer) if is_chat else "")
    # The vectors of embeddings are not kept: they are large, and can be had again from the prompt.
    await exchange.close(Status.COMPLETED, 200, raw if is_chat else None)
    await exchange.incoming.answer(200, raw, exchange.headers())


def _said(answer: dict[str, Any]) -> str:
    messages = [item.get("message") for item in answer["choices"] if isinstance(item, dict)]
    return orjson.dumps([message.get("content") for message in messages if isinstance(message, dict)]).decode()


class StreamRelay:
    """One stream: bytes pass as they come, a copy is put together for the record."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.assembly = Assembly()
        self.done = False
        self._restorer = StreamRestorer(exchange.restorer) if exchange.restorer is not None else None

    async def run(self) -> None:
        """Relay to the end. Before the first chunk a failure is an HTTP error, afterwards an error event."""
        await self.exchange.open()
        try:
            async with self.exchange.reply() as reply:
                await self._relay(reply)
            self._check_end()
        except GatewayError as error:
            await self._broke_off(error)
            return
        await self._pass_rest()
        await self._settle(Status.COMPLETED, 200, "" if self.done else "done_missing")
        await self.exchange.incoming.write(DONE, more=False)

    async def _relay(self, reply: Reply) -> None:
        if reply.content_type != "text/event-stream":
            await reply.read(self.exchange.settings.MAX_ANSWER_BYTES)
            raise malformed_answer()
        reader = EventReader()
        async for data in reply.chunks:
            passed: list[bytes] = []
            try:
                for event in reader.feed(data):
                    self._take(event, passed)
            finally:  # what came before a chunk that cannot be read was good
                if passed:
                    await self._pass_on(b"\n\n".join([*passed, b""]))
            if self.done:
                return

    def _take(self, event: bytes, passed: list[bytes]) -> None:
        """Read an event, and add to `passed` what of it the client shall see."""
        data = event_data(event)
        if data is None or self.done:
            passed.extend([] if self.done else [event])
            return
        if data == b"[DONE]":
            self.done = True
            return
        chunk = read_chunk(data)
        if chunk.get("error"):
            raise malformed_answer()
        if self._restorer is not None:
            chunk = self._restorer.feed(chunk)
            event = b"data: " + orjson.dumps(chunk)
        if self.assembly.feed(chunk) and self.exchange.row.first_token_ms is None:
            self.exchange.row.first_token_ms = round(self.exchange.incoming.milliseconds)
        if self.exchange.usage_wanted or "usage" not in chunk:
            passed.append(event)
        elif chunk.get("choices") or not chunk["usage"]:
            passed.append(event.replace(NO_USAGE, b""))

    async def _pass_on(self, data: bytes) -> None:
        incoming = self.exchange.incoming
        if not incoming.begun:
            await incoming.begin(200, [*STREAM_TYPE, *self.exchange.headers()])
        await incoming.write(data)

    def _check_end(self) -> None:
        """A stream without `[DONE]` is whole when every choice ended; otherwise it was cut."""
        if not self.done and not self.assembly.finished:
            raise from_connection(ProviderError("The stream broke off.", code="connection_error"))
        if not self.exchange.incoming.begun:
            raise malformed_answer()

    async def _broke_off(self, error: GatewayError) -> None:
        """The end of a stream that has no good one: the row, then the error."""
        if not self.exchange.incoming.begun:
            raise error
        await self._pass_rest()
        left = self.exchange.incoming.left
        await self._settle(Status.CLIENT_LEFT if left else Status.FAILED, 200, error.recorded_as)
        await self.exchange.incoming.write(b"data: " + error.body() + b"\n\n", more=False)

    async def _pass_rest(self) -> None:
        """What was held back because it might have become a placeholder."""
        rest = self._restorer.rest() if self._restorer is not None else []
        if rest:
            chunk = {"object": "chat.completion.chunk", **self.assembly.head, "choices": rest}
            self.assembly.feed(chunk)
            await self._pass_on(b"data: " + orjson.dumps(chunk) + b"\n\n")

    async def _settle(self, status: Status, http_status: int, code: str) -> None:
        self.exchange.note_usage(self.assembly.usage, self.assembly.text())
        await self.exchange.close(status, http_status, orjson.dumps(self.assembly.answer()), code)

"""The providers that are asked over HTTP: a wire format, an address, a credential, and one transport for all."""

from __future__ import annotations

import asyncio
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from django.utils.module_loading import import_string

from orchestration.conf import ClientSettings, engine_settings
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.content import ContentSupport
from orchestration.providers.credentials import Credential
from orchestration.providers.errors import provider_error
from orchestration.providers.http.addresses import is_loopback
from orchestration.providers.http.contract import HttpReply, Transport
from orchestration.providers.response_bodies import Body, read_body
from orchestration.providers.retry_after import retry_after
from orchestration.providers.streams.reading import Heard, StreamReading
from orchestration.providers.wire import Answer, Wire, as_label, malformed
from orchestration.types import JsonObject

TRANSPORT = "orchestration.providers.http.transport"
"""Imported when a provider first sends: aiohttp is half of what a process takes to start, and few ask a model."""
LIMITS = (b"ratelimit", b"rate-limit", b"retry-after")
"""Parts of the names of headers that say something about limits."""
ECHOED = frozenset({"input", "ctx", "messages", "contents", "prompt", "system"})
"""Fields of errors in which some servers repeat the request."""
KEYS = re.compile(r"\bsk-[\w*.-]+|\bAIza[\w*-]+")
"""What looks like a key, whosever it is."""


class HttpProvider(Provider):
    """A client of ORCA_CONFIG that is asked over HTTP.

    Bound to the event loop it first sends in; close it there. `transport` replaces the network, and the key with it:
    the in-process simulator does.
    """

    wires: ClassVar[Mapping[str, Wire]]
    """Its APIs by surface; `surfaces` follows from it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "wires" in vars(cls):
            cls.surfaces = tuple(cls.wires)

    def __init__(self, client_name: str, client: ClientSettings, *, transport: Transport | None = None) -> None:
        super().__init__(client_name, client)
        self.wire = self.wires[self.surface]
        self.options: Any = self.Options.model_validate(client.options)
        self.base_url = (client.base_url or self.default_url or "").rstrip("/")
        self._free = transport is not None or is_loopback(self.base_url)
        self._credential = Credential(client_name, client) if transport is None else None
        self._headers = {"Content-Type": "application/json", "User-Agent": "orchestrai", **self.extra_headers()}
        self._transport = transport
        self._opening = asyncio.Lock()

    @classmethod
    def schema_violations(cls, surface: str, schema: JsonObject) -> list[str]:
        return cls.wires[surface].schema_violations(schema)

    @classmethod
    def content_support(cls, surface: str) -> ContentSupport:
        return cls.wires[surface].content

    @abstractmethod
    def path(self, request: ProviderRequest) -> str:
        """Where a request goes, below `base_url`."""

    def stream_path(self, request: ProviderRequest) -> str:
        """Where a request goes whose answer is to come as a stream."""
        return self.path(request)

    def sendable(self, request: ProviderRequest) -> ProviderRequest:
        """The request as its wire format gets it: with what the client's options change."""
        return request

    def extra_headers(self) -> dict[str, str]:
        """Headers of every request, besides those of its content and its credential."""
        return {}

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        """Send once. Raises ProviderError, PaidRequestsForbidden; cancelling closes the HTTP request."""
        return await self.exchange(request, None)

    async def stream(self, request: ProviderRequest, heard: Heard) -> ProviderResponse:
        """As `send`. A server that answers at once all the same is understood, too."""
        if self.wire.streaming is None:
            return await super().stream(request, heard)
        return await self.exchange(request, StreamReading(self.wire.streaming, heard))

    async def exchange(self, request: ProviderRequest, reading: StreamReading | None) -> ProviderResponse:
        """Send once, for an answer that comes at once, or as a stream that `reading` reads."""
        if not (self._free or engine_settings().ALLOW_PAID_REQUESTS):
            raise PaidRequestsForbidden
        self.check(request)
        body = self._written(request, as_stream=reading is not None)
        path = self.path(request) if reading is None else self.stream_path(request)
        started = time.perf_counter()
        received: list[bytes] = [] if reading is None else reading
        sent = False
        try:
            async with asyncio.timeout(request.timeout):
                headers = await self._headers_of(request, as_stream=reading is not None)
                transport = self._transport or await self._opened()
                sent = True
                reply = await transport.post(path, body, headers, request.timeout, received)
        except TimeoutError:
            message = f"No whole answer within {request.timeout:g} s."
            late = ProviderError(message, code="timeout", retryable=True, sent=sent)
            reply = self._settled(late, received)
        except ProviderError as error:
            reply = self._settled(error, received)
        if not 200 <= reply.status < 300:  # a redirect is not followed
            raise self._of_status(reply)
        if reading is None:
            return self._to_response(reply, started)
        response = self._to_response(self._assembled(reading, reply), started)
        reading.tell_all(response.text)
        return response

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    async def _opened(self) -> Transport:
        async with self._opening:
            if self._transport is None:
                tls = await asyncio.to_thread(import_string(f"{TRANSPORT}.ssl_context"))
                make: Callable[..., Transport] = import_string(f"{TRANSPORT}.HttpTransport")
                self._transport = make(self.base_url, connections=engine_settings().CONCURRENCY, tls=tls)
            return self._transport

    async def _headers_of(self, request: ProviderRequest, *, as_stream: bool) -> dict[str, str]:
        headers = self._headers if self._credential is None else self._headers | await self._credential.headers()
        if as_stream:
            headers = headers | {"Accept-Encoding": "identity"}  # what is compressed comes late, and is read last
        return headers | {"X-Client-Request-Id": request.request_id} if request.request_id else headers

    def _written(self, request: ProviderRequest, *, as_stream: bool) -> bytes:
        try:
            body = self.wire.to_request(self.sendable(request))
            if as_stream and self.wire.streaming is not None:
                body = self.wire.streaming.to_request(body)
            return orjson.dumps(body)
        except TypeError as error:  # orjson: lone surrogates, integers beyond 64 bits
            raise ProviderError(
                f"The request cannot be written as JSON: {error}.", code="bad_request", sent=False
            ) from None

    def _to_response(self, reply: HttpReply, started: float) -> ProviderResponse:
        body, limits = read_body(reply.body, self.wire.usage_field), self.wire.limits(_limits(reply.headers))
        try:
            answer = self._to_answer(body, reply)
        except ProviderError as error:
            error.body = self._evidence(body.stored)
            self._count(error, body)
            error.retry_after, error.headers = retry_after(limits), limits
            raise
        return ProviderResponse(
            raw=body.stored,
            text=answer.text,
            refusal=answer.refusal,
            truncated=answer.truncated,
            filtered=answer.filtered,
            tool_calls=answer.tool_calls,
            finish_reason=answer.finish_reason,
            provider_response_id=answer.provider_response_id,
            model=answer.model,
            service_tier=answer.service_tier,
            usage=answer.usage,
            http_status=reply.status,
            first_byte_ms=round((reply.first_byte - started) * 1000),
            headers=limits,
            is_storable=True,  # `Body.stored` is, and the wire format cut the texts
        )

    def _to_answer(self, body: Body, reply: HttpReply) -> Answer:
        if body.is_json and isinstance(body.value, dict):
            return self.wire.to_answer(body.value)
        what = "JSON but not an object" if body.is_json else "not JSON"
        raise ProviderError(
            f"The provider's answer is {what} (HTTP {reply.status}, {len(reply.body)} bytes).",
            code="malformed_response",
            retryable=True,
            status=reply.status,
        )

    def _count(self, error: ProviderError, body: Body) -> None:
        """What an answer used that is an error: that, too, is paid for."""
        if isinstance(body.value, dict):
            error.usage = self.wire.to_usage(body.value)
            error.model = as_label(body.value.get(self.wire.model_field), 128)

    def _settled(self, error: ProviderError, received: list[bytes]) -> HttpReply:
        """A stream that was whole before its connection failed; else raises the error."""
        if isinstance(received, StreamReading):
            received.end()
            if received.is_settled:
                return HttpReply(200, (), b"", received.first_at)
            if received.error:
                raise self._reported(received)
        raise self._with_part(error, received) from None

    def _assembled(self, reading: StreamReading, reply: HttpReply) -> HttpReply:
        """A stream as the answer that it amounts to; ProviderError when it is not whole."""
        if not reading.has_events and any(name.lower() == b"content-encoding" for name, _ in reply.headers):
            reading.replace(reply.body)
        reading.end()
        if not reading.has_events:  # it came at once
            return reply
        if reading.error:
            raise self._reported(reading)
        if not reading.is_whole:
            why = "an event cannot be read" if reading.is_unreadable else "the stream ended before the answer did"
            raise self._with_part(malformed(why), reading)
        return HttpReply(reply.status, reply.headers, reading.body(), reply.first_byte)

    def _reported(self, reading: StreamReading) -> ProviderError:
        """The error that came in a stream."""
        error = self._with_part(provider_error(200, reading.error, self.wire.errors), reading)
        error.body = {"error": self._evidence(reading.error), "answer": error.body}
        error.retry_after = self.wire.wait_of(reading.error)
        return error

    def _with_part(self, error: ProviderError, received: list[bytes]) -> ProviderError:
        """The error with what had come by then, and with the counts in it."""
        if received:
            content = received.body() if isinstance(received, StreamReading) else b"".join(received)
            body = read_body(content, self.wire.usage_field)
            error.body = self._evidence(body.stored)
            if isinstance(body.value, dict) and self.wire.usage_field in body.value:
                self._count(error, body)
        return error

    def _of_status(self, reply: HttpReply) -> ProviderError:
        body, limits = read_body(reply.body, self.wire.usage_field), self.wire.limits(_limits(reply.headers))
        reason = self.wire.error_of(body.value)
        error = provider_error(reply.status, reason, self.wire.errors)
        error.body = self._evidence(reason if body.stored is body.value else body.stored)
        asked = retry_after(limits)
        error.retry_after, error.headers = self.wire.wait_of(reason) if asked is None else asked, limits
        return error

    def _evidence(self, body: object) -> object:
        """The provider's error as audits keep it: without our key, and without the request that some servers echo."""
        if isinstance(body, str):
            secret = self._credential.secret if self._credential is not None else ""
            return KEYS.sub("***", body.replace(secret, "***") if secret else body)
        if isinstance(body, list):
            return [self._evidence(item) for item in body]
        if isinstance(body, dict):
            return {name: self._evidence(value) for name, value in body.items() if name not in ECHOED}
        return body


def _limits(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers about limits, under names in lower case; values of a name that came twice with a comma between."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if any(part in key for part in LIMITS):
            known, text = key.decode("latin-1"), value.decode("latin-1")
            found[known] = f"{found[known]}, {text}" if known in found else text
    return found

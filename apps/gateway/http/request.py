"""One HTTP request outside Django's middleware: its headers, body and answer, and whether its client left.

The gateway's paths need no session, no CSRF token and no form: without Django's request cycle a request costs a
fraction of it.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from uuid_utils.compat import uuid7

from apps.gateway.errors import GatewayError, bad_request
from apps.gateway.http.error_shapes import anthropic_shape, shape_of
from apps.gateway.http.large_bodies import REQUEST_ID, Message, Receive, Send
from orchestration.values.json_bodies import NotReadable, read_json, write_json

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
PLAIN = frozenset({"", "identity"})
CODINGS = PLAIN | {"gzip", "x-gzip", "deflate"}
MOST_MEMBERS = 100
"""Of gzip data: each more costs a copy of the rest, and empty ones take twenty bytes."""
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
"""For zlib: the header of the data says which."""
LONG_BODY = 20_000
"""Bytes; a longer body is read in a thread, so that other requests are served meanwhile."""
GONE = (OSError, RuntimeError)
"""What servers raise when an answer is written to a client that left."""


class Incoming:
    """A request, and how to answer its client."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
        self.request_id: str = scope.get(REQUEST_ID) or str(uuid7())
        self.left = False
        """The client closed the connection."""
        self.on_left: Callable[[], None] | None = None
        self.on_error: Callable[[GatewayError], Awaitable[None]] = self.refuse
        """How the request ends with an error; replaced when there is a record to end as well."""
        self.begun = False
        """The status of the answer was sent."""
        self._shape = shape_of(self.path)
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1").strip()

    @property
    def secret(self) -> str:
        """The key that the request shows: a bearer token, else what Anthropic's clients send; empty without one."""
        scheme, _, token = self.header(b"authorization").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else self.header(b"x-api-key")

    @property
    def milliseconds(self) -> float:
        """Since the request arrived."""
        return (time.perf_counter() - self.started) * 1000

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body, inflated.

        GatewayError 413 beyond `limit` bytes, 415 for another encoding than gzip or deflate, 408 when it takes longer
        than `seconds`.
        """
        encoding = self.header(b"content-encoding").lower()
        if encoding not in CODINGS:
            raise GatewayError(
                415, "unsupported_content_encoding", "The body may be plain, or encoded with gzip or deflate."
            )
        announced = self.headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                body = await self._body(limit)
        except TimeoutError:
            raise GatewayError(408, "request_timeout", "The body did not arrive in time.") from None
        if encoding in PLAIN:
            return body
        return await asyncio.to_thread(inflated, body, limit)

    async def _body(self, limit: int) -> bytes:
        parts: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self.left = True
                raise bad_request("The body ended early.", code="body_incomplete")
            part = message.get("body", b"")
            length += len(part)
            if length > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def watch(self) -> None:
        """From now on `left` shows when the client disconnects; the body must have been read."""
        self._watcher = asyncio.create_task(self._watch())

    def unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self.on_left is not None:
            self.on_left()

    async def begin(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.begun = True
        headers.append((b"x-request-id", self.request_id.encode()))
        if self._shape is anthropic_shape:
            headers.append((b"request-id", self.request_id.encode()))
        await self._written({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        await self._written({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole answer of JSON."""
        await self.begin(status, [JSON_TYPE, (b"content-length", b"%d" % len(body)), *headers])
        await self.write(body, more=False)

    def error_object(self, error: GatewayError) -> dict[str, Any]:
        """The error as the API of this path has it."""
        return self._shape(error, self.request_id)

    async def refuse(self, error: GatewayError, headers: Headers | None = None) -> None:
        """The error, unless an answer has begun."""
        if self.begun:
            return
        await self.answer(error.status, write_json(self.error_object(error)), [*error.headers(), *(headers or ())])

    async def forward(self, message: Message) -> None:
        """Send a message of an answer that another process has made."""
        self.begun = True
        await self._send(message)

    async def _written(self, message: Message) -> None:
        if self.left:
            return
        try:
            await self._send(message)
        except GONE:
            self.left = True


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; GatewayError 400 otherwise."""
    try:
        body = read_json(raw, exact_integers=True)
    except NotReadable as error:
        raise bad_request(
            f"We could not parse the JSON body of your request: it must be valid JSON in UTF-8 ({error}).",
            code="invalid_json",
        ) from None
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.", code="invalid_json")
    return body


def inflated(body: bytes, limit: int) -> bytes:
    """A body's gzip or zlib data; GatewayError 413 beyond `limit` bytes, which stops there, 400 for anything else."""
    parts: list[bytes] = []
    left = limit + 1
    try:
        while body:  # gzip data may have several members
            if len(parts) == MOST_MEMBERS:
                raise zlib.error
            one = zlib.decompressobj(GZIP_OR_ZLIB)
            parts.append(one.decompress(body, left))
            left -= len(parts[-1])
            if left <= 0:
                raise _too_large(limit)
            if not one.eof:
                raise zlib.error
            body = one.unused_data
    except zlib.error:
        raise bad_request("The body is not what its Content-Encoding says.", code="invalid_encoding") from None
    return b"".join(parts)


def _too_large(limit: int) -> GatewayError:
    return GatewayError(413, "request_too_large", f"The body is larger than {limit:,} bytes.")

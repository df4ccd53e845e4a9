"""One HTTP request below Django's middleware: its headers, its body, its answer, and whether its client is still there.

The gateway's paths need no session, no CSRF token and no form: without Django's request cycle a request costs a
fraction of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from uuid_utils.compat import uuid7

from apps.gateway.errors import GatewayError, bad_request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
GONE = (OSError, RuntimeError)
"""What servers raise when an answer is written to a client that left."""


class Incoming:
    """A request and the way back to its client."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
        self.request_id = str(uuid7())
        self.left = False
        """The client closed the connection."""
        self.on_left: Callable[[], None] | None = None
        self.begun = False
        """The answer's status is on its way."""
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1").strip()

    @property
    def milliseconds(self) -> float:
        """Since the request arrived."""
        return (time.perf_counter() - self.started) * 1000

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body. GatewayError 413 beyond `limit` bytes, 408 when it takes longer than `seconds`."""
        announced = self.headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                return await self._body(limit)
        except TimeoutError:
            raise GatewayError(408, "request_timeout", "The body did not arrive in time.") from None

    async def _body(self, limit: int) -> bytes:
        parts: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self.left = True
                raise bad_request("The body broke off.", code="body_incomplete")
            part = message.get("body", b"")
            length += len(part)
            if length > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def watch(self) -> None:
        """From now on `left` tells when the client leaves; the body must have been read."""
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
        await self._written({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        await self._written({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole answer of JSON."""
        await self.begin(status, [JSON_TYPE, (b"content-length", b"%d" % len(body)), *headers])
        await self.write(body, more=False)

    async def refuse(self, error: GatewayError, headers: Headers | None = None) -> None:
        await self.answer(error.status, error.body(), [*error.headers(), *(headers or ())])

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
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise bad_request(
            "We could not parse the JSON body of your request: it must be valid JSON in UTF-8.", code="invalid_json"
        ) from None
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.", code="invalid_json")
    return body


def _too_large(limit: int) -> GatewayError:
    return GatewayError(413, "request_too_large", f"The body is larger than {limit:,} bytes.")

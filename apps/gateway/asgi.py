"""The ASGI application: serves the gateway's own paths, and passes everything else on to Django.

Streams and thousands of requests a minute need neither sessions nor CSRF tokens, and Django's request cycle costs more
than all of the gateway's work. Errors below these paths have the format of OpenAI's API.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from django.urls import is_valid_path

from apps.gateway.api.chat import serve
from apps.gateway.api.models import serve_forget_cache, serve_model, serve_models, serve_usage
from apps.gateway.crypto import keyring
from apps.gateway.errors import GatewayError, internal_error, not_configured
from apps.gateway.http.large_bodies import Lost, Message, Receive, Send, is_large
from apps.gateway.http.request import GONE, Incoming
from apps.gateway.http.runtime import Runtime
from apps.gateway.models import Endpoint
from apps.gateway.proxy.asking import PATHS
from apps.gateway.proxy.request_lifecycle import ModelRequest
from apps.gateway.recording.operations import Content
from orchestration.errors import NotConfigured, ProviderError
from orchestration.log import describe
from orchestration.shutdown import call_at_stop

logger = logging.getLogger(__name__)

Application = Callable[[Message, Receive, Send], Awaitable[None]]
Handler = Callable[[Runtime, Incoming], Awaitable[None]]


async def _serve_model(endpoint: Endpoint, runtime: Runtime, incoming: Incoming) -> None:
    await serve(ModelRequest(runtime, incoming, endpoint))


ROUTES: dict[str, dict[str, Handler]] = {
    **{f"/v1{path}": {"POST": partial(_serve_model, endpoint)} for endpoint, path in PATHS.items()},
    "/v1/models": {"GET": serve_models},
    "/v1/usage": {"GET": serve_usage},
    "/v1/cache": {"DELETE": serve_forget_cache},
}
MODEL = "/v1/models/"


class GatewayThenDjango:
    """One application for both: Django never sees the gateway's requests."""

    def __init__(self, django: Application, *, serves_large_bodies: bool = False) -> None:
        """`serves_large_bodies`: it is the process to which others pass them on."""
        keyring()  # without valid keys nothing is served
        self._serves_large_bodies = serves_large_bodies
        self._django = django
        self._runtime: Runtime | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/v1/") or path == "/v1":
                methods = _methods(path)
                if methods is not None:
                    if not await self._passed_on(scope, receive, send):
                        await self._serve(Incoming(scope, receive, send), methods)
                    return
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._django(scope, receive, send)

    async def _serve(self, incoming: Incoming, methods: dict[str, Handler]) -> None:
        handler = methods.get(incoming.method)
        if handler is None:
            await incoming.refuse(_no_such_url(incoming, methods))
            return
        task = asyncio.current_task()
        try:
            try:
                runtime = self._running()
                if task is not None:
                    runtime.run(task)
                await handler(runtime, incoming)
            except GatewayError as error:
                await incoming.on_error(error)
        except Exception as error:  # noqa: BLE001 - a bug must end as an error of this request, and show nothing
            logger.error("gateway request failed request_id=%s error=%s", incoming.request_id, describe(error))
            await incoming.on_error(internal_error())
        finally:  # of a request that the server cancels the row stays in flight: a sweep finds it
            incoming.unwatch()

    async def _passed_on(self, scope: Message, receive: Receive, send: Send) -> bool:
        """Whether the process for large bodies has answered this request."""
        other = self._runtime.large_bodies if self._runtime is not None else None
        if other is None or self._runtime is None or scope["method"] != "POST" or not is_large(scope):
            return False
        task = asyncio.current_task()
        if task is not None:
            self._runtime.run(task)
        incoming = Incoming(scope, receive, send)
        try:
            return await other.serve(scope, receive, incoming.forward, incoming.request_id)
        except Lost:  # a sweep finds its row
            logger.error("gateway request lost with its process")
            await incoming.refuse(internal_error())
        except GONE:
            pass  # the client left
        return True

    async def keep_answer(self, request_id: str, answer: bytes) -> None:
        """Commit the large answer of a request that another process has served. GatewayError 503 without a database."""
        await self._running().writer.keep_answer(request_id, Content(response=answer))

    def _running(self) -> Runtime:
        """The runtime of this event loop, made at its first request. GatewayError when its provider has no key."""
        loop = asyncio.get_running_loop()
        if self._runtime is None or self._loop is not loop:
            try:
                runtime = Runtime(serves_large_bodies=self._serves_large_bodies)
                self._runtime, self._loop = runtime, loop
            except (NotConfigured, ProviderError) as error:  # ours, without a secret
                logger.error("gateway has no provider code=%s error=%s", error.code, error)
                raise not_configured() from None
        return self._runtime

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Start and end with the server, so that a stop loses no record."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                with suppress(GatewayError):  # each request gets this error; Django's pages are served all the same
                    call_at_stop(self._running().stop)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._runtime is not None:
                    await self._runtime.aclose()
                    self._runtime = None
                await send({"type": "lifespan.shutdown.complete"})
                return


def _methods(path: str) -> dict[str, Handler] | None:
    """What the gateway does at a path, by method: nothing at one that nobody serves; None at a path of Django's."""
    found = ROUTES.get(path.rstrip("/"))
    if found is not None:
        return found
    if path.startswith(MODEL):
        return {"GET": serve_model}
    return None if is_valid_path(path) else {}


def _no_such_url(incoming: Incoming, methods: dict[str, Any]) -> GatewayError:
    message = f"Invalid URL ({incoming.method} {incoming.path[:200]})"
    if methods:
        return GatewayError(405, "method_not_allowed", f"{message}: it takes {', '.join(methods)}.")
    return GatewayError(404, "unknown_url", message)

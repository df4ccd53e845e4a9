"""The gateway's door in front of Django: its own paths are served here, everything else goes on to Django.

Streams and thousands of requests a minute need neither sessions nor CSRF tokens, and Django's request cycle costs more
than all of the gateway's work. Errors below these paths have OpenAI's shape.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from apps.gateway.chat import serve
from apps.gateway.encryption import keyring
from apps.gateway.errors import GatewayError, internal_error
from apps.gateway.exchange import Exchange
from apps.gateway.http import Incoming, Message, Receive, Send
from apps.gateway.listing import serve_forget_cache, serve_model, serve_models, serve_usage
from apps.gateway.models import Endpoint
from apps.gateway.runtime import Runtime
from orchestration.log import describe
from orchestration.stopping import call_at_stop

logger = logging.getLogger(__name__)

Application = Callable[[Message, Receive, Send], Awaitable[None]]
Handler = Callable[[Runtime, Incoming], Awaitable[None]]


async def _chat(runtime: Runtime, incoming: Incoming) -> None:
    await serve(Exchange(runtime, incoming, Endpoint.CHAT))


async def _embeddings(runtime: Runtime, incoming: Incoming) -> None:
    await serve(Exchange(runtime, incoming, Endpoint.EMBEDDINGS))


ROUTES: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": _chat},
    "/v1/embeddings": {"POST": _embeddings},
    "/v1/models": {"GET": serve_models},
    "/v1/usage": {"GET": serve_usage},
    "/v1/cache": {"DELETE": serve_forget_cache},
}
MODEL = "/v1/models/"
OTHER_ROOTS = tuple(
    f"/v1/{name}"
    for name in ("chat", "completions", "responses", "images", "audio", "files", "batches", "moderations", "engines")
)
"""OpenAI's other paths: clients that try them are told in their language."""


class FrontDoor:
    """The ASGI application of the whole project."""

    def __init__(self, django: Application) -> None:
        keyring()  # without good keys nothing is served
        self._django = django
        self._runtime: Runtime | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/v1/"):
                methods = _methods(path)
                if methods is not None:
                    await self._serve(Incoming(scope, receive, send), methods)
                    return
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._django(scope, receive, send)

    async def _serve(self, incoming: Incoming, methods: dict[str, Handler]) -> None:
        handler = methods.get(incoming.method)
        if handler is None:
            await incoming.refuse(_no_such_url(incoming, methods))
            return
        runtime = self._running()
        task = asyncio.current_task()
        if task is not None:
            runtime.run(task)
        try:
            await handler(runtime, incoming)
        except GatewayError as error:
            await incoming.refuse(error)
        except Exception as error:  # noqa: BLE001 - nothing of a bug reaches the client
            logger.error("gateway bug request_id=%s error=%s", incoming.request_id, describe(error))
            if not incoming.begun:
                await incoming.refuse(internal_error())

    def _running(self) -> Runtime:
        """The runtime of this event loop, made at its first request."""
        loop = asyncio.get_running_loop()
        if self._runtime is None or self._loop is not loop:
            self._runtime, self._loop = Runtime(), loop
        return self._runtime

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin and end with the server, so that a stop loses no record."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                call_at_stop(self._running().stop)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._runtime is not None:
                    await self._runtime.aclose()
                    self._runtime = None
                await send({"type": "lifespan.shutdown.complete"})
                return


def _methods(path: str) -> dict[str, Handler] | None:
    """What the gateway does at a path, by method; None: the path is not the gateway's."""
    found = ROUTES.get(path.rstrip("/"))
    if found is not None:
        return found
    if path.startswith(MODEL):
        return {"GET": serve_model}
    return {} if path.startswith(OTHER_ROOTS) else None


def _no_such_url(incoming: Incoming, methods: dict[str, Any]) -> GatewayError:
    message = f"Invalid URL ({incoming.method} {incoming.path[:200]})"
    if methods:
        return GatewayError(405, "method_not_allowed", f"{message}: it takes {', '.join(methods)}.")
    return GatewayError(404, "unknown_url", message)

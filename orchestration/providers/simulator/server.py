"""The simulated model as a real HTTP server, so that the real client is exercised over a socket.

Beside the provider's own paths it has control paths: `POST /_script` (a JSON list of faults, replaces the script),
`DELETE /_script`, `GET /_requests` (every request seen; `/_ledger` is its other name), `POST /_latency` `{"ms": 200}`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import uvloop
from aiohttp import web

from orchestration.errors import InvalidCall
from orchestration.providers.dialect import Dialect
from orchestration.providers.openai.fake_payloads import error_payload, model_payload, models_payload
from orchestration.providers.simulator.dialects import VERSION, dialect_of
from orchestration.providers.simulator.faults import Fault, Script, parse_faults
from orchestration.providers.simulator.hashing_embedder import embeddings_payload
from orchestration.providers.simulator.model import Outgoing, Simulation, paced
from orchestration.providers.simulator.request_log import Entry, RequestLog
from orchestration.providers.simulator.responder import responders
from orchestration.types import JsonObject

BODY_LIMIT = 64 * 1024 * 1024
TRICKLE_SECONDS = 0.05
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(simulation: Simulation) -> web.Application:
    """The server's application. NotConfigured when a responder of the settings cannot be imported."""
    responders()
    app = web.Application(client_max_size=BODY_LIMIT)
    server = _Server(simulation)
    app.router.add_post("/v1/embeddings", server.embeddings)
    app.router.add_get("/v1/models", server.models)
    app.router.add_get("/v1/models/{id}", server.model)
    app.router.add_get("/healthz", server.healthz)
    app.router.add_post("/_script", server.set_script)
    app.router.add_delete("/_script", server.clear_script)
    for path in ("/_requests", "/_ledger"):
        app.router.add_get(path, server.request_log)
    app.router.add_post("/_latency", server.set_latency)
    app.router.add_post("/{path:.*}", server.asked)
    app.router.add_route("*", "/{path:.*}", server.unknown)
    return app


@asynccontextmanager
async def serving(simulation: Simulation, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Serve within the block; yields the port (a free one for 0). OSError when the port is not available."""
    runner = web.AppRunner(
        build_app(simulation), access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=0.2
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        simulation.request_log.close()


class SimulatedProviderServer:
    """The server in a thread of this process, on a free port: `with SimulatedProviderServer() as server: …`.

    Point a client at `base_url`, tell it with `script()` what to do, and read in `request_log()` what it saw.
    """

    def __init__(
        self, *, latency_ms: int = 0, log_path: Path | None = None, port: int = 0, dialects: Iterable[Dialect] = ()
    ) -> None:
        self.simulation = Simulation(latency_ms=latency_ms, request_log=RequestLog(log_path), dialects=dialects)
        self.port = port
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="simulated-provider", daemon=True)

    @property
    def base_url(self) -> str:
        """Of OpenAI's API; those of the others begin with `address`, too."""
        return f"{self.address}/v1"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, faults: Iterable[Fault], *, seed: int = 0) -> None:
        """Replace the script for the next requests."""
        self.simulation.script = Script(faults, seed=seed)

    def request_log(self) -> list[JsonObject]:
        """Every request seen so far; the fields are those of `orchestration.providers.simulator.request_log.Entry`."""
        return self.simulation.request_log.as_json()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        try:
            async with serving(self.simulation, port=self.port) as self.port:
                self._started.set()
                await stopped.wait()
        except OSError as error:
            self._failure = error
        finally:
            self._started.set()


class _Server:
    """The handlers."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def asked(self, request: web.Request) -> web.StreamResponse:
        """Any path of a dialect, below any version: `/v1/messages`, `/v1beta/models/x:generateContent`."""
        path = VERSION.sub("", request.path, count=1)
        if dialect_of(path, self._simulation.dialects) is None:
            return await self.unknown(request)
        return await self._answered(request, path)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        try:
            return _json(embeddings_payload(await request.read()))
        except InvalidCall as error:
            return _json(error_payload(str(error), kind="invalid_request_error"), status=400)

    async def models(self, _: web.Request) -> web.StreamResponse:
        asked = dict.fromkeys(("gpt-4o-mini", *(entry.model for entry in self._simulation.request_log.entries)))
        return _json(models_payload([name for name in asked if name]))

    async def model(self, request: web.Request) -> web.StreamResponse:
        return _json(model_payload(request.match_info["id"]))

    async def healthz(self, _: web.Request) -> web.StreamResponse:
        return _json({"status": "ok", "simulated": True})

    async def set_script(self, request: web.Request) -> web.StreamResponse:
        try:
            self._simulation.script = Script(parse_faults(orjson.loads(await request.read())))
        except orjson.JSONDecodeError:
            return _json(error_payload("The body is not JSON.", kind="invalid_request_error"), status=400)
        except InvalidCall as error:
            return _json(error_payload(str(error), kind="invalid_request_error"), status=400)
        return web.Response(status=204)

    async def clear_script(self, _: web.Request) -> web.StreamResponse:
        self._simulation.script = Script()
        return web.Response(status=204)

    async def request_log(self, _: web.Request) -> web.StreamResponse:
        return _json(self._simulation.request_log.as_json())

    async def set_latency(self, request: web.Request) -> web.StreamResponse:
        try:
            milliseconds = orjson.loads(await request.read())["ms"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            milliseconds = None
        if not isinstance(milliseconds, int) or milliseconds < 0:
            message = 'The body must be {"ms": N} with a whole number from 0.'
            return _json(error_payload(message, kind="invalid_request_error"), status=400)
        self._simulation.latency_ms = milliseconds
        return web.Response(status=204)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        message = f"Unknown request URL: {request.method} {request.path}."
        return _json(error_payload(message, kind="invalid_request_error", code="unknown_url"), status=404)

    async def _answered(self, request: web.Request, path: str) -> web.StreamResponse:
        correlation = request.headers.get("X-Client-Request-Id", "")
        headers = [name.lower() for name in request.headers]
        raw = await request.read()
        entry, outgoing = self._simulation.answer(path, raw, correlation=correlation, headers=headers)
        try:
            return await self._delivered(request, entry, outgoing)
        except ConnectionError:
            return web.Response()  # the client is gone
        finally:
            self._simulation.request_log.ended(entry, "client_left")  # any other ending was entered before

    async def _delivered(self, request: web.Request, entry: Entry, outgoing: Outgoing) -> web.StreamResponse:
        if outgoing.latency:
            await asyncio.sleep(outgoing.latency)
        if outgoing.delivery == "hang":
            await asyncio.Event().wait()
        if outgoing.delivery == "reset":
            return self._break_off(request, entry)
        response = web.StreamResponse(status=outgoing.status, headers=outgoing.headers)
        if outgoing.events is not None:
            if not await _write_stream(request, response, outgoing):
                return self._break_off(request, entry, response)
        else:
            response.content_type = outgoing.content_type
            if outgoing.delivery == "whole":
                response.content_length = len(outgoing.body)
            await response.prepare(request)
            if outgoing.delivery == "trickle":
                await _trickle(response)
            if outgoing.delivery == "cut":
                await response.write(outgoing.body[: len(outgoing.body) // 2])
                return self._break_off(request, entry, response)
            await response.write_eof(outgoing.body)
        if request.transport is not None and not request.transport.is_closing():
            self._simulation.request_log.ended(entry, "answered")
        return response

    def _break_off(
        self, request: web.Request, entry: Entry, response: web.StreamResponse | None = None
    ) -> web.StreamResponse:
        self._simulation.request_log.ended(entry, "broken_off")
        if request.transport is not None:
            connection: socket.socket | None = request.transport.get_extra_info("socket")
            if connection is not None:  # with no time to linger, closing resets the connection
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        return response or web.Response()


async def _write_stream(request: web.Request, response: web.StreamResponse, outgoing: Outgoing) -> bool:
    """Whether it came to its end; False when the connection is to break now."""
    response.content_type = "text/event-stream"
    await response.prepare(request)
    async for event in paced(outgoing):
        await response.write(event)
    if outgoing.delivery == "trickle":
        await _trickle(response, b": keep-alive\n\n")
    if outgoing.delivery == "cut":
        return False
    await response.write_eof()
    return True


async def _trickle(response: web.StreamResponse, piece: bytes = b" ") -> None:
    while True:
        await response.write(piece)
        await asyncio.sleep(TRICKLE_SECONDS)


def _json(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")

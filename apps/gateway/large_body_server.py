"""The process that serves requests with large bodies for another one: `apps/gateway/http/large_bodies.py` starts it.

It listens at the socket that its argument names until its standard input ends. It yields to processes that serve small
requests when there are fewer processors than processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import django
import uvloop

django.setup()

# isort: split
from apps.gateway.asgi import GatewayThenDjango  # noqa: E402 - needs loaded models
from apps.gateway.errors import GatewayError  # noqa: E402
from apps.gateway.http.large_bodies import (  # noqa: E402
    ANSWER,
    BUFFER,
    HEAD,
    LAST,
    LEFT,
    PART,
    Message,
    Receive,
    Send,
    read_frame,
    scope_of,
    start_bytes,
    write_frame,
)
from orchestration.engine.garbage_collection import spare_what_is_loaded  # noqa: E402

NICE = 10
SWITCH_SECONDS = 0.001
"""How long what handles megabytes keeps the interpreter from the event loop, which may hold the lock of a key."""


class LargeBodyServer:
    """Speaks frames with the other process, and ASGI with the application."""

    def __init__(self) -> None:
        self._application = GatewayThenDjango(_nothing, serves_large_bodies=True)

    async def run(self, path: str, stopped: asyncio.Event) -> None:
        """Serve at this socket until then; requests that run may end."""
        ended = asyncio.create_task(self._application(*_life(stopped)))
        server = await asyncio.start_unix_server(self._connected, path, limit=BUFFER)
        await stopped.wait()
        server.close()
        await ended

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            kind, head = await read_frame(reader)
            if kind == ANSWER:
                await self._keep(head.decode(), reader, writer)
                return
            reading = asyncio.Lock()
            await self._application(scope_of(head), _receiving(reader, reading), _sending(writer))
            write_frame(writer, LEFT, b"")  # for an answer that nobody got: otherwise nobody reads this far
            async with reading:  # the application looks out for its client a moment longer
                while await reader.read(BUFFER):  # closed before, what is still coming would break the answer off
                    pass
        except (asyncio.IncompleteReadError, OSError):
            pass  # the other process is gone
        finally:
            writer.close()

    async def _keep(self, request_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write an answer of the other process, and say whether it is committed."""
        _, answer = await read_frame(reader)
        try:
            await self._application.keep_answer(request_id, answer)
        except GatewayError:  # it is logged; the other process tries, too
            write_frame(writer, LEFT, b"")
        else:
            write_frame(writer, LAST, b"")
        await writer.drain()


def _receiving(reader: asyncio.StreamReader, reading: asyncio.Lock) -> Receive:
    async def receive() -> Message:
        try:
            async with reading:
                kind, content = await read_frame(reader)
        except (asyncio.IncompleteReadError, OSError):
            kind, content = LEFT, b""
        if kind == LEFT:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": content, "more_body": kind == PART}

    return receive


def _sending(writer: asyncio.StreamWriter) -> Send:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            write_frame(writer, HEAD, start_bytes(message))
            return
        write_frame(writer, PART if message.get("more_body") else LAST, message["body"])
        await writer.drain()

    return send


def _life(stopped: asyncio.Event) -> tuple[Message, Receive, Send]:
    """The application's lifespan: from now until then."""
    messages = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        kind = next(messages)
        if kind == "lifespan.shutdown":
            await stopped.wait()
        return {"type": kind}

    async def send(message: Message) -> None:
        """Nobody waits for it."""

    return {"type": "lifespan"}, receive, send


async def _nothing(scope: Message, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"{scope['type']} is nothing of the gateway's")


async def _serve(path: str) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), stopped.set)  # nothing is ever written there: it has ended
    await LargeBodyServer().run(path, stopped)


def main() -> None:
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the other process says when to end
    sys.setswitchinterval(SWITCH_SECONDS)
    spare_what_is_loaded()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1]))


if __name__ == "__main__":
    main()

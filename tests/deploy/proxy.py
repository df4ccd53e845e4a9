"""A small reverse proxy: it passes connections on to the servers that are in its list, one after the other.

As nginx or HAProxy do when a server is taken out: what runs there ends, what is new goes to the others.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Runs in a thread. Each connection of a client is one request: answers say `Connection: close`."""

    def __init__(self) -> None:
        self.servers: list[int] = []
        self.passing: dict[int, int] = {}
        """Requests that are passed on now, by port."""
        self.port = 0
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def take_out(self, port: int) -> None:
        """No new request goes there."""
        self.servers = [each for each in self.servers if each != port]

    def put_in(self, port: int) -> None:
        self.servers = [*self.servers, port]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_ended(asyncio.all_tasks(self._loop)))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        servers = self.servers
        port = servers[next(self._turn) % len(servers)]
        self.passing[port] = self.passing.get(port, 0) + 1
        try:
            await _pass_both_ways(reader, writer, port)
        except OSError:
            pass  # the client sees a closed connection, and counts it
        finally:
            self.passing[port] -= 1
            await _closed(writer)


async def _pass_both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Until the server has ended its answer."""
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
    asking = asyncio.create_task(_pass_on(reader, up_writer))
    try:
        await _pass_on(up_reader, writer)
    finally:
        await _ended({asking})
        await _closed(up_writer)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """Each is cancelled and has run to its end: what is destroyed while it is pending leaves its socket open."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()

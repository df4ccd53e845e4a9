"""A PostgreSQL that answers late: a proxy that holds back whatever the server says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

CHUNK = 65536


class _Proxy:
    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._address = (host, port)
        self._seconds = seconds
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self.port = 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="slow-database", daemon=True)

    async def _run(self) -> None:
        """`asyncio.run` cancels what is still open when this returns."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.CancelledError):
            there, out = await asyncio.open_connection(*self._address)
            with closing(out):
                await asyncio.gather(self._pass_on(reader, out, 0.0), self._pass_on(there, writer, self._seconds))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, seconds: float) -> None:
        while data := await source.read(CHUNK):
            await asyncio.sleep(seconds)
            target.write(data)
            await target.drain()
        target.close()

    def start(self) -> None:
        self.thread.start()
        self._started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(10)


@contextmanager
def answering_late(host: str, port: int, seconds: float) -> Iterator[int]:
    """The port of a proxy to a server whose every answer comes `seconds` late."""
    proxy = _Proxy(host, port, seconds)
    proxy.start()
    try:
        yield proxy.port
    finally:
        proxy.stop()

"""A provider that sends exactly the bytes it is told to, good or bad, over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

import orjson

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HANG = "hang"
RESET = "reset"
HELD = "held"
Part = bytes | float | str
"""Bytes to send, seconds to wait, `hang` for ever, `reset` the connection, or be `held` until the test releases."""


def http(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> list[Part]:
    """A whole answer."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return [head.encode() + body]


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value: Any) -> bytes:
    """One event of a stream, as a chunk of the transfer encoding."""
    return chunked(b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n")


def delta(text: str = "", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"} | {
        "choices": [choice],
        **fields,
    }


USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
GOOD = {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}}], "usage": USAGE}
END = chunked(b"")


class RawProvider:
    """Serves in a thread; each request gets the next answer of `answers`, the last one again and again."""

    def __init__(self, *answers: Sequence[Part]) -> None:
        self.answers = list(answers)
        self.bodies: list[Any] = []
        """What was asked, parsed."""
        self.heads: list[bytes] = []
        self.broken_off = 0
        """Answers that the gateway did not wait for."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> RawProvider:
        self._thread.start()
        self._ready.wait()
        return self

    def release(self) -> None:
        """Release what is held, and what would be."""
        self._loop.call_soon_threadsafe(self._released.set)

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop, self._released = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        self.bodies.append(json.loads(body) if body else None)
        parts = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for number, part in enumerate(parts):
            if not await self._play(part, reader, writer):
                self.broken_off += number + 1 < len(parts)
                return False
        return True

    async def _play(self, part: Part, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if isinstance(part, bytes):
            writer.write(part)
            await writer.drain()
        elif part == RESET:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        elif part == HELD:
            await self._released.wait()
        else:
            try:
                gone = await asyncio.wait_for(reader.read(1), None if part == HANG else float(part))
            except TimeoutError:
                return True
            return bool(gone)
        return True

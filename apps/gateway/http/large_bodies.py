"""Requests with large bodies are served by a process of their own, beside the one that took them, and large answers of
the others are encrypted and written there.

Reading, masking, hashing, encrypting and sending megabytes holds the interpreter for a tenth of a second, and each of
the few dozen steps of a small request would wait for it. So the process that serves passes a large request on, piece by
piece as it comes, and does nothing else with it. The other one is the same application under the same settings.

Each request is a connection, on which messages of ASGI go both ways as frames: a kind, a length, and so many bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGE_BODY = 64 * 1024
"""Bytes from which a body is large."""
PLAIN = (b"", b"identity")
HEAD, PART, LAST, LEFT = b"H", b"P", b"L", b"X"
"""Kinds of frames: request line or status with headers, a part of a body, its last part, and that the client left: what
was going to it ends there."""
ANSWER = b"A"
"""In place of a request line: an answer to be kept, of the request with this id."""
REQUEST_ID = "gateway.request_id"
"""In a scope: the id that the process which took the request has given it."""
FRAME = 5
"""Bytes before the content of a frame."""
BUFFER = 2**20
PROGRAM = "apps.gateway.large_body_server"
AGAIN_SECONDS = 5.0
"""A process that died is started again no sooner than this."""
KEEPING_SECONDS = 75.0
"""How long it may take to write an answer, longer than it waits for a database that is away."""
ENDING_SECONDS = 10.0
"""How long it may take to end after its requests have."""


class Lost(Exception):
    """The process ended before its answer did."""


def is_large(scope: Message) -> bool:
    """Whether the body of a request is large, or may be: nobody knows how long one is that is encoded, or that comes in
    chunks."""
    headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
    length = headers.get(b"content-length", b"")
    is_plain = headers.get(b"content-encoding", b"").strip().lower() in PLAIN
    return not (is_plain and length.isdigit() and int(length) < LARGE_BODY)


class LargeBodies:
    """The other process, for one event loop. It ends when its standard input does, so never later than this one."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-"))  # which only this user can open
        self._socket = self._folder / "large"
        self._stopping = False
        self._started_at = 0.0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started_at = time.monotonic()
        self._socket.unlink(missing_ok=True)
        known = {"DJANGO_SETTINGS_MODULE": str(settings.SETTINGS_MODULE), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", PROGRAM, str(self._socket)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | known)  # noqa: S603 - ours

    async def serve(self, scope: Message, receive: Receive, send: Send, request_id: str) -> bool:
        """Have it answer a request; False when it does not listen, and nothing of the request was read. Lost."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=BUFFER)
        except OSError:
            self._look_after()
            return False
        write_frame(writer, HEAD, scope_bytes(scope, request_id))
        asking = asyncio.create_task(_pass_request(receive, writer))
        try:
            await _pass_answer(reader, send)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            writer.close()
        return True

    async def keep_answer(self, request_id: str, answer: bytes) -> bool:
        """Have it write the answer of a request that was served here; whether it is committed."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=BUFFER)
        except OSError:
            self._look_after()
            return False
        try:
            async with asyncio.timeout(KEEPING_SECONDS):
                write_frame(writer, ANSWER, request_id.encode())
                write_frame(writer, LAST, answer)
                kind, _ = await read_frame(reader)
        except (asyncio.IncompleteReadError, OSError):  # a timeout is one, too
            return False
        finally:
            writer.close()
        return kind == LAST

    def _look_after(self) -> None:
        """Start it again when it has died."""
        if self._stopping or self._process.poll() is None or time.monotonic() - self._started_at < AGAIN_SECONDS:
            return
        logger.error("gateway process for large bodies died status=%s", self._process.returncode)
        self._process = self._start()

    def stop(self) -> None:
        """Ask it to end with its requests."""
        self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def aclose(self) -> None:
        """Wait until it has ended."""
        self.stop()
        try:
            await asyncio.to_thread(self._process.wait, ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            logger.error("gateway process for large bodies did not end")
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        shutil.rmtree(self._folder, ignore_errors=True)


async def _pass_request(receive: Receive, writer: asyncio.StreamWriter) -> None:
    """The body, and then that the client left."""
    with suppress(OSError):  # the other side has gone: its answer says so, or is missing
        while True:
            message = await receive()
            if message["type"] != "http.request":
                write_frame(writer, LEFT, b"")
                return
            write_frame(writer, PART if message.get("more_body") else LAST, message.get("body", b""))
            await writer.drain()


async def _pass_answer(reader: asyncio.StreamReader, send: Send) -> None:
    while True:
        try:
            kind, content = await read_frame(reader)
        except (asyncio.IncompleteReadError, OSError):
            raise Lost from None
        if kind == LEFT:
            return
        if kind == HEAD:
            await send(start_of(content))
            continue
        await send({"type": "http.response.body", "body": content, "more_body": kind == PART})
        if kind == LAST:
            return


# --- frames -----------------------------------------------------------------------------------


def write_frame(writer: asyncio.StreamWriter, kind: bytes, content: bytes) -> None:
    writer.writelines((kind + len(content).to_bytes(FRAME - 1, "big"), content))


async def read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Kind and content; IncompleteReadError at the end of the connection."""
    head = await reader.readexactly(FRAME)
    return head[:1], await reader.readexactly(int.from_bytes(head[1:], "big"))


def scope_bytes(scope: Message, request_id: str) -> bytes:
    """What the application needs to know of a request."""
    query = scope["query_string"].decode("latin-1")
    return orjson.dumps([request_id, scope["method"], scope["path"], query, _as_texts(scope["headers"])])


def scope_of(content: bytes) -> Message:
    request_id, method, path, query, headers = orjson.loads(content)
    asked = {"method": method, "path": path, "query_string": query.encode("latin-1"), "headers": _as_bytes(headers)}
    return {"type": "http", REQUEST_ID: request_id, **asked}


def start_bytes(message: Message) -> bytes:
    return orjson.dumps([message["status"], _as_texts(message["headers"])])


def start_of(content: bytes) -> Message:
    status, headers = orjson.loads(content)
    return {"type": "http.response.start", "status": status, "headers": _as_bytes(headers)}


def _as_texts(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _as_bytes(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

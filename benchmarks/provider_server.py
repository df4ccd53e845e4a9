"""The model of the benchmarks: `python -m benchmarks.provider_server --port 9000 --latency-ms 200`.

It answers every request alike, after so many milliseconds. It shares the processors with what is measured, so it does
no more than it must: the simulated provider reads each request and makes up an answer, which costs ten times as much.
`GET /_requests` is the log: when each request arrived. Imports no Django.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from functools import partial
from typing import cast

import orjson
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"
LOG = b"GET /_requests "
TEXT = '{"urgency":4,"team":"Exports","reason":"The export button has done nothing since the release of this morning."}'
ANSWER = {
    "id": "resp_benchmark",
    "object": "response",
    "created_at": 1735689600,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "model": "gpt-4o-mini",
    "output": [
        {
            "type": "message",
            "id": "msg_benchmark",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "temperature": 1.0,
    "top_p": 1.0,
    "store": False,
    "service_tier": "default",
    "usage": {
        "input_tokens": 170,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 28,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 198,
    },
}


def reply(value: object) -> bytes:
    body = orjson.dumps(value)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Conversation(asyncio.Protocol):
    """One connection, on which a request follows the answer to the one before."""

    def __init__(self, latency: float, log: list[dict[str, float]]) -> None:
        self._latency, self._log = latency, log
        self._answer = reply(ANSWER)
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Whether a whole request had come."""
        head = self._received.find(END_OF_HEAD)
        if head < 0:
            return False
        length = LENGTH.search(self._received, 0, head)
        whole = head + len(END_OF_HEAD) + (int(length[1]) if length else 0)
        if len(self._received) < whole:
            return False
        is_log = self._received.startswith(LOG)
        del self._received[:whole]
        if is_log:
            self._transport.write(reply(self._log))
            return True
        self._log.append({"time": time.time()})
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, self._answer)
        else:
            self._transport.write(self._answer)
        return True


async def serve(port: int, latency_ms: int) -> None:
    log: list[dict[str, float]] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        partial(Conversation, latency_ms / 1000, log), "127.0.0.1", port, backlog=1024, reuse_port=False
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=int, default=0)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.port, options.latency_ms))


if __name__ == "__main__":
    main()

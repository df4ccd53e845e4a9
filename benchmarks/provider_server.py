"""The model of the benchmarks: `python -m benchmarks.provider_server --port 9000 --latency-ms 200`.

It answers every request alike, after so many milliseconds, to `/responses` and to `/chat/completions`. It shares the
processors with what is measured, so it does no more than it must: it counts the bytes of a body and drops them, where
the simulated provider reads each request and makes up an answer, which costs ten times as much. A chat's answer has as
many tokens of four characters as a `max_tokens` at the end of the body says. `GET /_requests` is the log: when each
request arrived. Imports no Django.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import re
import time
from functools import lru_cache, partial
from typing import cast

import orjson
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"
LOG = b"GET /_requests "
CHAT = b"/chat/completions HTTP/"
MOST_TOKENS = re.compile(rb'"max_tokens": *(\d+)}$')
TAIL = 64
"""Bytes of a body's end that are looked at."""
WORD = "word"
WORDS = 100
"""Of a chat's answer, unless the request says how many."""
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


@lru_cache(maxsize=16)
def chat_reply(words: int) -> bytes:
    """Long ones are as an image is in base64: hardly compressible."""
    text = WORD * words if words <= WORDS else base64.b64encode(os.urandom(words * 3)).decode()
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 170, "completion_tokens": words, "total_tokens": 170 + words}
    named = {"id": "chatcmpl-benchmark", "object": "chat.completion", "created": 1735689600, "model": "gpt-4o-mini"}
    return reply(named | {"choices": [choice], "usage": usage})


class Conversation(asyncio.Protocol):
    """One connection, on which a request follows the answer to the one before."""

    def __init__(self, latency: float, log: list[dict[str, float]]) -> None:
        self._latency, self._log = latency, log
        self._answer = reply(ANSWER)
        self._head = b""
        """A head that has not come whole, or the one whose body is coming."""
        self._to_come = -1
        """Bytes of the body; -1 before the head has come."""
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._to_come < 0:
                head, end, data = (self._head + data).partition(END_OF_HEAD)
                self._head = head
                if not end:
                    return
                length = LENGTH.search(head)
                self._to_come, self._tail = int(length[1]) if length else 0, b""
            part = data[: self._to_come]
            self._to_come, data = self._to_come - len(part), data[len(part) :]
            self._tail = (self._tail + part[-TAIL:])[-TAIL:]
            if not self._to_come:
                self._take()
                self._head, self._to_come = b"", -1

    def _take(self) -> None:
        """A whole request has come."""
        if self._head.startswith(LOG):
            self._transport.write(reply(self._log))
            return
        self._log.append({"time": time.time()})
        answer = self._answer
        if CHAT in self._head:
            wanted = MOST_TOKENS.search(self._tail)
            answer = chat_reply(int(wanted[1]) if wanted else WORDS)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


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

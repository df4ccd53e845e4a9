"""Large bodies are served by a process of their own: the same answers and records, and small requests if it dies."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from apps.gateway.http.large_bodies import LARGE_BODY, is_large
from apps.gateway.models import Interaction, Status
from orchestration.engine.worker.process_group import is_alive
from tests.apps.gateway.api.test_chat import payload
from tests.apps.gateway.raw_provider import CHUNKED, END, GOOD, HELD, RawProvider, delta, event, http
from tests.apps.gateway.serving import Workers, ask, key
from tests.clusters import until

LARGE = ask("word " * (LARGE_BODY // 4))
LONG_ANSWER = GOOD | {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 2 * LARGE_BODY}}]}
LONGEST = orjson.dumps(ask("x" * 7_000_000))
STREAM = [CHUNKED, event(delta("Hel")), event(delta("lo", "stop")), event(b"[DONE]"), END]


@pytest.mark.parametrize(
    ("headers", "large"),
    [
        ([(b"Content-Length", b"10")], False),
        ([(b"content-length", b"10"), (b"content-encoding", b"identity")], False),
        ([(b"content-length", b"%d" % LARGE_BODY)], True),
        ([(b"content-length", b"10"), (b"Content-Encoding", b"gzip")], True),
        ([(b"transfer-encoding", b"chunked")], True),
        ([(b"content-length", b"ten")], True),
    ],
)
def test_what_is_not_known_to_be_small_is_large(headers: list[tuple[bytes, bytes]], large: bool) -> None:
    assert is_large({"headers": headers}) is large


class Asked:
    """Requests to one server, as one key."""

    def __init__(self, server: Workers, secret: str) -> None:
        self.url = f"{server.base_url}/chat/completions"
        self.headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, content: Any, **headers: str) -> httpx2.Response:
        body = orjson.dumps(content) if isinstance(content, dict) else content
        return httpx2.post(self.url, content=body, headers=self.headers | headers, timeout=30)

    def row(self, content: Any, **headers: str) -> Interaction:
        """The record of a request that was answered."""
        answer = self(content, **headers)
        assert answer.status_code == 200, answer.text
        return Interaction.objects.select_related("payload").get(request_id=answer.headers["x-request-id"])


def process_of(server: Workers) -> int:
    """The process for large bodies of its only worker."""
    (pid,) = (int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_of(each, server.children()))
    return pid


def _is_of(process: Path, parents: list[int]) -> bool:
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent in parents and b"large_body_server" in (process / "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_large_body_is_served_beside_the_small_ones(tmp_path: Path) -> None:
    _, secret = key()
    answers = [http(200, orjson.dumps(GOOD))]
    with (
        RawProvider(*answers) as provider,
        Workers(1, provider.base_url, tmp_path / "log", LARGE_BODY_PROCESS=True) as server,
    ):
        asked = Asked(server, secret)
        worker = asked.row(ask()).worker
        until(lambda: asked.row(LARGE).worker != worker, "the process for large bodies listens", 60)
        first = process_of(server)
        apart = asked.row(LARGE)
        assert payload(apart)[0] == LARGE
        assert (apart.status, apart.prompt_tokens) == (Status.COMPLETED, 7)
        small = asked.row(gzip.compress(orjson.dumps(ask())), **{"Content-Encoding": "gzip"})
        assert (small.worker, payload(small)[0]) == (apart.worker, ask())
        assert asked.row(ask()).worker == worker
        refused = asked(b"{" * LARGE_BODY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")

        in_chunks = asked.row(iter([orjson.dumps(ask())]))
        assert (in_chunks.worker, payload(in_chunks)[0]) == (apart.worker, ask())
        refused_at_once(server)
        left_while_sending(server, secret)
        assert "lost" not in server.log()

        provider.answers[:] = [http(200, orjson.dumps(LONG_ANSWER))]
        assert payload(asked.row(ask()))[1] == LONG_ANSWER
        os.kill(first, signal.SIGSTOP)  # only while it goes on is anything kept, so it is the one that writes
        kept_when_it_goes_on(asked, first)

        provider.answers[:] = [STREAM]
        streamed = asked(LARGE | {"stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        row = Interaction.objects.select_related("payload").get(request_id=streamed.headers["x-request-id"])
        assert (row.worker, row.streamed, payload(row)[1]["choices"][0]["message"]["content"]) == (
            apart.worker,
            True,
            "Hello",
        )

        provider.answers[:] = [[HELD], http(200, orjson.dumps(GOOD))]
        lost = interrupted(asked, provider, lambda: os.kill(first, signal.SIGKILL))
        assert (lost.status_code, lost.json()["error"]["code"]) == (500, "internal_error")
        rows = Interaction.objects.filter(request_id=lost.headers["x-request-id"])
        until(lambda: rows.get().status == Status.UNKNOWN, "the lost request is known to be lost", 30)
        assert asked.row(LARGE).worker == worker
        until(lambda: asked.row(LARGE).worker != worker, "another process listens", 60)
        second = process_of(server)
    until(lambda: not is_alive(second), "the process for large bodies ends with its worker", 20)


def kept_when_it_goes_on(asked: Asked, process: int) -> None:
    """An answer is not complete before the other process has written it."""
    ended = Interaction.objects.exclude(status=Status.IN_FLIGHT)
    before = Interaction.objects.count()
    thread = threading.Thread(target=lambda: asked(ask()))
    thread.start()
    until(lambda: Interaction.objects.count() > before, "it began", 20)
    assert ended.count() == before
    os.kill(process, signal.SIGCONT)
    thread.join(30)
    assert ended.count() == before + 1


def refused_at_once(server: Workers) -> None:
    """Nobody reads the bodies of requests whose key is not valid, or that announce too much: they are answered all the
    same, although their clients are still sending."""
    for _ in range(5):
        answer = Asked(server, "wrong")(LONGEST)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def left_while_sending(server: Workers, secret: str) -> None:
    """A client that leaves while it sends is recorded, and is not an error of ours."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
    head += f"Expect: 100-continue\r\nContent-Length: {len(LONGEST)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(LONGEST[:1_000_000])
    ended = Interaction.objects.filter(status=Status.CLIENT_LEFT, error_code="body_incomplete")
    until(ended.exists, "the request is recorded", 20)


def interrupted(asked: Asked, provider: RawProvider, interrupt: Callable[[], object]) -> httpx2.Response:
    """The answer to a large request during which something happens, once its provider is asked."""
    found: list[httpx2.Response] = []
    before = len(provider.heads)
    thread = threading.Thread(target=lambda: found.append(asked(LARGE)))
    thread.start()
    until(lambda: len(provider.bodies) > before, "the provider is asked", 20)
    interrupt()
    thread.join(30)
    return found[0]

"""Clients that others wrote, unchanged, against a running gateway whose provider is simulated over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from apps.gateway.models import Interaction, Status
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.serving import MODEL, ask, gateway, key, price

SOURCES = Path(__file__).resolve().parent / "clients"
INSTALLED = Path(__file__).resolve().parents[3] / ".clients"
ALLOWED = [MODEL, "text-embedding-3-small"]
pytestmark = pytest.mark.django_db(transaction=True)


class Place(NamedTuple):
    """A gateway and a key for it, as a foreign process is told."""

    environment: dict[str, str]
    provider: SimulatedProviderServer

    def run(self, *command: str | Path, **more: str) -> str:
        """What a client printed; it must have ended well."""
        done = subprocess.run(
            list(map(str, command)),
            env={**os.environ, **self.environment, **more},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


def installed(environment: str) -> Path:
    """Where clients are; the test is skipped when they could not be installed."""
    folder = INSTALLED / environment
    if not folder.exists() or (folder / "missing").exists():
        reason = (folder / "missing").read_text() if folder.exists() else "they are not installed: make clients"
        pytest.skip(f"foreign clients: {reason}")
    return folder


@pytest.fixture
def place() -> Iterator[Place]:
    price()
    _, secret = key(allowed_models=ALLOWED, policy={"cache": "off"})
    with SimulatedProviderServer() as provider, gateway(provider.base_url, WHEN_CLIENT_LEAVES="cancel") as server:
        environment = {"BASE_URL": server.base_url, "API_KEY": secret, "PROVIDER_URL": provider.base_url}
        yield Place(environment, provider)


def statuses() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Interaction.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_openai_for_python(place):
    found: dict[str, Any] = json.loads(place.run(installed("python") / "bin/python", SOURCES / "openai_python.py"))
    chat, tools, errors = found["chat"], found["tools"], found["errors"]
    assert "simulated" in chat["text"].lower()
    assert chat["streamed"] == chat["text"]
    assert chat["pieces"] > 3
    assert chat["streamed_usage"] == chat["usage"]
    assert Interaction.objects.filter(request_id=chat["request_id"], status=Status.COMPLETED).count() == 1
    assert (tools["name"], tools["arguments"], tools["finish_reason"]) == (
        "get_weather",
        {"city": "Oslo"},
        "tool_calls",
    )
    assert (tools["streamed"], tools["streamed_finish_reason"]) == ({"city": "Oslo"}, "tool_calls")
    assert tools["then"]
    assert found["structured"]["parsed"]
    assert found["structured"]["streamed"]
    assert found["structured"]["refusal"]
    assert found["embeddings"] == {"vectors": [16, 16], "tokens": 2}
    assert found["asynchronous"]["streamed"] in found["asynchronous"]["texts"]
    assert set(found["asynchronous"]["models"]) <= set(ALLOWED)
    assert found["retries"]["text"]
    assert errors == {
        "key": ["AuthenticationError", 401, "invalid_api_key", "invalid_request_error"],
        "model": ["NotFoundError", 404, "model_not_found", "invalid_request_error"],
        "messages": ["BadRequestError", 400, "invalid_type", "invalid_request_error"],
        "bad_request": ["BadRequestError", 400, "invalid_value", "invalid_request_error"],
        "rate_limit": ["RateLimitError", 429, "rate_limit_exceeded", "requests"],
        "quota": ["RateLimitError", 429, "insufficient_quota", "insufficient_quota"],
        "server_error": ["InternalServerError", 500, "provider_error", "server_error"],
        "unavailable": ["InternalServerError", 503, "provider_error", "server_error"],
        "hang": ["APITimeoutError"],
    }


def test_openai_for_node(place):
    folder = installed("node")
    script = shutil.copy(SOURCES / "chat.mjs", folder)  # it finds its package beside it
    found: dict[str, Any] = json.loads(place.run("node", script))
    assert "simulated" in found["text"].lower()
    assert found["streamed"] == found["text"] == found["retried"]
    assert found["usage"] > 0
    assert found["called"] == {"name": "get_weather", "arguments": {"city": "Oslo"}}
    assert found["structured"] == ["name"]
    assert found["vector"] == 16
    assert found["errors"] == {
        "key": ["AuthenticationError", 401, "invalid_api_key"],
        "rate_limit": ["RateLimitError", 429, "rate_limit_exceeded"],
        "server_error": ["InternalServerError", 500, "provider_error"],
        "bad_request": ["BadRequestError", 400, "invalid_value"],
    }
    assert Interaction.objects.filter(request_id=found["request_id"]).count() == 1


@pytest.mark.long
def test_langchain(place):
    found: dict[str, Any] = json.loads(place.run(installed("python") / "bin/python", SOURCES / "langchain_chat.py"))
    assert "simulated" in found["text"].lower()
    assert found["streamed"] == found["text"]
    assert found["batch"] == [found["text"]] * 2
    assert found["pieces"] > 3
    assert found["usage"] > 0
    assert found["structured"]
    assert found["vector"] == 1536
    assert statuses() == {Status.COMPLETED: 6}


@pytest.mark.long
def test_the_llm_command_line(place, tmp_path):
    place_of = f"  model_name: {MODEL}\n  api_base: {place.environment['BASE_URL']}\n  api_key_name: ours\n"
    (tmp_path / "extra-openai-models.yaml").write_text(f"- model_id: ours\n{place_of}")
    command = (installed("python") / "bin/llm", "-m", "ours", "--key", place.environment["API_KEY"])
    streamed = place.run(*command, "Hello", LLM_USER_PATH=str(tmp_path))
    whole = place.run(*command, "--no-stream", "Hello", LLM_USER_PATH=str(tmp_path))
    assert streamed == whole
    assert "simulated" in whole.lower()
    assert statuses() == {Status.COMPLETED: 2}
    assert list(Interaction.objects.order_by("id").values_list("streamed", flat=True)) == [True, False]


def check_framework(found: dict[str, Any], tool: list[Any]) -> None:
    """Chat, stream, tools, error: the same of each."""
    assert found["text"]
    assert found["streamed"] == found["text"]
    assert found["pieces"] > 1
    assert found["usage"] > 0
    assert found["called"] == [tool]
    assert found["error"] == 400


WEATHER = ["get_weather", {"city": "Oslo"}]


@pytest.mark.long
@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("agents", "litellm"),
        ("agents", "pydantic_ai"),
        ("agents", "openai_agents"),
        ("older", "instructor"),
        ("older", "llama_index"),
    ],
)
def test_a_framework_for_python(place, environment, name):
    command = (installed(environment) / "bin/python", SOURCES / "frameworks.py", name)
    found: dict[str, Any] = json.loads(place.run(*command))
    check_framework(found[name], ["Patient", {"name": "Ada", "age": 36}] if name == "instructor" else WEATHER)


@pytest.mark.long
def test_frameworks_for_node(place):
    script = shutil.copy(SOURCES / "frameworks.mjs", installed("node"))
    found: dict[str, Any] = json.loads(place.run("node", script))
    assert found.keys() == {"ai-sdk", "ai-sdk responses", "langchain"}
    for each in found.values():
        check_framework(each, WEATHER)


def test_a_socket(place):
    """HTTP as a device writes it: a body in pieces, in chunks, and several requests over one connection."""
    body = json.dumps(ask("Hello")).encode()
    streamed = json.dumps(ask("Hello", stream=True)).encode()
    with closing(Wire(place.environment)) as wire:
        wire.send(f"Content-Length: {len(body)}", *(body[start : start + 7] for start in range(0, len(body), 7)))
        status, headers, whole = wire.answer()
        text = json.loads(whole)["choices"][0]["message"]["content"]
        assert (status, headers["content-type"]) == (200, "application/json")
        wire.send("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(streamed), streamed))
        status, headers, events = wire.answer()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert events.endswith(b"data: [DONE]\n\n")
        deltas = [json.loads(line[6:])["choices"] for line in events.split(b"\n\n")[:-2]]
        assert "".join(choices[0]["delta"].get("content") or "" for choices in deltas if choices) == text
        wire.send("Content-Length: 3", b"{}}")
        status, _, error = wire.answer()
        assert (status, json.loads(error)["error"]["code"]) == (400, "invalid_json")


class Wire:
    """One connection, and HTTP by hand."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._url, self._key = urlsplit(environment["BASE_URL"]), environment["API_KEY"]
        self._socket = socket.create_connection((self._url.hostname, self._url.port), timeout=20)
        self._file = self._socket.makefile("rb")

    def send(self, framing: str, *pieces: bytes) -> None:
        """A request; each piece is a packet of its own."""
        lines = (
            "POST /v1/chat/completions HTTP/1.1",
            f"host: {self._url.netloc}",
            f"AUTHORIZATION: Bearer {self._key}",
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall("\r\n".join([*lines, framing, "", ""]).encode())
        for piece in pieces:
            self._socket.sendall(piece)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        lines = iter(lambda: self._file.readline().strip().decode(), "")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in headers:
            return status, headers, self._file.read(int(headers["content-length"]))
        parts = []
        while size := int(self._file.readline(), 16):
            parts.append(self._file.read(size))
            self._file.readline()
        self._file.readline()
        return status, headers, b"".join(parts)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

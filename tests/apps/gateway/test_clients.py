"""Clients that others wrote, unchanged, against a running gateway whose provider is simulated over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apps.gateway.models import Interaction, Status
from orchestration.providers.simulator_server import SimulatedProviderServer
from tests.apps.gateway.serving import MODEL, gateway, key, price

SOURCES = Path(__file__).resolve().parent / "clients"
INSTALLED = Path(__file__).resolve().parents[3] / ".clients"
PYTHON = INSTALLED / "python" / "bin"
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


@pytest.fixture
def place() -> Iterator[Place]:
    missing = INSTALLED / "missing"
    if missing.exists() or not (INSTALLED / "stamp").exists():
        reason = missing.read_text() if missing.exists() else "they are not installed: make clients"
        pytest.skip(f"foreign clients: {reason}")
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
    found: dict[str, Any] = json.loads(place.run(PYTHON / "python", SOURCES / "openai_python.py"))
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
    assert found["structured"]["parsed"] and found["structured"]["streamed"] and found["structured"]["refusal"]
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
    folder = INSTALLED / "node"
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


def test_langchain(place):
    found: dict[str, Any] = json.loads(place.run(PYTHON / "python", SOURCES / "langchain_chat.py"))
    assert "simulated" in found["text"].lower()
    assert found["streamed"] == found["text"]
    assert found["batch"] == [found["text"]] * 2
    assert found["pieces"] > 3
    assert found["usage"] > 0
    assert found["structured"]
    assert found["vector"] == 1536
    assert statuses() == {Status.COMPLETED: 6}


def test_the_llm_command_line(place, tmp_path):
    place_of = f"  model_name: {MODEL}\n  api_base: {place.environment['BASE_URL']}\n  api_key_name: ours\n"
    (tmp_path / "extra-openai-models.yaml").write_text(f"- model_id: ours\n{place_of}")
    command = (PYTHON / "llm", "-m", "ours", "--key", place.environment["API_KEY"])
    streamed = place.run(*command, "Hello", LLM_USER_PATH=str(tmp_path))
    whole = place.run(*command, "--no-stream", "Hello", LLM_USER_PATH=str(tmp_path))
    assert streamed == whole
    assert "simulated" in whole.lower()
    assert statuses() == {Status.COMPLETED: 2}
    assert list(Interaction.objects.order_by("id").values_list("streamed", flat=True)) == [True, False]

"""Azure's addresses, deployments and tokens."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from pytest_django import Settings

from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.azure import entra
from orchestration.providers.passthrough import open_passthrough
from orchestration.providers.registry import open_provider
from tests.apps.gateway.raw_provider import Part, RawProvider, http
from tests.orchestration.providers.asking import question

TOKEN = "eyJ0eXAi.token"
calls: list[str] = []


def token() -> str:
    calls.append("token")
    return TOKEN


async def token_of_a_coroutine() -> str:
    return TOKEN


def broken() -> str:
    raise OSError("no identity with the secret sk-1")


def nothing() -> Any:
    return "two words"


GOOD = http(200, b'{"choices": [{"message": {"content": "x"}}], "output": []}')


def asked(settings: Settings, answer: list[Part] = GOOD, **client: Any) -> str:
    """The head of the request that a client sends, in lower case."""
    with RawProvider(answer) as server:
        address = server.base_url.removesuffix("/v1")
        settings.ORCA_CONFIG = {
            "MODE": "single",
            "CLIENT": {"provider": "azure", "model": "gpt", "base_url": address, **client},
        }

        async def ask() -> None:
            provider = open_provider("default")
            try:
                await provider.send(question())
            finally:
                await provider.aclose()

        asyncio.run(ask())
    return server.heads[0].decode().lower()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")


@pytest.mark.parametrize(
    ("client", "path"),
    [
        ({}, "/openai/v1/responses"),
        ({"surface": "chat"}, "/openai/v1/chat/completions"),
        (
            {"surface": "chat", "options": {"api_version": "2024-10-21"}},
            "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21",
        ),
        (
            {"surface": "chat", "options": {"api_version": "2024-10-21", "deployment": "mine"}},
            "/openai/deployments/mine/chat/completions?api-version=2024-10-21",
        ),
        (
            {"options": {"api_version": "2025-04-01-preview"}},
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ],
)
def test_the_address_has_deployment_and_version(settings: Settings, client: dict[str, Any], path: str) -> None:
    head = asked(settings, **client)
    assert head.startswith(f"post {path} http/1.1")
    assert "api-key: azure-key" in head
    assert "authorization" not in head


@pytest.mark.parametrize("name", ["token", "token_of_a_coroutine"])
def test_a_token_takes_the_place_of_the_key(settings: Settings, name: str) -> None:
    head = asked(settings, token=f"{__name__}:{name}")
    assert f"authorization: bearer {TOKEN}".lower() in head
    assert "api-key" not in head


@pytest.mark.parametrize("name", ["broken", "nothing"])
def test_a_token_that_does_not_come_is_an_error_worth_a_try(settings: Settings, name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        asked(settings, token=f"{__name__}:{name}")
    error = caught.value
    assert (error.code, error.retryable, error.sent) == ("provider_token_failed", True, False)
    assert "sk-1" not in str(error)


def test_the_gateway_shows_a_token_too(settings: Settings) -> None:
    with RawProvider(http(200, b"{}")) as server:
        client = {"provider": "azure", "model": "m", "base_url": server.base_url.removesuffix("/v1")}
        settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {**client, "token": f"{__name__}:token"}}

        async def ask() -> None:
            provider = open_passthrough("default", connections=1, idle_seconds=5)
            async with provider.request("POST", "/chat/completions", b"{}") as reply:
                await reply.read(100)
            await provider.aclose()

        asyncio.run(ask())
    head = server.heads[0].decode().lower()
    assert head.startswith("post /openai/v1/chat/completions")
    assert f"authorization: bearer {TOKEN}".lower() in head


def test_only_the_version_without_a_date_is_passed_through(settings: Settings) -> None:
    options = {"api_version": "2024-10-21"}
    client = {"provider": "azure", "model": "m", "base_url": "https://a.openai.azure.com", "options": options}
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": client}
    with pytest.raises(NotConfigured, match='Only version "v1"'):
        open_passthrough("default", connections=1, idle_seconds=5)


def test_the_token_of_the_environments_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is optional: a stand-in shows what is asked of it."""
    identity: Any = ModuleType("azure.identity")
    identity.DefaultAzureCredential = lambda: "credential"
    identity.get_bearer_token_provider = lambda credential, scope: lambda: f"{credential} for {scope}"
    monkeypatch.setitem(sys.modules, "azure", ModuleType("azure"))
    monkeypatch.setitem(sys.modules, "azure.identity", identity)
    entra._provider.cache_clear()
    assert entra.default_token() == "credential for https://cognitiveservices.azure.com/.default"
    entra._provider.cache_clear()


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        (404, "DeploymentNotFound", "model_not_found"),
        (400, "content_filter", "content_filter"),
        (401, "401", "provider_auth"),
    ],
)
def test_its_errors_have_a_table(settings: Settings, status: int, name: str, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        asked(settings, http(status, b'{"error": {"code": "%s", "message": "m"}}' % name.encode()))
    assert (caught.value.code, caught.value.retryable) == (code, False)

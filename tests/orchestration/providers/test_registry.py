"""From a name in ORCA_CONFIG to a provider, and the switch that keeps requests on this machine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from orchestration.errors import NotConfigured, PaidRequestsForbidden, ProviderError
from orchestration.providers.http.addresses import is_loopback
from orchestration.providers.openai.provider import OpenAIProvider
from orchestration.providers.registry import open_provider
from orchestration.providers.simulator.provider import SimulatorProvider
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.orchestration.providers.asking import KEY, provider_at, question, send_once

VARIABLE = "TEST_PROVIDER_KEY"


def configure(settings: Settings, **clients: dict[str, Any]) -> None:
    settings.ORCA_CONFIG = {"MODE": "pod", "CLIENTS": clients}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


def opened(name: str) -> tuple[type, str, str]:
    async def look() -> tuple[type, str, str]:
        provider = open_provider(name)
        await provider.aclose()
        return type(provider), provider.client_name, provider.surface

    return asyncio.run(look())


def test_each_client_gets_its_provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    configure(settings, sim={"provider": "simulator"}, real={"api_key_envvar": VARIABLE, "surface": "chat"})
    assert opened("sim") == (SimulatorProvider, "sim", "responses")
    assert opened("real") == (OpenAIProvider, "real", "chat")


def test_an_unknown_client_is_named_with_those_there_are(settings: Settings) -> None:
    configure(settings, fast={"provider": "simulator"}, good={"provider": "simulator"})
    with pytest.raises(NotConfigured, match=r"'best'.*fast, good"):
        open_provider("best")


def test_a_missing_key_names_the_variables_to_set(settings: Settings) -> None:
    configure(settings, real={"api_key_envvar": VARIABLE})
    with pytest.raises(ProviderError, match=rf"set {VARIABLE} in the environment") as caught:
        open_provider("real")
    assert (caught.value.code, caught.value.retryable, caught.value.sent) == ("provider_key_missing", False, False)


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1", "sk-\N{EM DASH}"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(VARIABLE, key)
    configure(settings, real={"api_key_envvar": VARIABLE})
    with pytest.raises(ProviderError, match="set its variable again") as caught:
        open_provider("real")
    assert caught.value.code == "provider_key_invalid"
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "api.example.com/v1",
        "https://user:word@api.example.com/v1",
        "https://word@api.example.com",
        "https://api.example.com\\@x/v1",
        "https://api.example.com/v1\n",
        "https://api.example.com/\x00",
    ],
)
def test_a_base_url_that_is_none_is_a_setting_error(settings: Settings, base_url: str) -> None:
    configure(settings, real={"base_url": base_url})
    with pytest.raises(NotConfigured, match="base_url") as refused:
        open_provider("real")
    assert "word" not in str(refused.value).replace("password", "")


def test_the_switch_stops_requests_that_would_leave_this_machine(settings: Settings) -> None:
    settings.ORCHESTRAI = {"ALLOW_PAID_REQUESTS": False}

    async def ask() -> None:
        provider = provider_at("https://192.0.2.1/v1")
        try:
            await provider.send(question())
        finally:
            await provider.aclose()

    with pytest.raises(PaidRequestsForbidden):
        asyncio.run(ask())


def test_the_switch_lets_local_requests_through(settings: Settings, server: SimulatedProviderServer) -> None:
    settings.ORCHESTRAI = {"ALLOW_PAID_REQUESTS": False}
    assert asyncio.run(send_once(server.base_url, "chat", question())).text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9100/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://localhost:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
        ("http://127.0.0.1@example.com/v1", False),
    ],
)
def test_what_counts_as_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_a_proxy_in_the_environment_is_skipped_for_localhost(
    monkeypatch: pytest.MonkeyPatch, server: SimulatedProviderServer
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert asyncio.run(send_once(server.base_url, "responses", question())).text

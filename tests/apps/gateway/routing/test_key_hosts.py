"""To which hosts a key goes that a request reaches by an alias: the engine's table of configurations, once more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings as given_settings
from pytest_django import Settings

from apps.gateway.conf import gateway_settings
from apps.gateway.http.providers import Providers
from apps.gateway.models import Endpoint
from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.anthropic.provider import AnthropicProvider
from tests.orchestration.providers.test_keys import CONFIGURATIONS, OF_OTHERS, world
from tests.recording_proxy import RecordingProxy

__all__ = ["world"]
CASES = {name: case for name, case in (CONFIGURATIONS | OF_OTHERS).items() if case.client.get("provider") != "gemini"}
"""Gemini's API is not passed through."""


async def by_alias() -> None:
    """Ask whatever the alias goes to, as a request does."""
    providers = Providers(gateway_settings())
    try:
        [target] = providers.targets("fast", Endpoint.CHAT)
        provider = providers.client(target.route.client)
        async with provider.request("POST", "/chat/completions", b"{}") as reply:
            await reply.read(1000)
    finally:
        await providers.aclose()


def configure(settings: Settings, client: dict[str, Any]) -> None:
    clients = {"quiet": {"provider": "simulator"}, "mine": {"provider": "openai", "model": "m", **client}}
    settings.ORCA_CONFIG = {"MODE": "pod", "CLIENTS": clients}
    settings.GATEWAY = {**given_settings.GATEWAY, "CLIENT": "quiet", "ALIASES": {"fast": "mine"}}


@pytest.mark.parametrize("name", CASES)
def test_a_key_goes_to_its_own_host_by_an_alias_too(
    world: RecordingProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    for variable, value in case.variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(AnthropicProvider, "passthrough_apis", frozenset(("openai", "anthropic")))
    world.redirect_to = case.redirect_to
    configure(settings, case.client)
    if case.why:
        with pytest.raises((ProviderError, NotConfigured), match=case.why) as refused:
            asyncio.run(by_alias())
        assert not [key for key in case.variables.values() if key and key in str(refused.value)]
    else:
        asyncio.run(by_alias())
    assert [(seen.host.lower(), seen.key) for seen in world.seen] == case.sent
    assert not [tunnel for tunnel in world.tunnels if "sk-" in str(tunnel.headers)]


def test_a_request_takes_no_key_to_its_next_route(
    world: RecordingProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each route of an alias has the key of its own client, whoever was asked before."""
    for variable, value in {
        "OPENAI_API_KEY": "sk-openai",
        "ANTHROPIC_API_KEY": "sk-ant",
        "RACK_KEY": "sk-rack",
    }.items():
        monkeypatch.setenv(variable, value)
    rack = {"provider": "compatible", "base_url": "https://api.example.com/v1", "model": "r"}
    clients = {
        "quiet": {"provider": "simulator"},
        "first": {"provider": "openai"},
        "rack": {**rack, "api_key_envvar": "RACK_KEY"},
        "keyless": {**rack, "base_url": "https://local.example/v1"},
    }
    settings.ORCA_CONFIG = {"MODE": "pod", "CLIENTS": clients}
    aliases = {"fast": ["first", "rack", "keyless"]}
    settings.GATEWAY = {**given_settings.GATEWAY, "CLIENT": "quiet", "ALIASES": aliases}

    async def ask_all() -> None:
        providers = Providers(gateway_settings())
        try:
            for target in providers.targets("fast", Endpoint.CHAT):
                async with providers.client(target.route.client).request("POST", "/chat/completions", b"{}") as reply:
                    await reply.read(1000)
        finally:
            await providers.aclose()

    asyncio.run(ask_all())
    assert [(seen.host, seen.key) for seen in world.seen] == [
        ("api.openai.com:443", "sk-openai"),
        ("api.example.com:443", "sk-rack"),
        ("local.example:443", ""),
    ]

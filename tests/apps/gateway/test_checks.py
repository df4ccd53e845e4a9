"""A gateway whose provider has no key: it says so, and the rest of the server works."""

from __future__ import annotations

import httpx2
import pytest
from django.conf import settings
from django.test import override_settings

from apps.gateway.checks import check_settings
from tests.apps.gateway.raw_provider import GOOD, RawProvider, http
from tests.apps.gateway.serving import ask, gateway, key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", ask()),
        ("/chat/completions", ask(stream=True)),
        ("/embeddings", {"model": "e", "input": "x"}),
        ("/models", None),
    ],
)
def test_a_key_for_openai_is_not_sent_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: str, body: dict[str, object] | None
) -> None:
    monkeypatch.delenv("ORCA_PROVIDER_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-0123456789")
    _, secret = key()
    with RawProvider(http(200, b"{}")) as provider, gateway(provider.base_url) as server:
        headers = {"Authorization": f"Bearer {secret}"}
        reply = httpx2.request("POST" if body else "GET", server.base_url + path, json=body, headers=headers)
        page = httpx2.get(f"http://127.0.0.1:{server.port}/healthz")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "provider_not_configured")
    assert page.status_code == 200
    assert provider.heads == []
    logged = capfd.readouterr().err
    assert f"no API key for 127.0.0.1:{provider.port}: set ORCA_PROVIDER_API_KEY" in logged
    assert "sk-openai" not in logged + reply.text


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ({"provider": "gemini"}, "The provider gemini speaks neither OpenAI's API nor Anthropic's"),
        (
            {"provider": "azure", "base_url": "https://a.example", "options": {"api_version": "2024-10-21"}},
            'Only version "v1"',
        ),
        ({"provider": "azure", "base_url": "https://a.example"}, ""),
        ({"provider": "ollama"}, ""),
        ({"provider": "anthropic"}, ""),
    ],
)
def test_a_provider_of_another_api_is_an_error_of_the_checks(client: dict[str, object], said: str) -> None:
    pod = {"MODE": "pod", "CLIENTS": {"mine": {"model": "m", **client}}}
    with override_settings(ORCA_CONFIG=pod, GATEWAY={**settings.GATEWAY, "CLIENT": "mine"}):
        found = check_settings(None)
    assert [error.id for error in found] == (["gateway.E004"] if said else [])
    assert all(said in error.msg for error in found)


@pytest.mark.parametrize(
    ("name", "said"),
    [("claude", ""), ("mine", "The provider openai does not speak Anthropic's API"), ("other", "no client 'other'")],
)
def test_the_client_for_messages_must_speak_anthropics_api(name: str, said: str) -> None:
    clients = {"mine": {"provider": "openai", "model": "m"}, "claude": {"provider": "anthropic", "model": "m"}}
    wanted = {**settings.GATEWAY, "CLIENT": "mine", "MESSAGES_CLIENT": name}
    with override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": clients}, GATEWAY=wanted):
        found = check_settings(None)
    assert [error.id for error in found] == (["gateway.E004"] if said else [])
    assert all(said in error.msg for error in found)


def test_a_client_that_names_openais_key_is_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCA_PROVIDER_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-0123456789")
    _, secret = key()
    with RawProvider(http(200, httpx2.Response(200, json=GOOD).content)) as provider:
        client = {"provider": "openai", "base_url": provider.base_url, "api_key_envvar": "OPENAI_API_KEY"}
        with gateway(provider.base_url) as server, override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}):
            headers = {"Authorization": f"Bearer {secret}"}
            reply = httpx2.post(f"{server.base_url}/chat/completions", json=ask(), headers=headers)
    assert reply.status_code == 200
    assert b"Bearer sk-openai-0123456789" in provider.heads[0]

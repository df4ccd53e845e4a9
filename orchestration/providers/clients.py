"""From a client's name in ORCA_CONFIG to its provider."""

from __future__ import annotations

import re

from django.utils.module_loading import import_string

from orchestration.conf import ClientSettings, clients_settings
from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.base import Provider

OPENAI = "orchestration.providers.openai.OpenAIProvider"
SIMULATOR = "orchestration.providers.simulator.SimulatorProvider"
"""Imported when first opened: the SDK is half of what a process takes to start, and few processes ask a model."""


def open_provider(client_name: str) -> Provider:
    """A new provider, for the event loop that will use it and must close it.

    NotConfigured: no such client. ProviderError `provider_key_missing`: its key is not in the environment;
    `provider_key_invalid`: it cannot be one.
    """
    client = client_settings(client_name)
    if client.provider == "simulator":
        simulator: Provider = import_string(SIMULATOR)(client_name, client)
        return simulator
    provider: Provider = import_string(OPENAI)(client_name, client, api_key=provider_key(client_name, client))
    return provider


def import_providers() -> None:
    """For a process that will be forked into some that ask models: each then has the SDK already."""
    import_string(OPENAI)
    import_string(SIMULATOR)


def client_settings(client_name: str) -> ClientSettings:
    """The settings of a client; NotConfigured lists the names when there is no such one."""
    clients = clients_settings().clients
    if client_name not in clients:
        raise NotConfigured(f"ORCA_CONFIG has no client {client_name!r}; it has: {', '.join(clients)}.")
    return clients[client_name]


def provider_key(client_name: str, client: ClientSettings) -> str:
    """A client's key from the environment; raises as `open_provider` says."""
    if client.api_key is None:
        variables = " or ".join(dict.fromkeys((client.api_key_envvar, "OPENAI_API_KEY")))
        raise ProviderError(
            f"Client {client_name!r} has no API key: set {variables} in the environment, "
            'or give the client the provider "simulator".',
            code="provider_key_missing",
            sent=False,
        )
    if not re.fullmatch("[!-~]+", client.api_key):
        raise ProviderError(
            f"The API key of client {client_name!r} holds blanks, line breaks or other characters that no key has: "
            "set its variable again.",
            code="provider_key_invalid",
            sent=False,
        )
    return client.api_key

"""System checks of the gateway. Every misconfiguration has an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from apps.gateway.conf import gateway_settings
from apps.gateway.crypto import HOW_TO, read_keyring
from apps.gateway.masking import find_recognizer
from orchestration.conf import clients_settings
from orchestration.errors import NotConfigured
from orchestration.providers.registry import client_problems, client_settings, provider_class


@register("gateway")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: GATEWAY has an unknown key or a value out of range. E002: encryption keys are missing or malformed.
    E003: the recognizer cannot be imported. E004: nothing can be passed through to the client's provider."""
    if wrong := gateway_settings.check("gateway.E001"):
        return wrong
    try:
        read_keyring()
    except ImproperlyConfigured as error:
        return [Error(str(error).removesuffix(HOW_TO).strip(), hint=HOW_TO, id="gateway.E002")]
    try:
        find_recognizer(gateway_settings().RECOGNIZER)
    except ImportError as error:
        hint = "RECOGNIZER is the dotted path of a function."
        return [Error(f"GATEWAY: RECOGNIZER cannot be imported: {error}", hint=hint, id="gateway.E003")]
    return _check_client(gateway_settings().CLIENT)


def _check_client(name: str) -> list[CheckMessage]:
    try:
        clients = clients_settings()
    except NotConfigured:
        return []  # orchestration.E002 reports it
    try:
        client = client_settings(name or clients.default_client)
        if not client.is_simulated and not client_problems(name, client):
            provider_class(client).passthrough_base(client)
    except NotConfigured as error:
        hint = (
            "GATEWAY['CLIENT'] names a client of ORCA_CONFIG whose provider speaks OpenAI's API: see docs/providers.md."
        )
        return [Error(str(error), hint=hint, id="gateway.E004")]
    return []

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
from apps.gateway.routing.aliases import alias_plans
from orchestration.conf import clients_settings
from orchestration.errors import NotConfigured
from orchestration.providers.base import Api
from orchestration.providers.registry import client_problems, client_settings, provider_class

HINTS = {
    "CLIENT": "GATEWAY['CLIENT'] names a client of ORCA_CONFIG whose provider speaks OpenAI's API, or Anthropic's if"
    " only /v1/messages is used: see docs/providers.md.",
    "MESSAGES_CLIENT": "GATEWAY['MESSAGES_CLIENT'] names a client of ORCA_CONFIG whose provider speaks Anthropic's API,"
    " which /v1/messages goes to: see docs/providers.md.",
    "ALIASES": "GATEWAY['ALIASES'] has names that clients may give as a model, and the routes that each goes:"
    " see docs/gateway.md.",
}


@register("gateway")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: GATEWAY has an unknown key or a value out of range. E002: encryption keys are missing or malformed.
    E003: the recognizer cannot be imported. E004: nothing can be passed through to a client's provider. E005: an alias
    leads nowhere."""
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
    for_messages = gateway_settings().MESSAGES_CLIENT
    found = _check_client("CLIENT", gateway_settings().CLIENT)
    found += _check_client("MESSAGES_CLIENT", for_messages) if for_messages else []
    return found + _check_aliases()


def _check_aliases() -> list[CheckMessage]:
    try:
        clients_settings()
    except NotConfigured:
        return []  # orchestration.E002 reports it
    try:
        plans = alias_plans()
    except NotConfigured as error:
        return [Error(str(error), hint=HINTS["ALIASES"], id="gateway.E005")]
    named = {route.client: alias for alias, plan in plans.items() for route in plan.routes}
    return [fault for client, alias in named.items() for fault in _check_client("ALIASES", client, alias)]


def _check_client(setting: str, name: str, alias: str = "") -> list[CheckMessage]:
    try:
        clients = clients_settings()
    except NotConfigured:
        return []  # orchestration.E002 reports it
    try:
        client = client_settings(name or clients.default_client)
        if not client.is_simulated and not client_problems(name, client):
            cls = provider_class(client)
            cls.passthrough_base(client)
            if setting == "MESSAGES_CLIENT" and Api.ANTHROPIC not in cls.passthrough_apis:
                raise NotConfigured(f"The provider {cls.name} does not speak Anthropic's API.")
    except NotConfigured as error:
        where = f"The alias {alias!r} goes to the client {name!r}. " if alias else ""
        return [Error(f"{where}{error}", hint=HINTS[setting], id="gateway.E004")]
    return []

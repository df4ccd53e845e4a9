"""System checks of the gateway. Every misconfiguration has an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from apps.gateway.conf import GatewaySettings, read_gateway
from apps.gateway.encryption import HOW_TO, read_keyring
from orchestration.conf import explain


@register("gateway")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: GATEWAY has an unknown key or a value out of range. E002: encryption keys are missing or malformed."""
    try:
        read_gateway(getattr(settings, "GATEWAY", {}))
    except ValidationError as error:
        hint = f"The keys are {', '.join(GatewaySettings.model_fields)}."
        return [Error(f"GATEWAY: {explain(error)}", hint=hint, id="gateway.E001")]
    try:
        read_keyring()
    except ImproperlyConfigured as error:
        return [Error(str(error).removesuffix(HOW_TO).strip(), hint=HOW_TO, id="gateway.E002")]
    return []

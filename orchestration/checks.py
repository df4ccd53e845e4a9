"""System checks of components and settings. Every misconfiguration has an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from orchestration.app import OrchestrAI, ensure_autostarted, get_current_app
from orchestration.conf import ClientSettings, ClientsSettings, EngineSettings, clients_settings, engine_settings
from orchestration.errors import ComponentDefinitionError, NotConfigured
from orchestration.registry import services
from orchestration.wiring import ProblemKind, Wiring

TAG = "orchestrai"
WIRING_IDS: dict[ProblemKind, str] = {
    "unknown": "orchestration.E005",
    "ambiguous": "orchestration.E006",
    "other": "orchestration.E007",
}
Apps = Sequence[AppConfig] | None


@register(TAG)
def check_engine_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: ORCHESTRAI has a wrong key or value."""
    try:
        engine_settings()
    except NotConfigured as error:
        return [_error("E001", str(error), f"The keys of the engine are {', '.join(EngineSettings.model_fields)}.")]
    return []


@register(TAG)
def check_clients_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E002: ORCA_CONFIG is missing, or has a wrong key or value."""
    try:
        clients_settings()
    except NotConfigured as error:
        keys = f"{', '.join(ClientsSettings.model_fields)}; a client has {', '.join(ClientSettings.model_fields)}"
        return [_error("E002", str(error), f"The keys are {keys}.")]
    return []


@register(TAG)
def check_entrypoint(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E003: ORCA_ENTRYPOINT gives no configured app. E008: ORCA_AUTOSTART is no bool. W003: nothing starts the app."""
    autostart = getattr(settings, "ORCA_AUTOSTART", True)
    if not isinstance(autostart, bool):
        return [_error("E008", f"ORCA_AUTOSTART must be True or False, not {autostart!r}.", "Correct the setting.")]
    try:
        app = get_current_app()
    except NotConfigured as error:
        hint = 'Set ORCA_ENTRYPOINT = "config.orca:get_orca", a function that returns the OrchestrAI app.'
        return [_error("E003", str(error), hint)]
    if not app.configured:
        return [_error("E003", "The app of ORCA_ENTRYPOINT has no settings.", "Call configure_from_django_settings.")]
    if not autostart and not app.started:
        message = "ORCA_AUTOSTART is False and the app has not started: no service can be used."
        return [_warning("W003", message, "Set ORCA_AUTOSTART = True, or call app.start() when Django is ready.")]
    return []


@register(TAG)
def check_clients(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E004: a client of `openai` has no key. W001: a simulated client answers in production."""
    try:
        clients = clients_settings().clients
    except NotConfigured:
        return []  # E002 reports it
    return [message for name, client in clients.items() for message in _client_messages(name, client)]


@register(TAG)
def check_wiring(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E005-E007: what could not be wired. W002: a service without any prompt."""
    try:
        app = ensure_autostarted()
    except NotConfigured:
        return []  # E001-E003 report it
    problems = [
        Error(problem.message, hint=problem.hint, obj=problem.component, id=WIRING_IDS[problem.kind])
        for problem in app.problems
    ]
    return [*problems, *(_promptless(app) if app.started else [])]


def _client_messages(name: str, client: ClientSettings) -> list[CheckMessage]:
    if client.provider == "openai" and client.api_key is None:
        message = f"The client {name!r} uses openai, but neither {client.api_key_envvar} nor OPENAI_API_KEY is set."
        return [_error("E004", message, 'Set the environment variable, or use the provider "simulator".')]
    if client.provider == "simulator" and not settings.DEBUG:
        message = f"The client {name!r} is simulated: its answers are invented, and DEBUG is off."
        return [_warning("W001", message, "Set ORCA_PROVIDER_API_KEY (or OPENAI_API_KEY) to use a real model.")]
    return []


def _promptless(app: OrchestrAI) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for identity, service in services.all().items():
        try:
            wiring: Wiring = service.wiring
        except ComponentDefinitionError:
            continue  # it is among the problems
        if not wiring.sections and not service.overrides_execute:
            message = f"{identity} has no prompt sections: every call of it will fail."
            found.append(_warning("W002", message, "Set prompt_plan, or name a section so that it aligns."))
    return found


def _error(number: str, message: str, hint: str) -> CheckMessage:
    return Error(message, hint=hint, id=f"orchestration.{number}")


def _warning(number: str, message: str, hint: str) -> CheckMessage:
    return checks.Warning(message, hint=hint, id=f"orchestration.{number}")

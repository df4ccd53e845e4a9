"""System checks of components and settings. Every misconfiguration has an id and a hint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from orchestration.checks.project import is_deployed
from orchestration.components.alignment import ProblemKind
from orchestration.components.identity import Identity
from orchestration.components.lifecycle import get_current_app
from orchestration.components.registry import services
from orchestration.components.routing import clients_asked
from orchestration.components.service import Wiring
from orchestration.conf import ClientSettings, ClientsSettings, clients_settings, engine_settings
from orchestration.content.taken import why_not_taken
from orchestration.errors import BrokenComponent, ComponentDefinitionError, NotConfigured
from orchestration.providers.base import missing_capabilities, schema_message, tool_violations
from orchestration.providers.credentials import token_function, why_no_key
from orchestration.providers.registry import client_problems, provider_class
from orchestration.providers.short_names import SHORT_NAMES
from orchestration.providers.simulator.responder import responders
from orchestration.typed_settings import optional_setting

TAG = "orchestrai"
WIRING_IDS: dict[ProblemKind, str] = {
    "unknown": "orchestration.E005",
    "ambiguous": "orchestration.E006",
    "other": "orchestration.E007",
}
WITHOUT_COMPONENTS = {"makemigrations", "migrate", "showmigrations", "sqlmigrate"}
"""Django's commands that run all checks before they look at tables."""
Apps = Sequence[AppConfig] | None


@register(TAG)
def check_engine_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: ORCHESTRAI has a wrong key or value. W005: a key has its former name."""
    return [*engine_settings.check("orchestration.E001"), *engine_settings.check_names("orchestration.W005")]


@register(TAG)
def check_clients_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E002: ORCA_CONFIG is missing, or has a wrong key or value."""
    example = 'ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator"}}'
    keys = f"{', '.join(ClientsSettings.model_fields)}; a client has {', '.join(ClientSettings.model_fields)}"
    return clients_settings.check("orchestration.E002", hint=f"{example}, to begin with. The keys are {keys}.")


@register(TAG)
def check_responders(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E009: a responder of the simulator cannot be imported."""
    try:
        engine_settings()
    except NotConfigured:
        return []  # E001 reports it
    try:
        responders()
    except NotConfigured as error:
        hint = 'Name functions, each as "module:function", that take a prompt and return a Responder or None.'
        return [_error("E009", str(error), hint)]
    return []


@register(TAG)
def check_entrypoint(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E003: ORCA_ENTRYPOINT gives no configured app. E008: ORCA_AUTOSTART is not a bool. W003: nothing starts it."""
    autostart = optional_setting("ORCA_AUTOSTART", True)
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
def check_modules(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E010: a module of components cannot be imported; only a warning to commands that need none."""
    try:
        services.all()
    except BrokenComponent as error:
        hint = "Correct it. Until then this process knows no service, schema or handler, and a worker does not start."
        kind = checks.Warning if sys.argv[1:2] and sys.argv[1] in WITHOUT_COMPONENTS else Error
        return [kind(str(error), hint=hint, id="orchestration.E010")]
    except NotConfigured:
        pass  # E001-E003 report it
    return []


@register(TAG)
def check_clients(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E013: a client's settings do not fit its provider, or the provider is none. E004: a client has no key that may go
    to its host. W001: a simulated client answers in production."""
    try:
        clients = clients_settings().clients
    except NotConfigured:
        return []  # E002 reports it
    return [message for name, client in clients.items() for message in _client_messages(name, client)]


@register(TAG)
def check_wiring(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E005-E007: what could not be wired. W002: a service without any prompt."""
    try:
        app, registered = get_current_app(), services.all()
    except NotConfigured:
        return []  # E001-E003 and E010 report it
    problems = [
        Error(problem.message, hint=problem.hint, obj=problem.component, id=WIRING_IDS[problem.kind])
        for problem in app.problems
    ]
    return [*problems, *(_promptless(registered) if app.started else [])]


@register(TAG)
def check_services(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E011: a service's client, or that of one of its routes, is none of ORCA_CONFIG. E012: its provider cannot do what
    the service needs."""
    try:
        clients, registered = clients_settings(), services.all()
    except NotConfigured:
        return []  # E002 and E003 report it
    return [
        message
        for identity, service in registered.items()
        for name in clients_asked(service)
        for message in _client_of_service(identity, service, name, clients)
    ]


def _client_of_service(
    identity: Identity, service: type[Any], name: str, clients: ClientsSettings
) -> Iterator[CheckMessage]:
    if name not in clients.clients:
        message = f"{identity} names the client {name!r}, which ORCA_CONFIG has not: {', '.join(clients.clients)}."
        yield _error("E011", message, "Correct `client` or `routes` of the service, or add the client.")
        return
    try:
        why = _why_not(service, name, clients.clients[name])
    except (NotConfigured, ComponentDefinitionError):
        return  # E013 and E005-E007 report it
    if why:
        hint = f"Change what the service asks for, or give it a client that can do it in place of {name!r}."
        yield _error("E012", f"{identity} cannot be answered by the client {name!r}: {why}", hint)


def _why_not(service: type[Any], client_name: str, client: ClientSettings) -> str:
    """What a service needs and its client has not; empty when it has all."""
    cls, schema = provider_class(client), service.wiring.schema
    lacking = missing_capabilities(client, cls, with_schema=schema is not None, with_tools=bool(service.tools))
    if lacking:
        return f"it has no {', '.join(lacking)}."
    surface = client.surface or cls.surfaces[0]
    if surface not in cls.surfaces:
        return ""
    not_taken = why_not_taken(client, service.content_kinds)
    if not_taken:
        return f"{not_taken} (content_kinds)."
    violations = [] if schema is None else cls.schema_violations(surface, schema.strict.json_schema)
    violations += tool_violations(cls, surface, service.wiring.described_tools)
    return schema_message(cls.name, violations) if violations else ""


def _client_messages(name: str, client: ClientSettings) -> list[CheckMessage]:
    try:
        problems = client_problems(name, client)
        why = None if problems else why_no_key(name, client)
        if client.token:
            token_function(name, client.token)
    except NotConfigured as error:
        problems, why = [str(error)], None
    if problems:
        hint = f"Built in are {', '.join(SHORT_NAMES)}; docs/providers.md has their settings, and how to write one."
        return [_error("E013", problem, hint) for problem in problems]
    if why is not None:
        hint = "A key goes to the host it is meant for: a vendor's own to that vendor, unless the client names it."
        return [_error("E004", why, hint)]
    if client.is_simulated and is_deployed():
        message = f"The client {name!r} is simulated: its answers are invented, and DEBUG is off."
        return [_warning("W001", message, "Set ORCA_PROVIDER_API_KEY (or OPENAI_API_KEY) to use a real model.")]
    return []


def _promptless(registered: dict[Identity, type[Any]]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for identity, service in registered.items():
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

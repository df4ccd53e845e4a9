"""System checks of persistence. Every misconfiguration has an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from pydantic import ValidationError

from orchestration.app import ensure_autostarted
from orchestration.conf import explain
from orchestration.errors import ComponentDefinitionError, NotConfigured
from orchestration.registry import schemas, services, where
from orchestration.wiring import Wiring
from persistence.conf import PersistenceSettings, read_persistence
from persistence.registry import all_handlers, resolve
from persistence.retention import KINDS

TAG = "orchestrai"
Apps = Sequence[AppConfig] | None


@register(TAG)
def check_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: a DOMAIN_PERSIST_* key of ORCHESTRAI is unknown or has a wrong value. E003: there is no such kind."""
    raw = getattr(settings, "ORCHESTRAI", {})
    if not isinstance(raw, dict):
        return []  # orchestration.E001 reports it
    try:
        ages = read_persistence(raw).DOMAIN_PERSIST_RETENTION_DAYS
    except ValidationError as error:
        hint = f"The keys of persistence are {', '.join(PersistenceSettings.model_fields)}."
        return [Error(f"ORCHESTRAI: {explain(error)}", hint=hint, id="persistence.E001")]
    unknown = sorted(ages.keys() - KINDS.keys())
    if not unknown:
        return []
    message = f"ORCHESTRAI: DOMAIN_PERSIST_RETENTION_DAYS names {', '.join(unknown)}, which is no kind of content."
    return [Error(message, hint=f"The kinds are {', '.join(KINDS)}.", id="persistence.E003")]


@register(TAG)
def check_handler_schemas(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E002: a handler takes the results of a schema that is not registered, so it will never get one."""
    if not _started():
        return []
    return [
        Error(
            f"{identity} takes results of {where(handler.schema)}, which is not what is registered as "
            f"{handler.schema.identity}.",
            hint="Decorate the schema itself with @schema; a subclass does not inherit its registration.",
            obj=str(identity),
            id="persistence.E002",
        )
        for identity, handler in all_handlers().items()
        if schemas.try_get(handler.schema.identity) is not handler.schema
    ]


@register(TAG)
def check_handler_beside_codec(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W001: a service's results are taken by a handler, and its codec never runs."""
    if not _started():
        return []
    found: list[CheckMessage] = []
    for identity, service in services.all().items():
        try:
            wiring: Wiring = service.wiring
        except ComponentDefinitionError:
            continue  # orchestration reports it
        if wiring.schema is None or wiring.codec is None:
            continue
        handler = resolve(identity.namespace, str(wiring.schema.identity))
        if handler is not None:
            codec: Any = wiring.codec
            message = f"{identity}: {handler.identity} takes its results, so {codec.identity} never runs."
            hint = "Remove one of the two."
            found.append(checks.Warning(message, hint=hint, obj=str(identity), id="persistence.W001"))
    return found


def _started() -> bool:
    try:
        return ensure_autostarted().started
    except (NotConfigured, TypeError):
        return False  # orchestration.E001-E003 report it

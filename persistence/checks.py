"""System checks of persistence. Every misconfiguration has an id and a hint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models import CharField, Model, TextField

from orchestration.components.approval import Approval
from orchestration.components.lifecycle import get_current_app
from orchestration.components.registry import schemas, services, where
from orchestration.components.service import Wiring
from orchestration.errors import ComponentDefinitionError, NotConfigured
from orchestration.typed_settings import optional_setting
from persistence.conf import persistence_settings
from persistence.handlers.approval import EVERYWHERE
from persistence.handlers.registry import all_handlers, resolve
from persistence.maintenance.retention import aged_kinds
from persistence.models.chunks import MAX_KEY
from persistence.theme import CONSOLE
from persistence.tracking.recorder import INFRASTRUCTURE
from persistence.tracking.snapshot_values import stored_as

TAG = "orchestrai"
Apps = Sequence[AppConfig] | None


@register(TAG)
def check_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: a DOMAIN_PERSIST_* key of ORCHESTRAI is unknown or has a wrong value. E003: an unknown kind of content."""
    if not isinstance(optional_setting("ORCHESTRAI", {}), dict):
        return []  # orchestration.E001 reports it
    if wrong := persistence_settings.check("persistence.E001"):
        return wrong
    unknown = sorted(persistence_settings().DOMAIN_PERSIST_RETENTION_DAYS.keys() - set(aged_kinds()))
    if not unknown:
        return []
    message = f"ORCHESTRAI: DOMAIN_PERSIST_RETENTION_DAYS names {', '.join(unknown)}, which is not a kind of content."
    return [Error(message, hint=f"The kinds are {', '.join(aged_kinds())}.", id="persistence.E003")]


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


@register(TAG)
def check_approvals(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E004: what is declared about approval names something that is not there. W004: nothing takes the results."""
    if not _started():
        return []
    found: list[CheckMessage] = []
    for identity, handler in all_handlers().items():
        found += _unknown_field(str(identity), handler.approval, handler.schema)
    for identity, service in services.all().items():
        try:
            wiring: Wiring = service.wiring
        except ComponentDefinitionError:
            continue  # orchestration reports it
        found += _unknown_field(str(identity), service.approval, wiring.schema)
        if service.approval is not None and not _is_taken(identity.namespace, wiring):
            message = f"{identity} declares an approval, but no handler and no codec takes its results."
            hint = "Write a handler for its schema, or remove `approval`: what becomes no rows is never held."
            found.append(checks.Warning(message, hint=hint, obj=str(identity), id="persistence.W004"))
    return found + list(_unknown_places())


def _unknown_field(place: str, approval: Approval | None, schema: Any) -> list[CheckMessage]:
    fault = approval.unknown_field(schema) if approval is not None else ""
    hint = "Name a field of its schema; one inside of another with a dot between: `assessment.unsure`."
    return [Error(f"{place}: {fault}", hint=hint, obj=place, id="persistence.E004")] if fault else []


def _is_taken(namespace: str, wiring: Wiring) -> bool:
    schema = wiring.schema
    return wiring.codec is not None or (schema is not None and resolve(namespace, str(schema.identity)) is not None)


def _unknown_places() -> Iterator[CheckMessage]:
    try:
        declared = persistence_settings().DOMAIN_PERSIST_APPROVAL
    except NotConfigured:
        return  # E001 reports it
    known = {EVERYWHERE, *map(str, all_handlers()), *map(str, services.all())}
    for place in declared.keys() - known:
        message = f"ORCHESTRAI: DOMAIN_PERSIST_APPROVAL names {place}, which is neither a service nor a handler."
        hint = 'Write its whole identity, such as "services.support.default.GenerateLetter", or "*" for all.'
        yield Error(message, hint=hint, id="persistence.E004")


@register(Tags.database)
def check_who_is_asked(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W005: an approval names a group or a permission that there is not. Only with `check --database default`."""
    if not databases or DEFAULT_DB_ALIAS not in databases or not _started():
        return []
    try:
        groups = set(Group.objects.values_list("name", flat=True))
        pairs = Permission.objects.values_list("content_type__app_label", "codename")
        permissions = {f"{app}.{codename}" for app, codename in pairs}
        return [
            checks.Warning(
                f"{place}: there is no {what} {name!r}, which its approval names.",
                hint="Make it, or correct its name: until then nobody in particular is asked, or only superusers are.",
                obj=place,
                id="persistence.W005",
            )
            for place, approval in _approvals()
            for what, name, known in (
                ("group", approval.assign_to, groups),
                ("group", approval.escalate_to, groups),
                ("permission", approval.permission, permissions),
            )
            if name and name not in known
        ]
    except (DatabaseError, NotConfigured):  # reported by their own checks
        return []


def _approvals() -> Iterator[tuple[str, Approval]]:
    """By the handler, service, or key in the setting that declares it. Raises NotConfigured, as the setting does."""
    components: dict[Any, Any] = {**all_handlers(), **services.all()}
    for identity, component in components.items():
        if component.approval is not None:
            yield str(identity), component.approval
    yield from persistence_settings().DOMAIN_PERSIST_APPROVAL.items()


@register(TAG)
def check_keys(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W002: rows of a model may have keys that do not fit beside the call that makes them."""
    return [
        checks.Warning(
            f"{model._meta.label} may have primary keys of more than {MAX_KEY} characters as text: results whose "
            "handler makes, changes or deletes such a row cannot be persisted.",
            hint="Give it a shorter key, or silence this when no handler touches its rows.",
            obj=model,
            id="persistence.W002",
        )
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in INFRASTRUCTURE and _longest_key(model) > MAX_KEY
    ]


@register(Tags.admin)
def check_theme(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W003: unfold shows the console's pages without their styles, their menu and the overview."""
    styles = optional_setting("UNFOLD", {}).get("STYLES", ())
    if not apps.is_installed("unfold") or set(CONSOLE["STYLES"]) <= set(styles):
        return []
    return [
        checks.Warning(
            "The console's pages have no styles: settings.UNFOLD does not name them.",
            hint="from persistence.theme import CONSOLE; UNFOLD = {**CONSOLE}, which also brings menu and overview.",
            id="persistence.W003",
        )
    ]


def _longest_key(model: type[Model]) -> float:
    """Characters of the text in a primary key; other columns are short."""
    fields = [stored_as(field) for field in model._meta.pk_fields]
    return sum(field.max_length or math.inf for field in fields if isinstance(field, CharField | TextField))


def _started() -> bool:
    try:
        return get_current_app().started
    except NotConfigured:
        return False  # orchestration.E001-E003 report it

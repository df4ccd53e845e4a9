"""Every component as data: what it is called, where it is written and what it is wired to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from orchestration.components.identity import PROMPTS, SCHEMAS, SERVICES, Identity
from orchestration.components.lifecycle import OrchestrAI
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import all_registries, location, services
from orchestration.components.schemas import OutputSchema
from orchestration.components.service import Wiring
from orchestration.errors import ComponentDefinitionError, NotConfigured
from orchestration.types import JsonObject


@runtime_checkable
class HasSchema(Protocol):
    """A component of another package, such as a persistence handler, that names the schema it handles."""

    schema: Any


def inventory(app: OrchestrAI) -> list[JsonObject]:
    """One entry per component, sorted by domain and identity.

    `{domain, identity, label, class, file, line, wiring, problems}`. `wiring` depends on the domain: for services
    `{schema, sections, codec}`, for what services use `{used_by: [identity, ...]}` and its own facts; `problems` are
    the messages of what could not be wired.
    """
    wirings = {identity: _wiring(service) for identity, service in services.all().items()}
    return [
        _entry(app, identity, component, wirings)
        for registry in all_registries()
        for identity, component in registry.all().items()
    ]


def _entry(app: OrchestrAI, identity: Identity, component: type, wirings: dict[Identity, Wiring | None]) -> JsonObject:
    path, line = location(component)
    return {
        "domain": identity.domain,
        "identity": str(identity),
        "label": identity.label,
        "class": f"{component.__module__}.{component.__qualname__}",
        "file": _relative(path),
        "line": line,
        "wiring": _wired_to(identity, component, wirings),
        "problems": [p.message for p in app.problems if p.component == str(identity)],
    }


def _wired_to(identity: Identity, component: Any, wirings: dict[Identity, Wiring | None]) -> JsonObject:
    if identity.domain == SERVICES:
        wiring = wirings[identity] or Wiring()
        return {
            "schema": _name(wiring.schema),
            "sections": [_name(section) for section in wiring.sections],
            "codec": _name(wiring.codec),
        }
    used_by = [str(user) for user, wiring in wirings.items() if wiring and component in _parts(wiring)]
    facts: JsonObject = {"used_by": used_by}
    if identity.domain == SCHEMAS and issubclass(component, OutputSchema):
        facts |= {"version": component.version, "fingerprint": component.strict.fingerprint}
    elif identity.domain == PROMPTS and issubclass(component, PromptSection):
        facts |= {"weight": component.weight, "required_variables": list(component.required_variables)}
    elif isinstance(component, HasSchema):
        facts = {"schema": _name(component.schema), **facts}
    return facts


def _wiring(service: Any) -> Wiring | None:
    """None for a service that could not be wired, or not yet."""
    try:
        wiring: Wiring = service.wiring
    except (ComponentDefinitionError, NotConfigured):
        return None
    return wiring


def _parts(wiring: Wiring) -> tuple[Any, ...]:
    return (wiring.schema, *wiring.sections, wiring.codec)


def _name(component: Any) -> str | None:
    """The identity of a class that has one; its dotted name otherwise; None for nothing."""
    if component is None or isinstance(component, str):
        return component
    identity = vars(component).get("identity")
    return str(identity) if identity else f"{component.__module__}.{component.__qualname__}"


def _relative(path: str) -> str:
    """Below the working directory, the path from there: what an editor opens."""
    try:
        return str(Path(path).relative_to(Path.cwd())) if path else ""
    except ValueError:
        return path

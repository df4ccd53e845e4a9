"""What is declared about approving results: by their service, by their handler, and in the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestration.components.approval import Approval
from orchestration.components.registry import services
from orchestration.services import DjangoBaseService
from orchestration.types import Response
from persistence.conf import persistence_settings
from persistence.handlers.base import BasePersistenceHandler

Asked = Callable[[Response], object]
EVERYWHERE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One place where it is said when results wait."""

    place: str
    """The identity of a service or handler, or the key in the setting."""
    approval: Approval
    needs_approval: Asked | None = None
    """The method of a component that has one of its own."""


def declarations(service_identity: str, component: type[Any]) -> tuple[Declared, ...]:
    """All places that say something about results of a service that `component` takes: the handler's own, the
    service's, and the settings of both and of all."""
    own = _of(component, BasePersistenceHandler)
    return (*own, *_of_settings(str(component.identity)), *declarations_of_service(service_identity))


def declarations_of_service(service_identity: str) -> tuple[Declared, ...]:
    """What a service says, and the settings of it and of all."""
    service: Any = services.try_get(service_identity)  # None when it is not registered
    own = _of(service, DjangoBaseService) if service is not None else ()
    return (*own, *_of_settings(service_identity, EVERYWHERE))


def _of_settings(*keys: str) -> tuple[Declared, ...]:
    of_setting = persistence_settings().DOMAIN_PERSIST_APPROVAL
    return tuple(Declared(place=key, approval=of_setting[key]) for key in keys if key in of_setting)


def _of(component: Any, base: Any) -> tuple[Declared, ...]:
    """What a class says; nothing for a codec, which declares nothing itself."""
    if not issubclass(component, base):
        return ()
    own_rule = component.needs_approval is not base.needs_approval
    if component.approval is None and not own_rule:
        return ()
    approval = component.approval or Approval()
    asked: Asked | None = (lambda response: component().needs_approval(response)) if own_rule else None
    return (Declared(place=str(component.identity), approval=approval, needs_approval=asked),)

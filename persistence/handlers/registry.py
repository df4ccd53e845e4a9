"""Which handler takes a result: the handlers of `persist`, looked up by (namespace, schema)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from orchestration.components.identity import PERSIST, Identity
from orchestration.components.registry import registry_for, where
from orchestration.components.source_lines import source_lines
from persistence.errors import HandlerCollision

if TYPE_CHECKING:
    from persistence.handlers.base import BasePersistenceHandler

CORE = "core"
"""The namespace whose handlers take what a result's own namespace has no handler for."""

handlers = registry_for(PERSIST)


def all_handlers() -> dict[Identity, type[BasePersistenceHandler]]:
    """Every handler, sorted by identity."""
    return cast("dict[Identity, type[BasePersistenceHandler]]", handlers.all())


def resolve(namespace: str, schema_identity: str) -> type[BasePersistenceHandler] | None:
    """The handler of a result: of its own namespace, else of `core`, else None."""
    taking = _by_result(handlers.changes)
    return taking.get((namespace, schema_identity)) or taking.get((CORE, schema_identity))


@lru_cache(maxsize=1)
def _by_result(changes: int) -> dict[tuple[str, str], type[BasePersistenceHandler]]:
    """By namespace and schema. Looked up for each result, so that many handlers must not make it slow."""
    return {(key.namespace, str(handler.schema.identity)): handler for key, handler in all_handlers().items()}


def refuse_second(handler: type[BasePersistenceHandler], identity: Identity) -> None:
    """HandlerCollision when another handler of this namespace already takes the schema's results."""
    for other_identity, other in handlers.registered().items():
        if other_identity.namespace != identity.namespace or other.schema.identity != handler.schema.identity:
            continue
        if (other.__module__, other.__qualname__) != (handler.__module__, handler.__qualname__):
            raise HandlerCollision(
                f"Two handlers of the namespace {identity.namespace!r} take {handler.schema.identity}: "
                f"{where(other)} and {where(handler)}. Remove one, or move one to another namespace."
            )


def fingerprint(component: type) -> str:
    """16 hex digits of SHA-256 over the source of a class; over its name, where there is no source."""
    try:
        source = "".join(source_lines(component)[0])
    except (OSError, TypeError):
        source = f"{component.__module__}.{component.__qualname__}"
    return hashlib.sha256(source.encode()).hexdigest()[:16]

"""One registry per domain, the same for every thread; filled while Django starts, then frozen.

Django starts the app that fills them (`components.lifecycle`). Where that failed, each lookup tries again, so a process
whose settings are wrong reports them at the first lookup, instead of reporting an unknown component.
"""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from orchestration.components.identity import PROMPTS, SCHEMAS, SERVICES, Identity, check_part
from orchestration.components.source_lines import source_lines
from orchestration.errors import ComponentNotFound, IdentityCollision, RegistryFrozenError, ServiceNotFound


class Registry:
    """The components of one domain by identity. Lookups take whatever `Identity.get` takes, labels included."""

    def __init__(self, domain: str) -> None:
        self.domain = check_part("domain", domain)
        self._components: dict[Identity, type[Any]] = {}
        self._frozen = False
        self._changes = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._components)

    def __contains__(self, identity: object) -> bool:
        return self.try_get(identity) is not None

    @property
    def frozen(self) -> bool:
        return self._frozen

    def register(self, identity: object, component: type) -> None:
        """Add a class. The same class imported again replaces itself.

        Raises IdentityCollision when another class has this identity, RegistryFrozenError after `freeze`.
        """
        key = Identity.get(identity, self.domain)
        with self._lock:
            if self._frozen:
                raise RegistryFrozenError(
                    f"{key} ({where(component)}) came too late: the registry of {self.domain} is frozen. "
                    "Components belong in an app's `orca` package, which is imported while Django starts."
                )
            present = self._components.get(key)
            if present is not None and not _same_class(present, component):
                raise IdentityCollision(
                    f"{key} is claimed by {where(present)} and by {where(component)}. "
                    "Give one of them another name, group or namespace."
                )
            self._components[key] = component
            self._changes += 1

    def get(self, identity: object) -> type[Any]:
        """The class of an identity; ComponentNotFound (ServiceNotFound for services) suggests the nearest ones."""
        component = self.try_get(identity)
        if component is None:
            raise self._not_found(Identity.get(identity, self.domain))
        return component

    def try_get(self, identity: object) -> type[Any] | None:
        """The class of an identity, or None; IdentityError for what cannot be an identity."""
        key = Identity.get(identity, self.domain)
        self._fill()
        with self._lock:
            return self._components.get(key)

    def all(self) -> dict[Identity, type[Any]]:
        """Every component, sorted by identity; a copy."""
        self._fill()
        return self.registered()

    def registered(self) -> dict[Identity, type[Any]]:
        """Every component that is registered so far, sorted by identity; for code that runs during discovery."""
        with self._lock:
            return dict(sorted(self._components.items()))

    @property
    def changes(self) -> int:
        """Another number whenever the components are others: for what is derived from them and kept."""
        self._fill()
        return self._changes

    def filter(self, *, namespace: str | None = None, group: str | None = None) -> dict[Identity, type[Any]]:
        """The components of a namespace, a group or both; a copy."""
        return {
            key: component
            for key, component in self.all().items()
            if (namespace is None or key.namespace == namespace) and (group is None or key.group == group)
        }

    def freeze(self) -> None:
        """Make `register` raise from now on."""
        with self._lock:
            self._frozen = True

    def clear(self) -> None:
        """Remove everything and unfreeze."""
        with self._lock:
            self._hold({}, frozen=False)

    def _hold(self, components: dict[Identity, type[Any]], *, frozen: bool) -> None:
        self._components, self._frozen = components, frozen
        self._changes += 1

    def _fill(self) -> None:
        if not self._frozen:
            _before_lookups()

    def _not_found(self, key: Identity) -> ComponentNotFound:
        known = {identity.label: identity for identity in self.all()}
        near = difflib.get_close_matches(key.label, known, n=3, cutoff=0.6)
        near += [label for label, identity in known.items() if identity.name == key.name and label not in near]
        hint = f" Did you mean {', '.join(near[:3])}?" if near else f" {len(known)} are registered."
        error = ServiceNotFound if self.domain == SERVICES else ComponentNotFound
        return error(f"Nothing is registered in {self.domain} under {key.label}.{hint}")


_registries: dict[str, Registry] = {}
_before_lookups: Callable[[], object] = bool
"""What fills the registries; nothing until `start_before_lookups`."""
_registries_lock = threading.Lock()


def registry_for(domain: str) -> Registry:
    """The registry of a domain, created when it is first asked for."""
    with _registries_lock:
        if domain not in _registries:
            _registries[domain] = Registry(domain)
        return _registries[domain]


def all_registries() -> list[Registry]:
    """Every registry there is, by domain."""
    with _registries_lock:
        return [_registries[domain] for domain in sorted(_registries)]


def start_before_lookups(start: Callable[[], object]) -> None:
    """Call `start` before a lookup in a registry that is not frozen; it fills the registries, or raises why not."""
    global _before_lookups
    _before_lookups = start


@contextmanager
def empty_registries() -> Iterator[None]:
    """Empty, unfrozen registries for a test; afterwards the old contents are back. Not thread-safe."""
    before = {registry: (registry._components, registry._frozen) for registry in all_registries()}
    for registry in before:
        registry._hold({}, frozen=False)
    try:
        yield
    finally:
        for registry in all_registries():  # a registry created meanwhile was empty before
            components, frozen = before.get(registry, ({}, False))
            registry._hold(components, frozen=frozen)


def where(component: type) -> str:
    """A class as `module.QualName (file:line)`, for messages to developers."""
    name = f"{component.__module__}.{component.__qualname__}"
    path, line = location(component)
    return f"{name} ({path}:{line})" if path else name


@cache
def location(component: type) -> tuple[str, int]:
    """File and line of a class; ("", 0) when it has no source (a class made by a call or in a shell)."""
    try:
        return inspect.getsourcefile(component) or "", source_lines(component)[1]
    except (OSError, TypeError):
        return "", 0


def _same_class(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


services = registry_for(SERVICES)
schemas = registry_for(SCHEMAS)
prompts = registry_for(PROMPTS)

"""The registry of providers: from a client's name in ORCA_CONFIG to its provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string
from pydantic import BaseModel, ValidationError

from orchestration.conf import ClientSettings, clients_settings
from orchestration.errors import NotConfigured
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.providers.base import Provider
from orchestration.providers.capabilities import Capability
from orchestration.providers.short_names import SHORT_NAMES
from orchestration.typed_settings import explain

NAME = re.compile("[a-z0-9_-]{1,64}", re.ASCII)
LONGEST_SURFACE = 32
"""Of the audits' column."""

Opener = Callable[[str, ClientSettings], Provider]
_substitutes: list[Opener] = []


def open_provider(client_name: str) -> Provider:
    """A new provider, for the event loop that will use it and must close it.

    NotConfigured: no such client, or its settings do not fit its provider. ProviderError `provider_key_missing`: its
    key is not in the environment; `provider_key_invalid`: it is not a usable key.
    """
    client = client_settings(client_name)
    if _substitutes:
        return _substitutes[-1](client_name, client)
    problems = client_problems(client_name, client)
    if problems:
        raise NotConfigured(" ".join(problems))
    return provider_class(client)(client_name, client)


@contextmanager
def substituted(opener: Opener) -> Iterator[None]:
    """For tests: within the block this process opens every client with `opener`, whatever its settings say."""
    _substitutes.append(opener)
    try:
        yield
    finally:
        _substitutes.remove(opener)


def import_providers() -> None:
    """For a process that forks others which ask models: the forks have the libraries already."""
    for client in clients_settings().clients.values():
        provider_class(client)
    for path in LIBRARIES:
        import_string(path)


LIBRARIES = (
    "orchestration.providers.http.transport.HttpTransport",
    "orchestration.providers.simulator.provider.SimulatorProvider",
)
"""What providers import when they are opened, because it takes half of the time that a process takes to start."""


def client_settings(client_name: str) -> ClientSettings:
    """The settings of a client; NotConfigured, with the names that exist, for an unknown one."""
    clients = clients_settings().clients
    if client_name not in clients:
        raise NotConfigured(f"ORCA_CONFIG has no client {client_name!r}; it has: {', '.join(clients)}.")
    return clients[client_name]


def provider_class(client: ClientSettings) -> type[Provider]:
    """The class that a client names; NotConfigured says why there is none, or why it is not a provider."""
    return _imported(client.provider)


@lru_cache(maxsize=64)
def _imported(named: str) -> type[Provider]:
    path = SHORT_NAMES.get(named, named)
    with isolated() as run:  # importing a module runs an author's code
        found: Any = import_string(path)
    if run.error is not None:
        why = str(run.error) if isinstance(run.error, ImportError) else describe(run.error)
        raise NotConfigured(f"ORCA_CONFIG: the provider {named!r} cannot be imported: {why}.")
    if not (isinstance(found, type) and issubclass(found, Provider)):
        raise NotConfigured(f"ORCA_CONFIG: {named!r} is not a subclass of orchestration.providers.base.Provider.")
    faults = class_faults(found)
    if faults:
        raise NotConfigured(f"ORCA_CONFIG: the provider {named!r} does not keep its contract: {'; '.join(faults)}.")
    return found


def class_faults(cls: type[Provider]) -> list[str]:
    """What in a provider's class breaks the contract that `Provider` states."""
    name, surfaces = getattr(cls, "name", None), getattr(cls, "surfaces", ())
    unknown = sorted(set(map(str, cls.capabilities)) - set(Capability))
    faults = [
        *([] if isinstance(name, str) and NAME.fullmatch(name) else ["`name` must match [a-z0-9_-]{1,64}"]),
        *([] if surfaces else ["`surfaces` (over HTTP: `wires`) must name at least one API"]),
        *(f"the surface {each!r} is longer than {LONGEST_SURFACE}" for each in surfaces if len(each) > LONGEST_SURFACE),
        *(f"{each!r} is not a capability: {', '.join(Capability)}" for each in unknown),
        *(f"it does not define `{each}`" for each in sorted(cls.__abstractmethods__)),
    ]
    options: Any = cls.Options
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        faults.append("`Options` must be a pydantic model")
    return faults


def client_problems(client_name: str, client: ClientSettings) -> list[str]:
    """What of a client's settings does not fit its provider; NotConfigured as `provider_class`."""
    cls = provider_class(client)
    where = f"ORCA_CONFIG: client {client_name!r}"
    problems = []
    if client.surface and client.surface not in cls.surfaces:
        problems.append(f"{where}: {cls.name} has no surface {client.surface!r}; it has: {', '.join(cls.surfaces)}.")
    if client.base_url is None and cls.default_url is None:
        problems.append(f'{where}: {cls.name} has no address of its own: give the client a "base_url".')
    try:
        cls.Options.model_validate(client.options)
    except ValidationError as error:
        known = ", ".join(cls.Options.model_fields) or "none"
        problems.append(f"{where}: options: {explain(error)}. The options of {cls.name} are: {known}.")
    return problems

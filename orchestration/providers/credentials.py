"""The key or token that a client shows its provider: where it is found, and why there is none."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import Iterator
from typing import Any

from orchestration.components.import_paths import import_named
from orchestration.conf import ClientSettings, clients_settings
from orchestration.errors import ProviderError
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.providers.base import Provider
from orchestration.providers.keys import KeyVariable, host_of, origin_of
from orchestration.providers.registry import provider_class

VALID = re.compile("[!-~]+")
"""What a header can hold."""


class Token:
    """The bearer token of a client: what its function returns, called for each request.

    The function keeps a token for as long as it is valid (those of `azure.identity` do). One that is not a coroutine
    function runs in a thread.
    """

    def __init__(self, client_name: str, path: str) -> None:
        self._client_name = client_name
        self._function: Any = token_function(client_name, path)

    async def get(self) -> str:
        """ProviderError `provider_token_failed` when there is none: it is worth another try."""
        with isolated() as run:  # an author's function, or a library's
            if inspect.iscoroutinefunction(self._function):
                token = await self._function()
            else:
                token = await asyncio.to_thread(self._function)
        if run.error is None and isinstance(token, str) and VALID.fullmatch(token):
            return token
        why = f"raised {describe(run.error)}" if run.error is not None else "returned no token"
        raise ProviderError(
            f"The token function of client {self._client_name!r} {why}.",
            code="provider_token_failed",
            retryable=True,
            sent=False,
        )


def token_function(client_name: str, path: str) -> Any:
    """The function that makes a client's tokens; NotConfigured when it cannot be imported."""
    return import_named(path, setting=f"ORCA_CONFIG: client {client_name!r}: token", example="myproject.azure:token")


class Credential:
    """What a client shows its provider with each request: a key, a token, or nothing."""

    def __init__(self, client_name: str, client: ClientSettings) -> None:
        """Raises as `key_of` and `token_function`."""
        cls = provider_class(client)
        key = None if client.token else key_of(client_name, client)
        self._token = Token(client_name, client.token) if client.token else None
        self._fixed = {} if key is None else {cls.key_header[0]: cls.key_header[1] + key}
        self.secret = key or ""
        """What it showed last, which no record may hold."""

    async def headers(self) -> dict[str, str]:
        """ProviderError `provider_token_failed` when there is no token."""
        if self._token is None:
            return self._fixed
        self.secret = await self._token.get()
        return {"Authorization": f"Bearer {self.secret}"}


def key_of(client_name: str, client: ClientSettings) -> str | None:
    """A client's key from the environment; None where it needs none.

    ProviderError `provider_key_missing` when it has none that may go to its host; `provider_key_invalid`.
    """
    why = why_no_key(client_name, client)
    if why is not None:
        raise ProviderError(why, code="provider_key_missing", sent=False)
    variable = _variable(client)
    key = os.environ[variable.name] if variable is not None else None
    if key is not None and not VALID.fullmatch(key):
        raise ProviderError(
            f"The API key of client {client_name!r} contains blanks, line breaks or other characters that are not valid"
            " in a key: set its variable again.",
            code="provider_key_invalid",
            sent=False,
        )
    return key


def why_no_key(client_name: str, client: ClientSettings) -> str | None:
    """Why a client has no key that may go to its host, and how to give it one; None when it has, or needs none."""
    cls = provider_class(client)
    if client.token or client.is_simulated or not address_of(client):
        return None
    variable = _variable(client)
    if variable is None:
        return _missing(client_name, client, cls) if cls.key_required or client.api_key_envvar else None
    if client.api_key_envvar or variable.hosts is not None:
        return None
    sharing = dict(_sharing(variable))
    if len({origin_of(url) for url in sharing.values()}) < 2:
        return None
    hosts = ", ".join(f"{name!r} to {host_of(url)}" for name, url in sharing.items())
    return (
        f"Client {client_name!r} names no variable for its key, and that of {variable.name} is meant for one host:"
        f' {hosts}. Give each client an "api_key_envvar"; it may be {variable.name} for those that the key is for.'
    )


def needs_no_key(client: ClientSettings) -> bool:
    """Whether a client is asked without a key: with a token, or as it is."""
    return bool(client.token) or client.is_simulated or _variable(client) is None


def _candidates(client: ClientSettings) -> tuple[KeyVariable, ...]:
    """The variables that may hold a client's key, those first that are looked at first."""
    defaults = provider_class(client).key_variables
    if not client.api_key_envvar:
        return defaults
    named = KeyVariable(client.api_key_envvar)
    return (named, *defaults[1:]) if defaults and defaults[0].name == named.name else (named,)


def _allowed(client: ClientSettings) -> list[KeyVariable]:
    return [variable for variable in _candidates(client) if variable.may_go_to(address_of(client))]


def _variable(client: ClientSettings) -> KeyVariable | None:
    """The first of the allowed variables that is set."""
    return next((variable for variable in _allowed(client) if os.environ.get(variable.name)), None)


def _sharing(variable: KeyVariable) -> Iterator[tuple[str, str]]:
    """The clients, and their addresses, that have this variable because they name none."""
    for name, client in clients_settings().clients.items():
        if not client.api_key_envvar and not client.token and variable in provider_class(client).key_variables:
            yield name, address_of(client)


def address_of(client: ClientSettings) -> str:
    """Where the requests of a client go; empty for the simulator in this process, and where no address is known."""
    return client.base_url or provider_class(client).default_url or ""


def _missing(client_name: str, client: ClientSettings, cls: type[Provider]) -> str:
    allowed, host = [variable.name for variable in _allowed(client)], host_of(address_of(client))
    message = f"Client {client_name!r} has no API key for {host}: "
    if allowed:
        message += f"set {' or '.join(allowed)} in the environment"
    else:
        message += 'give it an "api_key_envvar", the variable that holds the key for this host'
    elsewhere = [each.name for each in cls.key_variables if each.name not in allowed and os.environ.get(each.name)]
    if elsewhere:
        message += f', or, if {elsewhere[0]} is meant for {host}, give the client "api_key_envvar": "{elsewhere[0]}"'
    return f'{message}, or give the client the provider "simulator".'

"""Asking a provider of the simulated model's server, for the conformance suite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from django.test import override_settings

from orchestration.components.strict_schema import StrictSchema, adapt
from orchestration.conf import ClientSettings
from orchestration.errors import ProviderError
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.dialect import Dialect
from orchestration.providers.registry import open_provider, provider_class
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.typed_settings import optional_setting
from orchestration.types import JsonObject

KEY, VARIABLE = "sk-conformance-0123456789", "ORCA_CONFORMANCE_KEY"
CLIENT = "conformance"
MODEL = "model-1"


class Asking:
    """What the classes of the suite have in common: the provider, and the server that it asks.

    A subclass in a test module names the provider, and what of it is particular.
    """

    provider: ClassVar[str]
    """A short name, or the dotted path of a class."""
    settings: ClassVar[JsonObject] = {}
    """More of the client's settings: `surface`, `options`, …"""
    below: ClassVar[str] = "/v1"
    """What stands before the provider's paths on the server; empty where these paths begin with the version."""
    dialects: ClassVar[Sequence[Dialect]] = ()
    """How the simulated model speaks this wire format, where it is none of the built-in ones."""
    keyless: ClassVar[bool] = False
    """The client is asked without a key."""

    @pytest.fixture(scope="class")
    @classmethod
    def running_server(cls) -> Iterator[SimulatedProviderServer]:
        with SimulatedProviderServer(dialects=cls.dialects) as server:
            yield server

    @pytest.fixture
    def server(self, running_server: SimulatedProviderServer) -> Iterator[SimulatedProviderServer]:
        """The simulated model over HTTP, and the client as the only one of the project."""
        running_server.script([])
        running_server.simulation.request_log.entries.clear()
        with self.configured(running_server.address):
            yield running_server

    @contextmanager
    def configured(self, address: str) -> Iterator[None]:
        """Within the block the client asks this address."""
        client = {"provider": self.provider, "model": MODEL, "base_url": address + self.below, **self.settings}
        if not self.keyless:
            client.setdefault("api_key_envvar", VARIABLE)
        engine = {**optional_setting("ORCHESTRAI", {}), "ALLOW_PAID_REQUESTS": False}
        os.environ[VARIABLE] = KEY
        with override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": {CLIENT: client}}, ORCHESTRAI=engine):
            yield
        del os.environ[VARIABLE]

    @property
    def cls(self) -> type[Provider]:
        """The provider's class."""
        return provider_class(ClientSettings.model_validate({"provider": self.provider, "model": MODEL}))

    def send(self, *requests: ProviderRequest, **fields: Any) -> ProviderResponse:
        """Ask once, or what these requests say one after the other, and return the last answer."""
        return asyncio.run(self.sending(requests or (question(**fields),)))

    async def sending(self, requests: Sequence[ProviderRequest]) -> ProviderResponse:
        provider = open_provider(CLIENT)
        try:
            return [await provider.send(request) for request in requests][-1]
        finally:
            await provider.aclose()

    def failed(self, **fields: Any) -> ProviderError:
        """The error of a request that must fail."""
        with pytest.raises(ProviderError) as caught:
            self.send(**fields)
        return caught.value


def question(text: str = "Where is it?", schema: StrictSchema | None = None, **fields: Any) -> ProviderRequest:
    """A request with instructions and a question, for an answer with a schema or in text."""
    structured = {} if schema is None else {"schema_name": schema.name, "schema": schema.json_schema}
    messages = [{"role": "developer", "content": "Answer briefly."}, {"role": "user", "content": text}]
    return ProviderRequest(**{"model": MODEL, "messages": messages, "timeout": 30.0, **structured, **fields})


def strict(schema: JsonObject, name: str = "reply") -> StrictSchema:
    """A JSON schema as services have it."""
    return adapt(schema, name)

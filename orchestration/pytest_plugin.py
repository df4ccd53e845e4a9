"""Fixtures for pytest. Loaded wherever the package is installed, so it imports nothing of Django: projects that do not
use the fixtures notice nothing of it, and settings may be configured later."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchestration.testing import ScriptedProvider

KIT = "orchestration.testing"
pytest.register_assert_rewrite("orchestration.providers.conformance", "orchestration.testing.conformance")


@pytest.fixture
def orca_provider() -> Iterator[ScriptedProvider]:
    """A scripted provider for all clients during the test."""
    with import_module(KIT).scripted_provider() as provider:
        yield provider


@pytest.fixture
def orca_drain() -> Any:
    """The function `drain`. The test needs a database: `@pytest.mark.django_db`."""
    return import_module(KIT).drain


@pytest.fixture
def orca_no_paid_requests() -> Iterator[None]:
    """Fails the test when, at its end, requests went to a model that costs money. The test needs a database."""
    yield
    import_module(KIT).assert_no_paid_requests()

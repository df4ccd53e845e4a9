"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.gateway.metering.price_cache import prices
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.encodings import forget_encodings

CLIENTS = Path(__file__).resolve().parents[3] / ".clients"
DATA = CLIENTS / "tiktoken"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider key that is not a real one, and the prices of this test."""
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
    prices.known.clear()


@pytest.fixture
def provider() -> Iterator[SimulatedProviderServer]:
    """The simulated provider over HTTP."""
    with SimulatedProviderServer() as server:
        yield server


@pytest.fixture(scope="module")
def tokenizer() -> Iterator[None]:
    """Tokens are counted, not estimated."""
    if not any(DATA.glob("*")):
        pytest.skip("no tokenizer data: `make clients` installs it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(DATA))
        forget_encodings()
        yield
    forget_encodings()


@pytest.fixture
def no_tokenizer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine without the tokenizer's data; yields the folder that is searched."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    forget_encodings()
    yield tmp_path
    monkeypatch.undo()
    forget_encodings()

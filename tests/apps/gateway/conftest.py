"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.gateway import tokens
from apps.gateway.ledger import prices
from orchestration.providers.simulator_server import SimulatedProviderServer

CLIENTS = Path(__file__).resolve().parents[3] / ".clients"
DATA = CLIENTS / "tiktoken"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for the provider that is none, and prices as this test has them."""
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
    prices.forget()


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
        tokens.forget_encodings()
        yield
    tokens.forget_encodings()


@pytest.fixture
def no_tokenizer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine without the tokenizer's data; yields the folder that is looked at."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    tokens.forget_encodings()
    yield tmp_path
    monkeypatch.undo()
    tokens.forget_encodings()

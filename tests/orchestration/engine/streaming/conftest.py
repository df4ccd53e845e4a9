"""Streams that are told at once, and who listens to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.engine.streaming import listening, relay
from tests.orchestration.engine.streaming.ear import Ear


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(relay, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)
    yield
    listening._watched.clear()


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch, quickly: None) -> Ear:
    return Ear(monkeypatch)

"""What persistence told the world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from persistence.signals import ai_response_failed, ai_response_ready, domain_object_created


@dataclass
class Told:
    """The signals that were sent, each as its named arguments with the sender."""

    created: list[dict[str, Any]] = field(default_factory=list)
    ready: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def told() -> Iterator[Told]:
    heard = Told()

    def note_created(**named: Any) -> None:
        heard.created.append(named)

    def note_ready(**named: Any) -> None:
        heard.ready.append(named)

    def note_failed(**named: Any) -> None:
        heard.failed.append(named)

    pairs = ((domain_object_created, note_created), (ai_response_ready, note_ready), (ai_response_failed, note_failed))
    for signal, receiver in pairs:
        signal.connect(receiver)
    yield heard
    for signal, receiver in pairs:
        signal.disconnect(receiver)


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Any) -> Any:
    """`with on_commit():` what it registers for the commit runs at its end, as if the test's transaction committed."""
    return lambda: django_capture_on_commit_callbacks(execute=True)

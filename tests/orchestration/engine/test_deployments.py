"""What happens to the installation is noted for the charts: other code, pauses, starts, restarts, killed workers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.clock import database_now
from orchestration.engine import deployments
from orchestration.engine.deployments import forget_deployment, note_deployment, sources
from orchestration.engine.worker.heartbeat import Heartbeat
from orchestration.models import Pause, PromptText, ProviderCircuit
from orchestration.models.engine_events import KEPT, EngineEvent, EventKind
from orchestration.models.throttles import PauseKind

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SERVICE = "services.engineapp.default.Triage"


@pytest.fixture(autouse=True)
def as_after_a_start() -> Iterator[None]:
    forget_deployment()
    yield
    forget_deployment()


def told() -> list[str]:
    return [str(event) for event in EngineEvent.objects.order_by("id")]


def starts_with(monkeypatch: pytest.MonkeyPatch, components: dict[str, str]) -> bool:
    """Another node starts with these components."""
    monkeypatch.setattr(deployments, "sources", lambda: components)
    forget_deployment()
    return note_deployment()


def test_other_code_is_noted_once_with_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"services.a.default.One": "1", "services.a.default.Two": "2"}
    assert starts_with(monkeypatch, first)
    assert not starts_with(monkeypatch, first)
    assert not note_deployment()
    assert starts_with(monkeypatch, {"services.a.default.One": "9", "services.a.default.New": "3"})
    assert told() == ["deployment: 2 components, the first time", "deployment: New, One, Two"]


def test_many_changes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    starts_with(monkeypatch, {f"services.a.default.S{number}": "1" for number in range(9)})
    starts_with(monkeypatch, {f"services.a.default.S{number}": "2" for number in range(9)})
    assert told()[-1] == "deployment: S0, S1, S2, S3, S4 and 4 more"


def test_every_component_has_a_mark_of_its_source() -> None:
    found = sources()
    assert len(found[SERVICE]) == 16
    assert sources() == found


def test_pauses_and_their_ends_are_noted() -> None:
    pause = Pause.start(PauseKind.SERVICE, SERVICE)
    pause.end()
    assert told() == [f"pause: service {SERVICE}", f"resume: service {SERVICE}"]


def test_a_circuit_is_noted_when_it_opens_and_when_it_closes() -> None:
    """A probe that fails opens nothing new, and an answer to a closed one closes nothing."""
    circuits, window = ProviderCircuit.objects, timedelta(minutes=1)
    circuits.count_failures("default", 3, "timeout", window)
    for _ in range(2):
        circuits.trip("default", 3, timedelta(0))
    for end in (lambda: circuits.trip("default", 3, timedelta(0)), lambda: circuits.close("default")):
        assert circuits.probe(circuits.get(), "a call")
        assert end()
    assert not circuits.close("default")
    assert told() == ["circuit_opened: default: timeout", "circuit_closed: default"]


def test_new_prompt_texts_are_noted() -> None:
    text = PromptText(section="prompts.engineapp.default.TriageSection", part="instruction", text="Be brief.")
    text.publish()
    text.withdraw()
    name = "engineapp.default.TriageSection instruction v1"
    assert told() == [f"prompt: {name}", f"prompt: {name} withdrawn"]


def test_a_node_notes_its_start_and_each_restart_once(settings: Any, tmp_path: Path) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    heartbeat = Heartbeat("here", interval=0.2)
    heartbeat.acquire(cancelled=lambda: False)
    heartbeat.beat(reason="")
    heartbeat.restarts += 1
    for _ in range(2):
        heartbeat.beat(reason="the cluster's main process ended")
    heartbeat.release()
    assert told() == ["start: here", "restart: here: the cluster's main process ended"]


def test_old_events_go_and_the_last_deployment_stays() -> None:
    for kind in (EventKind.DEPLOYMENT, EventKind.START):
        EngineEvent.objects.create(kind=kind, about="old", at=database_now() - KEPT - timedelta(days=1))
    EngineEvent.note(EventKind.START, "x" * 300)
    assert [event.about for event in EngineEvent.objects.order_by("id")] == ["old", "x" * 255]

"""A conversation of a hundred turns with tools, whose worker is killed fifty times."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

from chaos.app.models import ChaosRow
from orchestration.engine.execution.conversation import full_messages
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.tool_runs import ToolRun, ToolRunStatus
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.clusters import running_cluster
from tests.engineapp.orca.services.tools import BEGAN, READ, TURNS
from tests.paid_once import submit
from tests.waiting import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
]
KILLS = 50
SERVICE = "services.engineapp.default.ReadsABook"
SAYS = "I shall read on, and see what the next page has to say about it. " * 6
FAST_DEATHS = {"LEASE_SECONDS": 1.5, "RENEW_SECONDS": 0.3, "TICK_SECONDS": 0.5, "MAX_DEATHS": 100}
"""A death is found soon, and a call that saw fifty is not given up."""


def stored(model: type[Model], **of: Any) -> int:
    """Characters of all columns of these rows, as JSON."""
    rows = model._default_manager.filter(**of).values()
    return sum(len(json.dumps(row, default=str, ensure_ascii=False)) for row in rows)


def finished(call: ServiceCallRecord) -> int:
    return ToolRun.objects.filter(call=call, status=ToolRunStatus.DONE).count()


def kill_its_worker(call: ServiceCallRecord) -> bool:
    """Kill the process that runs the call at this moment, if one does."""
    held = ServiceCallRecord.objects.running().filter(pk=call.pk).values_list("worker", flat=True).first()
    if not held:
        return False
    with suppress(ProcessLookupError):  # it was killed before, and nobody has found that yet
        os.kill(int(held.split(":")[1]), signal.SIGKILL)
        return True
    return False


def killed_again_and_again(call: ServiceCallRecord) -> int:
    """Kill its worker each time that it has come a step further; how often that was. The moment within a turn is
    chance."""
    chance, kills, before = random.Random(21), 0, 0
    while kills < KILLS:
        until(partial(_came_further, call, before), f"a step after {kills} kills", 60)
        time.sleep(chance.uniform(0, 0.2))
        kills += kill_its_worker(call)
        before = finished(call)
    return kills


def _came_further(call: ServiceCallRecord, before: int) -> bool:
    return finished(call) > before


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Any:
    with SimulatedProviderServer(latency_ms=20) as server:
        reads = [{"name": name, "arguments": {"page": "$results"}} for name in ("read_page", "consider")]
        server.script([Fault(kind="tool_call", times=0, results_below=2 * TURNS, data=reads, text=SAYS)])
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        monkeypatch.setenv("Q_WORKERS", "2")
        yield server


def test_a_loop_survives_fifty_deaths(provider: SimulatedProviderServer, tmp_path: Path) -> None:
    """No tool that has finished runs again, and the conversation is stored at most twice."""
    with running_cluster(tmp_path, **FAST_DEATHS):
        [call] = submit(1, SERVICE)
        kills = killed_again_and_again(call)
        until(lambda: ServiceCallRecord.objects.in_status("succeeded", "failed").exists(), "its end", 120)
    call.refresh_from_db()
    assert (call.status, kills) == ("succeeded", KILLS), call.error
    assert call.deaths >= 0.8 * KILLS, "some kills hit a worker that had just let the call go"

    runs = list(ToolRun.objects.filter(call=call))
    pages = {2 * turn for turn in range(TURNS)}
    assert Counter((run.tool, run.arguments["page"]) for run in runs) == Counter(
        (tool, page) for tool in ("read_page", "consider") for page in pages
    )
    assert {run.status for run in runs} == {ToolRunStatus.DONE}
    notes = Counter((row.note, row.number) for row in ChaosRow.objects.filter(call_id=call.pk))
    assert {page: notes[READ, page] for page in pages} == dict.fromkeys(pages, 1), "atomic: once, whoever was killed"
    attempts = {run.arguments["page"]: run.attempts for run in runs if run.tool == "consider"}
    begun = [(note, page) for note, page in notes if note != READ]
    assert all(notes[each] == 1 for each in begun)
    assert all(int(note.removeprefix(BEGAN)) <= attempts[page] for note, page in begun), "none after it had finished"

    audits = AIRequestAudit.objects.filter(call=call)
    seen = Counter(entry["correlation"] for entry in provider.request_log())
    sent = {f"{call.pk}:{attempt}:{repair}" for attempt, repair in audits.values_list("attempt", "repair")}
    assert set(seen) <= sent, "every request is audited"
    assert set(seen.values()) == {1}
    last = audits.filter(outcome="answered").order_by("pk").last()
    assert last is not None
    said = full_messages(last)
    assert len(said) == 1 + TURNS * 3
    text = sum(len(json.dumps(message, ensure_ascii=False)) for message in said)
    space = stored(AIRequestAudit, call=call) + stored(AIResponseAudit, call=call) + stored(ToolRun, call=call)
    assert space <= 2 * text, (space, text)

"""A web server that is asked to stop: whoever waits gets a last word, and loses nothing by coming back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import transaction

from apps.accounts.models import ApiKey, User
from apps.consensus.workflow.retry_cancel import cancel_run
from apps.simulation.models import EventKind, SimulationEvent
from apps.simulation.services.lifecycle import end_simulation, start_simulation
from orchestration.api.sse import STOPPING
from orchestration.models import ServiceCallRecord
from tests.apps.consensus.reviewing import new_run
from tests.apps.gateway.serving import Workers
from tests.apps.people import person
from tests.clusters import until

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "http://127.0.0.1:9/v1"
"""A provider that is never asked."""


@contextmanager
def connected(server: Workers) -> Iterator[http.client.HTTPConnection]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        yield link
    finally:
        link.close()


def a_simulation(user: User) -> tuple[str, Callable[[], object]]:
    simulation = start_simulation(user, sim_patient_full_name="Maria Alvarez")
    with transaction.atomic():
        SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, {"id": 1})
    return f"/api/v1/simulations/{simulation.uuid}/events", lambda: end_simulation(simulation)


def a_run(user: User) -> tuple[str, Callable[[], object]]:
    run = new_run(user)
    return f"/v1/runs/{run.pk}/events", lambda: cancel_run(run.pk)


@pytest.mark.parametrize("begin", [a_simulation, a_run])
def test_an_event_stream_says_goodbye_and_resumes_elsewhere(
    begin: Callable[[User], tuple[str, Callable[[], object]]], tmp_path: Path
) -> None:
    """It ends with a word and continues at the next server."""
    user = person()
    _, secret = ApiKey.issue(user, "reader", ["simulations:read", "runs:read"])
    headers = {"Authorization": f"Bearer {secret}"}
    path, end = begin(user)
    with Workers(1, NOBODY, tmp_path / "first") as server, connected(server) as link:
        link.request("GET", path, headers=headers)
        stream = link.getresponse()
        text = ""
        while "data: " not in text:
            text += stream.readline().decode()
        server.stop()
        text += stream.read().decode()  # IncompleteRead when the connection is cut instead of ended
    assert text.endswith(f"\n\n{STOPPING}"), server.log()
    seen = numbers(text)
    end()

    with Workers(1, NOBODY, tmp_path / "second") as server, connected(server) as link:
        link.request("GET", path, headers=headers | {"Last-Event-ID": str(seen[-1])})
        rest = link.getresponse().read().decode()
    assert "event: end\n" in rest
    assert STOPPING not in rest
    everything = seen + numbers(rest)
    assert len(seen) < len(everything)
    assert everything == list(range(1, len(everything) + 1)), "none lost, none twice"


def numbers(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


def test_a_caller_who_waits_is_told_that_the_call_was_accepted(tmp_path: Path) -> None:
    _, secret = ApiKey.issue(User.objects.create_superuser("ann@example.com", "pw"), "k", ["calls:write", "calls:read"])
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json", "Prefer": "wait=60"}
    body = {"service": "engineapp.default.Triage", "context": {"ticket": "t"}}
    with Workers(1, NOBODY, tmp_path / "log") as server, connected(server) as link:
        link.request("POST", "/api/v1/service-calls", json.dumps(body), headers)
        until(ServiceCallRecord.objects.queued().exists, "it is accepted", 20)
        server.stop()
        answer = link.getresponse()
        said = json.loads(answer.read())
    assert (answer.status, said["status"]) == (202, "queued"), server.log()

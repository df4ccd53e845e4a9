"""With real workers and a slow model over HTTP: five reviews side by side, one decision, kills included."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.consensus.decision import decide
from apps.consensus.models import Decision, PersonaReview, Run
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.consensus.reviewing import assert_two_answers_of_waiting, new_run
from tests.apps.people import person
from tests.clusters import running_cluster, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(240),
]
LATENCY_MS = 1000


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer(latency_ms=LATENCY_MS) as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "a-key-for-the-simulator")
        yield server


def ended(run: Run) -> bool:
    run.refresh_from_db()
    return not run.is_open


def test_reviews_run_in_parallel_and_survive_a_killed_worker(tmp_path: Path, provider: SimulatedProviderServer) -> None:
    """The killed worker costs no review and doubles no decision."""
    with running_cluster(tmp_path, LEASE_SECONDS=3, RENEW_SECONDS=1):
        run = new_run(person())
        until(lambda: ended(run), "the end of the run", 60)
        assert_two_answers_of_waiting(run, provider.simulation.request_log.entries)
        runs = [run, *new_runs_of_which_a_worker_is_killed()]
        until(lambda: all(ended(run) for run in runs), "the end of every run", 120)
    assert {run.status for run in runs} == {"completed"}, [run.error_context for run in runs]
    assert Decision.objects.count() == len(runs)
    assert PersonaReview.objects.count() == 5 * len(runs)
    for run in runs:
        verdict = decide([review.as_review() for review in run.reviews.all()])
        assert run.decision.overall_weighted_confidence == verdict.overall_weighted_confidence
        assert run.events.filter(kind="run", data__status="completed").count() == 1
        assert list(run.events.values_list("sequence", flat=True)) == list(range(1, run.last_event + 1))


def new_runs_of_which_a_worker_is_killed() -> list[Run]:
    """Three runs; whoever holds the first of their reviews is killed while they wait for the model."""
    runs = [new_run(person()) for _ in range(3)]
    reviews = ServiceCallRecord.objects.running().filter(context__has_key="persona_id")
    until(lambda: reviews.count() >= 3, "reviews under way", 60)
    worker = int(reviews.values_list("worker", flat=True)[0].split(":")[1])
    os.kill(worker, signal.SIGKILL)
    return runs

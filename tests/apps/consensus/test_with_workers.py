"""With real workers and a slow model over HTTP: five reviews side by side, one decision, kills included."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from apps.consensus.decision import decide
from apps.consensus.models import Decision, PersonaReview, Run
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator_server import SimulatedProviderServer
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person
from tests.clusters import running_cluster, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(240),
]
LATENCY_MS = 2000
MAX_SECONDS = 6.0


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer(latency_ms=LATENCY_MS) as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "a-key-for-the-simulator")
        yield server


def ended(run: Run) -> bool:
    run.refresh_from_db()
    return not run.is_open


def test_a_full_review_takes_two_model_answers_of_time(tmp_path: Path) -> None:
    with running_cluster(tmp_path):
        started = time.monotonic()
        run = new_run(person())
        until(lambda: ended(run), "the end of the run", 60)
        took = time.monotonic() - started
    assert run.status == "completed", run.error_context
    verdict = decide([review.as_review() for review in run.reviews.all()])
    assert run.decision.overall_weighted_confidence == verdict.overall_weighted_confidence
    if connection.vendor == "sqlite":  # the figure that is promised
        assert took < MAX_SECONDS


def test_a_worker_that_is_killed_amid_the_reviews_costs_no_review_and_doubles_no_decision(tmp_path: Path) -> None:
    with running_cluster(tmp_path, LEASE_SECONDS=3, RENEW_SECONDS=1):
        runs = [new_run(person()) for _ in range(3)]
        reviews = ServiceCallRecord.objects.running().filter(context__has_key="persona_id")
        until(lambda: reviews.count() >= 3, "reviews under way", 60)
        worker = int(reviews.values_list("worker", flat=True)[0].split(":")[1])
        os.kill(worker, signal.SIGKILL)
        until(lambda: all(ended(run) for run in runs), "the end of every run", 120)
    assert {run.status for run in runs} == {"completed"}, [run.error_context for run in runs]
    assert Decision.objects.count() == len(runs)
    assert PersonaReview.objects.count() == 5 * len(runs)
    for run in runs:
        assert run.events.filter(kind="run", data__status="completed").count() == 1
        assert list(run.events.values_list("sequence", flat=True)) == list(range(1, run.last_event + 1))

"""The whole house: ASGI server, real cluster and a provider over HTTP, each a process or a socket of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.chatlab.models import Message
from apps.devtools.smoke import MAIN_JOB_SCOPES, QUESTIONS, SIMULATION, Client, JobFailed, run_main_job
from apps.simulation.models import Simulation
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from persistence.models import PersistedChunk, PersistedObject
from tests.clusters import environment, running_cluster, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.cluster,
    pytest.mark.timeout(180),
]
PASSWORD = "a-long-test-password"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer() as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        yield server


@pytest.fixture
def web(tmp_path: Path, provider: SimulatedProviderServer) -> Iterator[str]:
    """The address of a granian that serves the test database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", str(port)]
    log = (tmp_path / "web.log").open("wb")
    process = subprocess.Popen(
        [*command, "--workers", "1", "config.asgi:application"],
        env=environment(tmp_path / "run"),
        stdout=log,
        stderr=log,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(base), f"web server: {(tmp_path / 'web.log').read_text()[-2000:]}", 60)
        yield base
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _answers(base: str) -> bool:
    try:
        return Client(base).get("/healthz") is not None
    except JobFailed:
        return False


@pytest.fixture
def trainee() -> User:
    return User.objects.create_user("trainee@test.example", PASSWORD)


@pytest.fixture
def key(trainee: User) -> str:
    return ApiKey.issue(trainee, "job", MAIN_JOB_SCOPES)[1]


@pytest.mark.postgres
def test_a_question_over_rest_becomes_a_reply_in_the_database(web, provider, key, tmp_path):
    with running_cluster(tmp_path) as cluster:
        outcome = run_main_job(Client(web, key=key), lambda line: None)
        again = run_main_job(Client(web, key=key), lambda line: None)
        assert cluster.stop() == 0

    assert outcome.complete
    assert again.complete
    assert (Simulation.objects.count(), len(again.calls)) == (1, 1)  # the same patient is asked the next question
    assert [message.content for message in again.messages if message.role == "user"] == list(QUESTIONS[:2])
    roles = [message.role for message in outcome.messages]  # an answer may be more than one message
    assert (roles[0], roles[-1], roles.count("user")) == ("assistant", "assistant", 1)
    assert [call.status for call in outcome.calls] == ["succeeded", "succeeded"]
    assert {call.provider for call in outcome.calls} == {"openai"}
    assert min(call.total_tokens for call in outcome.calls) > 0
    # One request each, and the provider's own log says the same as the audits.
    requests = AIRequestAudit.objects.order_by("dispatched_at")
    assert [request.outcome for request in requests] == ["answered"] * 3
    entries = provider.request_log()
    assert [entry["correlation"] for entry in entries] == [f"{request.call_id}:1:0" for request in requests]
    assert AIResponseAudit.objects.filter(raw__id__isnull=False).count() == 3
    # The rows lead to the calls and back.
    for call in outcome.calls:
        chunk = PersistedChunk.objects.get(call_id=call.pk)
        assert isinstance(chunk.domain_object, Message)
        assert chunk.domain_object.call_id == call.pk
        assert PersistedObject.objects.filter(chunk=chunk, role="primary").count() == 1
    assert not ServiceCallRecord.objects.running().exists()


def test_what_waits_for_a_cluster_outlives_two_failures(web, provider, trainee, tmp_path):
    """A call that is submitted while no cluster runs is only late, and a provider that fails twice costs it two more
    attempts."""
    provider.script([Fault(kind="rate_limit", retry_after=0.2), Fault(kind="server_error")])
    client = Client(web)
    client.sign_in(trainee.email, PASSWORD)
    created = client.post(reverse("api:create_simulation"), SIMULATION)
    call = ServiceCallRecord.objects.get(pk=created["call"]["id"])
    assert call.status == "queued"
    with running_cluster(tmp_path, RETRY_INITIAL_SECONDS=0.1) as cluster:
        until(lambda: ServiceCallRecord.objects.filter(pk=call.pk, domain_persisted=True).exists(), "persisted", 60)
        assert cluster.stop() == 0
    call.refresh_from_db()
    assert call.attempts == 3
    assert [entry["status"] for entry in provider.request_log()] == [429, 500, 200]
    requests = AIRequestAudit.objects.filter(call=call).order_by("attempt")
    assert [request.outcome for request in requests] == ["failed", "failed", "answered"]

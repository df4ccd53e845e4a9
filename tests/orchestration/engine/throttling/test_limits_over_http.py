"""Two workers, each with its own loop, connection and view, against one provider over HTTP with a log of its own."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.db import connections

from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.throttling.token_bucket import Bucket
from orchestration.engine.worker.loop import WorkerLoop
from orchestration.models import ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.engineapp.orca.services import triage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def provider(settings, monkeypatch):
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "sk-test")
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LINGER_SECONDS": 1.5, "CONCURRENCY": 8}
    with SimulatedProviderServer(latency_ms=100) as server:
        client = {"provider": "openai", "base_url": server.base_url, "model": "gpt-4o-mini"}
        settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": client}
        yield server


def submitted(count, **fields):
    submit_many([CallSpec(service=triage.Triage, context={"ticket": str(n)}, **fields) for n in range(count)])


def work_with_two_workers(seconds=40.0):
    """Two worker loops in threads, until every call is settled."""
    deadline = time.monotonic() + seconds

    def done():
        return time.monotonic() > deadline

    async def work():
        executor = ThreadPoolExecutor(max_workers=1)
        try:
            async with ThreadSensitiveContext(executor=executor):
                await WorkerLoop(stopping=done).run()
        finally:
            executor.submit(connections.close_all).result()
            executor.shutdown()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(asyncio.run, work()) for _ in range(2)]:
            future.result()


def arrivals(provider):
    return [entry["time"] for entry in provider.request_log()]


def statuses():
    return set(ServiceCallRecord.objects.values_list("status", flat=True))


def test_two_workers_together_never_exceed_the_rate(provider):
    """The provider counts what it receives."""
    RateLimit.objects.create(pattern="default/gpt-4o-mini", requests_per_minute=60)
    submitted(12)
    work_with_two_workers()
    assert statuses() == {"succeeded"}
    bucket, times = Bucket(60), arrivals(provider)
    assert len(times) == 12
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            # On a busy machine one request may take this much longer to the provider than another one.
            assert last - first <= bucket.capacity + bucket.rate * (times[last] - start + 3)


def test_two_workers_never_run_more_in_parallel_than_allowed(provider):
    RateLimit.objects.create(pattern="default/*", parallel=3)
    submitted(15)
    work_with_two_workers()
    assert statuses() == {"succeeded"}
    events = sorted(event for entry in provider.request_log() for event in ((entry["time"], 1), (entry["ended"], -1)))
    busy = most = 0
    for _, change in events:
        busy += change
        most = max(most, busy)
    assert most <= 3


def test_a_429_to_one_worker_stops_both_until_retry_after(provider):
    RateLimit.objects.create(pattern="default/gpt-4o-mini", parallel=1)
    provider.script([Fault(kind="ok", times=2), Fault(kind="rate_limit", retry_after=2)])
    submitted(8)
    work_with_two_workers()
    assert statuses() == {"succeeded"}
    entries = provider.request_log()
    refused = next(entry for entry in entries if entry["status"] == 429)
    later = [entry["time"] - refused["ended"] for entry in entries if entry["time"] > refused["time"]]
    assert len(later) == 6
    assert min(later) >= 1.9


def test_a_broken_provider_is_probed_once_then_used_by_both(provider, settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CIRCUIT_FAILURES": 3, "CIRCUIT_OPEN_SECONDS": 3}
    RateLimit.objects.create(pattern="default/*", parallel=1)  # one after the other, so that the count is exact
    provider.script([Fault(kind="server_error", times=3)])
    submitted(12, max_attempts=5)
    work_with_two_workers()
    assert statuses() == {"succeeded"}
    entries = provider.request_log()
    opened = entries[2]["ended"]
    # The other worker's view may be a second old, so it may continue for that long.
    assert not [entry for entry in entries if opened + 1.5 < entry["time"] < opened + 2.9]
    assert len(entries) == 15
    assert ProviderCircuit.objects.get().state == "closed"

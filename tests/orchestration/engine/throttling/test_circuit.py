"""The circuit breaker of a client: opens, lets one probe through, closes; calls wait uncharged meanwhile."""

import asyncio
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.engine.execution.commands import StoreAnswer
from orchestration.engine.execution.throttle_feedback import apply_observations
from orchestration.engine.queue.claim import claim
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.throttling.snapshot import Limits
from orchestration.errors import CallHeld
from orchestration.models import AIResponseAudit, ProviderCircuit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.throttles import CircuitState
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ROUTE = {"client": "default", "model_requested": "gpt-4o-mini"}
TICKET = {"ticket": "it burns"}


@pytest.fixture(autouse=True)
def opens_after_three(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CIRCUIT_FAILURES": 3}


def came_back(*codes):
    """Answers of one client in this order; an empty code is a good one."""
    call = queued(due_at=timezone.now() + timedelta(days=1))
    return [
        StoreAnswer(
            lease=None,
            record=call,
            answer=AIResponseAudit(ai_request=request_audit(call, client_name="default"), call=call, error_code=code),
            outcome=Outcome.FAILED if code else Outcome.ANSWERED,
        )
        for code in codes
    ]


def circuit():
    return ProviderCircuit.objects.get(client="default")


def opened(**fields):
    now = timezone.now()
    values = {"state": CircuitState.OPEN, "failures": 3, "opened_at": now, "retry_at": now, "openings": 1, **fields}
    return ProviderCircuit.objects.create(client="default", **values)


@pytest.mark.parametrize("code", ["timeout", "connection_error", "provider_unavailable"])
def test_it_opens_after_so_many_failures_in_a_row(code):
    apply_observations(came_back(code, code), Limits())
    assert (circuit().state, circuit().failures) == ("closed", 2)
    apply_observations(came_back(code), Limits())
    assert (circuit().state, circuit().last_error_code, circuit().openings) == ("open", code, 1)
    assert circuit().retry_at > timezone.now() + timedelta(seconds=4)


@pytest.mark.parametrize("code", ["rate_limited", "bad_request", "refused", ""])
def test_any_answer_in_between_shows_that_the_provider_works(code):
    apply_observations(came_back("timeout", "timeout", code, "timeout", "timeout"), Limits())
    assert (circuit().state, circuit().failures) == ("closed", 2)
    apply_observations(came_back(code), Limits())
    assert circuit().failures == 0


def test_what_was_never_sent_says_nothing():
    apply_observations(came_back("timeout", "provider_key_missing", "timeout", "internal_error"), Limits())
    assert circuit().failures == 2


def test_failures_longer_apart_than_the_window_do_not_add_up():
    apply_observations(came_back("timeout", "timeout"), Limits())
    ProviderCircuit.objects.update(failing_since=timezone.now() - timedelta(seconds=31))
    apply_observations(came_back("timeout"), Limits())
    assert (circuit().state, circuit().failures) == ("closed", 1)


def test_zero_turns_it_off(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CIRCUIT_FAILURES": 0}
    apply_observations(came_back(*["timeout"] * 50), Limits())
    assert not ProviderCircuit.objects.exists()


def test_an_open_circuit_keeps_calls_queued_without_a_charge():
    """Other clients continue."""
    held, other = queued(**ROUTE), queued(client="second", model_requested="gpt-4o-mini")
    opened(retry_at=timezone.now() + timedelta(hours=1))
    assert [record.pk for record in claim(5, "w1")] == [other.pk]
    held.refresh_from_db()
    assert (held.status, held.attempts, held.failures, held.lease_token) == ("queued", 0, 0, 0)


def test_half_open_lets_one_probe_through_until_it_ends():
    calls = [queued(**ROUTE) for _ in range(3)]
    opened()
    assert [record.pk for record in claim(5, "w1")] == [calls[0].pk]
    assert (circuit().state, circuit().probe) == ("half_open", calls[0].pk)
    assert claim(5, "w2") == []


def test_it_closes_when_the_probe_succeeds():
    opened(state=CircuitState.HALF_OPEN, probe="x")
    apply_observations(came_back(""), Limits())
    assert (circuit().state, circuit().failures, circuit().openings, circuit().retry_at) == ("closed", 0, 0, None)


def test_a_failed_probe_doubles_the_wait_up_to_a_minute():
    opened(state=CircuitState.HALF_OPEN, probe="x")
    apply_observations(came_back("timeout"), Limits())
    assert (circuit().state, circuit().openings) == ("open", 2)
    assert timedelta(seconds=9) < circuit().retry_at - timezone.now() <= timedelta(seconds=10)
    ProviderCircuit.objects.update(state=CircuitState.HALF_OPEN, openings=30)
    apply_observations(came_back("timeout"), Limits())
    assert timedelta(seconds=59) < circuit().retry_at - timezone.now() <= timedelta(seconds=60)


def test_a_late_answer_does_not_close_the_circuit():
    """An answer to what was sent before it opened."""
    opened(retry_at=timezone.now() + timedelta(hours=1))
    apply_observations(came_back(""), Limits())
    assert circuit().state == "open"


def test_a_probe_that_died_or_never_asked_is_followed_by_another():
    first, second = queued(**ROUTE), queued(**ROUTE)
    opened()
    claim(1, "w1")
    ServiceCallRecord.objects.filter(pk=first.pk).update(status="cancelled", finished_at=timezone.now())
    assert [record.pk for record in claim(5, "w2")] == [second.pk]
    assert circuit().probe == second.pk


def test_a_failing_provider_is_left_alone_and_used_again_later():
    calls = [submit(CallSpec(service=triage.Triage, context=TICKET, max_attempts=1)) for _ in range(3)]
    with scripted(Fault(kind="server_error", times=3)) as simulation:
        drain()
        assert [ServiceCallRecord.objects.get(pk=call.pk).status for call in calls] == ["failed"] * 3
        later = [submit(CallSpec(service=triage.Triage, context=TICKET)) for _ in range(5)]
        drain()
        assert len(simulation.request_log.entries) == 3
        assert set(ServiceCallRecord.objects.queued().values_list("attempts", "failures")) == {(0, 0)}
        ProviderCircuit.objects.update(retry_at=timezone.now())
        drain()
    assert circuit().state == "closed"
    assert {ServiceCallRecord.objects.get(pk=call.pk).status for call in later} == {"succeeded"}
    assert set(ServiceCallRecord.objects.filter(pk__in=[c.pk for c in later]).values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_send_one_probe():
    for _ in range(20):
        queued(**ROUTE)
    opened()
    barrier, taken = Barrier(4), []

    def work(number):
        try:
            barrier.wait(10)
            for _ in range(3):
                taken.extend(claim(5, f"w{number}", Limits(cache_seconds=0)))
        finally:
            connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 1
    assert circuit().probe == taken[0].pk


@pytest.mark.django_db(transaction=True)
def test_concurrent_failures_are_all_counted_and_open_it_once(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "CIRCUIT_FAILURES": 40}
    batches = [[came_back("timeout") for _ in range(9)] for _ in range(4)]
    apply_observations(came_back("timeout"), Limits())

    def work(mine):
        try:
            for batch in mine:
                apply_observations(batch, Limits())
        finally:
            connection.close()

    threads = [Thread(target=work, args=(mine,)) for mine in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (circuit().failures, circuit().state) == (37, "closed")


@pytest.mark.django_db(transaction=True)
def test_a_caller_who_wants_it_now_is_told_and_may_be_the_probe():
    opened(retry_at=timezone.now() + timedelta(hours=1))
    with pytest.raises(CallHeld, match="The circuit of client default is open") as caught:
        asyncio.run(triage.Triage.using(context=TICKET).execute())
    assert caught.value.code == "circuit_open"
    assert not ServiceCallRecord.objects.exists()
    ProviderCircuit.objects.update(retry_at=timezone.now())
    asyncio.run(triage.Triage.using(context=TICKET).execute())
    assert circuit().state == "closed"

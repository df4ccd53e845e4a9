"""Group commit and fencing."""

import asyncio
from datetime import datetime
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import StatementTooComplex

from orchestration.engine.execution.commands import AbandonRequest, ChargeFailure, OpenRequest, Settle, StoreAnswer
from orchestration.engine.execution.group_commit import STALE_WRITES, GroupCommit, commit
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.database_thread import is_away
from orchestration.errors import AppendOnly, NotStorable, StaleLease
from orchestration.models import AIRequestAudit, AIResponseAudit, EngineCounter, ModelPrice, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from tests.orchestration.factories import failed, queued, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def lease(record, token=None):
    return Lease(record.pk, record.lease_token if token is None else token)


def settle(record, **fields):
    return Settle(**{"lease": lease(record), "record": record, "status": Status.SUCCEEDED, **fields})


def test_a_settled_call_has_result_state_and_times():
    record = running()
    assert commit([settle(record, result={"a": 1}, persist=PersistState.PENDING, provider="p", model="m")]) == [None]
    record.refresh_from_db()
    assert (record.status, record.result, record.domain_persist_state) == ("succeeded", {"a": 1}, "pending")
    assert (record.provider, record.model) == ("p", "m")
    assert record.finished_at is not None
    assert record.next_persist_at is not None
    assert record.domain_persisted is False


def test_a_batch_settles_each_call_with_its_own_values():
    records = [running() for _ in range(5)]
    commit([settle(record, result={"n": n}) for n, record in enumerate(records)])
    stored = {record.pk: record.result for record in ServiceCallRecord.objects.all()}
    assert stored == {record.pk: {"n": n} for n, record in enumerate(records)}


def test_a_late_finish_is_dropped_and_counted():
    record = running(lease_token=7)
    outcome = commit([settle(record, lease=lease(record, 6), result={"late": True})])
    assert isinstance(outcome[0], StaleLease)
    record.refresh_from_db()
    assert (record.status, record.result) == ("running", None)
    assert EngineCounter.read(STALE_WRITES) == 1


@pytest.mark.parametrize("make", [queued, failed])
def test_a_call_that_does_not_run_takes_no_write(make):
    record = make()
    assert isinstance(commit([settle(record)])[0], StaleLease)
    before = record.status
    record.refresh_from_db()
    assert record.status == before


def test_a_stale_write_does_not_hold_up_its_neighbours():
    good, stale = running(), running(lease_token=2)
    outcomes = commit([settle(stale, lease=lease(stale, 1)), settle(good)])
    assert [type(outcome) for outcome in outcomes] == [StaleLease, type(None)]
    good.refresh_from_db()
    assert good.status == "succeeded"


def test_a_request_audit_exists_before_anything_is_sent():
    """It opens an attempt."""
    record = running()
    audit = request_audit(record)
    commit([OpenRequest(lease=lease(record), record=record, request=audit)])
    record.refresh_from_db()
    assert record.attempts == 1
    assert AIRequestAudit.objects.get().outcome == Outcome.PENDING


def test_a_repair_belongs_to_the_same_attempt():
    record = running(attempts=1)
    first = request_audit(record)
    first.save()
    repair = request_audit(record, repair=1, repair_of=first)
    commit([OpenRequest(lease=lease(record), record=record, request=repair)])
    record.refresh_from_db()
    assert record.attempts == 1
    assert first.repairs.get() == repair


def test_a_stale_audit_is_not_written():
    record = running(lease_token=3)
    commit([OpenRequest(lease=lease(record, 2), record=record, request=request_audit(record))])
    assert not AIRequestAudit.objects.exists()


def answer(record, audit, **fields):
    row = AIResponseAudit(ai_request=audit, call=record, model="gpt-4o-mini", **fields)
    return StoreAnswer(lease=lease(record), record=record, answer=row, outcome=Outcome.ANSWERED)


def test_tokens_and_cost_add_up_over_attempts():
    ModelPrice.objects.create(
        provider="simulator", model="gpt-4o-mini", valid_from=timezone.now(),
        input_per_million=2, cached_input_per_million=1, output_per_million=10,
    )  # fmt: skip
    record = running()
    for attempt in (1, 2):
        audit = request_audit(record, attempt=attempt)
        audit.save()
        commit([answer(record, audit, input_tokens=100, cached_input_tokens=40, output_tokens=10, total_tokens=110)])
    record.refresh_from_db()
    assert (record.input_tokens, record.output_tokens, record.total_tokens) == (200, 20, 220)
    # per answer (60 * 2 + 40 * 1 + 10 * 10) / 1e6
    assert record.cost == Decimal("0.00052000")
    assert AIResponseAudit.objects.latest("pk").cost == Decimal("0.00026000")
    assert AIRequestAudit.objects.get(attempt=2).outcome == Outcome.ANSWERED


def test_an_answer_and_the_end_of_its_call_are_one_write():
    record = running(attempts=1)
    audit = request_audit(record)
    audit.save()
    stored = answer(record, audit, input_tokens=5, total_tokens=5)
    end = settle(record, result={"a": 1}, persist=PersistState.SKIPPED, answer=stored)
    assert commit([end]) == [None]
    record.refresh_from_db()
    assert (record.status, record.result, record.total_tokens) == ("succeeded", {"a": 1}, 5)
    assert (record.domain_persist_state, record.judged_attempts, record.next_persist_at) == ("skipped", 1, None)
    assert AIRequestAudit.objects.get().outcome == Outcome.ANSWERED
    assert AIResponseAudit.objects.get().pk == stored.answer.pk
    assert isinstance(commit([end])[0], StaleLease)


def test_audits_are_stored_as_the_orm_stores_them():
    """Texts, moments to the microsecond, large and small numbers, empty values, JSON of any kind."""
    record = running()
    values = {
        "messages": [{"role": "user", "content": 'ü \U0001f600 \\ " % %s \n'}],
        "tools": [],
        "parameters": {"large": 10**4000, "small": 1e-300, "nested": [None, True, {"": ""}]},
        "response_schema": None,
        "dispatched_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.get_fixed_timezone(90)),
    }
    by_orm, by_us = request_audit(record, **values), request_audit(record, attempt=2, **values)
    by_orm.save()
    commit([OpenRequest(lease=lease(record), record=record, request=by_us)])
    answers = [
        answer(record, audit, raw=raw, outputs=[raw], cost=Decimal("0.00000001"), http_status=200, latency_ms=2**31 - 1)
        for audit, raw in ((by_orm, "text"), (by_us, "text"))
    ]
    answers[0].answer.save()
    commit([answers[1]])
    for model, own in ((AIRequestAudit, {"id", "attempt", "outcome"}), (AIResponseAudit, {"id", "ai_request_id"})):
        first, second = model.objects.order_by("pk").values()
        ignored = own | {"received_at"}
        assert {k: v for k, v in first.items() if k not in ignored} == {
            k: v for k, v in second.items() if k not in ignored
        }
    assert AIRequestAudit.objects.get(attempt=2).dispatched_at == values["dispatched_at"]


@pytest.mark.parametrize("value", [Decimal(1), object(), {"set"}])
def test_what_is_not_json_is_refused_not_converted(value):
    record = running()
    with pytest.raises(TypeError):
        commit(
            [OpenRequest(lease=lease(record), record=record, request=request_audit(record, parameters={"x": value}))]
        )
    assert not AIRequestAudit.objects.exists()


def test_a_model_without_price_costs_null_and_is_counted():
    record = running()
    audit = request_audit(record, model="unheard-of")
    audit.save()
    commit([answer(record, audit, input_tokens=5, total_tokens=5)])
    record.refresh_from_db()
    assert record.cost is None
    assert EngineCounter.read("answers_without_price") == 1


def test_a_lost_request_becomes_unknown():
    record = running()
    audit = request_audit(record)
    audit.save()
    commit([AbandonRequest(lease=lease(record), record=record, request=audit)])
    assert AIRequestAudit.objects.get().outcome == Outcome.UNKNOWN


def test_a_charged_failure_is_judged_but_the_call_runs_on():
    record = running(attempts=2)
    commit([ChargeFailure(lease=lease(record), record=record, failures=2)])
    record.refresh_from_db()
    assert (record.status, record.failures, record.judged_attempts) == ("running", 2, 2)


def test_giving_back_leaves_the_last_attempt_unjudged():
    record = running(attempts=2, judged_attempts=1)
    commit([settle(record, status=Status.QUEUED, validated=False, due_at=timezone.now())])
    record.refresh_from_db()
    assert (record.status, record.judged_attempts, record.finished_at) == ("queued", 1, None)


def test_the_writes_of_one_moment_share_one_transaction(django_assert_num_queries):
    records = [running() for _ in range(20)]

    async def write_all():
        async with GroupCommit() as group_commit:
            await asyncio.gather(*(group_commit.write(settle(record)) for record in records))

    with django_assert_num_queries(4):  # savepoint, lock, update, release
        async_to_sync(write_all)()
    assert ServiceCallRecord.objects.finished().count() == 20


def test_the_writer_of_a_stale_write_hears_of_it():
    record = running(lease_token=2)

    async def write():
        async with GroupCommit() as group_commit:
            await group_commit.write(settle(record, lease=lease(record, 1)))

    with pytest.raises(StaleLease, match=record.pk):
        async_to_sync(write)()


def test_one_bad_row_fails_alone():
    good, bad = running(), running()

    async def write():
        async with GroupCommit() as group_commit:
            return await asyncio.gather(
                group_commit.write(settle(good, result={"fine": True})),
                group_commit.write(settle(bad, error_code=None)),
                return_exceptions=True,
            )

    outcomes = async_to_sync(write)()
    assert outcomes[0] is None
    assert outcomes[1] is not None
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == ("succeeded", "running")


def test_a_row_that_is_refused_leaves_its_neighbours_their_keys():
    """The batch was rolled back with the keys that it had handed out, which other rows may have by now."""
    good, bad = running(), running()
    asked = [request_audit(good), request_audit(bad, service_identity=None)]
    for audit in asked:
        audit.pk = 7
    other = request_audit(running(), id=7)
    other.save()

    async def write():
        async with GroupCommit() as group_commit:
            ops = [OpenRequest(lease=lease(a.call), record=a.call, request=a) for a in asked]
            return await asyncio.gather(*map(group_commit.write, ops), return_exceptions=True)

    outcomes = async_to_sync(write)()
    assert outcomes[0] is None
    assert isinstance(outcomes[1], NotStorable)
    assert good.request_audits.get().pk != 7


def test_a_statement_beyond_a_limit_is_refused_not_waited_for(monkeypatch):
    """PostgreSQL reports it as OperationalError, as it does a lost connection."""
    error = OperationalError("stack depth limit exceeded")
    error.__cause__ = StatementTooComplex()
    assert not is_away(error)
    assert is_away(OperationalError("the connection is lost"))
    monkeypatch.setattr("orchestration.engine.execution.group_commit.commit", _raiser(error))

    async def write():
        async with GroupCommit() as group_commit:
            await group_commit.write(settle(running_row))

    running_row = running()
    with pytest.raises(NotStorable):
        async_to_sync(write)()


def _raiser(error):
    def raises(*args):
        raise error

    return raises


def test_audits_are_append_only():
    audit = request_audit(running())
    audit.save()
    audit.model = "other"
    with pytest.raises(AppendOnly):
        audit.save()
    with pytest.raises(AppendOnly):
        audit.delete()
    with pytest.raises(AppendOnly):
        AIRequestAudit.objects.update(model="other")
    with pytest.raises(AppendOnly):
        AIRequestAudit.objects.all().delete()


def test_an_outcome_is_settled_once():
    audit = request_audit(running())
    audit.save()
    rows = AIRequestAudit.objects.filter(pk=audit.pk)
    assert rows.settle(Outcome.ANSWERED) == 1
    assert rows.settle(Outcome.UNKNOWN) == 0
    assert rows.get().outcome == Outcome.ANSWERED

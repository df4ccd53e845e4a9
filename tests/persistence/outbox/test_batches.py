"""The task: which records it takes, what it counts, and when it asks for another."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from orchestration import signals
from orchestration.engine.node import DRAINS, claim_slot
from orchestration.models import ServiceCallRecord, WorkerNode
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.states import PersistState
from persistence import tasks
from persistence.models import DrainWake
from persistence.outbox import drain
from persistence.outbox.drain import drain_calls
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Outcome
from persistence.receivers import DRAIN_TASK, ask_for_drain
from persistence.tasks import process_pending_persistence
from tests.persistence.results import async_note, lonely, note, nothing
from tests.seedapp.models import Message, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def write(handler, response):
    return Message.objects.create(role=response.context.get("label", "assistant"))


def fail(handler, response):
    raise ValueError


def drains_waiting() -> int:
    """Drain tasks on the broker."""
    return sum(row.func() == DRAIN_TASK for row in OrmQ.objects.all())


@pytest.fixture
def batches_of(settings):
    def limit(size):
        settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BATCH_SIZE": size}

    return limit


def test_the_counts_say_what_became_of_what_was_claimed():
    note(write), note(write), note(fail), lonely()
    assert process_pending_persistence() == {"claimed": 4, "processed": 2, "failed": 1, "skipped": 1}
    assert process_pending_persistence() == {"claimed": 0, "processed": 0, "failed": 0, "skipped": 0}


def test_a_dead_result_counts_as_failed():
    note(fail, domain_persist_attempts=9)
    assert process_pending_persistence()["failed"] == 1


def test_one_failure_does_not_hold_up_the_others():
    note(fail, priority=9)
    note(write)
    process_pending_persistence()
    assert Message.objects.count() == 1


def test_the_most_urgent_and_then_the_oldest_are_taken_first():
    now = timezone.now()
    for label, priority, age in (("late", 0, 1), ("early", 0, 5), ("urgent", 3, 0), ("whenever", -1, 9)):
        note(write, priority=priority, finished_at=now - timedelta(minutes=age), context={"label": label})
    process_pending_persistence()
    assert list(Message.objects.order_by("pk").values_list("role", flat=True)) == [
        "urgent",
        "early",
        "late",
        "whenever",
    ]


def test_what_is_not_due_yet_waits():
    note(write, next_persist_at=timezone.now() + timedelta(seconds=30))
    assert process_pending_persistence()["claimed"] == 0


def test_a_batch_is_limited_and_asks_for_the_next_one(batches_of):
    batches_of(2)
    for _ in range(3):
        note(write)
    assert process_pending_persistence()["processed"] == 2
    assert drains_waiting() == 1
    OrmQ.objects.all().delete()
    assert process_pending_persistence()["processed"] == 1
    assert drains_waiting() == 0


def test_a_drain_at_its_budget_leaves_the_rest_to_the_next(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BUDGET_SECONDS": 1e-9}
    note(write), note(write)
    assert process_pending_persistence()["claimed"] == 1
    assert drains_waiting() == 1


def test_a_drain_of_a_stopping_cluster_ends_its_record_and_stops(monkeypatch, tmp_path):
    """It leaves the rest."""
    note(write), note(write)
    (tmp_path / "stop").touch()
    monkeypatch.setenv("ORCA_STOP_FILE", str(tmp_path / "stop"))
    assert process_pending_persistence()["claimed"] == 1
    assert Message.objects.count() == 1
    assert drains_waiting() == 1


def test_a_drain_that_got_nowhere_does_not_ask_again(batches_of, monkeypatch):
    """As when every due record is in the hands of another worker: otherwise the tasks would chase each other."""
    monkeypatch.setattr(drain, "drain_record", lambda work: Outcome.NOT_DUE)
    note(write)
    assert process_pending_persistence()["claimed"] == 0
    assert drains_waiting() == 0


def test_a_storm_leaves_a_worker_of_each_node_to_the_calls(settings, tmp_path):
    """A drain that finds as many at work as may be ends at once, and those look again when they end."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 3}
    note(write)
    at_work = [claim_slot(of=DRAINS) for _ in range(2)]
    assert process_pending_persistence()["claimed"] == 0
    assert ask_for_drain(), "whoever stores a result asks again"
    at_work[0].release()
    assert process_pending_persistence()["processed"] == 1
    at_work[1].release()


def test_a_drain_looks_for_more_once_its_slot_is_free(batches_of, settings, monkeypatch):
    """Or what was stored while another drain found no slot would wait for the next tick."""
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 1}
    batches_of(1)
    free = []

    def ask():
        with claim_slot(of=DRAINS) as slot:
            free.append(slot is not None)

    monkeypatch.setattr(tasks, "ask_for_drain", ask)
    note(write), note(write)
    process_pending_persistence()
    assert free == [True]


def test_only_one_request_waits_however_many_results_are_stored():
    for _ in range(5):
        signals.results_stored.send(sender=None, call_ids=["any"], immediate=False)
    assert drains_waiting() == 1


def test_a_result_stored_during_a_drain_asks_for_another():
    assert ask_for_drain() is True
    assert ask_for_drain() is False
    DrainWake.answer()
    assert ask_for_drain() is True


def test_an_unanswered_request_is_repeated_once_it_must_be_lost():
    ask_for_drain()
    DrainWake.objects.update(asked_at=timezone.now() - timedelta(seconds=11))
    assert ask_for_drain() is True
    assert drains_waiting() == 2


def test_a_request_the_broker_refused_is_not_taken_for_waiting(monkeypatch):
    monkeypatch.setattr("orchestration.engine.queue.transport.async_task", _refuse)
    assert ask_for_drain() is False
    monkeypatch.undo()
    assert ask_for_drain() is True


def _refuse(*args, **kwargs):
    raise ConnectionError


def test_a_tick_asks_only_when_something_is_due():
    note(write, next_persist_at=timezone.now() + timedelta(seconds=30))
    signals.tick.send(sender=None)
    assert drains_waiting() == 0
    note(write)
    signals.tick.send(sender=None)
    assert drains_waiting() == 1


def test_who_waits_gets_the_rows_at_once():
    record, other = note(write), note(write)
    signals.results_stored.send(sender=None, call_ids=[record.pk], immediate=True)
    record.refresh_from_db(), other.refresh_from_db()
    assert record.domain_persisted
    assert not other.domain_persisted
    assert drains_waiting() == 0


def test_who_waits_finds_a_failure_in_the_state_of_the_call():
    record = note(fail)
    signals.results_stored.send(sender=None, call_ids=[record.pk], immediate=True)
    record.refresh_from_db()
    assert record.domain_persist_state == PersistState.PENDING
    assert record.domain_persist_error.startswith("ValueError:")


def test_draining_calls_says_what_became_of_each():
    good, bad, none, done = note(write), note(fail), lonely(), note(nothing, domain_persist_state="persisted")
    outcomes = drain_calls([good.pk, bad.pk, none.pk, done.pk, "unknown"])
    assert list(outcomes.values()) == [
        Outcome.PERSISTED,
        Outcome.FAILED,
        Outcome.SKIPPED,
        Outcome.NOT_DUE,
        Outcome.NOT_DUE,
    ]


def test_a_persisted_call_lets_the_next_of_its_key_run(on_commit):
    OrderingKey.take("bed:7", 2)
    first = note(write, ordering_key="bed:7", sequence=1)
    ServiceCallRecord.objects.create(
        service_identity=first.service_identity, namespace="seedapp", ordering_key="bed:7", sequence=2
    )
    assert not ServiceCallRecord.objects.claimable().exists()
    with on_commit():
        process_pending_persistence()
    assert ServiceCallRecord.objects.claimable().count() == 1
    assert "orchestration.tasks.run_service_call" in [row.func() for row in OrmQ.objects.all()]


def test_a_long_drain_says_that_its_worker_lives(monkeypatch):
    monkeypatch.setenv("ORCA_NODE_NAME", "node-1")
    monkeypatch.setattr(drain, "BEAT_SECONDS", 0.0)
    node = WorkerNode.objects.create(name="node-1")
    async_note(_write_async)
    process_pending_persistence()
    node.refresh_from_db()
    assert node.task_beat_at is not None


async def _write_async(handler, response):
    return await Message.objects.acreate(role="assistant")


def test_the_lock_asks_for_what_the_list_of_due_results_asks_for():
    """It is written by hand, for speed; the two must not drift apart."""
    now = timezone.now()
    records = [note(write, domain_persist_state=state) for state in PersistState.values]
    records += [note(write, next_persist_at=now + timedelta(hours=1)), note(write, next_persist_at=now)]
    due = set(ServiceCallRecord.objects.pending_persistence(now).values_list("pk", flat=True))
    with transaction.atomic():
        locked = {record.pk for record in records if OutboxRow(record).lock(now=now)}
    assert due == locked
    assert len(due) == 1


def test_more_records_than_are_read_at_once_keep_their_order(monkeypatch):
    monkeypatch.setattr(drain, "READ_AT_ONCE", 2)
    for priority in (1, 5, 3, 2, 4):
        note(write, priority=priority, context={"label": str(priority)})
    assert process_pending_persistence()["processed"] == 5
    assert list(Message.objects.order_by("pk").values_list("role", flat=True)) == ["5", "4", "3", "2", "1"]


def test_a_handler_gets_its_related_object_as_it_is_now():
    """What it was when the batch began does not count."""
    simulation = Simulation.objects.create(sim_patient_full_name="before")

    def rename(handler, response):
        Simulation.objects.update(sim_patient_full_name="after")

    def look(handler, response):
        return Message.objects.create(role=response.simulation.sim_patient_full_name)

    note(rename, priority=1)
    note(look, related_object=simulation)
    process_pending_persistence()
    assert Message.objects.get().role == "after"

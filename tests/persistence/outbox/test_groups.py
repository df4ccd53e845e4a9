"""Results that share a transaction become what they become alone, and suffer nothing from each other."""

import signal
import threading

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.signals import ai_response_ready
from persistence.models import PersistedChunk, PersistedObject, PersistenceDeath
from persistence.models.failures import PersistenceFailure
from persistence.outbox import drain, groups
from persistence.outbox.crash_markers import orphaned_markers
from persistence.outbox.drain import drain_batch, drain_calls
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.statement_watch import LONGEST_REMEMBERED, OutOfPlace, _remembered, meaning_of
from tests.persistence.outbox.test_crash_markers import in_a_fork, wait_is_over
from tests.persistence.outbox.test_outbox_row import together
from tests.persistence.results import async_note, digest, lonely, note, nothing
from tests.persistence.statements import DOMAIN, LINK, LOCK, MARK, OPEN, reads_of, steps_of
from tests.seedapp.models import Attachment, Message, Simulation, Tally
from tests.seedapp.orca.persist.behaviours import NotePersistence, kill_the_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ran: list[str] = []
"""Which handlers ran, by label, in order."""


@pytest.fixture(autouse=True)
def one_connection(settings, tmp_path):
    ran.clear()
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        "DOMAIN_PERSIST_CONNECTIONS": 1,
        "RUN_DIR": tmp_path / "run",  # marks of other tests are not to be found here
    }


@pytest.fixture
def patient(monkeypatch):
    """A group takes as long as it takes, however slow the machine is."""
    monkeypatch.setattr(groups, "SECONDS", 60.0)
    monkeypatch.setattr(groups, "SECONDS_OF_FAILURES", 60.0)


def labelled(conduct, *labels, make=note, **fields):
    return [make(conduct, context={"label": label}, **fields) for label in labels]


def write(handler, response):
    """Tells how many results wait for its commit beside its own."""
    label = response.context["label"]
    ran.append(label)
    return Message.objects.create(role=label, meta={"waiting": len(connection.run_on_commit) - 1})


async def write_async(handler, response):
    message = await Message.objects.acreate(role=response.context["label"])
    return [message, await Attachment.objects.acreate(message=message, kind="image")]


def summarize(response, parsed):
    Message.objects.create(role=response.context["label"])
    return {"text": "ünï", "nothing": None}


def waiting_before() -> dict[str, int]:
    return {message.role: message.meta["waiting"] for message in Message.objects.filter(meta__has_key="waiting")}


def state_of(record) -> tuple[str, int]:
    record.refresh_from_db()
    return record.domain_persist_state, record.domain_persist_attempts


def test_a_group_is_locked_and_written_with_one_statement_each(patient):
    """Three on SQLite, where a statement is not a round trip."""
    labelled(write, "a")
    drain_batch()
    labelled(write, *"bcd")
    with CaptureQueriesContext(connection) as captured:
        assert drain_batch().processed == 3
    steps = [step for step in steps_of(captured) if step]
    written = [f"{OPEN} + {LINK} + {MARK}"] if connection.vendor == "postgresql" else [OPEN, LINK, MARK]
    assert steps == [LOCK, LOCK, LOCK, *[DOMAIN] * 3, *written], "found, read, locked"
    assert waiting_before() == {"a": 0, "b": 0, "c": 1, "d": 2}


OF_A_RUN = {"id", "call_id", "chunk_id", "object_id", "row_digest", "persisted_at"}


def rows_of(record) -> dict[str, object]:
    """Everything that is stored of a result, without keys and times."""
    chunk = PersistedChunk.objects.filter(call_id=record.pk).values().first() or {}
    objects = PersistedObject.objects.filter(chunk__call_id=record.pk).order_by("id").values()
    call = ServiceCallRecord.objects.filter(pk=record.pk).values().get()
    kept = [{name: value for name, value in row.items() if name not in OF_A_RUN} for row in (chunk, *objects)]
    names = ("domain_persist_state", "domain_persist_attempts", "domain_persist_error", "next_persist_at")
    return {
        "rows": kept,
        "call": [call[name] for name in names] + [call["persisted_at"] is None],
        "named": [bool(row["object_id"] and row["row_digest"]) for row in objects] + [bool(chunk.get("object_id"))],
    }


def seeing_files(handler, response):
    default_storage.save(response.context["label"], ContentFile(b"text"))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO seedapp_tally (key, count) VALUES (%s, 1)", [response.call_id])
    return [Message.objects.create(role="filed"), Attachment.objects.create(kind="paper")]


def test_what_is_stored_is_what_is_stored_of_each_alone(patient, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")

    def make():
        return [
            *labelled(write, *"ab"),
            *labelled(seeing_files, "note.txt"),
            *labelled(write_async, *"cd", make=async_note),
            *labelled(summarize, *"ef", make=digest),
            note(nothing),
            lonely(),
            *labelled(write, "g", domain_persist_attempts=2, domain_persist_error="once"),
        ]

    alone = make()
    drain_calls([record.pk for record in alone])
    for path in (tmp_path / "media").iterdir():
        path.unlink()  # or the storage would choose another name
    shared = make()
    assert drain_batch().claimed == len(shared)
    assert waiting_before()["b"] == 1, "they did share a transaction"
    for one, other in zip(alone, shared, strict=True):
        assert rows_of(other) == rows_of(one)


def fail(handler, response):
    ran.append("fail")
    Message.objects.create(role="half")
    raise ValueError("no")


def test_a_failure_takes_no_neighbour_along_and_counts_once(patient, told):
    first, failing, last = labelled(write, *"ab"), note(fail), labelled(write, *"cd")
    counts = drain_batch()
    assert (counts.claimed, counts.processed, counts.failed) == (5, 4, 1)
    assert ran == ["a", "b", "fail", "fail", "c", "d"], "it is tried alone, in its turn, before it is charged"
    assert state_of(failing) == (PersistState.PENDING, 1)
    assert [state_of(record) for record in first + last] == [(PersistState.PERSISTED, 1)] * 4
    assert sorted(Message.objects.values_list("role", flat=True)) == list("abcd")
    assert [event["call_id"] for event in told.ready] == [record.pk for record in first + last]


def test_results_of_a_broken_handler_share_one_commit(patient, told):
    """When a handler is broken, results die by the thousand: each is tried once, and charged with its neighbours."""
    records = [note(fail, domain_persist_attempts=9) for _ in range(3)]
    with CaptureQueriesContext(connection) as captured:
        counts = drain_batch()
    assert (counts.claimed, counts.failed, ran) == (3, 3, ["fail"] * 3)
    steps = [step for step in steps_of(captured) if step]
    charges = 1 if connection.vendor == "postgresql" else 3
    assert steps == [*[LOCK] * 3, *[DOMAIN] * 3, *[MARK] * charges], "found, read, locked, and charged together"
    assert [query["sql"] for query in captured].count("COMMIT") == 1
    assert [state_of(record) for record in records] == [(PersistState.DEAD, 10)] * 3
    assert PersistenceFailure.objects.count() == 3
    assert not Message.objects.exists()
    assert [event["call_id"] for event in told.failed] == [record.pk for record in records]


def test_a_failure_before_others_is_charged_with_them(patient):
    failing, others = note(fail), labelled(write, *"ab")
    assert drain_batch().processed == 2
    assert ran == ["fail", "a", "b"]
    assert state_of(failing) == (PersistState.PENDING, 1)
    assert [state_of(record) for record in others] == [(PersistState.PERSISTED, 1)] * 2


def test_charges_of_a_group_are_those_of_results_alone(patient, caplog):
    """Each with its own cause, moment and log line, and the first time of a cause that stays."""
    dying, failing, other = note(fail, domain_persist_attempts=9), note(fail), note(fail_otherwise)
    drain_batch()
    first = PersistenceFailure.objects.get(pk=failing.pk).first_at
    ServiceCallRecord.objects.filter(pk__in=[failing.pk, other.pk]).update(next_persist_at=database_now())
    drain_batch()
    for record, state, attempts, exception in (
        (dying, PersistState.DEAD, 10, "ValueError"),
        (failing, PersistState.PENDING, 2, "ValueError"),
        (other, PersistState.PENDING, 2, "ZeroDivisionError"),
    ):
        assert state_of(record) == (state, attempts)
        record.refresh_from_db()
        assert (record.next_persist_at is None) is (state == PersistState.DEAD)
        assert record.domain_persist_error.startswith(exception)
        failure = PersistenceFailure.objects.get(pk=record.pk)
        assert (failure.cause["exception"], failure.handler) == (exception, str(NotePersistence.identity))
        assert failure.cause["frames"][-1]["source"]
    failure = PersistenceFailure.objects.get(pk=failing.pk)
    assert failure.first_at == first < failure.last_at
    assert (caplog.text.count("result dead"), caplog.text.count("persisting failed")) == (1, 4)


def fail_otherwise(handler, response):
    return 1 / 0


def test_a_charge_of_a_group_that_is_undone_is_made_once(patient, told, caplog):
    """The commit of the group fails because of a later result, and each is tried alone."""
    failing, orphan = note(fail, domain_persist_attempts=9), note(orphaned)
    assert drain_batch().failed == 2
    assert state_of(failing) == (PersistState.DEAD, 10)
    assert state_of(orphan) == (PersistState.PENDING, 1)
    assert [event["call_id"] for event in told.failed] == [failing.pk]
    assert caplog.text.count("result dead") == 1


def test_a_charge_counts_what_was_charged_since_it_was_read(patient, monkeypatch):
    """Another drain had it between the read and the lock."""
    record, other = note(fail), note(fail)

    def lock(call_ids):
        ServiceCallRecord.objects.filter(pk=record.pk).update(domain_persist_attempts=9)
        return locking(call_ids)

    locking = groups.lock_together
    monkeypatch.setattr(groups, "lock_together", lock)
    drain_batch()
    assert state_of(record) == (PersistState.DEAD, 10)
    assert state_of(other) == (PersistState.PENDING, 1)


def test_a_result_that_fails_beside_others_only_is_persisted(patient):
    """A handler changed its response before it failed; alone it gets what is stored."""

    def fail_beside_others(handler, response):
        beside = len(connection.run_on_commit) > 1
        text = response.structured_data.pop("text")
        if beside:
            raise ValueError
        return Message.objects.create(role="alone", content=text)

    labelled(write, "a")
    record = note(fail_beside_others)
    assert drain_batch().processed == 2
    assert state_of(record) == (PersistState.PERSISTED, 1)
    assert Message.objects.get(role="alone").content == "hello"


def test_a_swallowed_database_error_is_a_failure_in_a_group(patient):
    Tally.objects.create(key="taken")

    def collide_quietly(handler, response):
        Message.objects.create(role="first")
        try:
            Tally.objects.create(key="taken")
        except IntegrityError:
            return None

    labelled(write, "a")
    record = note(collide_quietly)
    labelled(write, "b")
    drain_batch()
    assert state_of(record) == (PersistState.PENDING, 1)
    assert sorted(Message.objects.values_list("role", flat=True)) == ["a", "b"]


def test_what_only_the_commit_finds_is_charged_to_its_own_result(patient, told):
    first, orphan, last = labelled(write, *"ab"), note(orphaned), labelled(write, "c")
    assert drain_batch().processed == 3
    assert state_of(orphan) == (PersistState.PENDING, 1)
    assert orphan.domain_persist_error.startswith("IntegrityError:")
    assert [state_of(record) for record in first + last] == [(PersistState.PERSISTED, 1)] * 3
    assert ran == [*"abc", *"abc"], "all of them once more, one by one"
    assert Message.objects.count() == PersistedChunk.objects.count() == PersistedObject.objects.count() == 3
    assert [event["call_id"] for event in told.ready] == [record.pk for record in first + last]


def orphaned(handler, response):
    return Message.objects.create(role="orphan", simulation_id=404)


def hooked(handler, response):
    """Registers a hook that tells what was committed, one that raises, and one that comes too late."""
    label = response.context["label"]
    Message.objects.create(role=label)
    transaction.on_commit(lambda: ran.append(f"{label} of {Message.objects.count()}"))
    transaction.on_commit(lambda: 1 / 0)
    transaction.on_commit(lambda: ran.append("never"))


def test_hooks_run_after_the_commit_in_order_and_each_for_itself(patient, told, caplog):
    def ready(**named):
        ran.append(f"ready {named['context']['label']}")

    ai_response_ready.connect(ready)
    try:
        labelled(hooked, *"abc")
        assert drain_batch().processed == 3
    finally:
        ai_response_ready.disconnect(ready)
    assert ran == ["ready a", "a of 3", "ready b", "b of 3", "ready c", "c of 3"]
    assert caplog.text.count("on_commit hook failed") == 3


def test_a_hook_of_a_failed_result_does_not_run(patient):
    def hook_and_fail(handler, response):
        transaction.on_commit(lambda: ran.append("never"))
        raise ValueError

    labelled(write, "a"), note(hook_and_fail), labelled(write, "b")
    drain_batch()
    assert ran == ["a", "b"]


def test_a_file_of_a_failed_result_is_deleted_and_others_stay(patient, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")

    def file(handler, response):
        default_storage.save(f"{response.context['label']}.txt", ContentFile(b"text"))
        if response.context["label"] == "bad":
            raise ValueError

    def names():
        return sorted(path.name for path in (tmp_path / "media").rglob("*.txt"))

    labelled(file, "one", "bad", "two")
    drain_batch()
    assert names() == ["one.txt", "two.txt"]
    labelled(file, "three"), note(orphaned)
    drain_batch()
    assert names() == ["one.txt", "three.txt", "two.txt"], "of a group that was undone each is saved once"


def look_around(handler, response):
    """What earlier results became, as the database says it."""
    seen = list(ServiceCallRecord.objects.in_persist_state(PersistState.PERSISTED).values_list("pk", flat=True))
    assert set(PersistedChunk.objects.values_list("call_id", flat=True)) == {*seen, response.call_id}
    return Message.objects.create(role="seen", content=str(len(seen)))


def test_a_handler_sees_earlier_results_persisted(patient):
    labelled(write, *"ab"), note(look_around), labelled(write, "c"), note(look_around)
    assert drain_batch().processed == 5
    assert list(Message.objects.filter(role="seen").order_by("pk").values_list("content", flat=True)) == ["2", "4"]
    assert waiting_before()["b"] == 1, "those before it shared a transaction"


def test_a_handler_may_refer_to_its_chunk(patient):
    def refer(handler, response):
        chunk, is_mine = handler.ensure_idempotent_now(response)
        assert is_mine
        message = Message.objects.create(role="refers", meta={"chunk": chunk.pk})
        handler.link(chunk, message)
        return message

    records = [note(refer), note(refer)]
    assert drain_batch().processed == 2
    for record, message in zip(records, Message.objects.order_by("pk"), strict=True):
        chunk = PersistedChunk.objects.get(call_id=record.pk)
        assert (chunk.pk, chunk.domain_object) == (message.meta["chunk"], message)


@pytest.mark.parametrize(
    "way", ["update", pytest.param("select_for_update", marks=pytest.mark.postgres_only), "by hand"]
)
def test_a_handler_that_may_hold_others_up_ends_its_group(patient, way):
    row = Simulation.objects.create(sim_patient_full_name="Ada")

    def hold(handler, response):
        waiting = len(connection.run_on_commit) - 1
        if way == "update":
            Simulation.objects.filter(pk=row.pk).update(sim_patient_full_name="Bea")
        elif way == "select_for_update":
            Simulation.objects.select_for_update().get(pk=row.pk)
        else:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE seedapp_simulation SET sim_patient_full_name = 'Bea'")
        return Message.objects.create(role=response.context["label"], meta={"waiting": waiting})

    labelled(write, *"ab"), labelled(hold, *"cd"), labelled(write, "e")
    assert drain_batch().processed == 5
    assert waiting_before() == {"a": 0, "b": 1, "c": 2, "d": 0, "e": 0}


def test_groups_are_bounded_by_count_and_by_time(monkeypatch, patient):
    monkeypatch.setattr(groups, "MOST", 2)
    labelled(write, *"abc")
    drain_batch()
    assert waiting_before() == {"a": 0, "b": 1, "c": 0}
    monkeypatch.setattr(groups, "SECONDS", 0.0)
    labelled(write, *"def")
    drain_batch()
    assert list(waiting_before().values()) == [0, 1, 0, 0, 0, 0]


def test_a_drain_without_time_ends_its_group_after_one_record(settings, patient):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BUDGET_SECONDS": 1e-9}
    labelled(write, *"abc")
    counts = drain_batch()
    assert (counts.claimed, ran) == (1, ["a"])


def test_a_killed_process_leaves_its_neighbours_uncharged(patient):
    before, killer, after = labelled(write, *"ab"), note(kill_the_process), labelled(write, "c")
    assert in_a_fork(drain_batch) == -signal.SIGKILL
    assert not Message.objects.exists()
    assert drain_batch().processed == 3
    assert [state_of(record) for record in before + after] == [(PersistState.PERSISTED, 1)] * 3
    assert state_of(killer) == (PersistState.PENDING, 1)
    assert PersistenceDeath.objects.get().call_id == killer.pk
    wait_is_over(killer)
    late = labelled(write, *"de")
    assert in_a_fork(drain_batch) == -signal.SIGKILL
    assert [state_of(record) for record in late] == [(PersistState.PERSISTED, 1)] * 2, "a suspect runs alone, and last"
    drain_batch()
    assert list(orphaned_markers()) == []
    assert Message.objects.count() == PersistedChunk.objects.count() == 5


def test_a_handler_cannot_commit_for_its_neighbours(patient):
    refused = []

    def commit_beside_others(handler, response):
        if len(connection.run_on_commit) > 1:
            with connection.cursor() as cursor:
                try:
                    cursor.execute("COMMIT")
                except OutOfPlace as error:
                    refused.append(error)
        return Message.objects.create(role="after")

    labelled(write, "a")
    record = note(commit_beside_others)
    assert drain_batch().processed == 2
    assert len(refused) == 1
    assert state_of(record) == (PersistState.PERSISTED, 1)
    assert sorted(Message.objects.values_list("role", flat=True)) == ["a", "after"]


def test_a_group_reads_each_call_once_and_in_part(patient):
    """What a drain does not look at stays in the database, whatever becomes of the result."""
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    for position, label in enumerate("ab"):
        labelled(write, label, ordering_key="ward", sequence=position, related_object=simulation)
    with CaptureQueriesContext(connection) as captured:
        assert drain_batch().processed == 2
    assert len(reads_of(captured, "service_call_record")) == 2, "which are due, and what they are"
    assert '"input"' not in "".join(query["sql"] for query in captured)


@pytest.mark.parametrize("padding", [0, LONGEST_REMEMBERED])
def test_a_statement_is_read_again_when_it_is_long(padding):
    sql = f"SELECT '{'x' * padding}' FOR UPDATE"
    before = _remembered.cache_info().currsize
    assert meaning_of(sql).locks
    assert _remembered.cache_info().currsize - before == (1 if padding == 0 else 0)


def test_a_chunk_that_is_there_is_not_filled_again(patient):
    done, open_ = labelled(write, *"ab")
    PersistedChunk.objects.create(
        call_id=done.pk, schema_identity=done.schema_identity, namespace="seedapp", handler_fingerprint="earlier"
    )
    PersistedChunk.objects.create(call_id=open_.pk, schema_identity=open_.schema_identity, namespace="seedapp")
    labelled(write, "c")
    assert drain_batch().processed == 3
    assert ran == ["b", "c"]
    assert PersistedChunk.objects.count() == 3


@pytest.mark.postgres_only
def test_a_result_in_other_hands_is_left_to_them(patient):
    first, held, last = labelled(write, *"abc")
    locked, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert OutboxRow(held).lock()
            locked.set()
            assert leave.wait(20)

    def drain_beside() -> object:
        assert locked.wait(20)
        try:
            return drain_batch()
        finally:
            leave.set()

    counts = together(hold, drain_beside)[1]
    assert (counts.claimed, counts.processed, ran) == (2, 2, ["a", "c"])
    assert state_of(held) == (PersistState.PENDING, 0)
    assert state_of(first) == state_of(last) == (PersistState.PERSISTED, 1)


@pytest.mark.postgres_only
def test_a_connection_that_is_lost_charges_nobody(patient):
    cut = []

    def cut_once(handler, response):
        if not cut:
            cut.append(True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return Message.objects.create(role="cut")

    records = [*labelled(write, *"ab"), note(cut_once), *labelled(write, "c")]
    while drain_batch().claimed:
        pass
    assert [state_of(record) for record in records] == [(PersistState.PERSISTED, 1)] * 4
    assert Message.objects.count() == PersistedChunk.objects.count() == 4


@pytest.mark.postgres_only
def test_groups_that_wait_for_each_other_charge_nobody(patient):
    """Each has inserted what the other one is about to insert: one of them is undone by the database."""
    both, once = threading.Barrier(2), set()

    def insert(handler, response):
        key, thread = response.context["label"], threading.get_ident()
        row, _ = Tally.objects.get_or_create(key=key)
        if thread not in once:
            once.add(thread)
            both.wait(20)
        return row

    labels = iter(("xy", "yx"))
    batches = [[record.pk for record in labelled(insert, *next(labels))] for _ in range(2)]

    def drain_own(batch: list[str]) -> None:
        works = drain.deque(drain.Work.of(ServiceCallRecord.objects.get(pk=pk), drain.Consumers()) for pk in batch)
        todo = drain.WorkList([], lambda *_: True)
        drain._drain_each(works, todo, drain.Consumers(), drain.DeadResults(), together=True)

    together(*[lambda batch=batch: drain_own(batch) for batch in batches])
    records = ServiceCallRecord.objects.all()
    charged = [record.pk for record in records if record.domain_persist_error]
    assert charged == []
    assert {state_of(record) for record in records} == {(PersistState.PERSISTED, 1)}
    assert set(Tally.objects.values_list("key", flat=True)) == {"x", "y"}

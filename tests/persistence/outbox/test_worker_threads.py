"""Much to do is done on several connections at once."""

import signal
import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.models import PersistedChunk, PersistenceDeath
from persistence.outbox.drain import drain_batch
from persistence.outbox.worker_threads import WorkList, in_threads, threads_for
from tests.clusters import until
from tests.persistence.outbox.test_crash_markers import in_a_fork, wait_is_over
from tests.persistence.results import async_note, note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import kill_the_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]
MANY = 60
ENOUGH_SECONDS = 20


@pytest.fixture(autouse=True)
def two_connections(settings, tmp_path):
    settings.ORCHESTRAI = {
        **settings.ORCHESTRAI,
        "DOMAIN_PERSIST_CONNECTIONS": 2,
        "RUN_DIR": tmp_path / "run",  # marks of other tests are not to be found here
    }


def sign(handler, response):
    """Tells which connection and thread it ran on."""
    meta = {"backend": connection.connection.info.backend_pid, "thread": threading.current_thread().name}
    return Message.objects.create(role="assistant", content=response.call_id, meta=meta)


async def sign_async(handler, response):
    return await Message.objects.acreate(role="assistant", content=response.call_id)


def fail(handler, response):
    Message.objects.create(role="half")
    raise ValueError("no")


def backends() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}


def test_each_result_is_persisted_once_and_connections_close():
    for _ in range(MANY):
        note(sign)
    failing = note(fail)
    counts = drain_batch()
    assert (counts.claimed, counts.processed, counts.failed) == (MANY + 1, MANY, 1)
    assert Message.objects.count() == PersistedChunk.objects.count() == MANY
    used = {meta["backend"] for meta in Message.objects.values_list("meta", flat=True)}
    assert len(used) == 2
    own = {connection.connection.info.backend_pid}  # a server lists a closed connection for a moment more
    until(lambda: used & backends() == own, "the other thread's connection is closed")
    failing.refresh_from_db()
    assert (failing.domain_persist_state, failing.domain_persist_attempts) == (PersistState.PENDING, 1)


def test_asynchronous_handlers_run_in_threads_too():
    for _ in range(MANY):
        async_note(sign_async)
    assert drain_batch().processed == MANY
    assert set(Message.objects.values_list("content", flat=True)) == set(
        ServiceCallRecord.objects.values_list("pk", flat=True)
    )


def test_what_may_have_killed_a_process_runs_alone_and_last():
    """Otherwise those beside it were charged for its deaths, again and again."""
    suspect = note(sign, priority=9)
    PersistenceDeath.objects.create(call_id=suspect.pk, node="here", pid=1, began_at=timezone.now())
    for _ in range(MANY):
        note(sign)
    assert drain_batch().processed == MANY + 1
    last = Message.objects.latest("pk")
    assert (last.content, last.meta["thread"]) == (suspect.pk, threading.main_thread().name)


def test_few_records_and_an_open_transaction_need_one_thread():
    assert [threads_for(records) for records in (0, 1, 49, 50, 1000)] == [1, 1, 1, 2, 2]
    with transaction.atomic():
        assert threads_for(1000) == 1, "another connection would not see what is not committed"


def test_a_handler_that_kills_its_process_charges_one_neighbour():
    """One at most."""
    killer, others = note(kill_the_process, priority=9), [note(sign) for _ in range(MANY)]
    assert in_a_fork(drain_batch) == -signal.SIGKILL
    drain_batch()
    beside = PersistenceDeath.objects.exclude(call_id=killer.pk)
    assert PersistenceDeath.objects.filter(call_id=killer.pk).count() == 1
    assert beside.count() <= 1
    for record in ServiceCallRecord.objects.in_persist_state(PersistState.PENDING).exclude(pk=killer.pk):
        wait_is_over(record)
    drain_batch()
    assert Message.objects.count() == PersistedChunk.objects.count() == MANY
    charged = ServiceCallRecord.objects.filter(pk__in=[other.pk for other in others], domain_persist_attempts__gt=1)
    assert [record.domain_persist_attempts for record in charged] in ([], [2]), "a charge, then its success"


def always(call_id, outcome):
    return True


class Killed(BaseException):
    """What no handler's failure is."""


def test_an_interrupt_stops_the_other_threads_after_their_record():
    todo, beside = WorkList(map(str, range(1000)), always), threading.Event()

    def work():
        if threading.current_thread() is threading.main_thread():
            assert beside.wait(ENOUGH_SECONDS)
            raise Killed
        while todo.next_batch(1):
            beside.set()

    with pytest.raises(Killed):
        in_threads(2, work, todo)
    assert todo.stopped
    assert todo.next_batch(1) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("drain-")]


def test_what_ends_another_thread_ends_the_drain():
    todo, over = WorkList(map(str, range(10)), always), threading.Event()

    def work():
        if threading.current_thread() is not threading.main_thread():
            over.set()
            raise Killed
        assert over.wait(ENOUGH_SECONDS)
        while todo.next_batch(1):
            pass

    with pytest.raises(Killed):
        in_threads(2, work, todo)
    assert todo.stopped

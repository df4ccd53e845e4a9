"""Notifications: who waits for work is told, with polls that are minutes apart."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django_q.models import OrmQ

from orchestration.conf import engine_settings
from orchestration.django_q import brokers
from orchestration.django_q.brokers import OrmBroker
from orchestration.engine.queue import notifications
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.queue.notifications import Listener, listen, notify
from orchestration.engine.queue.transport import wake
from orchestration.engine.worker import loop
from orchestration.engine.worker.loop import run_worker_loop
from tests.clusters import until
from tests.engineapp.orca.services.triage import FreeText

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.timeout(60)]

MINUTES = 600.0


@pytest.fixture
def calls() -> Iterator[Listener]:
    listener = listen(notifications.CALLS)
    assert listener is not None
    yield listener
    listener.close()


def notified(listener: Listener) -> bool:
    """Whether a notification came since the last look. They come one by one: it looks until none is left."""
    poll = select.poll()
    poll.register(listener.fileno(), select.POLLIN)
    count = 0
    while poll.poll(300):
        listener.clear()
        count += 1
        assert count < 100, "a listener that was cleared stays readable"
    return count > 0


def test_a_notification_reaches_every_listener_of_its_topic(calls: Listener) -> None:
    other = listen(notifications.CALLS)
    assert other is not None
    for _ in range(3):
        notify(notifications.CALLS)
    assert notified(calls)
    assert notified(other)
    other.close()
    notify(notifications.TASKS)
    assert not notified(calls)


def test_a_notification_comes_with_the_commit_only(calls: Listener) -> None:
    with transaction.atomic():
        notify(notifications.CALLS)
        transaction.set_rollback(True)
    assert not notified(calls)
    with transaction.atomic():
        submit(CallSpec(service=FreeText, context={"ticket": "1"}))
        assert not notified(calls)
    assert notified(calls)


def test_a_coalesced_wake_still_notifies(calls: Listener) -> None:
    wake()
    assert notified(calls)
    assert wake() is False
    assert notified(calls)


def test_a_worker_is_told_of_a_call(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LINGER_SECONDS": MINUTES, "LOOP_BUDGET_SECONDS": MINUTES}
    monkeypatch.setattr(loop, "POLL_SECONDS", MINUTES)
    waiting, stopping = threading.Event(), threading.Event()

    def listen_and_tell(topic: str) -> Listener | None:
        found = listen(topic)
        waiting.set()
        return found

    monkeypatch.setattr(notifications, "listen", listen_and_tell)
    worker = threading.Thread(target=run_worker_loop, kwargs={"stopping": stopping.is_set})
    worker.start()
    try:
        assert waiting.wait(30)
        for number in range(2):
            call = submit(CallSpec(service=FreeText, context={"ticket": str(number)}))
            until(lambda call=call: bool(call.refresh_from_db() or call.is_terminal), "the call ended")
    finally:
        stopping.set()
        notify(notifications.CALLS)
        worker.join(30)
    assert not worker.is_alive()


def test_a_worker_without_notifications_looks_by_itself(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LINGER_SECONDS": 3, "WAKE_WINDOW_SECONDS": 1}
    monkeypatch.setattr(notifications, "listen", lambda topic: None)
    worker = threading.Thread(target=run_worker_loop)
    worker.start()
    call = submit(CallSpec(service=FreeText, context={"ticket": "1"}))
    worker.join(30)
    call.refresh_from_db()
    assert call.is_terminal


@pytest.fixture
def broker() -> Iterator[OrmBroker]:
    made = OrmBroker(list_key="common")
    yield made
    made.close()


def test_a_cluster_is_told_of_a_task(broker: OrmBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "sound", lambda taken, _: taken)
    monkeypatch.setattr(brokers.Conf, "POLL", 0.01)
    assert broker.dequeue() is None
    monkeypatch.setattr(brokers.Conf, "POLL", MINUTES)

    def send() -> None:
        OrmBroker(list_key="common").enqueue("task")
        connection.close()

    sender = threading.Timer(0.2, send)
    sender.start()
    assert broker.dequeue() is None  # it was asleep, and is awake
    sender.join()
    assert broker.dequeue() == [(OrmQ.objects.get().pk, "task")]


def test_a_message_can_be_taken_at_the_moment_it_is_sent(broker: OrmBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of two machines differ a little, and whoever is told looks once."""
    monkeypatch.setattr(brokers, "sound", lambda taken, _: taken)
    for _ in range(20):
        broker.enqueue("task")
        ((number, _),) = broker.dequeue()
        broker.acknowledge(number)


@pytest.mark.postgres_only
def test_a_session_that_ends_is_replaced(broker: OrmBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers.Conf, "POLL", 0.01)
    monkeypatch.setattr(brokers, "LISTEN_AGAIN_SECONDS", 0.0)
    assert broker.dequeue() is None
    first: Any = broker._listener
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [first._connection.info.backend_pid])
    until(lambda: broker.dequeue() is None and broker._listener is None, "the end was noticed")
    assert broker.dequeue() is None
    assert broker._listener not in {None, first}


def test_behind_a_pooler_a_machine_is_told_by_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    listener = listen(notifications.CALLS)
    assert isinstance(listener, notifications._Pipe)
    notify(notifications.CALLS)
    assert notified(listener)
    listener.close()


def test_a_pipe_that_nobody_reads_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    left, full = listen(notifications.CALLS), listen(notifications.CALLS)
    assert isinstance(left, notifications._Pipe)
    assert isinstance(full, notifications._Pipe)
    os.close(left._handle)  # its process died
    os.set_blocking(full._handle, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(full._handle, bytes(4096))
    notify(notifications.CALLS)
    assert [path.name for path in (engine_settings().RUN_DIR / notifications.FOLDER).glob("calls-*")] == [
        full._path.name
    ]
    full.close()


def test_who_cannot_listen_is_told_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(topic: str) -> Listener:
        raise OSError("disk full")

    monkeypatch.setattr(notifications, "_Session", refuse)
    monkeypatch.setattr(notifications, "_Pipe", refuse)
    assert listen(notifications.CALLS) is None
    assert "not listening topic=calls" in caplog.text

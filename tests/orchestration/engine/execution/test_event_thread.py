"""Receivers beside the writes: in order, at most once, and never in the way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from orchestration import signals
from orchestration.engine.execution import event_thread as announcers
from orchestration.engine.execution.commands import Settle
from orchestration.engine.execution.event_thread import DROPPED, Announcer
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.engine.worker.loop import run_worker_loop
from orchestration.models import EngineCounter, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.providers.simulator.provider import scripted
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]


@contextmanager
def receiving(signal: signals.EngineSignal, receiver: Callable[..., Any]) -> Iterator[None]:
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def failure(record: ServiceCallRecord) -> Settle:
    return Settle(lease=Lease(record.pk, 1), record=record, status=Status.FAILED, error_code="x")


def test_receivers_are_told_in_order_in_another_thread():
    heard = []
    records = [queued() for _ in range(20)]
    announcer = Announcer()
    with receiving(signals.ai_response_failed, lambda **named: heard.append(_where(named["call_id"]))):
        for record in records:
            announcer.put([failure(record)])
        assert announcer.wait(10) == 0
    assert [call_id for call_id, _ in heard] == [record.pk for record in records]
    assert {thread for _, thread in heard} == {"announcer"}


def _where(call_id: str) -> tuple[str, str]:
    return call_id, threading.current_thread().name


def test_a_blocked_receiver_delays_only_other_receivers():
    release, heard = threading.Event(), []

    def blocks(**named: Any) -> None:
        release.wait(30)
        heard.append(named["call_id"])

    submit_many([CallSpec(service=FreeText, context={"ticket": str(n)}) for n in range(5)])
    with scripted(), receiving(signals.ai_request_sent, blocks):
        assert run_worker_loop().claimed == 5
        assert ServiceCallRecord.objects.in_status("succeeded").count() == 5
        assert heard == []
        release.set()
        assert announcers.process_announcer().wait(10) == 0
    assert len(heard) == 5


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ValueError])
def test_whatever_a_receiver_raises_the_next_is_reported(error, caplog):
    heard = []

    def raises(**named: Any) -> None:
        heard.append(named["call_id"])
        raise error("personal data")

    announcer = Announcer()
    with receiving(signals.ai_response_failed, raises):
        first, second = queued(), queued()
        announcer.put([failure(first)])
        announcer.put([failure(second)])
        assert announcer.wait(10) == 0
    assert heard == [first.pk, second.pk]
    assert "personal data" not in caplog.text


@pytest.mark.postgres
def test_a_transaction_left_open_is_closed_before_the_next(caplog):
    seen = []

    def opens(**named: Any) -> None:
        seen.append(connection.in_atomic_block or not connection.get_autocommit())
        ServiceCallRecord.objects.filter(pk=named["call_id"]).update(error="uncommitted")
        transaction.set_autocommit(False)
        ServiceCallRecord.objects.filter(pk=named["call_id"]).update(error="never committed")

    announcer = Announcer()
    record = queued()
    with receiving(signals.ai_response_failed, opens):
        announcer.put([failure(record)])
        announcer.put([failure(record)])
        assert announcer.wait(10) == 0
    assert seen == [False, False]
    record.refresh_from_db()
    assert record.error == "uncommitted"
    assert "left a transaction open" in caplog.text


def test_a_backlog_too_long_is_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(announcers, "LONGEST_BACKLOG", 3)
    release = threading.Event()
    announcer = Announcer()
    with receiving(signals.ai_response_failed, blocks := (lambda **_: release.wait(30))):
        assert blocks
        for _ in range(5):
            announcer.put([failure(queued())])
        release.set()
        assert announcer.wait(10) == 0
    assert EngineCounter.read(DROPPED) == 2


def test_a_counter_that_cannot_be_written_keeps_no_process(monkeypatch):
    """The row of the counter is locked, say, by a process that is being killed."""
    release = threading.Event()
    announcer = Announcer()
    monkeypatch.setattr(announcers, "EXIT_SECONDS", 0.0)
    monkeypatch.setattr(announcers, "COUNT_SECONDS", 0.1)
    monkeypatch.setattr(announcers, "_count_dropped", lambda _: release.wait(60))
    monkeypatch.setitem(announcers._of_process, os.getpid(), announcer)
    with receiving(signals.ai_response_failed, blocks := (lambda **_: release.wait(60))):
        assert blocks
        announcer.put([failure(queued())])
        announcers._end(os.getpid())
        assert not release.is_set()
        release.set()
        assert announcer.wait(10) == 0


def test_a_slow_receiver_is_named(settings, caplog):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "SLOW_RECEIVER_SECONDS": 0.01}
    pause = threading.Event()

    def takes_its_time(**_: Any) -> None:
        pause.wait(0.05)

    with receiving(signals.ai_response_failed, takes_its_time):
        signals.dispatch(signals.ai_response_failed, None, call_id="1")
    assert "signal receiver slow" in caplog.text
    assert "takes_its_time" in caplog.text

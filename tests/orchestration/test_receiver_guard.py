"""What receivers of signals may do to those that come after them in the same thread: nothing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, transaction
from django_q.exceptions import TimeoutException

from orchestration import signals
from orchestration.engine.execution.commands import Settle
from orchestration.engine.execution.event_thread import Announcer
from orchestration.engine.queue.claim import Lease
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.providers.simulator.provider import scripted
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.timeout(60)]


@contextmanager
def receiving(
    *receivers: Callable[..., Any], signal: signals.EngineSignal = signals.ai_response_failed
) -> Iterator[None]:
    for receiver in receivers:
        signal.connect(receiver)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(receiver)


def change(named: Any, error: str) -> None:
    ServiceCallRecord.objects.filter(pk=named["call_id"]).update(error=error)


def leaves_a_block(**named: Any) -> None:
    transaction.atomic().__enter__()
    change(named, "never committed")


def leaves_two_blocks(**named: Any) -> None:
    transaction.atomic().__enter__()
    transaction.atomic().__enter__()
    change(named, "never committed")


def leaves_a_closed_block(**named: Any) -> None:
    transaction.atomic().__enter__()
    change(named, "never committed")
    connection.close()


def leaves_autocommit_off(**named: Any) -> None:
    transaction.set_autocommit(False)
    change(named, "never committed")


def leaves_a_statement(**named: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
    change(named, "never committed")


def loses_the_connection(**named: Any) -> None:
    connection.ensure_connection()
    connection.connection.close()
    change(named, "never committed")


async def leaves_a_block_asynchronously(**named: Any) -> None:
    await sync_to_async(leaves_a_block)(**named)


LEAVES = [
    leaves_a_block,
    leaves_two_blocks,
    leaves_a_closed_block,
    leaves_autocommit_off,
    leaves_a_statement,
    leaves_a_block_asynchronously,
]


@pytest.mark.parametrize("receiver", LEAVES)
def test_a_transaction_left_open_is_rolled_back_before_the_next(receiver, caplog):
    first, second = queued(), queued()
    with receiving(receiver):
        signals.dispatch(signals.ai_response_failed, None, call_id=first.pk)
        assert not connection.in_atomic_block
        change({"call_id": second.pk}, "committed")
    connection.close()
    assert list(ServiceCallRecord.objects.order_by("pk").values_list("error", flat=True)) == [None, "committed"]
    assert "left a transaction open" in caplog.text


@pytest.mark.parametrize("receiver", [*LEAVES, pytest.param(loses_the_connection, marks=pytest.mark.postgres_only)])
def test_the_announcer_continues_after_it(receiver):
    heard = []

    def writes(**named: Any) -> None:
        change(named, "heard")
        heard.append(named["call_id"])

    records = [queued() for _ in range(3)]
    announcer = Announcer()
    with receiving(receiver, writes):
        for record in records:
            announcer.put([Settle(lease=Lease(record.pk, 1), record=record, status=Status.FAILED, error_code="x")])
        assert announcer.wait(20) == 0
    assert heard == [record.pk for record in records]


def test_what_is_open_around_it_stays_open():
    record = queued()
    with receiving(leaves_a_block):
        with transaction.atomic():
            change({"call_id": record.pk}, "committed")
            signals.dispatch(signals.ai_response_failed, None, call_id=record.pk)
            assert len(connection.atomic_blocks) == 1
    record.refresh_from_db()
    assert record.error == "committed"


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, asyncio.CancelledError, ValueError])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_would_end_the_thread_ends_the_receiver(error, asynchronous, caplog):
    heard = []

    def raises(**_: Any) -> None:
        raise error("personal data")

    async def raises_asynchronously(**_: Any) -> None:
        raise error("personal data")

    def listens(**named: Any) -> None:
        heard.append(named["call_id"])

    with receiving(raises_asynchronously if asynchronous else raises, listens):
        signals.dispatch(signals.ai_response_failed, None, call_id="1")
    assert heard == ["1"]
    assert f"error={error.__name__}" in caplog.text
    assert "personal data" not in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutException])
def test_what_is_meant_for_the_process_propagates(error):
    def interrupted(**_: Any) -> None:
        raise error

    with receiving(interrupted), pytest.raises(error):
        signals.dispatch(signals.ai_response_failed, None, call_id="1")


def test_one_batch_is_told_to_its_end_whatever_is_raised():
    heard = []

    def ends(**named: Any) -> None:
        heard.append(named["call_id"])
        raise SystemExit

    records = [queued() for _ in range(5)]
    announcer = Announcer()
    with receiving(ends):
        announcer.put([Settle(lease=Lease(r.pk, 1), record=r, status=Status.FAILED, error_code="x") for r in records])
        assert announcer.wait(20) == 0
    assert heard == [record.pk for record in records]


def test_a_slow_asynchronous_receiver_is_named(settings, caplog):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "SLOW_RECEIVER_SECONDS": 0.01}

    async def takes_its_time(**_: Any) -> None:
        await asyncio.sleep(0.05)

    with receiving(takes_its_time):
        signals.dispatch(signals.ai_response_failed, None, call_id="1")
    assert "takes_its_time" in caplog.text


def test_receivers_of_any_kind_are_called():
    heard = []

    class Slotted:
        __slots__ = ("__weakref__",)

        def __call__(self, **named: Any) -> None:
            heard.append("object")

        def method(self, **named: Any) -> None:
            heard.append("method")

    slotted = Slotted()
    part = functools.partial(lambda note, **_: heard.append(note), "partial")
    with receiving(slotted, slotted.method, part):
        signals.dispatch(signals.ai_response_failed, None, call_id="1")
    assert heard == ["object", "method", "partial"]


@pytest.mark.parametrize("receiver", LEAVES)
def test_a_caller_who_waits_has_its_rows_whatever_receivers_do(receiver):
    with scripted(), receiving(receiver, signal=signals.ai_request_sent):
        response = async_to_sync(FreeText.using(context={"ticket": "1"}).execute)()
    connection.close()
    assert ServiceCallRecord.objects.get(pk=response.call_id).status == "succeeded"

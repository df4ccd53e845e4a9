"""Leases are renewed whatever holds up the event loop and the database's thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from orchestration.engine.leases import renewal as lease_keeper
from orchestration.engine.leases.outage import Outage
from orchestration.engine.leases.process_lock import WorkerLock
from orchestration.engine.leases.renewal import LeaseKeeper, Renewal
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.database_thread import in_database
from orchestration.engine.worker.rescuer import rescue
from orchestration.models import ServiceCallRecord
from tests.clusters import until
from tests.orchestration.factories import expired, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def _quick(settings, tmp_path):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "LEASE_SECONDS": 2, "RENEW_SECONDS": 0.1, "RUN_DIR": tmp_path}


def lease_of(record: ServiceCallRecord) -> Lease:
    return Lease(record.pk, record.lease_token)


def kept(record: ServiceCallRecord, during, worker: str = "w:1:ab") -> list[Renewal]:
    """What the keeper said of a lease while `during()` ran in its event loop."""
    told: list[Renewal] = []

    async def work() -> None:
        with LeaseKeeper(worker, told.append) as keeper:
            keeper.hold([lease_of(record)])
            during()
            await asyncio.sleep(0.3)

    asyncio.run(work())
    return told


def expires_later(record: ServiceCallRecord):
    before = ServiceCallRecord.objects.get(pk=record.pk).lease_expires_at
    return lambda: ServiceCallRecord.objects.get(pk=record.pk).lease_expires_at > before


def test_a_lease_is_renewed_while_the_loop_is_blocked():
    record = running(worker="w:1:ab", lease_expires_at=timezone.now() + timedelta(seconds=1))
    seen = []

    def block() -> None:
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            pass

    async def work() -> None:
        with LeaseKeeper("w:1:ab", lambda _: None) as keeper:
            keeper.hold([lease_of(record)])
            before = await in_database(_expiry, record.pk)
            block()
            seen.append(await in_database(_expiry, record.pk) > before)

    asyncio.run(work())
    assert seen == [True]


def _expiry(call_id: str):
    return ServiceCallRecord.objects.get(pk=call_id).lease_expires_at


def test_a_call_that_another_worker_has_is_lost():
    record = running(worker="w:1:ab")
    ServiceCallRecord.objects.filter(pk=record.pk).update(worker="w:2:cd", lease_token=2)
    told = kept(record, lambda: None)
    assert {lease for renewal in told for lease in renewal.lost} == {lease_of(record)}


def test_a_call_that_somebody_cancelled_is_reported():
    record = running(worker="w:1:ab")
    ServiceCallRecord.objects.filter(pk=record.pk).update(cancel_requested_at=timezone.now())
    told = kept(record, lambda: None)
    assert {call_id for renewal in told for call_id in renewal.cancel} == {record.pk}


def test_a_call_in_an_open_transaction_is_not_lost():
    """`execute()` inside a caller's transaction: no other connection can see the row."""
    hidden = Lease("00000000-0000-7000-8000-000000000000", 1)
    told: list[Renewal] = []

    async def work() -> None:
        with LeaseKeeper("w:1:ab", told.append) as keeper:
            keeper.hold([hidden])
            await asyncio.sleep(0.5)

    asyncio.run(work())
    assert told
    assert [renewal for renewal in told if renewal.lost] == []


def test_a_renewal_that_fails_is_tried_again(monkeypatch):
    record = running(worker="w:1:ab", lease_expires_at=timezone.now() + timedelta(seconds=1))
    later = expires_later(record)
    calls = []
    real = lease_keeper.renew

    def fails_first(*args):
        calls.append(args)
        if len(calls) == 1:
            connections["default"].ensure_connection()
            connections["default"].connection.close()
        return real(*args)

    monkeypatch.setattr(lease_keeper, "renew", fails_first)

    async def work() -> None:
        with LeaseKeeper("w:1:ab", lambda _: None) as keeper:
            keeper.hold([lease_of(record)])
            await asyncio.to_thread(until, lambda: len(calls) > 1, "a second renewal")
            await asyncio.sleep(0.2)

    asyncio.run(work())
    assert later()


def test_whatever_a_renewal_raises_the_next_is_tried(monkeypatch):
    record = running(worker="w:1:ab", lease_expires_at=timezone.now() + timedelta(seconds=1))
    later, calls, real = expires_later(record), [], lease_keeper.renew

    def fails_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("can't start new thread")
        return real(*args)

    monkeypatch.setattr(lease_keeper, "renew", fails_first)
    kept_until(later, record)


def beside(look):
    """In a thread that does not live on, and so with a connection that must not."""
    try:
        return look()
    finally:
        connections.close_all()


def kept_until(condition, record: ServiceCallRecord) -> None:
    async def work() -> None:
        with LeaseKeeper("w:1:ab", lambda _: None) as keeper:
            keeper.hold([lease_of(record)])
            await asyncio.to_thread(beside, lambda: until(condition, "a renewal"))

    asyncio.run(work())


@contextmanager
def locked(record: ServiceCallRecord) -> Iterator[None]:
    """Somebody has an open transaction that changed this call."""
    has_it, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            ServiceCallRecord.objects.filter(pk=record.pk).update(context={"changed": True})
            has_it.set()
            let_go.wait(30)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_it.wait(10)
    try:
        yield
    finally:
        let_go.set()
        thread.join()


@pytest.mark.postgres_only
def test_a_call_locked_elsewhere_does_not_stop_other_renewals():
    soon = timezone.now() + timedelta(seconds=1)
    blocked, other = (running(worker="w:1:ab", lease_expires_at=soon) for _ in range(2))
    after, blocked_after = expires_later(other), expires_later(blocked)

    async def work() -> None:
        told: list[Renewal] = []
        with LeaseKeeper("w:1:ab", told.append) as keeper:
            keeper.hold([lease_of(blocked), lease_of(other)])
            with locked(blocked):
                await asyncio.to_thread(beside, lambda: until(after, "the renewal of the other"))
                assert not await asyncio.to_thread(beside, blocked_after)
            await asyncio.to_thread(beside, lambda: until(blocked_after, "its own renewal"))
        assert [renewal for renewal in told if renewal.lost] == []

    asyncio.run(work())


@pytest.mark.postgres_only
def test_a_rescue_does_not_wait_for_a_call_locked_elsewhere(monkeypatch):
    monkeypatch.setattr("orchestration.engine.leases.outage._outage", Outage())
    blocked, other = (expired(worker="w:1:ab") for _ in range(2))
    after = expires_later(other)
    with WorkerLock("w:1:ab"), locked(blocked):
        rescue()
        assert after()
        assert not expires_later(blocked)()


def test_nothing_is_asked_while_nothing_is_held():
    record = running(worker="w:1:ab")
    told: list[Renewal] = []

    async def work() -> None:
        with LeaseKeeper("w:1:ab", told.append) as keeper:
            keeper.hold([lease_of(record)])
            keeper.release(lease_of(record))
            await asyncio.sleep(0.3)

    asyncio.run(work())
    assert told == []

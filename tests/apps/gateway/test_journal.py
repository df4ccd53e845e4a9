"""The journal while the database is away: nobody waits longer than its patience; and the beat, which nothing ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from apps.gateway import journal as journal_module
from apps.gateway import runtime as runtime_module
from apps.gateway.errors import GatewayError
from apps.gateway.journal import Journal
from apps.gateway.ledger import Close, Grant, Open
from apps.gateway.models import GatewayWorker, Interaction
from tests.apps.gateway.serving import gateway
from tests.clusters import until


class Database:
    """In place of `flush`; away until it is said to be back."""

    def __init__(self) -> None:
        self.is_away = True
        self.batches: list[tuple[int, bool]] = []

    def flush(self, ops: list[Any], again: bool) -> list[Grant]:
        if self.is_away:
            raise OperationalError("away")
        self.batches.append((len(ops), again))
        if any(op.row.request_id == "bad" for op in ops):
            raise ValueError("a row that cannot be written")
        return [Grant() for _ in ops]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(journal_module, "flush", made.flush)
    monkeypatch.setattr(journal_module, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(journal_module, "PAUSE_SECONDS", 0.05)
    return made


def row(request_id: str) -> Interaction:
    return Interaction(request_id=request_id)


async def refused(opening: Any) -> None:
    with pytest.raises(GatewayError) as error:
        await opening
    assert (error.value.status, error.value.code) == (503, "not_recordable")


@pytest.mark.django_db(transaction=True)
def test_a_beginning_is_refused_while_an_end_is_waited_for(database):
    """Without a database there is no answer; who ends does not hold up who begins, also who begins later."""

    async def scenario() -> None:
        journal = Journal()
        ending = asyncio.create_task(journal.close(Close(row("ends"))))
        await asyncio.wait_for(refused(journal.open(Open(row("first")))), 5)
        await asyncio.wait_for(refused(journal.open(Open(row("second")))), 5)
        assert not ending.done()
        database.is_away = False
        await asyncio.wait_for(ending, 5)
        assert database.batches == [(1, True)]
        await journal.open(Open(row("third")))
        assert database.batches[-1] == (1, False)
        await journal.aclose()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_one_bad_row_is_refused_alone(database):
    database.is_away = False

    async def scenario() -> None:
        journal = Journal()
        good = [asyncio.create_task(journal.open(Open(row(f"good {number}")))) for number in range(3)]
        await asyncio.gather(refused(journal.open(Open(row("bad")))), *good)
        assert all(each.result() == Grant() for each in good)
        await journal.aclose()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_process_goes_on_beating_whatever_its_sweep_does(monkeypatch):
    """Otherwise the others would take it for dead, and its requests for lost."""
    swept: list[int] = []

    def broken() -> int:
        swept.append(1)
        raise ValueError("a bug")

    monkeypatch.setattr(runtime_module, "sweep", broken)
    with gateway(BEAT_SECONDS=0.2):
        until(lambda: len(swept) > 1, "it sweeps again", 10)
        first = GatewayWorker.objects.get().beat_at
        until(lambda: GatewayWorker.objects.get().beat_at > first, "it beats again", 10)

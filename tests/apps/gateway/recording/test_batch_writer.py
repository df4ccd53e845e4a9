"""The batch writer while the database is away: no writer waits longer than its patience; the beat continues."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from apps.accounts.models import ApiKey
from apps.gateway.crypto import LONG, decrypt
from apps.gateway.errors import GatewayError
from apps.gateway.http import runtime as runtime_module
from apps.gateway.metering.token_estimate import Size
from apps.gateway.models import GatewayWorker, Interaction, InteractionPayload, KeyMeter, KeyPolicy, Status
from apps.gateway.recording import batch_writer
from apps.gateway.recording.batch_writer import BatchWriter
from apps.gateway.recording.flush import flush
from apps.gateway.recording.operations import Close, Content, Grant, Open
from orchestration.clock import database_now
from tests.apps.gateway.serving import MODEL, gateway, key, price
from tests.clusters import until
from tests.engineapp.orca.services.triage import BeyondALimit


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
    monkeypatch.setattr(batch_writer, "flush", made.flush)
    monkeypatch.setattr(batch_writer, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(batch_writer, "PAUSE_SECONDS", 0.05)
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
        writer = BatchWriter()
        ending = asyncio.create_task(writer.close(Close(row("ends"))))
        await asyncio.wait_for(refused(writer.open(Open(row("first")))), 5)
        await asyncio.wait_for(refused(writer.open(Open(row("second")))), 5)
        assert not ending.done()
        database.is_away = False
        await asyncio.wait_for(ending, 5)
        assert database.batches == [(1, True)]
        await writer.open(Open(row("third")))
        assert database.batches[-1] == (1, False)
        await writer.aclose()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_row_beyond_a_limit_of_the_database_is_refused_at_once(database, monkeypatch):
    """PostgreSQL reports it as it does a lost connection; waiting changes nothing."""
    tries = []

    def too_much(ops: list[Any], again: bool) -> list[Grant]:
        tries.append(ops)
        raise OperationalError("stack depth limit exceeded") from BeyondALimit()

    monkeypatch.setattr(batch_writer, "flush", too_much)

    async def scenario() -> None:
        writer = BatchWriter()
        await refused(writer.open(Open(row("deep"))))
        assert len(tries) == 1
        await writer.aclose()

    asyncio.run(scenario())


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_large_content_does_not_hold_up_a_small_record(monkeypatch):
    """It is encrypted and written by another thread: while that is held, others are recorded."""
    held, began = threading.Event(), threading.Event()
    large = b"{" + b" " * LONG + b"}"
    insert = batch_writer.insert_payload

    def slowly(request_id: str, content: Content) -> None:
        began.set()
        assert held.wait(60)
        insert(request_id, content)

    monkeypatch.setattr(batch_writer, "insert_payload", slowly)

    async def recorded(writer: BatchWriter, request_id: str, content: Content) -> None:
        op = Open(row(request_id), content)
        await writer.open(op)
        await writer.keep(op)

    async def scenario() -> None:
        writer = BatchWriter()
        waiting = asyncio.create_task(recorded(writer, "large", Content(large)))
        await asyncio.to_thread(began.wait, 60)
        for number in range(3):
            await asyncio.wait_for(recorded(writer, f"small {number}", Content(b"{}")), 60)
        assert not waiting.done()
        held.set()
        await waiting
        await writer.close(Close(row("large"), Content(response=large)))
        await writer.aclose()

    asyncio.run(scenario())
    assert InteractionPayload.objects.count() == Interaction.objects.count() == 4
    kept = InteractionPayload.objects.get(interaction__request_id="large")
    assert kept.response_enc is not None
    assert [decrypt(kept.prompt_enc), decrypt(kept.response_enc)] == [large, large]
    assert len(kept.prompt_enc) < LONG, "it is compressed"


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("limits", "kept"), [({"budget": Decimal(100)}, "reserved"), ({}, None)])
def test_a_record_takes_two_round_trips_at_each_end(tmp_path, limits, kept):
    """BEGIN goes out with the first statement and COMMIT with the last one, as single messages."""
    price()
    made, _ = key(**limits)

    def one(request_id: str) -> Interaction:
        made_row = Interaction(request_id=request_id, api_key=made, model=MODEL, provider="openai")
        flush([Open(made_row, Content(b"{}"), size=Size(1, 1, 1), targets=(("openai", MODEL),))])
        made_row.status, made_row.prompt_tokens = Status.COMPLETED, 1
        flush([Close(made_row, Content(response=b"{}"))])
        return made_row

    one("first")  # prepares, and makes the meter
    database_now()
    with (tmp_path / "trace").open("w+b") as trace:
        connection.connection.pgconn.trace(trace.fileno())
        one("second")
        connection.connection.pgconn.untrace()
        trace.seek(0)
        sent = [line.split("\t") for line in trace.read().decode().splitlines()]
    asked = [fields[-1] for fields in sent if fields[1] == "F"]
    assert len(asked) == 4, asked
    assert sum(text.count("EXECUTE") for text in asked) == (7 if limits else 6)
    assert [text.count("BEGIN") + text.count("COMMIT") for text in asked] == [1] * 4
    rows = Interaction.objects.order_by("id")
    assert [each.cost for each in rows] == [Decimal("0.1")] * 2
    assert ApiKey.objects.get(pk=made.pk).spent == Decimal("0.2")
    assert KeyMeter.objects.filter(pk=made.pk).exists() == bool(kept), "a key without limits has no meter to wait for"
    assert InteractionPayload.objects.exclude(response_enc=None).count() == 2


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_limit_that_is_set_holds_at_the_next_request():
    """Also for a key that had none, whose running requests do not count."""
    price()
    made, _ = key()
    size = Size(1, 1, 1)
    rows = [Interaction(request_id=str(number), api_key=made, model=MODEL, provider="openai") for number in range(4)]
    flush([Open(rows[0], size=size, targets=(("openai", MODEL),))])
    KeyPolicy.objects.update(parallel=1)
    ApiKey.objects.update(budget=Decimal(100))
    granted = flush([Open(row, size=size, targets=(("openai", MODEL),)) for row in rows[1:3]])
    assert [each is not None and each.refusal is None for each in granted] == [True, False]
    rows[0].status = Status.COMPLETED
    flush([Close(rows[0])])
    refused = flush([Open(rows[3], size=size, targets=(("openai", MODEL),))])
    assert refused[0] is not None
    assert refused[0].refusal is not None, "the place is still taken by the second"
    KeyPolicy.objects.update(parallel=None)
    ApiKey.objects.update(budget=None)
    rows[1].status = Status.COMPLETED
    flush([Close(rows[1])])
    meter = KeyMeter.objects.get(pk=made.pk)
    assert (meter.reserved, meter.in_flight) == (0, 0)


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_an_error_in_a_batch_leaves_a_usable_connection():
    made, _ = key(budget=Decimal(100))
    good = Interaction(request_id="good", api_key=made)
    flush([Open(good, Content(b"{}"))])
    for bad in (Interaction(request_id="good", api_key=made), Interaction(request_id="long" * 20, api_key=made)):
        with pytest.raises((IntegrityError, DataError)):
            flush([Open(bad, Content(b"{}"))])
    good.status = Status.COMPLETED
    flush([Close(good)])
    assert [each.status for each in Interaction.objects.all()] == [Status.COMPLETED]


@pytest.mark.django_db(transaction=True)
def test_one_bad_row_is_refused_alone(database):
    database.is_away = False

    async def scenario() -> None:
        writer = BatchWriter()
        good = [asyncio.create_task(writer.open(Open(row(f"good {number}")))) for number in range(3)]
        await asyncio.gather(refused(writer.open(Open(row("bad")))), *good)
        assert [each.result() for each in good] == [Grant()] * 3
        await writer.aclose()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_process_keeps_beating_whatever_its_sweep_does(monkeypatch):
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

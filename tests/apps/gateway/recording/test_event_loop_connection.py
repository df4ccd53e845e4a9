"""Records as the serving process commits them on PostgreSQL: from its event loop, with the look into the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection

from apps.accounts.models import ApiKey
from apps.gateway.cache.key import question_of
from apps.gateway.cache.store import Hit, NewAnswer, Search, save_answers
from apps.gateway.crypto import decrypt
from apps.gateway.errors import GatewayError
from apps.gateway.metering.token_estimate import Size
from apps.gateway.models import CacheEntry, Interaction, InteractionPayload, KeyMeter, Status
from apps.gateway.recording import batch_writer
from apps.gateway.recording.batch_writer import BatchWriter
from apps.gateway.recording.operations import Close, Content, Leave, Open
from orchestration.clock import database_now
from tests.apps.gateway.serving import MODEL, ask, key, price

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]
SIZE = Size(1, 1, 1)
ANSWER = b'{"choices": [], "usage": {"prompt_tokens": 3}}'


def row(request_id: str, made: ApiKey) -> Interaction:
    return Interaction(request_id=request_id, api_key=made, model=MODEL, provider="openai")


def opening(request_id: str, made: ApiKey, content: bytes = b"{}", **fields: Any) -> Open:
    return Open(row(request_id, made), Content(content), size=SIZE, targets=(("openai", MODEL),), **fields)


def run(scenario: Callable[[BatchWriter], Awaitable[None]]) -> None:
    """With a writer in an event loop, as in a serving process."""

    async def main() -> None:
        writer = BatchWriter()
        await writer.database.run(database_now)
        try:
            await scenario(writer)
        finally:
            await writer.aclose()

    asyncio.run(main())


def no_thread(*arguments: object) -> None:
    raise AssertionError("the thread committed")


@pytest.fixture(autouse=True)
def only_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "flush", no_thread)


def ended(op: Open, text: bytes = b"{}") -> Close:
    op.row.status, op.row.prompt_tokens = Status.COMPLETED, 1
    return Close(op.row, Content(response=text))


@pytest.mark.parametrize(("limits", "statements"), [({"budget": Decimal(100)}, 8), ({}, 7)])
def test_record_and_cache_take_two_round_trips_at_each_end(tmp_path, limits, statements):
    """The look into the cache goes out with the locks: one statement more, and no wait."""
    price()
    made, _ = key(**limits)
    trace = (tmp_path / "trace").open("w+b")

    async def scenario(writer: BatchWriter) -> None:
        first = opening("first", made)  # prepares, and makes the meter
        await writer.open(first)
        await writer.close(ended(first))
        pgconn = writer.database._raw.pgconn
        pgconn.trace(trace.fileno())
        second = opening("second", made, search=Search("f" * 64, "1"))
        await writer.open(second)
        await writer.close(ended(second))
        pgconn.untrace()

    run(scenario)
    with trace:
        trace.seek(0)
        sent = [line.split("\t") for line in trace.read().decode().splitlines()]
    asked = [fields[-1] for fields in sent if fields[1] == "F"]
    assert len(asked) == 4, asked
    assert sum(text.count("EXECUTE") for text in asked) == statements
    assert [text.count("BEGIN") + text.count("COMMIT") for text in asked] == [1] * 4
    assert asked[0].count("gateway_cached") == 1
    assert InteractionPayload.objects.exclude(response_enc=None).count() == 2
    assert ApiKey.objects.get(pk=made.pk).spent == sum(each.cost or 0 for each in Interaction.objects.all())


def test_an_answer_of_the_cache_ends_its_request():
    """Exactly, in other words, too old, and of nobody; in one batch with others, under the limits of each."""
    price()
    made, _ = key(requests_per_minute=3)
    question = question_of("1", ask("What is the capital of France?"))
    save_answers([NewAnswer(question, ANSWER, is_worded=True)])
    searches = [
        Search(question.key, "1"),
        Search("0" * 64, "1", question.wording),
        Search(question.key, "1", max_age=-1),
        Search("0" * 64, "2", question.wording),
    ]
    seen: list[tuple[str, Hit]] = []
    ops: list[Open] = []
    for number, search in enumerate(searches):
        op = opening(str(number), made, search=search)
        op.on_hit = lambda hit, op=op: (seen.append((op.row.request_id, hit)), finish(op))  # type: ignore[misc]
        ops.append(op)

    def finish(op: Open) -> None:
        op.row.status, op.row.cost = Status.COMPLETED, Decimal(0)
        op.row.cache_hit, op.row.cache_kind = True, "exact"

    async def scenario(writer: BatchWriter) -> None:
        granted = await asyncio.gather(*map(writer.open, ops))
        assert [each.refusal is None for each in granted] == [True, True, True, False], "three a minute"

    run(scenario)
    assert [(name, hit.kind, hit.answer) for name, hit in seen] == [("0", "exact", ANSWER), ("1", "semantic", ANSWER)]
    rows = Interaction.objects.order_by("request_id").select_related("payload")
    assert [each.status for each in rows] == ["completed", "completed", "in_flight", "refused"]
    tokens = [each.payload.response_enc for each in rows[:2]]
    assert [decrypt(token) for token in tokens] == [ANSWER, ANSWER]
    assert {bytes(token) for token in tokens} == {bytes(CacheEntry.objects.get().answer_enc)}, "not encrypted again"
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 1


def test_an_error_leaves_a_usable_connection():
    made, _ = key(budget=Decimal(100))

    async def scenario(writer: BatchWriter) -> None:
        good = opening("good", made)
        good.targets = ()
        await writer.open(good)
        for bad in ("good", "long" * 20):
            with pytest.raises(GatewayError):
                await writer.open(Open(row(bad, made), Content(b"{}")))
        for bad, error in (("good", IntegrityError), ("long" * 20, DataError)):
            with pytest.raises(error):
                await writer._flush([Open(row(bad, made), Content(b"{}"))], again=False)
        await writer.close(ended(good))

    run(scenario)
    assert [each.status for each in Interaction.objects.all()] == [Status.COMPLETED]


def test_a_batch_longer_than_all_buffers_is_committed():
    made, _ = key()
    ops = [opening(f"{number}", made, b"{" + b" " * 60_000 + b"}") for number in range(200)]

    async def scenario(writer: BatchWriter) -> None:
        await writer._flush([*ops], again=False)
        await writer._flush([ended(op, b"y" * 60_000) for op in ops], again=False)
        await writer._flush([Leave(op.row) for op in ops], again=False)

    run(scenario)
    assert InteractionPayload.objects.exclude(response_enc=None).count() == 200
    assert Interaction.objects.filter(status=Status.COMPLETED).count() == 200


def test_a_connection_that_broke_is_opened_again(monkeypatch):
    """The batch that met it is written again, in the thread, and what comes then from the event loop."""
    monkeypatch.undo()
    made, _ = key()

    def ended_by_the_server(pid: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.close()  # this thread's

    async def scenario(writer: BatchWriter) -> None:
        ops = [opening(str(number), made) for number in range(3)]
        await writer.open(ops[0])
        broken = writer.database._raw
        await asyncio.to_thread(ended_by_the_server, broken.info.backend_pid)
        await writer.open(ops[1])
        await writer.open(ops[2])
        assert writer.database._raw is not broken
        assert writer.database._raw is not None
        for op in ops:
            await writer.close(ended(op))

    run(scenario)
    assert Interaction.objects.filter(status=Status.COMPLETED).count() == 3


def test_what_is_cancelled_is_committed_and_others_continue(tmp_path: Path):
    """Whoever waits for a record may be cancelled at any time; a transaction never is."""
    made, _ = key(budget=Decimal(100))

    async def scenario(writer: BatchWriter) -> None:
        first, second = opening("first", made), opening("second", made)
        first.targets = second.targets = ()
        waiting = asyncio.ensure_future(writer.open(first))
        await asyncio.sleep(0)
        waiting.cancel()
        await writer.open(second)
        assert waiting.cancelled()

    run(scenario)
    assert Interaction.objects.filter(status=Status.IN_FLIGHT).count() == 2


def test_with_a_pool_the_writer_has_a_connection_of_its_own(monkeypatch):
    """Else others get one whose settings and statements are those of the records."""
    pooled = {**connection.settings_dict["OPTIONS"], "pool": {"min_size": 1, "max_size": 2}}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", pooled)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    made, _ = key()
    found = []

    async def scenario(writer: BatchWriter) -> None:
        op = opening("first", made)
        await writer.open(op)
        await writer.close(ended(op))
        found.append(hasattr(writer.database._raw, "_pool"))

    run(scenario)
    assert found == [False]
    assert Interaction.objects.get(request_id="first").status == Status.COMPLETED

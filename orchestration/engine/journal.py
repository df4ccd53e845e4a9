"""The journal: every write of running calls, committed in groups, each fenced by its lease.

`await journal.write(op)` returns after the commit. Whatever waits at the same moment shares one transaction. A write
whose lease is no longer valid is dropped, counted (`stale_writes_rejected`) and raised as StaleLease to its writer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from orchestration.engine.announce import announce
from orchestration.engine.bulk import SETTLE_COLUMNS, USAGE_COLUMNS, update_rows
from orchestration.engine.claim import Lease
from orchestration.engine.database import DATABASE_AWAY, FIRST_PAUSE, LONGEST_PAUSE, in_database
from orchestration.engine.feedback import learn
from orchestration.engine.limits import Limits
from orchestration.engine.ops import ChargeFailure, LoseRequest, Op, OpenRequest, Settle, StoreAnswer
from orchestration.errors import StaleLease
from orchestration.log import describe
from orchestration.models import AIRequestAudit, AIResponseAudit, EngineCounter, ModelPrice, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status

logger = logging.getLogger(__name__)

STALE_WRITES = "stale_writes_rejected"
OpT = TypeVar("OpT", bound=Op)


class Journal:
    """Group commit over `flush`; use as `async with Journal() as journal`."""

    def __init__(self, *, gather_seconds: float = 0.005, limits: Limits | None = None) -> None:
        self._gather = gather_seconds
        self._limits = limits or Limits()
        self._waiting: list[tuple[Op, asyncio.Future[None]]] = []
        self._work = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task

    async def write(self, op: Op) -> None:
        """Returns once `op` is committed; raises StaleLease when another worker owns the call."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((op, future))
        self._work.set()
        # A cancelled writer does not take back what it handed in.
        await asyncio.shield(future)

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._work.wait()
            if self._gather and not self._closing:
                await asyncio.sleep(self._gather)
            self._work.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Op, asyncio.Future[None]]]) -> None:
        errors = await self._persistently([op for op, _ in batch])
        for (_, future), error in zip(batch, errors, strict=True):
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # a writer that was cancelled meanwhile never looks

    def _flush(self, ops: list[Op]) -> list[Exception | None]:
        """Commit, then let the limits learn from what came back: also what a stale worker was told is true."""
        errors = flush(ops)
        learn(_only(StoreAnswer, ops), self._limits)
        return errors

    async def _persistently(self, ops: list[Op]) -> list[Exception | None]:
        """Flush; wait out a database that is away; find the one bad row by flushing one by one."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await in_database(self._flush, ops)
            except DATABASE_AWAY:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as error:  # noqa: BLE001 - whatever a row breaks must reach its writer, not end the journal
                if len(ops) == 1:
                    logger.error("journal write refused op=%s error=%s", type(ops[0]).__name__, describe(error))
                    return [error]
                return [(await self._persistently([op]))[0] for op in ops]


def flush(ops: Sequence[Op]) -> list[Exception | None]:
    """Commit a batch in one transaction, then tell the world; per op None, or StaleLease when it was dropped."""
    with transaction.atomic():
        held = _held(ops)
        valid = [op for op in ops if op.lease in held]
        _open_requests(_only(OpenRequest, valid))
        _store_answers(_only(StoreAnswer, valid))
        for lost in _only(LoseRequest, valid):
            AIRequestAudit.objects.filter(pk=lost.request.pk).settle(Outcome.UNKNOWN)
        for charge in _only(ChargeFailure, valid):
            ServiceCallRecord.objects.filter(pk=charge.lease.call_id).update(
                failures=charge.failures, judged_attempts=F("attempts"), updated_at=timezone.now()
            )
        _settle(_only(Settle, valid))
        if len(valid) < len(ops):
            EngineCounter.add(STALE_WRITES, len(ops) - len(valid))
    announce(valid)
    return [None if op.lease in held else StaleLease(f"Call {op.lease.call_id} has another worker.") for op in ops]


def _only(kind: type[OpT], ops: Iterable[Op]) -> list[OpT]:
    return [op for op in ops if isinstance(op, kind)]


def _held(ops: Sequence[Op]) -> set[Lease]:
    """The leases among these that are valid, their rows locked until the commit."""
    rows = ServiceCallRecord.objects.running().filter(pk__in={op.lease.call_id for op in ops}).order_by("pk")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)
    return {Lease(pk, token) for pk, token in rows.values_list("pk", "lease_token")}


def _open_requests(ops: list[OpenRequest]) -> None:
    if not ops:
        return
    AIRequestAudit.objects.bulk_create([op.request for op in ops])
    attempts = [op.lease.call_id for op in ops if not op.request.repair]
    ServiceCallRecord.objects.filter(pk__in=attempts).update(attempts=F("attempts") + 1)


def _store_answers(ops: list[StoreAnswer]) -> None:
    if not ops:
        return
    _price([op.answer for op in ops])
    AIResponseAudit.objects.bulk_create([op.answer for op in ops])
    for outcome in {op.outcome for op in ops}:
        requests = [op.answer.ai_request_id for op in ops if op.outcome == outcome]
        AIRequestAudit.objects.filter(pk__in=requests).settle(outcome)
    billed = [op for op in ops if op.answer.total_tokens]
    update_rows(
        USAGE_COLUMNS, [(op.lease.call_id, *op.answer.usage.model_dump().values(), op.answer.cost) for op in billed]
    )
    unpriced = sum(op.answer.cost is None for op in billed)
    if unpriced:
        EngineCounter.add("answers_without_price", unpriced)


def _price(answers: list[AIResponseAudit]) -> None:
    """Note price and cost on unsaved answers; a model without a price leaves both empty."""
    now = timezone.now()
    named = {(answer.ai_request.provider, answer.model) for answer in answers if answer.total_tokens}
    prices = {(provider, model): ModelPrice.objects.at(provider, model, now) for provider, model in named}
    for answer in answers:
        price = prices.get((answer.ai_request.provider, answer.model))
        if price is not None:
            answer.price = price
            answer.cost = price.cost(answer.usage)


def _settle(ops: list[Settle]) -> None:
    now = timezone.now()
    update_rows(SETTLE_COLUMNS, [_settle_row(op, now) for op in ops])


def _settle_row(op: Settle, now: datetime) -> tuple[Any, ...]:
    return (
        op.lease.call_id,
        op.status.value,
        op.result,
        op.error,
        op.error_code,
        op.retryable,
        op.failures,
        op.due_at or op.record.due_at,
        op.provider,
        op.model,
        None if op.status == Status.QUEUED else now,
        op.persist.value,
        now if op.persist == PersistState.PENDING else None,
        op.judged,
        now,
    )

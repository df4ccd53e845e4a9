"""Group commit: every write of running calls, committed in batches, each fenced by its lease.

`await group_commit.write(command)` returns after the commit. What waits at the same moment shares one transaction.
A write whose lease is no longer valid is dropped, counted (`stale_writes_rejected`) and raised as StaleLease to its
writer; one that the database refuses is raised as NotStorable to its writer, and the others are committed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from django.db import connection, transaction
from django.db.models import F

from orchestration.clock import database_now
from orchestration.engine.execution.audit_sql import insert_answers, insert_requests, lock_running
from orchestration.engine.execution.commands import (
    AbandonRequest,
    ChargeFailure,
    Command,
    NextRoute,
    OpenRequest,
    Settle,
    StoreAnswer,
    answers_in,
)
from orchestration.engine.execution.event_thread import Announcer
from orchestration.engine.execution.events import announce, ask_for_persistence
from orchestration.engine.execution.successors import Successors, keys_set_free
from orchestration.engine.execution.throttle_feedback import apply_observations, reserve_shown
from orchestration.engine.execution.tool_approval import decided_meanwhile
from orchestration.engine.execution.tool_rows import FAILED_RUNS, write_runs
from orchestration.engine.lag import Lag
from orchestration.engine.queue.bulk_updates import REROUTED, ROUTE_COLUMNS, SETTLE_COLUMNS, USAGE_COLUMNS, update_rows
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.database_thread import FIRST_PAUSE, LONGEST_PAUSE, in_database, is_away
from orchestration.engine.queue.write_batcher import PendingWrite, WriteBatcher
from orchestration.engine.throttling.snapshot import Limits
from orchestration.errors import NotStorable, StaleLease
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import AIRequestAudit, AIResponseAudit, EngineCounter, ModelPrice, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.types import Usage

logger = logging.getLogger(__name__)

STALE_WRITES = "stale_writes_rejected"
AT_ONCE = 32
"""Writers that resume before the event loop looks at anything else: each takes some tenths of a millisecond."""
CommandT = TypeVar("CommandT", bound=Command)
AuditT = TypeVar("AuditT", AIRequestAudit, AIResponseAudit)


class GroupCommit(WriteBatcher[Command]):
    """Group commit over `commit`; use as `async with GroupCommit() as group_commit`.

    With an `announcer` the receivers of public signals run beside the writes, else after each commit, in its thread.
    """

    def __init__(
        self, *, gather_seconds: float = 0.005, limits: Limits | None = None, announcer: Announcer | None = None
    ) -> None:
        super().__init__()
        self._gather = gather_seconds
        self._last_batch = 0
        self._limits = limits or Limits()
        self._announce = announcer.put if announcer else announce
        self.lag = Lag()
        """How long writes wait before a transaction takes them in."""
        self.successors: Successors | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.finish()

    async def write(self, command: Command) -> None:
        """Returns once `command` is committed; raises StaleLease when another worker owns the call, NotStorable when
        the database refuses it."""
        await super().write(command)

    def _gather_seconds(self, waiting: int) -> float:
        return self._gather if max(waiting, self._last_batch) > 1 else 0.0  # a call that runs alone waits for nobody

    async def _commit(self, batch: list[PendingWrite[Command]]) -> None:
        self.lag.note(time.monotonic() - batch[0].since)
        self._last_batch = len(batch)
        commands = [each.op for each in batch]
        errors, taken = await self._persistently(commands)
        if self.successors is not None and taken:
            await self.successors.start(taken)
        for number, (each, error) in enumerate(zip(batch, errors, strict=True), start=1):
            if error is None:
                each.finish(None)
            else:
                each.fail(error)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        with isolated() as announcing:  # the batch is committed, and the next one must be
            await in_database(self._announce_committed, commands, errors)  # the writers continue meanwhile
        if announcing.error is not None:
            logger.error("committed and not announced commands=%s error=%s", len(commands), describe(announcing.error))

    def _announce_committed(self, commands: list[Command], errors: list[Exception | None]) -> None:
        """After the commit. The limits are fed by every answer: those of stale workers are true, too."""
        committed = [command for command, error in zip(commands, errors, strict=True) if error is None]
        self._announce(committed)
        ask_for_persistence(committed)
        reserve_shown(_only(OpenRequest, committed), self._limits)
        apply_observations(answers_in(commands), self._limits)

    async def _persistently(self, commands: list[Command], *, alone: bool = False) -> Flushed:
        """Flush; wait out a database that is away; find the one bad row by flushing one by one, and without successors,
        which may be what is bad."""
        pause = FIRST_PAUSE
        while True:
            successors = None if alone or self.successors is None or not self.successors.wanted() else self.successors
            with isolated() as run:  # whatever a row causes is its writer's to handle
                flushed = await in_database(_flush, commands, successors)
            if run.error is None:
                return flushed
            if is_away(run.error):
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            elif len(commands) > 1 or successors is not None:
                each = [await self._persistently([command], alone=True) for command in commands]
                return Flushed([error for flushed in each for error in flushed.errors], [])
            else:
                logger.error("write refused command=%s error=%s", type(commands[0]).__name__, describe(run.error))
                return Flushed([NotStorable(f"The database refused to store this: {describe(run.error)}.")], [])


class Flushed(NamedTuple):
    """What became of a batch."""

    errors: list[Exception | None]
    """Per command None, or StaleLease when it was dropped, or NotStorable."""
    taken: list[ServiceCallRecord]
    """The calls that follow those that ended."""


def _flush(commands: Sequence[Command], successors: Successors | None) -> Flushed:
    if successors is None:
        return Flushed(commit(commands), [])
    taken: list[ServiceCallRecord] = []
    errors = commit(commands, take=lambda keys: taken.extend(successors.take(keys)))
    successors.taken(taken)
    return Flushed(errors, taken)


def commit(commands: Sequence[Command], *, take: Callable[[set[str]], None] | None = None) -> list[Exception | None]:
    """Commit a batch in one transaction; per command None, or StaleLease when it was dropped. `take` is called in it
    with the ordering keys that it sets free."""
    with transaction.atomic():
        held = _held(commands)
        valid = [command for command in commands if command.lease in held]
        insert_requests([_new(command.request) for command in _only(OpenRequest, valid)])
        _store_answers(answers_in(valid))
        _add_usage(_only(StoreAnswer, valid))
        for abandoned in _only(AbandonRequest, valid):
            AIRequestAudit.objects.filter(pk=abandoned.request.pk).settle(Outcome.UNKNOWN)
        failed_runs = write_runs(valid)
        for charge in _only(ChargeFailure, valid):
            ServiceCallRecord.objects.filter(pk=charge.lease.call_id).update(
                failures=charge.failures, judged_attempts=F("attempts"), updated_at=database_now()
            )
        _settle(_only(Settle, valid))
        update_rows(ROUTE_COLUMNS, [(call_id, *route) for call_id, route in _changed_routes(valid)])
        if take is not None and (free := keys_set_free(valid)):
            take(free)
        _count(valid, stale=len(commands) - len(valid), failed_runs=failed_runs)
    return [
        None if command.lease in held else StaleLease(f"Call {command.lease.call_id} has another worker.")
        for command in commands
    ]


def _only(kind: type[CommandT], commands: Iterable[Command]) -> list[CommandT]:
    return [command for command in commands if isinstance(command, kind)]


def _held(commands: Sequence[Command]) -> set[Lease]:
    """The leases among these that are valid, their rows locked until the commit."""
    call_ids = {command.lease.call_id for command in commands}
    if connection.vendor == "postgresql":
        return {Lease(pk, token) for pk, token in lock_running(call_ids)}
    rows = ServiceCallRecord.objects.running().filter(pk__in=call_ids)
    return {Lease(pk, token) for pk, token in rows.values_list("pk", "lease_token")}


def _store_answers(commands: list[StoreAnswer]) -> None:
    if not commands:
        return
    _price([command.answer for command in commands])
    insert_answers([(_new(command.answer), command.outcome) for command in commands])


def _add_usage(commands: list[StoreAnswer]) -> None:
    """Of answers that are stored without the end of their call."""
    update_rows(
        USAGE_COLUMNS, [(command.lease.call_id, *_usage(command)) for command in commands if _is_billed(command)]
    )


def _is_billed(command: StoreAnswer) -> bool:
    return command.answer.total_tokens > 0


def _usage(command: StoreAnswer) -> tuple[Any, ...]:
    answer = vars(command.answer)
    return (*(answer[name] for name in Usage.model_fields), answer["cost"])


def _count(commands: Sequence[Command], *, stale: int, failed_runs: int) -> None:
    """Last in the transaction, because all workers write these rows, and each waits for the others' commits."""
    rerouted = sum(route.route_reason is not None for _, route in _changed_routes(commands))
    if rerouted:
        EngineCounter.add(REROUTED, rerouted)
    unpriced = sum(_is_billed(command) and command.answer.cost is None for command in answers_in(commands))
    if unpriced:
        EngineCounter.add("answers_without_price", unpriced)
    if stale:
        EngineCounter.add(STALE_WRITES, stale)
    if failed_runs:
        EngineCounter.add(FAILED_RUNS, failed_runs)


def _new(row: AuditT) -> AuditT:
    """The row without the key of a transaction that was rolled back, which may be another row's by now."""
    row.pk = None
    return row


def _price(answers: list[AIResponseAudit]) -> None:
    """Note price and cost on unsaved answers; a model without a price leaves both empty."""
    now = database_now()
    named = {(answer.ai_request.provider, answer.model) for answer in answers if answer.total_tokens}
    prices = {(provider, model): ModelPrice.objects.at(provider, model, now) for provider, model in named}
    for answer in answers:
        price = prices.get((answer.ai_request.provider, answer.model))
        if price is not None:
            answer.price = price
            answer.cost = price.cost(answer.usage)


def _settle(commands: list[Settle]) -> None:
    now = database_now()
    decided = decided_meanwhile(frozenset().union(*(command.waits_for for command in commands)))
    commands = [replace(each, due_at=now) if each.waits_for & decided else each for each in commands]
    alone = [_settle_row(command, now) for command in commands if command.answer is None]
    update_rows(SETTLE_COLUMNS, alone)
    with_answer = [
        (*_settle_row(command, now), *_usage(command.answer)) for command in commands if command.answer is not None
    ]
    update_rows(SETTLE_COLUMNS + USAGE_COLUMNS, with_answer)


def _changed_routes(commands: Iterable[Command]) -> list[tuple[str, NextRoute]]:
    """(id of the call, where it goes next) of those that change it."""
    return [
        (each.lease.call_id, each.route)
        for each in commands
        if isinstance(each, Settle | ChargeFailure) and each.route is not None
    ]


def _settle_row(command: Settle, now: datetime) -> tuple[Any, ...]:
    return (
        command.lease.call_id,
        command.status.value,
        command.result,
        command.error,
        command.error_code,
        command.retryable,
        command.failures,
        command.due_at or command.record.due_at,
        command.provider,
        command.model,
        None if command.status == Status.QUEUED else now,
        command.persist.value,
        now if command.persist == PersistState.PENDING else None,
        command.validated,
        now,
    )

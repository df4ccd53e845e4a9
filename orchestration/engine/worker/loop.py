"""The worker loop: one event loop that claims due calls, runs them side by side, and ends when idle."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import uvloop
from asgiref.sync import ThreadSensitiveContext
from django.db import connections

from orchestration.clock import database_now
from orchestration.conf import EngineSettings, engine_settings
from orchestration.engine.execution.context import CallContext, Interruption, Providers, Runtime
from orchestration.engine.execution.event_thread import process_announcer
from orchestration.engine.execution.executor import run_call
from orchestration.engine.execution.group_commit import GroupCommit
from orchestration.engine.execution.tool_running import in_thread_of_its_own
from orchestration.engine.garbage_collection import COLLECT_IN_WORKERS, spare_what_is_loaded
from orchestration.engine.lag import TOLERATED_SECONDS, Lag, places
from orchestration.engine.leases.renewal import LeaseKeeper, Renewal
from orchestration.engine.node import stop_requested
from orchestration.engine.queue import notifications
from orchestration.engine.queue.claim import Lease, claim, hand_over, worker_name
from orchestration.engine.queue.database_thread import DATABASE_AWAY, database_thread, in_database
from orchestration.engine.queue.transport import wake
from orchestration.engine.streaming.relay import Relay
from orchestration.engine.throttling.snapshot import Limits
from orchestration.engine.worker.rescuer import give_back_unheld, rescue
from orchestration.fault_injection import fault
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import ServiceCallRecord

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How often an idle worker loop looks for due calls; of new ones it is notified."""
GATHER_SECONDS = 0.01
"""How long finished calls gather before their places are filled with one claim, for each GATHER_CALLS that still run:
a claim costs as much as five calls, and the more calls a worker has, the less does a place that waits matter."""
GATHER_CALLS = 64
CLAIMED_AT_ONCE = 128
"""Calls of one claim: the first of them start while the next ones are claimed."""
STARTED_AT_ONCE = 32
"""Calls that start before the event loop looks at anything else: each takes some tenths of a millisecond."""
RECEIVER_SECONDS = 1.0
"""How long the end of a loop waits for the receivers of signals; after that they run beside the next one."""
WARN_SECONDS = 10.0
"""How often a loop logs that it is behind, at most."""


@dataclass(slots=True, kw_only=True)
class LoopReport:
    """What one loop did; `work_left` when its time budget ended it, so that another one should start."""

    claimed: int = 0
    work_left: bool = False


class WorkerLoop:
    """Runs due calls until there are none (`run_until_idle`), or for its time budget with a linger (`run`)."""

    def __init__(
        self, *, stopping: Callable[[], bool] = stop_requested, settings: EngineSettings | None = None
    ) -> None:
        self.settings = settings or engine_settings()
        self.worker = worker_name()
        self.report = LoopReport()
        self._limits = Limits()
        self._stopping = stopping
        self._running: dict[asyncio.Task[None], CallContext] = {}
        self._ended: list[asyncio.Task[None]] = []
        """Those of the running ones that are done."""
        self._keeper: LeaseKeeper | None = None
        self._news = asyncio.Event()
        """A call ended, or a notification came: there may be something to do before the next poll."""
        self._may_find = True
        """A claim may find something: a notification came, or the last one left something behind."""
        self._saw_all = False
        """The last claim found all there was for it."""
        self._claimed_at = 0.0
        self._followed: set[str] = set()
        """Ordering keys of calls that end and whose next call has been taken already."""
        self._runtime: Runtime | None = None
        self._listener: notifications.Listener | None = None
        self._loop_lag, self._writes_lag = Lag(), Lag()
        self._loop_seen = time.monotonic()
        """When the loop last came back to a task that sleeps."""
        self._warned = 0.0
        self._started = time.monotonic()
        # Loops that started together must not all pause for their last calls together.
        self._budget = self.settings.LOOP_BUDGET_SECONDS * random.uniform(0.75, 1.0)  # noqa: S311 - jitter
        self._last_work = self._started
        self._last_spread = self._started

    async def run(self) -> LoopReport:
        """Claim and run calls until idle for LINGER_SECONDS, out of its time budget, or asked to stop."""
        announcer = process_announcer()
        with LeaseKeeper(self.worker, self._renewed, self._rescue, self._lag) as self._keeper:
            async with GroupCommit(limits=self._limits, announcer=announcer) as group_commit:
                self._writes_lag = group_commit.lag
                await self._run(group_commit)
        await in_database(announcer.wait, RECEIVER_SECONDS)
        return self.report

    async def _run(self, group_commit: GroupCommit) -> None:
        async with Providers() as providers, Relay() as relay:
            self._runtime = runtime = Runtime(
                group_commit=group_commit, providers=providers, run_blocking=in_thread_of_its_own, relay=relay
            )
            group_commit.successors = self
            beside = [asyncio.create_task(each) for each in (self._measure_lag(), self._listen())]
            try:
                await self._work(runtime)
            finally:  # whatever ended the work: running calls need the group commit to end
                await self._finish_running(runtime)
                await _end(beside)
                await in_database(self._close_listener)

    async def run_until_idle(self) -> LoopReport:
        """Run what is due, and what becomes due through it, to its end; no linger, no budget (tests, commands)."""
        async with GroupCommit(gather_seconds=0, limits=self._limits) as group_commit:
            async with Providers() as providers, Relay() as relay:
                runtime = Runtime(group_commit=group_commit, providers=providers, relay=relay)
                while await self._fill(runtime) or self._running:
                    await self._wait(POLL_SECONDS)
        return self.report

    # --- claiming and running ---------------------------------------------------------------

    async def _work(self, runtime: Runtime) -> None:
        while not self._stopping():
            if time.monotonic() - self._started > self._budget:
                self.report.work_left = True
                await self._spread()  # its last calls may take long, and it claims none beside them
                return
            claimed = await self._fill(runtime) if self._is_worth_a_claim() else 0
            if claimed or self._running:
                self._last_work = time.monotonic()
            elif time.monotonic() - self._last_work > self.settings.LINGER_SECONDS and not await self._due_soon():
                return
            await self._wait(POLL_SECONDS)

    def _is_worth_a_claim(self) -> bool:
        """A claim costs as much as five calls, so it is not repeated because a call ended when none was waiting."""
        return self._may_find or not self._saw_all or time.monotonic() - self._claimed_at >= POLL_SECONDS

    async def _fill(self, runtime: Runtime) -> int:
        """Claim into the free places; returns how many calls were started."""
        self._may_find, self._saw_all, self._claimed_at = False, False, time.monotonic()
        started = 0
        while (free := self._places() - len(self._running)) > 0:
            asked = min(free, CLAIMED_AT_ONCE)
            found = await self._claim_and_start(runtime, asked)
            started += found
            if found < asked:
                return started
        if started:
            await self._spread()
        return started

    async def _claim_and_start(self, runtime: Runtime, most: int) -> int:
        try:
            records = await in_database(self._claim, most)
        except DATABASE_AWAY as error:
            logger.warning("claim postponed worker=%s error=%s", self.worker, describe(error))
            await asyncio.sleep(1.0)
            return 0
        await self._start(records, runtime)
        return len(records)

    async def _start(self, records: Sequence[ServiceCallRecord], runtime: Runtime) -> None:
        if records:
            fault("after_claim")
        for number, record in enumerate(records, start=1):
            call = CallContext(record=record, runtime=runtime)
            task = asyncio.create_task(run_call(call))
            task.add_done_callback(self._note_end)
            self._running[task] = call
            if number % STARTED_AT_ONCE == 0:
                await asyncio.sleep(0)
        self.report.claimed += len(records)

    def _claim(self, free: int) -> list[ServiceCallRecord]:
        """In the thread of the database: leases are kept from the moment they are taken, whatever the loop does."""
        records = claim(free, self.worker, self._limits)
        self.taken(records)
        self._saw_all = len(records) < free and not self._limits.hold_something()
        return records

    # --- successors: see `orchestration.engine.execution.successors` -----------------------------

    def wanted(self) -> bool:
        """Only where the last claim found all there was, and there is a place for what came since: else each place is
        for the most urgent call."""
        in_time = not self._stopping() and time.monotonic() - self._started <= self._budget
        return self._saw_all and in_time and len(self._running) < self._places()

    def take(self, keys: Collection[str]) -> list[ServiceCallRecord]:
        return hand_over(keys, self.worker, self._limits)

    def taken(self, records: Sequence[ServiceCallRecord]) -> None:
        if self._keeper is not None:
            self._keeper.hold(Lease(record.pk, record.lease_token) for record in records)

    async def start(self, records: Sequence[ServiceCallRecord]) -> None:
        self._followed.update(record.ordering_key for record in records)
        if self._runtime is not None:
            await self._start(records, self._runtime)

    # --- being behind, and having enough -----------------------------------------------------------

    def _places(self) -> int:
        """Calls that this worker may have at once: CONCURRENCY, and fewer while its loop or its writes are behind."""
        lag = max(self._loop_lag.seconds, self._writes_lag.seconds)
        if lag > TOLERATED_SECONDS and time.monotonic() - self._warned > WARN_SECONDS:
            self._warned = time.monotonic()
            logger.warning(
                "worker behind worker=%s loop_seconds=%.2f writes_seconds=%.2f",
                self.worker, self._loop_lag.seconds, self._writes_lag.seconds,
            )  # fmt: skip
        return places(self.settings.CONCURRENCY, lag)

    def _lag(self) -> float:
        """The lag of this worker in seconds; may be called in any thread, also while the loop is blocked."""
        blocked = time.monotonic() - self._loop_seen - POLL_SECONDS
        return max(0.0, blocked, self._loop_lag.seconds, self._writes_lag.seconds)

    async def _measure_lag(self) -> None:
        """Measure how late the loop comes back to a task that sleeps."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)
            self._loop_seen = time.monotonic()
            self._loop_lag.note(self._loop_seen - before - POLL_SECONDS)

    async def _spread(self) -> None:
        """All places are taken, so more may be waiting: wake another worker, at most once a second."""
        now = time.monotonic()
        if now - self._last_spread >= 1.0:
            self._last_spread = now
            try:
                await in_database(_wake_another, self._limits)
            except DATABASE_AWAY as error:
                logger.warning("wake postponed worker=%s error=%s", self.worker, describe(error))

    async def _due_soon(self) -> bool:
        """Whether a retry or a planned call is due before the next tick, so that it is worth staying."""
        try:
            return await in_database(_due_within, self.settings.TICK_SECONDS, self._limits)
        except DATABASE_AWAY:
            return True

    async def _wait(self, seconds: float) -> None:
        """Until a call ends or a notification comes (and others had a moment to do the same), at most `seconds`."""
        with suppress(TimeoutError):  # what waits for each of a thousand tasks takes longer the more there are
            await asyncio.wait_for(self._news.wait(), seconds)
            still = len(self._running) - len(self._ended)
            if still:
                await asyncio.sleep(GATHER_SECONDS * (1 + still // GATHER_CALLS))
        self._news.clear()
        self._reap()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._ended.append(task)
        self._news.set()

    async def _listen(self) -> None:
        """Until it is cancelled, let a notification end `_wait`. Without a listener, or once it fails, it polls."""
        await in_database(self._open_listener)
        listener = self._listener
        if listener is None:
            return
        loop, failed = asyncio.get_running_loop(), asyncio.Event()

        def notified() -> None:
            with isolated() as clearing:
                listener.clear()
            if clearing.error is not None:
                logger.warning("not listening worker=%s error=%s", self.worker, describe(clearing.error))
                failed.set()
            self._may_find = True
            self._news.set()

        handle = listener.fileno()
        loop.add_reader(handle, notified)
        try:
            await failed.wait()
        finally:
            loop.remove_reader(handle)

    def _open_listener(self) -> None:
        self._listener = notifications.listen(notifications.CALLS)

    def _close_listener(self) -> None:
        """In the thread that opens it, so after that."""
        if self._listener is not None:
            self._listener.close()

    def _reap(self) -> None:
        ended, self._ended = self._ended, []
        for task in ended:
            call = self._running.pop(task)
            key = call.record.ordering_key
            if key in self._followed:
                self._followed.discard(key)
            elif key or call.moved:
                self._may_find = True
            if self._keeper is not None:
                self._keeper.release(call.lease)
            error = task.exception() if not task.cancelled() else None
            if error is not None:  # a bug of the engine itself; the call is given back
                logger.error("call abandoned call_id=%s error=%s", call.lease.call_id, describe(error))

    # --- keeping and ending -----------------------------------------------------------------

    def _renewed(self, renewal: Renewal) -> None:
        """Stop what somebody asked to cancel, and what another worker has by now."""
        for task, call in list(self._running.items()):
            if call.lease.call_id in renewal.cancel:
                self._interrupt(task, call, Interruption.CANCELLED)
            elif call.lease in renewal.lost:
                self._interrupt(task, call, Interruption.LOST)

    def _rescue(self, held: set[Lease]) -> None:
        """In the keeper's thread, after a renewal: give back what this worker holds and does not run, rescue what
        others left behind."""
        give_back_unheld(self.worker, held)
        rescue(process_announcer().put)

    def _interrupt(self, task: asyncio.Task[None], call: CallContext, why: Interruption) -> None:
        if call.interruption is None and not task.done():
            call.interruption = why
            task.cancel()

    async def _finish_running(self, runtime: Runtime) -> None:
        """No new calls: let the running ones end, at most GRACE_SECONDS after a stop and LOOP_DRAIN_SECONDS else;
        give the rest back uncharged."""
        ended = time.monotonic()
        if self._stopping():
            fault("in_stop")
        while self._running:
            grace = self.settings.GRACE_SECONDS if self._stopping() else self.settings.LOOP_DRAIN_SECONDS
            writing = 2 * runtime.group_commit.lag.seconds  # what giving back takes, when the database is slow
            if time.monotonic() - ended > max(grace - writing, grace / 2):
                for task, call in self._running.items():
                    self._interrupt(task, call, Interruption.GIVEN_BACK)
            await self._wait(POLL_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _wake_another(limits: Limits) -> None:
    if limits.any_open(ServiceCallRecord.objects.due()):
        wake(engine_settings().QUEUE, force=True)


def _due_within(seconds: float, limits: Limits) -> bool:
    due = ServiceCallRecord.objects.due(database_now() + timedelta(seconds=seconds))
    return limits.any_open(due.in_turn(), within=seconds)


def run_worker_loop(*, stopping: Callable[[], bool] = stop_requested) -> LoopReport:
    """Run a worker loop to its end in this process: its own event loop, its own database thread and connection."""
    spare_what_is_loaded(COLLECT_IN_WORKERS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(in_own_thread(stopping))
    finally:
        gc.collect()  # no call is in flight now


async def in_own_thread(stopping: Callable[[], bool]) -> LoopReport:
    """`run_worker_loop` in the event loop that runs."""
    # asgiref's shared executor may be a leftover of the parent process, whose thread did not survive the fork.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker-database")
    try:
        async with ThreadSensitiveContext(executor=executor):
            with database_thread(executor):
                return await WorkerLoop(stopping=stopping).run()
    finally:
        executor.submit(connections.close_all).result()
        executor.shutdown()

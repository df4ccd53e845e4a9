"""The pump: one event loop that claims due calls, runs them side by side, renews their leases, and ends when idle."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import uvloop
from asgiref.sync import ThreadSensitiveContext
from django.db import connections
from django.utils import timezone

from orchestration.conf import EngineSettings, engine_settings
from orchestration.engine.claim import claim, renew, worker_name
from orchestration.engine.database import DATABASE_AWAY, in_database
from orchestration.engine.execute import open_session, run_call
from orchestration.engine.faultpoints import fault
from orchestration.engine.journal import Journal
from orchestration.engine.limits import Limits
from orchestration.engine.rescue import database_away, rescue
from orchestration.engine.session import CallSession, Interruption, Providers, Runtime
from orchestration.engine.slots import stop_requested
from orchestration.engine.submit import wake
from orchestration.log import describe
from orchestration.models import ServiceCallRecord

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How often an unoccupied pump looks for due calls."""
GATHER_SECONDS = 0.01
"""How long finished calls gather before their places are filled with one claim."""


@dataclass(slots=True, kw_only=True)
class PumpReport:
    """What one pump did; `work_left` when it ended by its budget and somebody should go on."""

    claimed: int = 0
    work_left: bool = False


class Pump:
    """Runs due calls until there are none (`run_until_idle`), or for its time budget with a linger (`run`)."""

    def __init__(
        self, *, stopping: Callable[[], bool] = stop_requested, settings: EngineSettings | None = None
    ) -> None:
        self.settings = settings or engine_settings()
        self.worker = worker_name()
        self.report = PumpReport()
        self._limits = Limits()
        self._stopping = stopping
        self._running: dict[asyncio.Task[None], CallSession] = {}
        self._started = time.monotonic()
        # Pumps that started together must not all pause for their last calls together.
        self._budget = self.settings.PUMP_BUDGET_SECONDS * random.uniform(0.75, 1.0)  # noqa: S311 - jitter
        self._last_work = self._started
        self._last_spread = self._started

    async def run(self) -> PumpReport:
        """Claim and run calls until idle for LINGER_SECONDS, out of budget, or asked to stop."""
        async with Journal(limits=self._limits) as journal, Providers() as providers:
            runtime = Runtime(journal=journal, providers=providers)
            keeper = asyncio.create_task(self._keep())
            try:
                try:
                    await self._work(runtime)
                finally:  # whatever ended the work, running calls end well while there is a journal to tell
                    await self._finish_running()
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
        return self.report

    async def run_until_idle(self) -> PumpReport:
        """Run what is due, and what becomes due through it, to its end; no linger, no budget (tests, commands)."""
        async with Journal(gather_seconds=0, limits=self._limits) as journal, Providers() as providers:
            runtime = Runtime(journal=journal, providers=providers)
            while await self._fill(runtime) or self._running:
                await self._wait(POLL_SECONDS)
        return self.report

    # --- claiming and running ---------------------------------------------------------------

    async def _work(self, runtime: Runtime) -> None:
        while not self._stopping():
            if time.monotonic() - self._started > self._budget:
                self.report.work_left = True
                return
            claimed = await self._fill(runtime)
            if claimed or self._running:
                self._last_work = time.monotonic()
            elif time.monotonic() - self._last_work > self.settings.LINGER_SECONDS and not await self._due_soon():
                return
            await self._wait(POLL_SECONDS)

    async def _fill(self, runtime: Runtime) -> int:
        """Claim into the free places; returns how many calls were started."""
        free = self.settings.CONCURRENCY - len(self._running)
        if free < 1:
            return 0
        try:
            records = await in_database(claim, free, self.worker, self._limits)
        except DATABASE_AWAY as error:
            logger.warning("claim postponed worker=%s error=%s", self.worker, describe(error))
            await asyncio.sleep(1.0)
            return 0
        if records:
            fault("after_claim")
        for record in records:
            session = open_session(record, runtime)
            self._running[asyncio.create_task(run_call(session))] = session
        self.report.claimed += len(records)
        if len(records) == free:
            await self._spread()
        return len(records)

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
        """A retry or a planned call comes up before the next tick: stay for it."""
        try:
            return await in_database(_due_within, self.settings.TICK_SECONDS, self._limits)
        except DATABASE_AWAY:
            return True

    async def _wait(self, seconds: float) -> None:
        """Until a call ends (and its neighbours had a moment to), at most `seconds`."""
        if not self._running:
            await asyncio.sleep(seconds)
            return
        done, _ = await asyncio.wait(self._running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if done:
            await asyncio.sleep(GATHER_SECONDS)
        self._reap()

    def _reap(self) -> None:
        for task in [task for task in self._running if task.done()]:
            session = self._running.pop(task)
            error = task.exception() if not task.cancelled() else None
            if error is not None:  # a bug of the engine itself; the lease expires and the call is rescued
                logger.error("call abandoned call_id=%s error=%s", session.lease.call_id, describe(error))

    # --- keeping and ending -----------------------------------------------------------------

    async def _keep(self) -> None:
        """Every RENEW_SECONDS: renew leases, stop what was cancelled or lost, rescue what others left behind."""
        while True:
            await asyncio.sleep(self.settings.RENEW_SECONDS)
            try:
                running = [session.lease.call_id for session in self._running.values()]
                held, cancel = await in_database(renew, self.worker, running)
                await in_database(rescue)
            except DATABASE_AWAY as error:
                logger.warning("renewal postponed worker=%s error=%s", self.worker, describe(error))
                database_away()
                continue
            for task, session in list(self._running.items()):
                if session.lease.call_id in cancel:
                    self._interrupt(task, session, Interruption.CANCELLED)
                elif session.lease not in held and session.claimed_for > self.settings.RENEW_SECONDS:
                    self._interrupt(task, session, Interruption.LOST)

    def _interrupt(self, task: asyncio.Task[None], session: CallSession, why: Interruption) -> None:
        if session.interruption is None and not task.done():
            session.interruption = why
            task.cancel()

    async def _finish_running(self) -> None:
        """No new calls: let the running ones end, at most GRACE_SECONDS after a stop and PUMP_DRAIN_SECONDS else;
        give the rest back uncharged."""
        ended = time.monotonic()
        if self._stopping():
            fault("in_stop")
        while self._running:
            grace = self.settings.GRACE_SECONDS if self._stopping() else self.settings.PUMP_DRAIN_SECONDS
            if time.monotonic() - ended > grace:
                for task, session in self._running.items():
                    self._interrupt(task, session, Interruption.GIVEN_BACK)
            await self._wait(POLL_SECONDS)


def _wake_another(limits: Limits) -> None:
    if limits.any_open(ServiceCallRecord.objects.due()):
        wake(engine_settings().QUEUE, force=True)


def _due_within(seconds: float, limits: Limits) -> bool:
    due = ServiceCallRecord.objects.due(timezone.now() + timedelta(seconds=seconds))
    return limits.any_open(due.in_turn(), within=seconds)


def run_pump(*, stopping: Callable[[], bool] = stop_requested) -> PumpReport:
    """Run a pump to its end in this (worker) process: its own event loop, its own database thread and connection."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_in_own_thread(stopping))


async def _in_own_thread(stopping: Callable[[], bool]) -> PumpReport:
    # asgiref's shared executor may be a leftover of the parent process, whose thread did not survive the fork.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pump-database")
    try:
        async with ThreadSensitiveContext(executor=executor):
            return await Pump(stopping=stopping).run()
    finally:
        executor.submit(connections.close_all).result()
        executor.shutdown()

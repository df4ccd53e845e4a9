"""What a serving process holds for its event loop: batch writer, connections to the provider, known keys."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DatabaseError

from apps.gateway.auth import Callers
from apps.gateway.cache import AnswerCache, AnswerSaver
from apps.gateway.cache.embedding import ProviderEmbedder
from apps.gateway.conf import gateway_settings
from apps.gateway.http.large_bodies import LargeBodies
from apps.gateway.http.providers import Providers
from apps.gateway.http.request import LONG_BODY
from apps.gateway.maintenance.orphan_requests import beat, leave, sweep
from apps.gateway.recording.batch_writer import BatchWriter
from apps.gateway.recording.database_thread import DatabaseThread
from apps.gateway.routing.health import RouteHealth
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.providers.base import Api

logger = logging.getLogger(__name__)

T = TypeVar("T")
LAST_SECONDS = 5.0
"""How long aborted requests have to write their records."""


class Runtime:
    """Made in the event loop that uses it; `serves_large_bodies`: no other process does."""

    def __init__(self, *, serves_large_bodies: bool = False) -> None:
        wanted = gateway_settings()
        self.worker = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.providers = Providers(wanted)
        self.writer = BatchWriter()
        self.reading = DatabaseThread("gateway-read")
        self.callers = Callers(self.reading)
        self.health = RouteHealth(self.reading.run)
        self.saver = AnswerSaver(self.writer.apart)
        main, model = self.providers.main, wanted.EMBEDDING_MODEL
        embedder = ProviderEmbedder(main, model) if model and Api.OPENAI in main.apis else None
        self.cache = AnswerCache(self.reading.run, embedder, self.saver)
        self._long_bodies = ThreadPoolExecutor(1, "gateway-long")
        self.running: set[asyncio.Task[None]] = set()
        self.asking: set[Callable[[], None]] = set()
        """Callbacks that abort the requests that wait for the provider."""
        self.is_over = False
        """The process is stopping: the provider is no longer asked."""
        self._ending: asyncio.TimerHandle | None = None
        self._beating = asyncio.create_task(self._beat())
        apart = wanted.LARGE_BODY_PROCESS and not serves_large_bodies
        self.large_bodies = LargeBodies() if apart else None
        if self.large_bodies is not None:
            self.writer.keep_elsewhere = self.large_bodies.keep_answer

    async def compute(self, length: int, function: Callable[..., T], *args: object) -> T:
        """Run a function on a body of so many bytes; long ones one after the other in a thread, so that other requests
        are served meanwhile."""
        if length < LONG_BODY:
            return function(*args)
        return await asyncio.get_running_loop().run_in_executor(self._long_bodies, function, *args)

    def run(self, task: asyncio.Task[None]) -> None:
        """Keep a reference to a request's task until it has ended."""
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def stop(self) -> None:
        """The process is asked to stop: what still runs after STOP_SECONDS is aborted."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(gateway_settings().STOP_SECONDS, self._abort_waiting)
            if self.large_bodies is not None:
                self.large_bodies.stop()

    def _abort_waiting(self) -> None:
        self.is_over = True
        for abort in tuple(self.asking):
            abort()

    async def aclose(self) -> None:
        """Let running requests end, commit what waits, and delete this process's row."""
        self.stop()
        if self.running:
            await asyncio.wait(self.running, timeout=gateway_settings().STOP_SECONDS + LAST_SECONDS)
        if self.large_bodies is not None:
            await self.large_bodies.aclose()
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        await self.saver.finish()
        await self.writer.aclose()
        self._long_bodies.shutdown(wait=False)
        try:
            await self.reading.run(leave, self.worker)
        except DatabaseError as error:
            logger.warning("gateway worker row not deleted error=%s", describe(error))
        await self.reading.aclose()
        await self.providers.aclose()

    async def _beat(self) -> None:
        """Record that this process is alive, and settle the requests of dead ones."""
        while True:
            with isolated() as run:  # a living process that stopped beating would be taken for dead
                await self.writer.database.run(beat, self.worker)
                swept = await self.reading.run(sweep)
                if swept:
                    logger.warning("gateway requests of dead processes are now unknown count=%d", swept)
            if run.error is not None and not isinstance(run.error, DATABASE_AWAY):  # that is logged where it is met
                logger.error("gateway beat failed error=%s", describe(run.error))
            await asyncio.sleep(gateway_settings().BEAT_SECONDS)

"""What a serving process keeps for its event loop: the journal, the connections to the provider, the known keys."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable

from django.db import DatabaseError

from apps.gateway.caching import AnswerCache
from apps.gateway.caching.embedding import HashingEmbedder, ProviderEmbedder
from apps.gateway.callers import Callers
from apps.gateway.conf import gateway_settings
from apps.gateway.journal import AWAY, Database, Journal
from apps.gateway.models import GatewayWorker
from apps.gateway.sweeping import beat, sweep
from orchestration.conf import clients_settings
from orchestration.log import describe
from orchestration.providers.relay import Relay, open_relay

logger = logging.getLogger(__name__)

LAST_SECONDS = 5.0
"""How long requests have for their records after they were broken off."""


class Runtime:
    """Made in the event loop that uses it."""

    def __init__(self) -> None:
        wanted = gateway_settings()
        self.worker = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.relay: Relay = open_relay(
            wanted.CLIENT or clients_settings().default_client,
            connections=wanted.CONNECTIONS,
            idle_seconds=wanted.IDLE_SECONDS,
        )
        self.journal = Journal()
        self.reading = Database("gateway-read")
        self.callers = Callers(self.reading)
        model = wanted.EMBEDDING_MODEL
        self.cache = AnswerCache(self.reading.run, ProviderEmbedder(self.relay, model) if model else HashingEmbedder())
        self.running: set[asyncio.Task[None]] = set()
        self.asking: set[Callable[[], None]] = set()
        """What breaks off the requests that wait for the provider."""
        self.is_over = False
        """Nobody is asked any more: the process stops."""
        self._ending: asyncio.TimerHandle | None = None
        self._beating = asyncio.create_task(self._beat())

    def run(self, task: asyncio.Task[None]) -> None:
        """Hold a request's task until it ended."""
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def stop(self) -> None:
        """The process is asked to stop: what still runs after STOP_SECONDS is broken off."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(gateway_settings().STOP_SECONDS, self._break_off)

    def _break_off(self) -> None:
        self.is_over = True
        for break_off in tuple(self.asking):
            break_off()

    async def aclose(self) -> None:
        """Let running requests end, commit what waits, and say goodbye."""
        self.stop()
        if self.running:
            await asyncio.wait(self.running, timeout=gateway_settings().STOP_SECONDS + LAST_SECONDS)
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        await self.journal.aclose()
        try:
            await self.reading.run(_leave, self.worker)
        except DatabaseError as error:
            logger.warning("gateway could not say goodbye error=%s", describe(error))
        await self.reading.aclose()
        await self.relay.aclose()

    async def _beat(self) -> None:
        """Say that this process lives, and settle what dead ones left."""
        while True:
            try:
                await self.journal.database.run(beat, self.worker)
                swept = await self.reading.run(sweep)
                if swept:
                    logger.warning("gateway requests of dead processes are now unknown count=%d", swept)
            except AWAY:
                pass  # logged below; the next beat tries again
            except Exception as error:  # noqa: BLE001 - a process that beats no more is taken for dead, and it is not
                logger.error("gateway beat failed error=%s", describe(error))
            await asyncio.sleep(gateway_settings().BEAT_SECONDS)


def _leave(worker: str) -> None:
    GatewayWorker.objects.filter(pk=worker).delete()

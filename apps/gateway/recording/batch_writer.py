"""Writes every row of the gateway, in batches that share a transaction.

`await writer.open(op)` returns after the commit. Whatever waits at the same moment shares one transaction. A large
content is encrypted and written by another thread, with a connection of its own: nobody else waits for its megabytes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from apps.gateway.cache.store import SAVE_SQL
from apps.gateway.errors import GatewayError, server_error
from apps.gateway.metering.price_cache import prices
from apps.gateway.recording.decisions import priced_models
from apps.gateway.recording.event_loop_connection import EventLoopConnection
from apps.gateway.recording.flush import flush, flushed
from apps.gateway.recording.operations import Close, Content, Extend, Grant, Leave, Open, Operation
from apps.gateway.recording.statements import FOR_POSTGRES, insert_payload, update_answer
from orchestration.engine.queue.database_thread import is_away
from orchestration.engine.queue.write_batcher import PendingWrite, WriteBatcher
from orchestration.log import describe

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 5.0
"""How long a request waits for a database that is away; what cannot be recorded is not served."""
CLOSING_SECONDS = 60.0
"""How long the end of a request is retried; after that the sweep finds its row."""
GATHER_SECONDS = 0.004
GATHER_EACH_SECONDS = 0.0005
"""For each that waits, up to GATHER_SECONDS: many at once share a transaction, one alone does not wait."""


KeepElsewhere = Callable[[str, bytes], Awaitable[bool]]
"""`await keep(request_id, answer)`: whether it is committed."""


class BatchWriter(WriteBatcher[Operation]):
    """Group commit over `flush`. Made in the event loop that uses it; `aclose` commits what waits.

    Unlike a call of the engine, a client's request does not wait for ever: while the database is away it is refused
    after its patience, and what is written again shares its transaction with what came meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.database = EventLoopConnection("gateway-writer", FOR_POSTGRES)
        self.apart = EventLoopConnection("gateway-apart", {"save": SAVE_SQL})
        """For what nobody else should wait for: large contents, one at a time, and answers for the cache."""
        self.keep_elsewhere: KeepElsewhere | None = None
        """Has another process write a large answer."""
        self.start()

    async def open(self, op: Open) -> Grant:
        """Whether the request may continue; its row is committed either way. GatewayError 503 without a database.

        A large content is not part of it: `keep` writes it afterwards.
        """
        if op.content is not None and not op.content.is_large:
            op.content.seal()
        grant: Grant = await self.write(op)
        return grant

    async def keep(self, op: Open) -> None:
        """The large content of a row that is committed is committed, too. GatewayError 503 without a database."""
        if op.content is not None and op.content.is_large:
            await self._write_apart(insert_payload, op.row.request_id, op.content, PATIENCE_SECONDS)

    async def close(self, op: Close) -> None:
        """The answer, then the row's last state is committed."""
        if op.content is not None and not op.content.is_large:
            op.content.seal()
        try:
            if op.content is not None and op.content.is_large and not await self._is_kept(op):
                await self.keep_answer(op.row.request_id, op.content)
        finally:  # the figures of an answer that cannot be kept
            await self.write(op)

    async def keep_answer(self, request_id: str, content: Content) -> None:
        """The large answer of a row that is committed is committed, too. GatewayError 503 without a database."""
        await self._write_apart(update_answer, request_id, content, CLOSING_SECONDS)

    async def _is_kept(self, op: Close) -> bool:
        """Whether another process has written the answer."""
        answer = op.content.response if op.content is not None else None
        if self.keep_elsewhere is None or answer is None:
            return False
        return await self.keep_elsewhere(op.row.request_id, answer)

    async def leave(self, op: Leave) -> None:
        """The request's place at its key is free."""
        await self.write(op)

    async def extend(self, op: Extend) -> Grant:
        """Whether a request may cost more than it has reserved. GatewayError 503 without a database."""
        grant: Grant = await self.write(op)
        return grant

    async def aclose(self) -> None:
        await self.finish()
        await self.database.aclose()
        await self.apart.aclose()

    async def _write_apart(
        self, write: Callable[[str, Content], None], request_id: str, content: Content, patience: float
    ) -> None:
        until = time.monotonic() + patience
        while True:
            try:
                return await self.apart.run(_seal_and, write, request_id, content)
            except Exception as error:  # noqa: BLE001 - whatever it breaks ends this request, and says so
                if not is_away(error) or time.monotonic() >= until:
                    logger.error("gateway content refused error=%s", describe(error))
                    raise _not_recordable() from None
            await asyncio.sleep(PAUSE_SECONDS)

    def _gather_seconds(self, waiting: int) -> float:
        return min(GATHER_SECONDS, GATHER_EACH_SECONDS * waiting) if waiting > 1 else 0.0

    async def _commit(self, batch: list[PendingWrite[Operation]]) -> None:
        """Flush; a database that is away is waited for, and the one bad row found by flushing one by one."""
        try:
            ops, again = [each.op for each in batch], any(each.tried for each in batch)
            results = await self._flush(ops, again)
        except Exception as error:  # noqa: BLE001 - whatever a row breaks must reach its writer, not end the task
            if is_away(error):
                await self._wait_for_database(batch)
            elif len(batch) > 1:
                for each in batch:
                    await self._commit([each])
            else:
                logger.error("gateway record refused op=%s error=%s", type(batch[0].op).__name__, describe(error))
                batch[0].fail(_not_recordable())
        else:
            for each, result in zip(batch, results, strict=True):
                each.finish(result)

    async def _flush(self, ops: list[Operation], again: bool) -> list[Grant | None]:
        if again:
            return await self.database.run(flush, ops, again)
        stale = prices.stale(priced_models(ops))
        if stale:  # no transaction of the event loop may ask the database for them
            await self.database.run(prices.read, stale)
        return await self.database.transact(lambda: flushed(ops, {}), lambda: flush(ops, again))

    async def _wait_for_database(self, batch: list[PendingWrite[Operation]]) -> None:
        """Try again after a pause; writers that waited too long get an error."""
        late = [each for each in batch if _is_late(each)]
        for each in late:
            each.fail(_not_recordable())
        for each in batch:
            each.tried = True
        self._retry([each for each in batch if each not in late])
        await asyncio.sleep(PAUSE_SECONDS)


def _seal_and(write: Callable[[str, Content], None], request_id: str, content: Content) -> None:
    content.seal()
    write(request_id, content)


def _is_late(pending: PendingWrite[Operation]) -> bool:
    patience = PATIENCE_SECONDS if isinstance(pending.op, Open | Extend) else CLOSING_SECONDS
    return time.monotonic() - pending.since >= patience


def _not_recordable() -> GatewayError:
    return server_error(503, "not_recordable", "The gateway cannot record requests now. Try again later.")

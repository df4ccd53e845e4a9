"""Saves answers after they were sent, several in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from django.db import DatabaseError

from apps.gateway.cache.key import Question
from apps.gateway.cache.store import Hit, NewAnswer, due_owners, evict_all, save_answers, saving, uses
from apps.gateway.crypto import LONG
from orchestration.engine.queue.write_batcher import PendingWrite, WriteBatcher
from orchestration.isolation import isolated
from orchestration.log import describe

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.01


class Database(Protocol):
    """A connection that an event loop may drive."""

    async def transact(self, steps: Callable[[], Any], in_thread: Callable[[], object]) -> object:
        """Run a transaction, or what does the same in a thread."""

    async def run(self, function: Callable[..., object], *args: object) -> object:
        """Run a function in its thread."""


class AnswerSaver(WriteBatcher[NewAnswer]):
    """An answer that cannot be saved is asked for again. Made in the event loop that uses it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._noting: asyncio.Future[None] | None = None
        self._saving: dict[str, tuple[Question, asyncio.Future[Any]]] = {}
        self.start()

    def save(self, answer: NewAnswer) -> None:
        """Save it soon."""
        key, saved = answer.question.key, self.enqueue(answer)
        self._saving[key] = (answer.question, saved)
        saved.add_done_callback(lambda _: self._saved(key, saved))

    def used(self, hit: Hit) -> None:
        """Note that an answer was used, and write that now and then."""
        if uses.note(hit.entry_id):
            self._noting = asyncio.ensure_future(self._tried(self._database.run(uses.flush)))

    async def wait(self, question: Question, *, by_meaning: bool = False) -> None:
        """Until the answer to this question, or to another wording of it, is saved that this process sent before."""
        found = self._saving.get(question.key)
        waiting = [found[1]] if found is not None else []
        if by_meaning and self._saving:
            alike = {question.wording, question.scope} - {""}
            waiting += [task for other, task in self._saving.values() if alike & {other.wording, other.scope}]
        if waiting:
            await asyncio.wait(waiting)

    def _saved(self, key: str, saved: asyncio.Future[Any]) -> None:
        if self._saving.get(key, (None, None))[1] is saved:
            del self._saving[key]

    def _gather_seconds(self, waiting: int) -> float:
        return GATHER_SECONDS

    async def _commit(self, batch: list[PendingWrite[NewAnswer]]) -> None:
        answers = [each.op for each in batch]
        if any(len(each.answer) >= LONG for each in answers):  # the event loop runs while they are encrypted
            await self._tried(self._database.run(save_answers, answers))
        else:
            await self._tried(self._database.transact(lambda: saving(answers), lambda: save_answers(answers)))
        for each in batch:
            each.finish(None)
        if owners := due_owners(answers):
            await self._tried(self._database.run(evict_all, owners))

    async def _tried(self, doing: Awaitable[object]) -> None:
        with isolated() as run:  # whatever an answer breaks must not end the task
            await doing
        if isinstance(run.error, DatabaseError):
            logger.warning("gateway cache not writable error=%s", describe(run.error))
        elif run.error is not None:
            logger.error("gateway cache refused an answer error=%s", describe(run.error))

"""The cache as a request uses it: asked before the provider, told after it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from django.db import DatabaseError

from apps.gateway.caching.directives import Directives
from apps.gateway.caching.embedding import Embedder
from apps.gateway.caching.question import Question
from apps.gateway.caching.store import Hit, NewAnswer, find_exact, find_similar, save_answers
from apps.gateway.models.keys import CacheMode
from orchestration.log import describe

logger = logging.getLogger(__name__)

Run = Callable[..., Awaitable[Any]]
"""`await run(function, *arguments)` runs a function in a thread with a database connection."""
WHOLE = frozenset({"stop", "length", "tool_calls", "function_call"})
"""How choices end that are worth keeping."""


class AnswerCache:
    """For one event loop. The embedder is asked only in semantic mode."""

    def __init__(self, run: Run, embedder: Embedder) -> None:
        self._run = run
        self._embedder = embedder

    async def look_up(self, question: Question, mode: str, directives: Directives) -> Hit | None:
        """An answer that may be given again, or None. A cache that cannot be read holds nothing."""
        if mode == CacheMode.OFF or not directives.read:
            return None
        try:
            return await self._found(question, mode, directives)
        except DatabaseError as error:
            logger.warning("gateway cache not readable error=%s", describe(error))
            return None

    async def _found(self, question: Question, mode: str, directives: Directives) -> Hit | None:
        hit: Hit | None = await self._run(find_exact, question, directives.max_age)
        if hit is not None or mode != CacheMode.SEMANTIC or not question.scope:
            return hit
        vector = await self._embedder.embed(question.text)
        if vector is None:
            return None
        similar: Hit | None = await self._run(find_similar, question, vector, self._embedder, directives.max_age)
        return similar

    async def new_answer(
        self, question: Question, mode: str, directives: Directives, answer: bytes
    ) -> NewAnswer | None:
        """What `save_answers` is to keep; None when this answer is not to be kept."""
        if mode == CacheMode.OFF or not directives.store or not is_whole(answer):
            return None
        if mode == CacheMode.SEMANTIC and question.scope:
            vector = await self._embedder.embed(question.text)
            if vector is not None:
                return NewAnswer(question, answer, vector, self._embedder.label)
        return NewAnswer(question, answer)

    async def save(self, question: Question, mode: str, directives: Directives, answer: bytes) -> bool:
        """Keep an answer, if it is to be kept; whether it was, after the commit."""
        kept = await self.new_answer(question, mode, directives, answer)
        if kept is None:
            return False
        try:
            await self._run(save_answers, [kept])
        except DatabaseError as error:
            logger.warning("gateway cache not writable error=%s", describe(error))
            return False
        return True


def is_whole(answer: bytes) -> bool:
    """Whether every choice of an answer came to its end."""
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        return False
    return all(isinstance(choice, dict) and choice.get("finish_reason") in WHOLE for choice in choices)

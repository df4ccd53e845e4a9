"""The cache as a request uses it: asked before the provider, told after it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import DatabaseError

from apps.gateway.caching.directives import Directives
from apps.gateway.caching.embedding import Embedder, Embedding
from apps.gateway.caching.question import Question
from apps.gateway.caching.store import Hit, NewAnswer, find_exact, find_similar
from apps.gateway.models.keys import CacheMode
from orchestration.log import describe

logger = logging.getLogger(__name__)

Run = Callable[..., Awaitable[Any]]
"""`await run(function, *arguments)` runs a function in a thread with a database connection."""
WHOLE = frozenset({"stop", "length", "tool_calls", "function_call"})
"""How choices end that are worth keeping."""


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """For one event loop."""

    run: Run
    embedder: Embedder


class Lookup:
    """One question on its way through the cache. A cache that cannot be read holds nothing."""

    def __init__(self, cache: AnswerCache, question: Question, mode: str, directives: Directives) -> None:
        self.question = question
        self.directives = directives
        self.embedding: Embedding | None = None
        """As far as it was asked for: once at most."""
        self._cache = cache
        self._mode = mode

    @property
    def asks_provider(self) -> bool:
        """Whether the provider is needed to compare, or to keep, by meaning."""
        wanted = self.directives.read or self.directives.store
        return bool(self._cache.embedder.model) and wanted and self._by_meaning

    @property
    def _by_meaning(self) -> bool:
        return self._mode == CacheMode.SEMANTIC and bool(self.question.scope)

    def compare_exactly(self) -> None:
        """Not by meaning: the provider must not see the text."""
        self._mode = CacheMode.EXACT

    async def exact(self) -> Hit | None:
        """The answer to this very question."""
        return await self._read(find_exact, self.question, self.directives.max_age)

    async def similar(self) -> Hit | None:
        """The answer to another wording of the question."""
        if not self._by_meaning or not self.directives.read:
            return None
        vector = (await self._embedded()).vector
        if vector is None:
            return None
        return await self._read(find_similar, self.question, vector, self._cache.embedder, self.directives.max_age)

    async def to_keep(self, answer: bytes) -> NewAnswer | None:
        """What `save_answers` is to keep; None when this answer is not to be kept."""
        if not self.directives.store or not is_whole(answer):
            return None
        vector = (await self._embedded()).vector if self._by_meaning else None
        return NewAnswer(self.question, answer, vector, self._cache.embedder.label if vector is not None else "")

    async def _read(self, find: Callable[..., Hit | None], *arguments: Any) -> Hit | None:
        if not self.directives.read:
            return None
        try:
            found: Hit | None = await self._cache.run(find, *arguments)
        except DatabaseError as error:
            logger.warning("gateway cache not readable error=%s", describe(error))
            return None
        return found

    async def _embedded(self) -> Embedding:
        if self.embedding is None:
            self.embedding = await self._cache.embedder.embed(self.question.text)
        return self.embedding


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

"""The cache as a request uses it: read before the provider is asked, written afterwards."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import DatabaseError

from apps.gateway.cache.cache_control import Directives
from apps.gateway.cache.embedding import Embedder, Embedding, Vector
from apps.gateway.cache.key import Question
from apps.gateway.cache.saver import AnswerSaver
from apps.gateway.cache.store import Hit, NewAnswer, Search, find_similar
from apps.gateway.models.keys import CacheMode
from orchestration.log import describe
from orchestration.providers.response_bodies import read_body

logger = logging.getLogger(__name__)

Run = Callable[..., Awaitable[Any]]
"""`await run(function, *arguments)` runs a function in a thread with a database connection."""
LONGEST_ANSWER = 500_000
"""Bytes; a longer answer is not kept: other requests would wait while it is read."""
WHOLE = frozenset({"stop", "length", "tool_calls", "function_call"})
"""Finish reasons of complete choices."""
WHOLE_MESSAGES = frozenset({"end_turn", "stop_sequence", "max_tokens", "tool_use"})
"""The same, of Anthropic's messages."""


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """For one event loop."""

    run: Run
    embedder: Embedder | None
    """None: questions of the same meaning are not looked for, only those of the same wording."""
    saver: AnswerSaver | None = None


class Lookup:
    """The lookup of one question. A cache that cannot be read counts as empty."""

    def __init__(self, cache: AnswerCache, question: Question, mode: str, directives: Directives) -> None:
        self.question = question
        self.directives = directives
        self.embedding: Embedding | None = None
        """Requested at most once."""
        self._cache = cache
        self._is_semantic = mode == CacheMode.SEMANTIC
        self._is_private = False

    @property
    def asks_provider(self) -> bool:
        """Whether the provider is needed to compare, or to keep, by meaning."""
        return self._by_meaning is not None and (self.directives.read or self.directives.store)

    @property
    def _by_meaning(self) -> Embedder | None:
        """What compares the question by its meaning; None when nothing does."""
        return self._cache.embedder if self._is_semantic and not self._is_private and self.question.scope else None

    def keep_private(self) -> None:
        """Do not compare by meaning: the provider must not see the text."""
        self._is_private = True

    async def search(self) -> Search | None:
        """What is looked for without asking anybody, when what this process sent before is saved; None: nothing."""
        if not self.directives.read:
            return None
        if self._cache.saver is not None:
            await self._cache.saver.wait(self.question, by_meaning=self._is_semantic)
        wording = self.question.wording if self._is_semantic else ""
        return Search(self.question.key, self.question.owner, wording, self.directives.max_age)

    async def similar(self) -> Hit | None:
        """The answer to another wording of the question."""
        embedder = self._by_meaning
        vector = await self._vector() if self.directives.read else None
        if embedder is None or vector is None:
            return None
        if self._cache.saver is not None:
            await self._cache.saver.wait(self.question, by_meaning=True)
        return await self._read(find_similar, self.question, vector, embedder.label, self.directives.max_age)

    async def to_keep(self, answer: bytes) -> NewAnswer | None:
        """What `save_answers` should keep; None when this answer should not be kept."""
        if not self.directives.store or len(answer) > LONGEST_ANSWER or not is_whole(answer):
            return None
        embedder, vector = self._by_meaning, await self._vector()
        label = "" if embedder is None or vector is None else embedder.label
        return NewAnswer(self.question, answer, vector, label, is_worded=self._is_semantic)

    async def _read(self, find: Callable[..., Hit | None], *arguments: Any) -> Hit | None:
        if not self.directives.read:
            return None
        try:
            found: Hit | None = await self._cache.run(find, *arguments)
        except DatabaseError as error:
            logger.warning("gateway cache not readable error=%s", describe(error))
            return None
        return found

    async def _vector(self) -> Vector | None:
        """Of the question; None when it is not compared by meaning, or has none."""
        embedder = self._by_meaning
        if embedder is None:
            return None
        if self.embedding is None:
            self.embedding = await embedder.embed(self.question.text)
        return self.embedding.vector


def is_whole(answer: bytes) -> bool:
    """Whether every choice of an answer is complete."""
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError:  # half a surrogate pair, which clients read all the same
        body = read_body(answer).value
    if isinstance(body, dict) and isinstance(body.get("output"), list):
        return bool(body.get("status") == "completed")
    if isinstance(body, dict) and isinstance(body.get("content"), list):
        return str(body.get("stop_reason")) in WHOLE_MESSAGES
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        return False
    return all(isinstance(choice, dict) and str(choice.get("finish_reason")) in WHOLE for choice in choices)

"""Asks the cache as requests do, in the transaction of a test."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from apps.gateway.cache import AnswerCache, Hit, Lookup, question_of, read_directives
from apps.gateway.cache import store as cache_store
from apps.gateway.cache.embedding import Embedding
from apps.gateway.cache.store import due_owners, evict_all, find_stored, save_answers
from apps.gateway.models import CacheEntry, CacheMode

OWNER = "41"


class BlindEmbedder:
    """To it every text is the same: what keeps questions apart then are the guards alone."""

    label = "blind"

    async def embed(self, text: str) -> Embedding:
        return Embedding(np.array([1.0, 0.0], np.float32))


async def here(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits; without an event loop, it works in the test's own transaction."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def answer_of(text: str = "Paris.", finish_reason: str | None = "stop") -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


class Asker:
    """Saves and looks up for an owner, as requests do."""

    def __init__(self, embedder: Any = None, mode: str = CacheMode.SEMANTIC) -> None:
        self.cache = AnswerCache(here, embedder)
        self.mode = mode

    def lookup(self, body: dict[str, Any], owner: str, cache_control: str) -> Lookup:
        return Lookup(self.cache, question_of(owner, body), self.mode, read_directives(cache_control))

    def save(self, body: dict[str, Any], answer: bytes = b"", *, owner: str = OWNER, cache_control: str = "") -> bool:
        kept = done(self.lookup(body, owner, cache_control).to_keep(answer or answer_of()))
        if kept is not None:
            save_answers([kept])
            evict_all(due_owners([kept]))
        return kept is not None

    def find(self, body: dict[str, Any], *, owner: str = OWNER, cache_control: str = "") -> Hit | None:
        lookup = self.lookup(body, owner, cache_control)
        search = done(lookup.search())
        hit = (find_stored(search) if search is not None else None) or done(lookup.similar())
        if hit is not None:
            cache_store.uses.note(hit.entry_id)
        return hit


def body(text: str = "What is the capital of France?", **parameters: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **parameters}


def is_hit(asker: Asker, first: str, second: str) -> bool:
    CacheEntry.objects.all().delete()
    assert asker.save(body(first))
    return asker.find(body(second)) is not None

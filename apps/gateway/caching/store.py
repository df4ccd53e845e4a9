"""The cache's rows: found by key or by nearness, saved, and forgotten. Nothing here waits for a network."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.gateway.caching.embedding import Embedder, Vector
from apps.gateway.caching.question import Question
from apps.gateway.caching.sameness import Wording
from apps.gateway.conf import gateway_settings
from apps.gateway.encryption import NotReadable, decrypt, keyring
from apps.gateway.models.cache import CacheEntry
from apps.gateway.models.interactions import CacheKind

MOST_CANDIDATES = 2_000
"""The latest questions of one scope that are compared by nearness."""
TOUCH_SECONDS = 5.0
"""How long a process keeps to itself which entries it used."""
READ_SQL = {
    column: f"SELECT id, answer_enc, created_at, expires_at FROM gateway_cache_entry WHERE {column} = %s"  # noqa: S608 - constants
    for column in ("key", "id")
}
BATCH = 500
EVICT_EVERY = 100
"""One in this many of an owner's entries may be too many before they are counted again."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer from the cache."""

    answer: bytes
    """The `chat.completion` as JSON."""
    kind: CacheKind
    age: int
    """Seconds."""
    similarity: float = 1.0


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer to keep; `vector` when other wordings may find it."""

    question: Question
    answer: bytes
    vector: Vector | None = None
    embedder: str = ""


class Uses:
    """Which entries this process used since it last told the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[int, tuple[datetime, int]] = {}
        self._stored: Counter[str] = Counter()
        self._told_at = time.monotonic()

    def note(self, entry_id: int, now: datetime) -> None:
        with self._lock:
            _, times = self._used.get(entry_id, (now, 0))
            self._used[entry_id] = (now, times + 1)
            due = time.monotonic() - self._told_at > TOUCH_SECONDS
        if due:
            self.tell()

    def tell(self) -> None:
        """Write down when entries were used."""
        with self._lock:
            used, self._used = self._used, {}
            self._told_at = time.monotonic()
        for entry_id, (moment, times) in sorted(used.items()):
            CacheEntry.objects.filter(pk=entry_id).update(last_used_at=moment, hits=F("hits") + times)

    def is_eviction_due(self, owner: str, most: int) -> bool:
        with self._lock:
            self._stored[owner] += 1
            due = self._stored[owner] >= max(1, most // EVICT_EVERY)
            if due:
                self._stored[owner] = 0
        return due


uses = Uses()


def find_exact(question: Question, max_age: int | None = None) -> Hit | None:
    """The answer to this very question."""
    return _read("key", question.key, CacheKind.EXACT, 1.0, max_age)


def find_similar(question: Question, vector: Vector, embedder: Embedder, max_age: int | None = None) -> Hit | None:
    """The answer to the nearest question of the same scope, when it is near enough."""
    nearest = _nearest(question, vector, embedder)
    if nearest is None:
        return None
    entry_id, similarity = nearest
    return _read("id", entry_id, CacheKind.SEMANTIC, similarity, max_age)


def _nearest(question: Question, vector: Vector, embedder: Embedder) -> tuple[int, float] | None:
    """Entry and cosine. NumPy over the scope's vectors; a vector database would take this function's place."""
    candidates = [
        (entry_id, raw)
        for entry_id, raw, wording in CacheEntry.objects.fresh()
        .filter(user_id=question.owner, scope=question.scope, embedder=embedder.label)
        .order_by("-id")
        .values_list("pk", "embedding", "wording")[:MOST_CANDIDATES]
        if raw is not None and len(raw) == vector.nbytes and embedder.may_be_same(question.wording, _wording(wording))
    ]
    if not candidates:
        return None
    vectors = np.frombuffer(b"".join(raw for _, raw in candidates), "<f4").reshape(len(candidates), -1)
    cosines = vectors @ vector
    best = int(np.argmax(cosines))
    similarity = min(1.0, float(cosines[best]))
    return (candidates[best][0], similarity) if similarity >= gateway_settings().SEMANTIC_THRESHOLD else None


def _wording(stored: str) -> Wording:
    bag, _, order = stored.partition(":")
    return Wording(bag, order)


def _read(column: Literal["key", "id"], value: str | int, kind: CacheKind, *how: Any) -> Hit | None:
    """The hit on the entry with this value. Written by hand: the ORM would take a third of a hit's time."""
    with connection.cursor() as cursor:
        cursor.execute(READ_SQL[column], [value])
        row = cursor.fetchone()
    return _hit(row, kind, *how) if row is not None else None


def _moment(stored: datetime) -> datetime:
    """SQLite gives times without a zone: they are in UTC."""
    return stored if stored.tzinfo is not None else stored.replace(tzinfo=UTC)


def _hit(row: tuple[Any, ...], kind: CacheKind, similarity: float, max_age: int | None) -> Hit | None:
    """None when the entry is too old, or written with a key that is gone."""
    entry_id, answer_enc = row[:2]
    created_at, expires_at = map(_moment, row[2:])
    now = timezone.now()
    age = max(0, int((now - created_at).total_seconds()))
    if expires_at <= now or (max_age is not None and age > max_age):
        return None
    try:
        answer = decrypt(answer_enc)
    except NotReadable:
        return None
    uses.note(entry_id, now)
    return Hit(answer, kind, age, similarity)


def save_answers(answers: Sequence[NewAnswer]) -> None:
    """Keep answers, the later one of the same question; may be called within a transaction."""
    wanted, ring, now = gateway_settings(), keyring(), timezone.now()
    entries = {
        each.question.key: CacheEntry(
            user_id=each.question.owner,
            key=each.question.key,
            model=each.question.model[:128],
            scope=each.question.scope if each.vector is not None else "",
            wording=str(each.question.wording) if each.vector is not None else "",
            embedder=each.embedder,
            embedding=None if each.vector is None else each.vector.astype("<f4").tobytes(),
            answer_enc=ring.fernet.encrypt(each.answer),
            key_id=ring.current,
            created_at=now,
            expires_at=now + timedelta(seconds=wanted.CACHE_TTL_SECONDS),
            last_used_at=now,
        )
        for each in answers
    }
    CacheEntry.objects.bulk_create(
        [entries[key] for key in sorted(entries)],  # processes lock the same rows in the same order
        update_conflicts=True,
        unique_fields=("key",),
        update_fields=("scope", "wording", "embedder", "embedding", "answer_enc", "key_id", "created_at", "expires_at"),
    )
    for owner in dict.fromkeys(each.question.owner for each in answers):
        if uses.is_eviction_due(owner, wanted.CACHE_MAX_ENTRIES):
            evict(owner, wanted.CACHE_MAX_ENTRIES)


def evict(owner: str, most: int) -> int:
    """Delete an owner's entries that expired and, beyond `most`, the least recently used; how many were deleted."""
    uses.tell()
    with transaction.atomic():
        expired, _ = CacheEntry.objects.of_user(owner).expired().delete()
        kept = CacheEntry.objects.of_user(owner).order_by("-last_used_at", "-id")
        # A row that is used at this moment may still go: it was the least used when the list was made.
        surplus = list(kept.values_list("pk", flat=True)[most:])
        deleted, _ = CacheEntry.objects.filter(pk__in=surplus).delete()
    return expired + deleted


def forget_expired() -> int:
    """Delete entries that expired, in batches; how many."""
    deleted = 0
    while keys := list(CacheEntry.objects.expired().values_list("pk", flat=True)[:BATCH]):
        deleted += CacheEntry.objects.expired().filter(pk__in=keys).delete()[0]  # one may have been renewed
    return deleted


def forget_owner(owner: str) -> int:
    """Delete an owner's entries; how many there were."""
    deleted, _ = CacheEntry.objects.of_user(owner).delete()
    return deleted

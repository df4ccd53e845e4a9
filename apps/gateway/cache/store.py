"""The cache's rows: found by key or by similarity, saved and deleted. Nothing here waits for a network."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F

from apps.gateway.cache.embedding import Vector
from apps.gateway.cache.key import Question
from apps.gateway.conf import gateway_settings
from apps.gateway.crypto import Keyring, NotReadable, decrypt, keyring
from apps.gateway.models.cache import CacheEntry
from apps.gateway.models.interactions import CacheKind
from orchestration.clock import database_now
from orchestration.models.prepared_sql import as_recordset, cursor_with_plans, is_postgresql, recordset
from orchestration.values.moments import later

MOST_CANDIDATES = 2_000
"""The latest questions of one scope that are compared by similarity."""
TOUCH_SECONDS = 5.0
"""How often a process writes which entries it used."""
FOUND = "e.id, e.answer_enc, e.key_id, e.created_at, e.expires_at"
READ_SQL = f"SELECT {FOUND} FROM gateway_cache_entry e WHERE "  # noqa: S608 - constants
BY_KEY, BY_ID = f"{READ_SQL} key = %s", f"{READ_SQL} id = %s"
BY_WORDING = f"{READ_SQL} user_id = %s AND wording = %s ORDER BY expires_at DESC LIMIT 1"
# For many requests at once, on PostgreSQL.
BY_KEYS = f"SELECT e.key, {FOUND} FROM gateway_cache_entry e WHERE e.key = ANY(%s)"  # noqa: S608 - constants
BY_WORDINGS = (
    f"SELECT DISTINCT ON (e.user_id, e.wording) e.user_id, e.wording, {FOUND}"  # noqa: S608 - constants
    " FROM unnest(%s::text[], %s::text[]) AS asked(owner, worded)"
    " JOIN gateway_cache_entry e ON e.user_id = owner AND e.wording = worded"
    " ORDER BY e.user_id, e.wording, e.expires_at DESC"
)
RENEWED = ("scope", "wording", "embedder", "embedding", "answer_enc", "key_id", "created_at", "expires_at")
COLUMNS = ("user_id", "key", "model", *RENEWED, "last_used_at", "hits")
TYPES = {"created_at": "timestamptz", "expires_at": "timestamptz", "last_used_at": "timestamptz", "hits": "integer"} | {
    "embedding": "bytea",
    "answer_enc": "bytea",
}
# Nothing waits for the disk: an answer that is lost when the server crashes is asked for again.
SAVE_SQL = (
    f"INSERT INTO gateway_cache_entry ({', '.join(COLUMNS)}) SELECT {', '.join(f'v_{name}' for name in COLUMNS)}"  # noqa: S608
    f" FROM {recordset([(name, TYPES.get(name, 'text')) for name in COLUMNS])},"
    " set_config('synchronous_commit', 'off', true)"
    f" ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in RENEWED)}"
)
BATCH = 500
EVICT_EVERY = 100
"""The entries of an owner are counted again after one in this many was added."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer from the cache."""

    answer: bytes
    """The `chat.completion` as JSON."""
    kind: CacheKind
    age: int
    """Seconds."""
    similarity: float = 1.0
    entry_id: int = 0
    token: bytes = b""
    """The answer, encrypted with the key `key_id`."""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """Which stored answer a request may have: to the very question, else to one of the same wording."""

    key: str
    owner: str
    wording: str = ""
    """Empty: no other wording is looked for."""
    max_age: int | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer to keep; with a `vector`, questions of the same meaning may find it."""

    question: Question
    answer: bytes
    vector: Vector | None = None
    embedder: str = ""
    is_worded: bool = False
    """Questions of the same wording may find it."""
    token: bytes | None = None
    """The answer, encrypted with the key `key_id`, where its record has it."""
    key_id: str = ""


class Uses:
    """Which entries this process used since it last wrote that to the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[int, tuple[datetime, int]] = {}
        self._stored: Counter[str] = Counter()
        self._flushed_at = time.monotonic()

    def note(self, entry_id: int) -> bool:
        """Whether it is time to write them to the database."""
        now = database_now()
        with self._lock:
            _, times = self._used.get(entry_id, (now, 0))
            self._used[entry_id] = (now, times + 1)
            return time.monotonic() - self._flushed_at > TOUCH_SECONDS

    def flush(self) -> None:
        """Write to the database when entries were used."""
        with self._lock:
            used, self._used = self._used, {}
            self._flushed_at = time.monotonic()
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


def find_stored(search: Search) -> Hit | None:
    """The stored answer that a request may have."""
    hit = _read(BY_KEY, [search.key], CacheKind.EXACT, 1.0, search.max_age)
    if hit is None and search.wording:
        hit = _read(BY_WORDING, [search.owner, search.wording], CacheKind.SEMANTIC, 1.0, search.max_age)
    return hit


def search_calls(searches: Sequence[Search]) -> list[tuple[str, list[Any]]]:
    """The statements, by their names, that find what these requests may have; none where each is looked for apart."""
    if not is_postgresql():
        return []
    worded = [search for search in searches if search.wording]
    calls: list[tuple[str, list[Any]]] = [("cached", [[search.key for search in searches]])] if searches else []
    if worded:
        calls.append(("worded", [[search.owner for search in worded], [search.wording for search in worded]]))
    return calls


def found_hits(searches: Sequence[Search], rows: Sequence[Sequence[tuple[Any, ...]]]) -> list[Hit | None]:
    """The hit of each search, in the rows of `search_calls`."""
    if not is_postgresql():
        return list(map(find_stored, searches))
    by_key = {row[0]: row[1:] for row in rows[0]} if rows else {}
    by_wording = {row[:2]: row[2:] for row in rows[1]} if len(rows) > 1 else {}
    found = []
    for search in searches:
        exact, worded = by_key.get(search.key), by_wording.get((search.owner, search.wording))
        hit = _hit(exact, CacheKind.EXACT, 1.0, search.max_age) if exact is not None else None
        if hit is None and worded is not None:
            hit = _hit(worded, CacheKind.SEMANTIC, 1.0, search.max_age)
        found.append(hit)
    return found


def find_similar(question: Question, vector: Vector, embedder: str, max_age: int | None = None) -> Hit | None:
    """The answer to the nearest question of the same scope, when it is near enough."""
    nearest = _nearest(question, vector, embedder)
    if nearest is None:
        return None
    entry_id, similarity = nearest
    return _read(BY_ID, [entry_id], CacheKind.SEMANTIC, similarity, max_age)


def _nearest(question: Question, vector: Vector, embedder: str) -> tuple[int, float] | None:
    """Entry and cosine. NumPy over the scope's vectors; a vector database would replace this function."""
    candidates = [
        (entry_id, raw)
        for entry_id, raw in CacheEntry.objects.fresh()
        .filter(user_id=question.owner, scope=question.scope, embedder=embedder)
        .order_by("-id")
        .values_list("pk", "embedding")[:MOST_CANDIDATES]
        if raw is not None and len(raw) == vector.nbytes
    ]
    if not candidates:
        return None
    vectors = np.frombuffer(b"".join(raw for _, raw in candidates), "<f4").reshape(len(candidates), -1)
    cosines = vectors @ vector
    best = int(np.argmax(cosines))
    similarity = min(1.0, float(cosines[best]))
    return (candidates[best][0], similarity) if similarity >= gateway_settings().SEMANTIC_THRESHOLD else None


def _read(sql: str, values: list[Any], kind: CacheKind, *how: Any) -> Hit | None:
    """The hit on the entry with these values. Hand-written SQL: the ORM would take a third of a hit's time."""
    with cursor_with_plans() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return _hit(row, kind, *how) if row is not None else None


def _moment(stored: datetime) -> datetime:
    """SQLite gives times without a zone: they are in UTC."""
    return stored if stored.tzinfo is not None else stored.replace(tzinfo=UTC)


def _hit(row: tuple[Any, ...], kind: CacheKind, similarity: float, max_age: int | None) -> Hit | None:
    """None when the entry is too old, or encrypted with a key that is gone."""
    entry_id, answer_enc, key_id = row[:3]
    created_at, expires_at = map(_moment, row[3:])
    now = database_now()
    age = max(0, int((now - created_at).total_seconds()))
    if expires_at <= now or (max_age is not None and age > max_age):
        return None
    try:
        answer = decrypt(answer_enc)
    except NotReadable:
        return None
    return Hit(answer, kind, age, similarity, entry_id, bytes(answer_enc), key_id)


def save_answers(answers: Sequence[NewAnswer]) -> None:
    """Save answers, in this thread; of the same question the later one wins. May be called within a transaction."""
    rows = _rows(answers)
    if is_postgresql():
        with cursor_with_plans() as cursor:
            cursor.execute(SAVE_SQL, _as_parameter(rows))
    else:
        entries = [CacheEntry(**row) for row in rows]
        CacheEntry.objects.bulk_create(entries, update_conflicts=True, unique_fields=("key",), update_fields=RENEWED)


def saving(answers: Sequence[NewAnswer]) -> Generator[Any, Any, tuple[None, list[tuple[str, list[str]]]]]:
    """The same on PostgreSQL, as the steps of a transaction."""
    yield from ()
    return None, [("save", _as_parameter(_rows(answers)))]


def due_owners(answers: Sequence[NewAnswer]) -> list[str]:
    """Those of these answers' owners to whom so many were added that some must go."""
    most = gateway_settings().CACHE_MAX_ENTRIES
    return [
        owner for owner in dict.fromkeys(each.question.owner for each in answers) if uses.is_eviction_due(owner, most)
    ]


def _rows(answers: Sequence[NewAnswer]) -> list[dict[str, Any]]:
    """The columns, in the order of their keys: processes lock the same rows in the same order."""
    ring, now = keyring(), database_now()
    expires_at = later(now, gateway_settings().CACHE_TTL_SECONDS)
    by_key = {
        each.question.key: {
            "user_id": each.question.owner,
            "key": each.question.key,
            "model": each.question.model[:128],
            "scope": each.question.scope if each.vector is not None else "",
            "wording": each.question.wording if each.is_worded else "",
            "embedder": each.embedder,
            "embedding": None if each.vector is None else each.vector.astype("<f4").tobytes(),
            "answer_enc": _encrypted(each, ring),
            "key_id": ring.current,
            "created_at": now,
            "expires_at": expires_at,
            "last_used_at": now,
            "hits": 0,
        }
        for each in answers
    }
    return [by_key[key] for key in sorted(by_key)]


def _encrypted(new: NewAnswer, ring: Keyring) -> bytes:
    """Not compressed: a version before compression would serve it as it is."""
    if new.token is not None and new.key_id == ring.current:
        return new.token
    return ring.encrypt(new.answer, compress=False)


def _as_parameter(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [as_recordset(COLUMNS, [_as_texts(row) for row in rows])]


def _as_texts(row: dict[str, Any]) -> list[Any]:
    """The columns for JSON: tokens are ASCII, vectors are not."""
    vector = row["embedding"]
    texts = {"answer_enc": row["answer_enc"].decode(), "embedding": None if vector is None else rf"\x{vector.hex()}"}
    return [texts.get(name, row[name]) for name in COLUMNS]


def evict_all(owners: Iterable[str]) -> None:
    """`evict` for these owners, with the most that the settings allow."""
    for owner in owners:
        evict(owner, gateway_settings().CACHE_MAX_ENTRIES)


def evict(owner: str, most: int) -> int:
    """Delete an owner's entries that expired and, beyond `most`, the least recently used; how many were deleted."""
    uses.flush()
    with transaction.atomic():
        expired, _ = CacheEntry.objects.of_user(owner).expired().delete()
        kept = CacheEntry.objects.of_user(owner).order_by("-last_used_at", "-id")
        # A row that is used at this moment may still go: it was the least used when the list was made.
        deleted, _ = CacheEntry.objects.filter(pk__in=kept.values("pk")[most:]).delete()
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

"""Re-encrypts old rows with the current key, while the gateway serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from apps.gateway.crypto import Keyring, NotReadable, decrypt, keyring
from apps.gateway.models import InteractionPayload
from apps.gateway.models.cache import CacheEntry

BATCH = 200
COLUMNS: dict[type[Model], tuple[str, ...]] = {
    InteractionPayload: ("prompt_enc", "sent_enc", "response_enc"),
    CacheEntry: ("answer_enc",),
}
"""Every encrypted column."""


@dataclass(slots=True)
class Rotated:
    """What a rotation did."""

    done: int = 0
    unreadable: int = 0
    """Rows that no key can decrypt; they are left unchanged."""


def rotate(progress: Callable[[int], object] = lambda done: None) -> Rotated:
    """Re-encrypt every row that another key wrote. Can be interrupted and repeated."""
    result = Rotated()
    for model, columns in COLUMNS.items():
        last = 0
        while True:
            with transaction.atomic():
                ring = keyring()
                rows = list(_waiting(model, ring, last))
                for row in rows:
                    _rewrite(row, columns, ring, result)
            if not rows:
                break
            last = rows[-1].pk
            progress(result.done)
    return result


def remaining() -> int:
    """How many rows the current key did not write."""
    ring = keyring()
    return sum(model._default_manager.exclude(key_id=ring.current).count() for model in COLUMNS)


def discard_unreadable() -> int:
    """Delete the content that was written with keys that no longer exist; returns how many records."""
    ids = keyring().key_ids
    return sum(model._default_manager.exclude(key_id__in=ids).delete()[0] for model in COLUMNS)


def _waiting(model: type[Model], ring: Keyring, after: int) -> QuerySet[Model]:
    """Locked, so that an answer that arrives meanwhile is not overwritten."""
    rows = model._default_manager.exclude(key_id=ring.current).filter(pk__gt=after).order_by("pk")
    return (rows.select_for_update() if connection.features.has_select_for_update else rows)[:BATCH]


def _rewrite(row: Model, columns: tuple[str, ...], ring: Keyring, result: Rotated) -> None:
    fields = (each for each in row._meta.local_concrete_fields if each.name in columns)
    stored = {each.name: each.value_from_object(row) for each in fields}
    try:
        values = {name: None if old is None else ring.encrypt(decrypt(old)) for name, old in stored.items()}
    except NotReadable:
        result.unreadable += 1
        return
    type(row)._default_manager.filter(pk=row.pk).update(**values, key_id=ring.current)
    result.done += 1

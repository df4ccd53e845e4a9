"""Walks a large table in batches by its primary key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet


def in_batches(rows: QuerySet[Any], size: int, *, key: Callable[[Any], Any] = attrgetter("pk")) -> Iterator[list[Any]]:
    """All rows by primary key, `size` at a time; rows that are changed or deleted meanwhile do not shift the others.

    Each batch is a query of its own, so no cursor stays open while somebody else's code runs. `key` takes the primary
    key from what the queryset yields, when that is not the rows themselves.
    """
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        last = key(batch[-1])
        yield batch
        batch = list(rows.filter(pk__gt=last)[:size])

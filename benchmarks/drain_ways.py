"""The ways that `benchmarks.drain` compares; each takes a number of records and returns seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from orchestration.models import ServiceCallRecord
from persistence.outbox.drain import drain_batch
from persistence.outbox.outcomes import Counts
from tests import clusters
from tests.persistence import results
from tests.seedapp.models import Message

Way = Callable[[int], float]


@contextmanager
def scratch_database() -> Iterator[str]:
    """An empty database of the configured kind; yields its kind."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield connection.vendor
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def ways() -> dict[str, Way]:
    return {
        "bare": bare,
        "plain": lambda count: drained(results.note, write, count),
        "async": lambda count: drained(results.async_note, write_async, count),
        "codec": lambda count: drained(results.digest, summarize, count),
    }


def bare(count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        with transaction.atomic():
            Message.objects.create(role="assistant", content="hello")
    return time.perf_counter() - start


def drained(make: Callable[..., ServiceCallRecord], conduct: Callable[..., Any], count: int) -> float:
    """Store `count` results (not timed), then drain them in batches."""
    with transaction.atomic():
        for _ in range(count):
            make(conduct)
    total, start = Counts(), time.perf_counter()
    while (counts := drain_batch()).claimed:
        total += counts
    seconds = time.perf_counter() - start
    if total.processed != count:
        raise RuntimeError(f"{total} instead of {count} processed")
    return seconds


def write(handler: Any, response: Any) -> Message:
    return Message.objects.create(role="assistant", content=response.structured_data["text"])


async def write_async(handler: Any, response: Any) -> Message:
    return await Message.objects.acreate(role="assistant", content=response.structured_data["text"])


def summarize(response: Any, parsed: Any) -> dict[str, int]:
    return {"message_id": Message.objects.create(role="assistant", content=parsed.text).pk}


def database_url() -> str:
    """The scratch database, as another process reaches it."""
    return clusters.database_url()

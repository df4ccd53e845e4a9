"""The ways that `benchmarks.drain` compares; each takes a number of records and returns what they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, transaction

from orchestration.models import ServiceCallRecord
from persistence.outbox.drain import drain_batch
from persistence.outbox.outcomes import Counts
from tests import clusters
from tests.persistence import results
from tests.seedapp.models import Message


class Taken(NamedTuple):
    """Seconds: of the clock, and of this process's CPU."""

    seconds: float
    cpu: float


Way = Callable[[int], Taken]


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


class Clocks:
    """Runs from its creation on."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def read(self) -> Taken:
        seconds, cpu = self._began
        return Taken(time.perf_counter() - seconds, time.process_time() - cpu)


def bare(count: int) -> Taken:
    clocks = Clocks()
    for _ in range(count):
        with transaction.atomic():
            Message.objects.create(role="assistant", content="hello")
    return clocks.read()


def drained(make: Callable[..., ServiceCallRecord], conduct: Callable[..., Any], count: int) -> Taken:
    """Store `count` results (not timed), then drain them in batches."""
    store(make, conduct, count)
    return drain(count)


def store(make: Callable[..., ServiceCallRecord], conduct: Callable[..., Any], count: int) -> None:
    with transaction.atomic():
        for _ in range(count):
            make(conduct)


def drain(count: int) -> Taken:
    """Drain the `count` results that are stored, in batches."""
    total, clocks = Counts(), Clocks()
    while (counts := drain_batch()).claimed:
        total += counts
    taken = clocks.read()
    if total.processed != count:
        raise RuntimeError(f"{total} instead of {count} processed")
    return taken


def write(handler: Any, response: Any) -> Message:
    return Message.objects.create(role="assistant", content=response.structured_data["text"])


async def write_async(handler: Any, response: Any) -> Message:
    return await Message.objects.acreate(role="assistant", content=response.structured_data["text"])


def summarize(response: Any, parsed: Any) -> dict[str, int]:
    return {"message_id": Message.objects.create(role="assistant", content=parsed.text).pk}


def database_url() -> str:
    """The scratch database, as another process reaches it."""
    return clusters.database_url()

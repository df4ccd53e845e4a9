"""Several connections for one drain: threads that take records from the same list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock, Thread

from django.db import connection

from persistence.conf import persistence_settings
from persistence.outcomes import Outcome

RECORDS_PER_THREAD = 25
"""A thread costs a connection, so it has at least this much to do."""
PATIENCE_SECONDS = 2.0
"""What a thread gets to end its record when the drain is interrupted; a second later the broker kills the process."""


class ToDo:
    """The records of one drain, shared by its threads, until `goes_on`, which is told each outcome, says no."""

    def __init__(self, call_ids: Iterable[str], goes_on: Callable[[str, Outcome], bool]) -> None:
        self._call_ids, self._goes_on, self._lock = deque(call_ids), goes_on, Lock()
        self.stopped = False

    def take(self, count: int) -> list[str]:
        """The next ones; none when nothing is left, or one of the threads has stopped all."""
        with self._lock:
            count = 0 if self.stopped else min(count, len(self._call_ids))
            return [self._call_ids.popleft() for _ in range(count)]

    def tell(self, call_id: str, outcome: Outcome) -> bool:
        """What became of a record; returns whether the threads go on. Without a database they do not."""
        with self._lock:
            goes_on = self._goes_on(call_id, outcome) and outcome is not Outcome.DATABASE_AWAY
            self.stopped = self.stopped or not goes_on
            return not self.stopped


def threads_for(records: int) -> int:
    """How many threads persist so many records: one where the database has one writer, or a transaction is open."""
    if connection.in_atomic_block or not connection.features.has_select_for_update_skip_locked:
        return 1
    return max(1, min(persistence_settings().DOMAIN_PERSIST_CONNECTIONS, records // RECORDS_PER_THREAD))


def in_threads(count: int, work: Callable[[], None], todo: ToDo) -> None:
    """Run `work` in this thread, and in `count - 1` others, each with a connection of its own; raises what one raised.

    The others do not hold up the end of the process: a handler that hangs would, for ever.
    """
    errors: list[BaseException] = []

    def beside() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it goes on to whoever waits for all
            todo.stopped = True
            errors.append(error)
        finally:
            connection.close()

    others = [Thread(target=beside, name=f"drain-{number}", daemon=True) for number in range(1, count)]
    for other in others:
        other.start()
    try:
        work()
        for other in others:
            other.join()
    except BaseException:  # this thread is being interrupted
        todo.stopped = True
        for other in others:
            other.join(PATIENCE_SECONDS / len(others))
        raise
    if errors:
        raise errors[0]

"""Several connections for one drain: threads that take records from the same list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from threading import Lock, Thread

from django.db import connection

from persistence.conf import persistence_settings
from persistence.outbox.outcomes import Outcome

RECORDS_PER_THREAD = 25
"""A thread costs a connection, so it has at least this much to do."""
PATIENCE_SECONDS = 2.0
"""How long threads have to end their records when the drain is interrupted; then the broker kills the process."""


class WorkList:
    """The records of one drain, shared by its threads, until `should_continue` returns False for an outcome.

    `has_time` says the same between two records whose outcomes are not known yet.
    """

    def __init__(
        self,
        call_ids: Iterable[str],
        should_continue: Callable[[str, Outcome], bool],
        has_time: Callable[[], bool] = lambda: True,
    ) -> None:
        self._call_ids, self._goes_on, self._has_time, self._lock = deque(call_ids), should_continue, has_time, Lock()
        self.stopped = False

    def may_go_on(self) -> bool:
        """Whether there is time for another record."""
        return not self.stopped and self._has_time()

    def next_batch(self, count: int) -> list[str]:
        """The next ones; none when nothing is left, or the list was stopped."""
        with self._lock:
            count = 0 if self.stopped else min(count, len(self._call_ids))
            return [self._call_ids.popleft() for _ in range(count)]

    def report(self, call_id: str, outcome: Outcome) -> bool:
        """Report the outcome of a record; returns whether to continue, which is False while the database is away."""
        with self._lock:
            should_continue = self._goes_on(call_id, outcome) and outcome is not Outcome.DATABASE_AWAY
            self.stopped = self.stopped or not should_continue
            return not self.stopped


def threads_for(records: int) -> int:
    """How many threads persist so many records: one where the database has one writer, or a transaction is open."""
    if connection.in_atomic_block or not connection.features.has_select_for_update_skip_locked:
        return 1
    return max(1, min(persistence_settings().DOMAIN_PERSIST_CONNECTIONS, records // RECORDS_PER_THREAD))


def in_threads(count: int, work: Callable[[], None], todo: WorkList) -> None:
    """Run `work` in this thread and in `count - 1` others, each with its own connection; raises what one raises.

    The others are daemon threads: a handler that hangs must not keep the process from ending.
    """
    errors: list[BaseException] = []

    def beside() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for all
            todo.stopped = True
            errors.append(error)
        finally:
            connection.close()

    others = [Thread(target=beside, name=f"drain-{number}", daemon=True) for number in range(1, count)]
    for other in others:
        other.start()
    with ExitStack() as interrupted:
        interrupted.callback(_stop, others, todo)
        work()
        for other in others:
            other.join()
        interrupted.pop_all()
    if errors:
        raise errors[0]


def _stop(threads: list[Thread], todo: WorkList) -> None:
    """This thread is being interrupted: let the others end their present records."""
    todo.stopped = True
    for thread in threads:
        thread.join(PATIENCE_SECONDS / len(threads))

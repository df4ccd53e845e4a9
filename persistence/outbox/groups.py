"""Several results in one transaction, so that a commit, and the statements that every result needs, are paid for once.

Each handler runs in a savepoint. What does not go through is undone there. As long as no result before it has written
anything, it failed as it would fail alone, and is charged: when a handler is broken, its results fail by the thousand,
and share their commits, too. Otherwise it ends the group: the results before it are committed, and it is tried again in
a transaction of its own (`persistence/outbox/drain.py` `drain_record`), where it is charged. So no result suffers from
its neighbours: a group that does not commit, because of a deferred constraint, say, is tried one by one. Signals and
hooks run after the commit, in the order of the results.

A group holds what its handlers locked until its commit. So it ends with the first handler that may have locked a row
that was there before, and a handler that used rows which a group writes only at its end counts as not gone through
(`persistence/outbox/statement_watch.py`). Such handlers, those that failed after others, and slow ones run alone for
the rest of the records that were read with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile
from types import TracebackType
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.fault_injection import fault
from orchestration.isolation import isolated
from persistence import log
from persistence.models.failures import PersistenceFailure
from persistence.outbox.announcements import after_commit, isolate_hooks
from persistence.outbox.charging import charge_together
from persistence.outbox.group_rows import Persisted, lock_together, opened, write_together
from persistence.outbox.idempotent_unit import chunk_for, run_consumer
from persistence.outbox.outcomes import Outcome
from persistence.outbox.statement_watch import OutOfPlace, StatementWatch
from persistence.outbox.work import Work
from persistence.tracking.object_links import name_primary, object_rows
from persistence.tracking.saved_files import deleting_rolled_back_files

MOST = 25
"""Results of one group. Far below 64, beyond which PostgreSQL looks up subtransactions on disk."""
SECONDS = 0.05
"""How long a group takes in results: what others wait for it, on SQLite for any write, and by inserting the same unique
values. A handler that takes longer runs alone."""
SECONDS_OF_FAILURES = 1.0
"""The same while all have failed, which holds up nobody but who wants these results. Not on SQLite."""
SAVEPOINT = "result"
BEGIN = f"SAVEPOINT {SAVEPOINT}"
BACK = f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"
NEXT = f"RELEASE SAVEPOINT {SAVEPOINT}; {BEGIN}"


@dataclass(slots=True)
class Apart:
    """Who is not to run in a group: results by id, handlers and codecs by identity."""

    names: set[str] = field(default_factory=set)

    def group_of(self, works: Iterable[Work]) -> list[Work]:
        """The first ones, up to one that must run alone."""
        return list(islice(takewhile(self.admits, works), MOST))

    def admits(self, work: Work) -> bool:
        whole = work.response is not None and work.consumer is not None and not work.consumer.splits
        return whole and not work.may_wait and self.names.isdisjoint((work.call_id, work.component))


def persist_together(group: Sequence[Work], apart: Apart, may_go_on: Callable[[], bool]) -> int:
    """Persist the first of these in one transaction; how many are settled, with their outcomes. The next one after
    them, and all where that is none, are `apart` if they must be.

    `may_go_on` is asked before each but the first. What is not an Exception (the worker is being killed) undoes all and
    propagates to the caller.
    """
    with isolated() as run, deleting_rolled_back_files(), transaction.atomic():
        settled = _Group(group, apart, may_go_on).persist()
    if run.error is None:
        return settled
    log.group_undone(len(group), run.error)
    apart.names.update(work.call_id for work in group)
    return 0


class _Group:
    def __init__(self, works: Sequence[Work], apart: Apart, may_go_on: Callable[[], bool]) -> None:
        self._works, self._apart, self._may_go_on = works, apart, may_go_on
        self._connection: Any = connections[DEFAULT_DB_ALIAS]  # looked up once: that takes longer than most questions
        self._savepoint = _Savepoint(self._connection)
        self._watch = StatementWatch()
        self._done: list[Persisted] = []
        self._failed_before: list[str] = []
        self._failed: list[tuple[Work, Exception]] = []

    def persist(self) -> int:
        """In a transaction; returns how many were settled."""
        rows = lock_together([work.call_id for work in self._works])
        self._savepoint.begin()
        settled, began = 0, time.monotonic()
        with self._connection.execute_wrapper(self._watch):
            for work in self._works:
                in_time = not settled or (time.monotonic() - began < self._seconds() and self._may_go_on())
                if not (in_time and self._apart.admits(work) and self._settle(work, rows)):
                    break
                settled += 1
        charge_together(self._failed)  # not before: what is undone later goes back to a savepoint before all of them
        if self._done:
            write_together(self._done)
            PersistenceFailure.objects.forget(self._failed_before)
        return settled

    def _seconds(self) -> float:
        holds_nothing = not self._done and self._connection.features.has_select_for_update_skip_locked
        return SECONDS_OF_FAILURES if holds_nothing else SECONDS

    def _settle(self, work: Work, rows: dict[str, tuple[int | None, int]]) -> bool:
        """False for one that has to run alone, which is apart from now on."""
        if work.call_id not in rows:
            return True  # it is not due
        key, attempts = rows[work.call_id]
        if key is None:  # somebody opened its chunk before
            self._apart.names.add(work.call_id)
            return False
        work.tried, began = True, time.monotonic()
        name = f"{SAVEPOINT} {len(self._done)}"
        self._watch.reset()
        with isolated() as run, deleting_rolled_back_files(), self._savepoint.of(name):
            done = self._run(work, key)
            if self._watch.is_out_of_place:
                raise OutOfPlace
            isolate_hooks(work, name, self._connection)
        if run.error is None:
            self._done.append(done)
            work.outcome = Outcome.PERSISTED
            if work.record.domain_persist_attempts:
                self._failed_before.append(work.call_id)
        if run.error is not None and self._failed_as_alone(run.error):  # what it locked is free again
            work.row.attempts = attempts
            self._failed.append((work, run.error))
            return True
        if run.error is not None or self._watch.locks or time.monotonic() - began > SECONDS:
            self._apart.names.add(work.component)
        return run.error is None

    def _failed_as_alone(self, error: Exception) -> bool:
        """Whether the error has nothing to do with the group: what it locks or holds back."""
        return not (self._done or self._watch.is_out_of_place or isinstance(error, DATABASE_AWAY))

    def _run(self, work: Work, key: int) -> Persisted:
        fault("before_drain")
        # First in line, so that a hook that a handler registers cannot keep it from running.
        self._connection.on_commit(partial(after_commit, work), robust=True)
        consumer, response = work.known()
        chunk = opened(chunk_for(consumer, response), key, self._connection)
        response.attach(work.record.related_object)
        fault("after_chunk")
        work.touched = work.parts[""] = run_consumer(consumer, response, chunk)
        name_primary(chunk, work.touched)
        fault("before_finalize")
        return Persisted(chunk, object_rows(work.touched))


class _Savepoint:
    """`atomic()` for one result of a group after the other: one statement ends the savepoint of a result and begins
    that of the next, on a cursor of the driver, because Django's takes as long as the statement does.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._next = [NEXT] if connection.vendor == "postgresql" else NEXT.split("; ")
        self._cursor: Any = connection.create_cursor()
        self._name, self._depth = "", 0

    def begin(self) -> None:
        """Before the first result."""
        self._send(BEGIN)

    def of(self, name: str) -> Self:
        """The block runs the handler of a result; `name` is what its hooks are known by."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._depth = len(self._connection.savepoint_ids)
        self._connection.savepoint_ids.append(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The group continues without what a result did that raised an Exception."""
        try:
            if error is None:
                self._end()
            elif isinstance(error, Exception):
                self._undo()
        finally:
            del self._connection.savepoint_ids[self._depth :]

    def _end(self) -> None:
        try:
            self._connection.validate_no_broken_transaction()
            self._send(*self._next)
        except Exception:
            self._undo()
            raise

    def _undo(self) -> None:
        connection, name = self._connection, self._name
        connection.run_on_commit = [hook for hook in connection.run_on_commit if name not in hook[0]]
        connection.set_rollback(False)
        self._send(BACK)

    def _send(self, *statements: str) -> None:
        with self._connection.wrap_database_errors:
            for statement in statements:
                self._cursor.execute(statement)

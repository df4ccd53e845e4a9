"""A call's row as an outbox row: locked, given its chunk, and marked, in one transaction.

The SQL is written by hand: it runs for every result, and on PostgreSQL the lock and the chunk, the links and the mark
share a round trip each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from orchestration.clock import JITTER, database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.persist_state import STATE
from orchestration.models.prepared_sql import Statement, cursor_with_plans
from orchestration.models.states import PersistState
from persistence.models import PersistedChunk
from persistence.models.failures import PersistenceFailure

DUE = f"status = 'succeeded' AND {STATE} = 'pending' AND next_persist_at <= %s"


class OutboxRow:
    """One call's row in the outbox; every mark is compare-and-set and raises TransitionRefused when it comes late."""

    def __init__(self, record: ServiceCallRecord) -> None:
        self.record = record
        self.locked = False
        self.attempts: int = record.domain_persist_attempts
        """Failures that were charged before this run; read again under the lock."""
        self._driver_connection: object = None

    def lock(self, *, now: datetime | None = None) -> bool:
        """Lock the row until the transaction ends, if its result is pending, due and not locked by somebody else.

        Does not wait. Rows that refer to the call may be written meanwhile.
        """
        return self._lock("", Statement(""), now) is not None

    def lock_and_insert(self, chunk: PersistedChunk) -> tuple[PersistedChunk, bool] | None:
        """`lock`, and insert an unsaved chunk; (the stored chunk, whether it is this one), None when not locked."""
        if not connection.features.has_select_for_update_skip_locked:
            return PersistedChunk.objects.open(chunk) if self.lock() else None
        insertion = PersistedChunk.objects.insertion(chunk, only_if="EXISTS (SELECT 1 FROM due)")
        along = Statement(f", inserted AS ({insertion.sql})", insertion.params)
        row = self._lock(", (SELECT id FROM inserted)", along, None)
        return None if row is None else PersistedChunk.objects.opened(chunk, row[1])

    def _lock(self, more: str, along: Statement, now: datetime | None) -> tuple[Any, ...] | None:
        lock = " FOR NO KEY UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
        due = f"SELECT domain_persist_attempts FROM service_call_record WHERE id = %s AND {DUE}{lock}"  # noqa: S608 - constants
        moment = connection.ops.adapt_datetimefield_value(now or database_now() + JITTER)
        with cursor_with_plans() as cursor:
            cursor.execute(
                f"WITH due AS ({due}){along.sql} SELECT domain_persist_attempts{more} FROM due",  # noqa: S608 - constants
                [self.record.pk, moment, *along.params],
            )
            row: tuple[Any, ...] | None = cursor.fetchone()
        self.locked = row is not None
        if row is not None:
            self.attempts = self.record.domain_persist_attempts = row[0]
            self._driver_connection = connection.connection
        return row

    def connection_lost(self) -> bool:
        """Whether the connection that holds the lock is gone; leaving `atomic()`, Django may have replaced it."""
        return connection.connection is not self._driver_connection or not connection.is_usable()

    def mark_persisted(self, *, along: Sequence[Statement] = ()) -> None:
        """pending → persisted. `along`: what is written with it, in other tables."""
        self.record.move_persistence(
            PersistState.PERSISTED,
            along=[*along, *self._forgetting()],
            domain_persist_attempts=self.record.domain_persist_attempts + 1,
            domain_persist_error=None,
            next_persist_at=None,
            persisted_at=database_now(),
        )

    def mark_skipped(self) -> None:
        """pending → skipped, because nothing takes this result."""
        along = self._forgetting()
        self.record.move_persistence(PersistState.SKIPPED, along=along, domain_persist_error=None, next_persist_at=None)

    def mark_held(self) -> None:
        """pending → held, until a person decides."""
        along = self._forgetting()
        self.record.move_persistence(PersistState.HELD, along=along, domain_persist_error=None, next_persist_at=None)

    def _forgetting(self) -> list[Statement]:
        failed_before = self.record.domain_persist_attempts > 0
        return [PersistenceFailure.objects.forgetting(self.record.pk)] if failed_before else []

    def mark_failed(self, error: str, *, next_at: datetime | None, along: Sequence[Statement] = ()) -> None:
        """Charge a failed attempt: pending → pending, due at `next_at`, or → dead when that is None.

        TransitionRefused also when somebody else's attempt was charged meanwhile. `along`: what is written with it.
        """
        self.record.domain_persist_attempts = self.attempts  # a mark that did not commit was rolled back
        self.record.move_persistence(
            PersistState.DEAD if next_at is None else PersistState.PENDING,
            along=along,
            domain_persist_attempts=self.attempts + 1,
            domain_persist_error=error,
            next_persist_at=next_at,
        )

"""Where a stored result is on its way into domain objects, and the transitions of that state.

The engine makes a result pending when it settles the call; the drain alone takes it from there. The statements below
can take the drain's own along, in one round trip to the database where that is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, models
from django.utils import timezone

from orchestration.errors import TransitionRefused
from orchestration.models.statements import Statement, cursor_with_plans, run_together
from orchestration.models.states import PersistState

STATE = "domain_persist_state || ''"
"""The state, as no partial index knows it: a row is to be found by its key. With statistics older than the backlog,
PostgreSQL takes the index of pending results for the cheaper one, and reads all of it for each result."""
DUE = f"id = %s AND status = 'succeeded' AND {STATE} = 'pending' AND next_persist_at <= %s"


class PersistenceTransitions(models.Model):
    """The part of ServiceCallRecord that persistence drives. Every transition is compare-and-set on the row."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:
        domain_persist_state: Any
        domain_persist_attempts: Any

    def lock_for_persistence(self, *, now: datetime | None = None) -> bool:
        """Lock the row until the transaction ends, if its result is pending and due and in nobody else's hands.

        Does not wait. Reads the count of attempts anew; rows that refer to the call may be written meanwhile.
        """
        return self._lock("", Statement(""), now) is not None

    def lock_and_insert(self, insert: Statement, *, now: datetime | None = None) -> tuple[bool, Any]:
        """`lock_for_persistence` and then an `INSERT … SELECT … WHERE {when} … RETURNING id`.

        Returns whether the row is locked, and the id; None when nothing was inserted. `{when}` stands where the
        statement's condition goes.
        """
        if connection.features.has_select_for_update_skip_locked:
            sql = insert.sql.format(when="EXISTS (SELECT 1 FROM due)")
            row = self._lock(", (SELECT id FROM inserted)", Statement(f", inserted AS ({sql})", insert.params), now)
            return row is not None, row[1] if row is not None else None
        if not self.lock_for_persistence(now=now):
            return False, None
        with connection.cursor() as cursor:
            cursor.execute(insert.sql.format(when="TRUE"), insert.params)
            inserted = cursor.fetchone()
        return True, inserted[0] if inserted is not None else None

    def _lock(self, more: str, along: Statement, now: datetime | None) -> tuple[Any, ...] | None:
        lock = " FOR NO KEY UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
        moment = connection.ops.adapt_datetimefield_value(now or timezone.now())
        with cursor_with_plans() as cursor:
            cursor.execute(
                f"WITH due AS (SELECT domain_persist_attempts FROM service_call_record WHERE {DUE}{lock}){along.sql}"  # noqa: S608 - constants
                f" SELECT domain_persist_attempts{more} FROM due",
                [self.pk, moment, *along.params],
            )
            row: tuple[Any, ...] | None = cursor.fetchone()
        if row is not None:
            self.domain_persist_attempts = row[0]
        return row

    def mark_persisted(self, *, now: datetime | None = None, along: Sequence[Statement] = ()) -> None:
        """pending → persisted; TransitionRefused otherwise. `along`: what is written with it, in other tables."""
        self._move_persistence(
            PersistState.PERSISTED,
            along=along,
            domain_persist_attempts=self.domain_persist_attempts + 1,
            domain_persist_error=None,
            next_persist_at=None,
            persisted_at=now or timezone.now(),
        )

    def mark_skipped(self) -> None:
        """pending → skipped, because nothing takes this result; TransitionRefused otherwise."""
        self._move_persistence(PersistState.SKIPPED, domain_persist_error=None, next_persist_at=None)

    def persist_failed(self, error: str, *, next_at: datetime | None) -> None:
        """Charge a failed attempt: pending → pending, due at `next_at`, or → dead when that is None.

        TransitionRefused when the result is not pending any more, or somebody else's attempt was charged meanwhile.
        """
        self._move_persistence(
            PersistState.DEAD if next_at is None else PersistState.PENDING,
            domain_persist_attempts=self.domain_persist_attempts + 1,
            domain_persist_error=error,
            next_persist_at=next_at,
        )

    def persist_again(self, *, now: datetime | None = None) -> None:
        """dead | skipped → pending, with a fresh allowance of attempts; TransitionRefused otherwise."""
        self._move_persistence(
            PersistState.PENDING,
            from_=(PersistState.DEAD, PersistState.SKIPPED),
            domain_persist_attempts=0,
            next_persist_at=now or timezone.now(),
        )

    def bring_forward(self, *, now: datetime | None = None) -> None:
        """pending → pending, due now, with the attempts that were charged; TransitionRefused otherwise."""
        self._move_persistence(PersistState.PENDING, next_persist_at=now or timezone.now())

    def mark_reverted(self) -> None:
        """persisted → skipped: what the result became was undone; `persist_again` may take it up."""
        self._move_persistence(
            PersistState.SKIPPED,
            from_=(PersistState.PERSISTED,),
            domain_persist_error="Reverted.",
            persisted_at=None,
        )

    def _move_persistence(
        self,
        to: PersistState,
        *,
        from_: tuple[PersistState, ...] = (PersistState.PENDING,),
        along: Sequence[Statement] = (),
        **changes: Any,
    ) -> None:
        """Compare-and-set on the state and its count of attempts; the instance follows the row."""
        changes |= {"domain_persist_state": to.value, "updated_at": timezone.now()}
        columns = ", ".join(f"{name} = %s" for name in changes)
        states = ", ".join(["%s"] * len(from_))
        move = Statement(
            f"UPDATE service_call_record SET {columns}"  # noqa: S608 - names from the callers above, no values
            f" WHERE id = %s AND domain_persist_attempts = %s AND {STATE} IN ({states})",
            [*map(_adapted, changes.values()), self.pk, self.domain_persist_attempts, *(s.value for s in from_)],
        )
        if run_together([*along, move]) != 1:
            self.refresh_from_db(fields=["domain_persist_state", "domain_persist_attempts"])
            raise TransitionRefused(
                f"The result of call {self.pk} is {self.domain_persist_state} after {self.domain_persist_attempts}"
                f" attempts and cannot become {to.value}."
            )
        for name, value in changes.items():
            setattr(self, name, value)


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value

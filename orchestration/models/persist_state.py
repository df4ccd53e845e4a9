"""Where a stored result is on its way into domain objects, and the transitions of that state.

The engine makes a result pending when it settles the call; the drain alone takes it from there
(`persistence/outbox/outbox_row.py`). One that it holds is taken on by whoever decides on it (`persistence/approval/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, models

from orchestration.clock import database_now
from orchestration.errors import TransitionRefused
from orchestration.models.prepared_sql import Statement, run_together
from orchestration.models.states import PersistState

STATE = "domain_persist_state || ''"
"""The state, as no partial index knows it: a row is to be found by its key. With statistics older than the backlog,
PostgreSQL takes the index of pending results for the cheaper one, and reads all of it for each result."""

REJECTED = "Rejected."
"""The error of a result that a person rejected: it is skipped."""


class PersistenceTransitions(models.Model):
    """The part of ServiceCallRecord that persistence drives. Every transition is compare-and-set on the row."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:
        domain_persist_state: Any
        domain_persist_attempts: Any

    def persist_again(self, *, now: datetime | None = None) -> None:
        """dead | skipped → pending, with a fresh allowance of attempts; TransitionRefused otherwise."""
        self.move_persistence(
            PersistState.PENDING,
            from_=(PersistState.DEAD, PersistState.SKIPPED),
            domain_persist_attempts=0,
            next_persist_at=now or database_now(),
        )

    def bring_forward(self, *, now: datetime | None = None) -> None:
        """pending → pending, due now, with the attempts that were charged; TransitionRefused otherwise."""
        self.move_persistence(PersistState.PENDING, next_persist_at=now or database_now())

    def release(self, *, now: datetime | None = None) -> None:
        """held → pending, due now, for a transaction that persists it; TransitionRefused otherwise."""
        self.move_persistence(PersistState.PENDING, from_=(PersistState.HELD,), next_persist_at=now or database_now())

    def mark_rejected(self) -> None:
        """held → skipped: a person rejected it; `persist_again` takes it up again, and may hold it again."""
        self.move_persistence(PersistState.SKIPPED, from_=(PersistState.HELD,), domain_persist_error=REJECTED)

    def mark_reverted(self) -> None:
        """persisted → skipped: what the result became was reverted; `persist_again` persists it again."""
        self.move_persistence(
            PersistState.SKIPPED,
            from_=(PersistState.PERSISTED,),
            domain_persist_error="Reverted.",
            persisted_at=None,
        )

    def move_persistence(
        self,
        to: PersistState,
        *,
        from_: tuple[PersistState, ...] = (PersistState.PENDING,),
        along: Sequence[Statement] = (),
        **changes: Any,
    ) -> None:
        """Compare-and-set on the state and its count of attempts; the instance follows the row.

        TransitionRefused when the row has another state or another count. `along`: what is written with it, in other
        tables, in one round trip to the database where that is possible.
        """
        changes |= {"domain_persist_state": to.value, "updated_at": database_now()}
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

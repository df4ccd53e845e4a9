"""Who follows in the places of calls that end: the next calls of their ordering keys, taken as those are committed.

Calls of one key follow each other, and a claim for each costs more than all else about them. So the transaction that
ends a call takes the next one of its key along; whether it may, and what then becomes of it, says the worker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from orchestration.engine.execution.commands import Command, Settle
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status


class Successors(Protocol):
    """A worker, as its group commit sees it."""

    def wanted(self) -> bool:
        """Whether calls may be taken now. In the event loop."""

    def take(self, keys: Collection[str]) -> list[ServiceCallRecord]:
        """Take the next calls of these keys in the transaction that ends one of each. In the database's thread."""

    def taken(self, records: Sequence[ServiceCallRecord]) -> None:
        """That transaction was committed. In the database's thread."""

    async def start(self, records: Sequence[ServiceCallRecord]) -> None:
        """Run them, before the calls that they follow are told that they ended. In the event loop."""


def keys_set_free(commands: Sequence[Command]) -> set[str]:
    """The ordering keys whose next call may run once these are committed."""
    return {
        command.record.ordering_key
        for command in commands
        if isinstance(command, Settle)
        and command.record.ordering_key
        and command.status != Status.QUEUED
        and command.persist != PersistState.PENDING
    }

"""The interface of a scenario."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from chaos.plan import PlannedCall
from chaos.records import Records


class Helper(Protocol):
    """A thread."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Scenario(ABC):
    """Each of the four checks returns the ids of what is wrong; an empty list is good."""

    @abstractmethod
    def submit(self, call: PlannedCall, seed: int) -> str:
        """Submit a planned call and return its id; submitting it again returns the same id. Raises django.db.Error."""

    def helper(self) -> Helper | None:
        """Who does beside the run what no worker does; started with the strikes, and stopped when all is quiet."""
        return None

    def is_streamed(self, number: int) -> bool:
        """Whether the planned call of this number is one that can be listened to."""
        return False

    @abstractmethod
    def rows(self) -> Sequence[Any]:
        """The domain rows as they are now."""

    @abstractmethod
    def lost(self, records: Records) -> list[str]:
        """Submitted, and neither persisted nor poisoned."""

    @abstractmethod
    def duplicated(self, records: Records) -> list[str]:
        """Done more than once."""

    @abstractmethod
    def falsely_persisted(self, records: Records) -> list[str]:
        """A row without an answered request, or one that differs from the stored result."""

    @abstractmethod
    def out_of_order(self, records: Records) -> list[str]:
        """Started before its predecessor was done."""

"""What every scenario answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from chaos.books import Books
from chaos.plan import PlannedCall


class Scenario(ABC):
    """Each of the four questions names the wrong ones by their ids; an empty list is a good answer."""

    @abstractmethod
    def submit(self, call: PlannedCall, seed: int) -> str:
        """Submit a planned call and give its id; submitted again it is the same one. Raises django.db.Error."""

    @abstractmethod
    def rows(self) -> Sequence[Any]:
        """The domain rows as they are now."""

    @abstractmethod
    def lost(self, books: Books) -> list[str]:
        """Submitted, and neither persisted nor poisoned."""

    @abstractmethod
    def duplicated(self, books: Books) -> list[str]:
        """Done more than once."""

    @abstractmethod
    def falsely_persisted(self, books: Books) -> list[str]:
        """A row that no answered request stands behind, or that says something else than the stored result."""

    @abstractmethod
    def out_of_order(self, books: Books) -> list[str]:
        """Begun before what had to be done first."""

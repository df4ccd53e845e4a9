"""The persistence handlers of the feedback calls."""

from apps.simulation.orca.persist.feedback import HotwashContinuationPersistence, HotwashInitialPersistence

__all__ = ["HotwashContinuationPersistence", "HotwashInitialPersistence"]

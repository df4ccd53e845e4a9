"""What becomes of the model's feedback."""

from apps.simulation.orca.persist.feedback import HotwashContinuationPersistence, HotwashInitialPersistence

__all__ = ["HotwashContinuationPersistence", "HotwashInitialPersistence"]

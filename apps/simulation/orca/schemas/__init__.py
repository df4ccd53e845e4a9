"""What the model's feedback looks like."""

from apps.simulation.orca.schemas.feedback import HotwashContinuationSchema, HotwashInitialSchema

__all__ = ["HotwashContinuationSchema", "HotwashInitialSchema"]

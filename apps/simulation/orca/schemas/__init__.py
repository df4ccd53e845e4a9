"""The schemas of the feedback calls."""

from apps.simulation.orca.schemas.feedback import HotwashContinuationSchema, HotwashInitialSchema

__all__ = ["HotwashContinuationSchema", "HotwashInitialSchema"]

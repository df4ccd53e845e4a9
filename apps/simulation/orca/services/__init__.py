"""The model calls of a simulation's feedback."""

from apps.simulation.orca.services.feedback import GenerateHotwashContinuation, GenerateHotwashInitialResponse

__all__ = ["GenerateHotwashContinuation", "GenerateHotwashInitialResponse"]

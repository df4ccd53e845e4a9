"""The services that write feedback and answer questions about it."""

from apps.simulation.orca.services.feedback import GenerateHotwashContinuation, GenerateHotwashInitialResponse

__all__ = ["GenerateHotwashContinuation", "GenerateHotwashInitialResponse"]

"""The services of consensus: expanding an idea, reviewing it."""

from apps.consensus.orca.services.review import ExpandIdea, ReviewAsPersona, ReviewIdea

__all__ = ["ExpandIdea", "ReviewAsPersona", "ReviewIdea"]

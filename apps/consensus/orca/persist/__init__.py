"""The persistence handlers of the consensus calls."""

from apps.consensus.orca.persist.review import ProposalPersistence, ReviewPersistence

__all__ = ["ProposalPersistence", "ReviewPersistence"]

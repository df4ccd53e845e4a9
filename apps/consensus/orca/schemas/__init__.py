"""The schemas of the consensus calls."""

from apps.consensus.orca.schemas.review import SCHEMA_VERSION, ProposalOutputSchema, ReviewOutputSchema, content_of

__all__ = ["SCHEMA_VERSION", "ProposalOutputSchema", "ReviewOutputSchema", "content_of"]

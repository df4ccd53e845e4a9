"""Identity mixins of the consensus components."""

from apps.consensus.orca.mixins.identity import ConsensusMixin

__all__ = ["ConsensusMixin"]

"""Identity of the chat components."""

from apps.chatlab.orca.mixins.identity import ChatlabMixin

__all__ = ["ChatlabMixin"]

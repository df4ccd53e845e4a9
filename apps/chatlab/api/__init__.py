"""REST about the chat of a simulation: messages, orders, retries."""

from apps.chatlab.api.messages import router

__all__ = ["router"]

"""Chats and their messages in the console."""

from apps.chatlab.admin.messages import MessageAdmin
from apps.chatlab.admin.sessions import ChatSessionAdmin

__all__ = ["ChatSessionAdmin", "MessageAdmin"]

"""Export of messages: as rows, or each reply with its question as a dialogue for fine-tuning."""

from __future__ import annotations

from import_export.resources import ModelResource

from apps.chatlab.models import Message, MessageRole
from orchestration.types import JsonObject
from persistence.exports.registry import Exporter, add_exporter


class MessageResource(ModelResource):
    """One row per message."""

    class Meta:
        model = Message
        fields = (
            *("id", "simulation_id", "sequence", "role", "is_from_ai", "message_type", "reply_to_id", "call_id"),
            *("delivery_status", "failure_code", "retries", "is_deleted", "created_at", "delivered_at"),
            "content",
        )
        export_order = fields


def message_dialogue(message: Message) -> JsonObject | None:
    """A reply with the question it answers; None for anything else, and for what was deleted."""
    question = message.reply_to
    if message.role != MessageRole.ASSISTANT or question is None or message.is_deleted or question.is_deleted:
        return None
    return {
        "messages": [
            {"role": "user", "content": question.content},
            {"role": "assistant", "content": message.content},
        ]
    }


MESSAGES = add_exporter(
    Exporter(
        name="messages",
        model=Message,
        permission="chatlab.export_message",
        resource=MessageResource,
        content=frozenset({"content"}),
        related=("reply_to",),
        dialogue=message_dialogue,
    )
)

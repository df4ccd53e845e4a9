"""What the chat API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from ninja import Schema
from pydantic import ConfigDict, Field

from apps.chatlab.models import MAX_CONTENT, Delivery, MessageRole, MessageType
from apps.simulation.schemas import CallOut
from apps.simulation.text import Line, Text


class MessageIn(Schema):
    """`client_id` is chosen by the sender, one per message: sent twice, the message is stored once."""

    model_config = ConfigDict(extra="forbid")

    content: Annotated[Text, Field(min_length=1, max_length=MAX_CONTENT, examples=["When did the pain start?"])]
    client_id: Annotated[Line, Field(min_length=1, max_length=64)] | None = None


class MessageOut(Schema):
    """`reply_to` is the id of the question; `call_id` the call that answers this question or made this reply."""

    id: int
    sequence: int
    role: MessageRole
    is_from_ai: bool
    sender: str | None
    content: str
    message_type: MessageType
    reply_to: int | None
    call_id: str | None
    client_id: str | None
    delivery_status: Delivery
    failure_code: str
    failure_reason: str | None
    retryable: bool
    retries_left: int
    is_read: bool
    is_deleted: bool
    created_at: datetime
    delivered_at: datetime | None


class MessagePosted(Schema):
    """`call` brings the reply."""

    message: MessageOut
    call: CallOut | None


class MessagePage(Schema):
    """In order; `next` is the `after` of the following page, null when there is nothing more yet."""

    items: list[MessageOut]
    next: int | None

"""The requests and responses of the chat API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from ninja import Schema
from pydantic import Field, model_validator

from apps.chatlab.models import MAX_CONTENT, Delivery, MessageRole, MessageType
from apps.simulation.api.schemas import CallOut, ClientId
from apps.simulation.fields import Line, Text
from orchestration.api.schemas import RequestSchema

MAX_IMAGES = 4
MAX_TESTS = 20
Test = Annotated[Line, Field(min_length=1, max_length=200)]


class MessageIn(RequestSchema):
    """`client_id` is chosen by the sender, one per message: sent twice, the message is stored once.

    `image_ids` are pictures that were uploaded before; with one, `content` may be empty.
    """

    content: Annotated[Text, Field(max_length=MAX_CONTENT, examples=["When did the pain start?"])]
    client_id: ClientId | None = None
    image_ids: Annotated[list[UUID], Field(max_length=MAX_IMAGES)] = []

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if not self.content and not self.image_ids:
            raise ValueError("write something, or send a picture")
        return self


class OrderIn(RequestSchema):
    """Tests by name, as on an order form."""

    tests: Annotated[list[Test], Field(min_length=1, max_length=MAX_TESTS, examples=[["Full blood count", "ECG"]])]
    client_id: ClientId | None = None


class ReadIn(RequestSchema):
    up_to: Annotated[int, Field(ge=0, le=2**31 - 1)]


class ReadOut(Schema):
    """`marked`: messages that were unread before."""

    marked: int


class MessageOut(Schema):
    """`reply_to` is the id of the question; `call_id` the call that answers this question or made this reply."""

    id: int
    sequence: int
    role: MessageRole
    is_from_ai: bool
    sender: str | None
    content: str
    message_type: MessageType
    images: list[UUID]
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
    """`call` makes the reply."""

    message: MessageOut
    call: CallOut | None


class MessagePage(Schema):
    """In order; `next` is the `after` of the following page, null when there is nothing more yet."""

    items: list[MessageOut]
    next: int | None

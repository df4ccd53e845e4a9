"""The messages of a chat in one gapless order, and whether each question was answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, Max, OuterRef, Q

from apps.simulation.models import EventKind, Simulation, SimulationEvent, SimulationImage
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import call_gave_no_result
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.accounts.models import User


MAX_CONTENT = 10_000
"""Characters of a message that a person writes."""

MAX_RETRIES = 2


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MessageType(models.TextChoices):
    TEXT = "text"
    IMAGE = "image"
    ORDER = "order"
    """Tests that the trainee orders, one per line."""
    RESULTS = "results"
    """The results of tests; the values are also metadata of the simulation."""
    EVENT = "event"
    """An event that an instructor injected."""


class Delivery(models.TextChoices):
    """Of a question: pending until its reply is stored; failed → pending by a retry. Replies are delivered at once."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class MessageQuerySet(models.QuerySet["Message"]):
    def pending(self) -> Self:
        return self.filter(delivery_status=Delivery.PENDING)

    def overdue(self) -> Self:
        """Pending questions whose call ended without a reply: failed, cancelled, or its reply could not be stored."""
        return self.pending().filter(call_gave_no_result())

    def wanting_pictures(self) -> Self:
        """Replies that are to show a picture but have none, and whose simulation has a hidden one."""
        hidden = SimulationImage.objects.filter(simulation=OuterRef("simulation"), revealed_at__isnull=True)
        return self.filter(Exists(hidden), image_requested=True, media__isnull=True).order_by("pk")

    def in_conversation(self) -> Self:
        """The messages that are neither deleted nor failed, in order."""
        return self.filter(is_deleted=False).exclude(delivery_status=Delivery.FAILED).order_by("sequence")

    def answered_before(self, simulation_id: int, message_id: int | None) -> Self:
        """What a reply to `message_id` may know: the conversation without pending questions.

        None: a reply to the whole conversation.
        """
        if message_id is None:
            return self.in_conversation().filter(simulation=simulation_id)
        waiting = Q(role=MessageRole.USER, delivery_status=Delivery.PENDING)
        return self.in_conversation().filter(simulation=simulation_id).exclude(waiting).exclude(pk=message_id)


class Message(CompareAndSet):
    """One message. `call` is the service call that answers a question, or that made a reply."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="messages", db_index=False)
    sequence = models.PositiveIntegerField()
    role = models.CharField(max_length=16, choices=MessageRole)
    is_from_ai = models.BooleanField(default=False)
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    content = models.TextField()
    message_type = models.CharField(max_length=16, choices=MessageType, default=MessageType.TEXT)
    data = StoredJSONField(null=True, blank=True, editable=False)
    """Of a message with results: `{"results": [finding, …], "refused": [what is not a test, …]}`."""
    reply_to = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replies")
    call = models.ForeignKey(
        ServiceCallRecord, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    delivery_status = models.CharField(max_length=16, choices=Delivery, default=Delivery.DELIVERED)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    retryable = models.BooleanField(default=False)
    retries = models.PositiveSmallIntegerField(default=0)
    is_read = models.BooleanField(default=False)
    is_deleted = models.BooleanField(default=False)
    image_requested = models.BooleanField(default=False)
    """Of a reply: the patient wants to show a picture."""
    provider_response_id = models.CharField(max_length=128, blank=True, default="")
    client_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - null: none given
    created_at = MomentField(default=database_now, editable=False)
    delivered_at = MomentField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    if TYPE_CHECKING:
        media: RelatedManager[MessageMedia]

    class Meta:
        db_table = "message"
        ordering = ("simulation", "sequence")
        permissions = (("export_message", "Can export messages"),)
        constraints = (
            models.UniqueConstraint(fields=("simulation", "sequence"), name="message_sequence_once"),
            models.UniqueConstraint(
                fields=("simulation", "client_id"),
                condition=Q(client_id__isnull=False),
                name="message_client_id_once",
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="message_sequence_from_one"),
            models.CheckConstraint(condition=Q(retries__lte=MAX_RETRIES), name="message_retries_limited"),
            models.CheckConstraint(condition=Q(role__in=MessageRole.values), name="message_role_known"),
            models.CheckConstraint(condition=Q(message_type__in=MessageType.values), name="message_type_known"),
            models.CheckConstraint(condition=Q(delivery_status__in=Delivery.values), name="message_delivery_known"),
        )
        indexes = (
            models.Index(fields=("call",), condition=Q(delivery_status=Delivery.PENDING), name="message_pending"),
            models.Index(fields=("simulation",), condition=Q(image_requested=True), name="message_image_requested"),
        )

    def __str__(self) -> str:
        return f"message {self.sequence} of simulation {self.simulation_id}"

    @property
    def retries_left(self) -> int:
        """How often its sender may still retry it; 0 when it has not failed or cannot be retried."""
        return MAX_RETRIES - self.retries if self.delivery_status == Delivery.FAILED and self.retryable else 0

    def shown(self) -> list[str]:
        """The descriptions of its pictures, each on one line."""
        return [" ".join(media.image.description.split()) or "a picture" for media in self.media.all()]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results that it reports, as findings; empty for other messages, and for those of older versions."""
        return list((self.data or {}).get("results", []))

    @property
    def refused(self) -> list[str]:
        """What was ordered but is not a test."""
        return list((self.data or {}).get("refused", []))

    # --- transitions of a question: each says whether it happened ------------------------------

    def mark_delivered(self, now: datetime | None = None) -> bool:
        """pending | failed → delivered: a late reply still counts."""
        return self._move(
            (Delivery.PENDING, Delivery.FAILED),
            delivery_status=Delivery.DELIVERED,
            delivered_at=now or database_now(),
            failure_code="",
            retryable=False,
        )

    @classmethod
    def mark_all_failed(cls, messages: Sequence[Message], code: str, *, retryable: bool) -> int:
        """pending → failed, with events, of messages whose simulations' rows the caller has locked; how many."""
        changes = {"delivery_status": Delivery.FAILED, "failure_code": code, "retryable": retryable}
        failed = cls.compare_and_set_all(messages, "delivery_status", (Delivery.PENDING,), **changes)
        events = [(message.simulation_id, message._delivery_data()) for message in failed]
        SimulationEvent.objects.record_all(EventKind.DELIVERY, events)
        return len(failed)

    def mark_retried(self) -> bool:
        """failed → pending."""
        return self._move(
            (Delivery.FAILED,),
            delivery_status=Delivery.PENDING,
            failure_code="",
            retryable=False,
            retries=self.retries + 1,
        )

    def _move(self, from_: tuple[Delivery, ...], **changes: Any) -> bool:
        """Compare-and-set, with an event."""
        with transaction.atomic():
            if not self.compare_and_set("delivery_status", from_, **changes):
                return False
            SimulationEvent.objects.record(self.simulation_id, EventKind.DELIVERY, self._delivery_data())
        return True

    def _delivery_data(self) -> dict[str, Any]:
        return {"id": self.pk, "sequence": self.sequence, "delivery_status": self.delivery_status}


class MessageMedia(models.Model):
    """A picture that belongs to a message."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="media")
    image = models.ForeignKey(SimulationImage, on_delete=models.CASCADE, related_name="+")
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "message_media"
        ordering = ("id",)
        verbose_name_plural = "message media"
        constraints = (models.UniqueConstraint(fields=("message", "image"), name="message_media_once"),)

    def __str__(self) -> str:
        return f"picture {self.image_id} of message {self.message_id}"


def store_message(
    simulation: Simulation, *, sender: User | None = None, instead_of: Message | None = None, **fields: Any
) -> Message:
    """The next message of a `locked()` simulation and its event, in the caller's transaction.

    `instead_of` is a deleted message, whose key and place it takes.
    """
    if instead_of is not None:
        fields |= {"pk": instead_of.pk, "created_at": instead_of.created_at, "delivered_at": instead_of.delivered_at}
        sequence = instead_of.sequence
    else:
        last = Message.objects.filter(simulation=simulation).aggregate(last=Max("sequence"))["last"]
        sequence = simulation.take_sequence(last or 0)
    message = Message(simulation=simulation, sequence=sequence, sender=sender, **fields)
    message.save(force_insert=True)
    record_message_event(message)
    return message


def record_message_event(message: Message) -> None:
    """Record the event that makes pages fetch a new or changed message."""
    data = {
        "id": message.pk,
        "sequence": message.sequence,
        "role": message.role,
        "message_type": message.message_type,
    }
    SimulationEvent.objects.record(message.simulation_id, EventKind.MESSAGE, data)

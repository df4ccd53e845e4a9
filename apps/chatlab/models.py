"""The chat of a simulation: its messages in one gapless order, and where each stands."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.simulation.models import EventKind, Simulation, SimulationEvent, SimulationImage
from orchestration.models import ServiceCallRecord
from orchestration.models.calls import call_brings_nothing

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.accounts.models import User

MAX_CONTENT = 10_000
"""Characters of a message that a person writes."""
MAX_RETRIES = 2


class ChatSession(models.Model):
    """The chat that belongs to a simulation."""

    simulation = models.OneToOneField(Simulation, on_delete=models.CASCADE, related_name="chat_session")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "chat_session"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"chat of simulation {self.simulation_id}"


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MessageType(models.TextChoices):
    TEXT = "text"
    IMAGE = "image"
    ORDER = "order"
    """Tests that the trainee asks for, one a line."""
    RESULTS = "results"
    """What the tests found; the values are metadata of the simulation, too."""
    EVENT = "event"
    """Something that an instructor let happen."""


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
        return self.pending().filter(call_brings_nothing())

    def wanting_pictures(self) -> Self:
        """Replies that want to show a picture, have none, and whose simulation has one that nobody has seen."""
        hidden = SimulationImage.objects.filter(simulation=OuterRef("simulation"), revealed_at__isnull=True)
        return self.filter(Exists(hidden), image_requested=True, media__isnull=True).order_by("pk")

    def said(self) -> Self:
        """What counts as said, in order: neither deleted nor failed."""
        return self.filter(is_deleted=False).exclude(delivery_status=Delivery.FAILED).order_by("sequence")

    def answered_before(self, simulation_id: int, message_id: int | None) -> Self:
        """What a reply to `message_id` may know: all that was said, without questions that still wait themselves.

        None: a reply to the whole conversation.
        """
        if message_id is None:
            return self.said().filter(simulation=simulation_id)
        waiting = Q(role=MessageRole.USER, delivery_status=Delivery.PENDING)
        return self.said().filter(simulation=simulation_id).exclude(waiting).exclude(pk=message_id)


class Message(models.Model):
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
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    delivered_at = models.DateTimeField(null=True, blank=True)

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
        """How often its sender may still try again; 0 when that is not what it needs."""
        return MAX_RETRIES - self.retries if self.delivery_status == Delivery.FAILED and self.retryable else 0

    def shown(self) -> list[str]:
        """What its pictures show, each on one line, as far as somebody described it."""
        return [" ".join(media.image.description.split()) or "a picture" for media in self.media.all()]

    # --- transitions of a question: each says whether it happened ------------------------------

    def mark_delivered(self, now: datetime | None = None) -> bool:
        """pending | failed → delivered: a late reply still counts."""
        return self._move(
            (Delivery.PENDING, Delivery.FAILED),
            delivery_status=Delivery.DELIVERED,
            delivered_at=now or timezone.now(),
            failure_code="",
            retryable=False,
        )

    def mark_failed(self, code: str, *, retryable: bool) -> bool:
        """pending → failed."""
        return self._move((Delivery.PENDING,), delivery_status=Delivery.FAILED, failure_code=code, retryable=retryable)

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
        """Compare-and-set on `delivery_status`; the instance follows the row, and an event tells it."""
        with transaction.atomic():
            if Message.objects.filter(pk=self.pk, delivery_status__in=from_).update(**changes) != 1:
                self.refresh_from_db(fields=["delivery_status"])
                return False
            for name, value in changes.items():
                setattr(self, name, value)
            told = {"id": self.pk, "sequence": self.sequence, "delivery_status": self.delivery_status}
            SimulationEvent.objects.record(self.simulation_id, EventKind.DELIVERY, told)
        return True


class MessageMedia(models.Model):
    """A picture that belongs to a message."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="media")
    image = models.ForeignKey(SimulationImage, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

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
    """The next message of a `locked()` simulation and the event that tells it, in the caller's transaction.

    `instead_of` is one that is deleted by now: its key and its place are taken, and the event that told it stands.
    """
    if instead_of is not None:
        fields |= {"pk": instead_of.pk, "created_at": instead_of.created_at, "delivered_at": instead_of.delivered_at}
    sequence = simulation.take_sequences() if instead_of is None else instead_of.sequence
    message = Message(simulation=simulation, sequence=sequence, sender=sender, **fields)
    message.save(force_insert=True)
    if instead_of is None:
        tell_message(message)
    return message


def tell_message(message: Message) -> None:
    """Record the event that lets pages fetch a message, new or changed."""
    told = {
        "id": message.pk,
        "sequence": message.sequence,
        "role": message.role,
        "message_type": message.message_type,
    }
    SimulationEvent.objects.record(message.simulation_id, EventKind.MESSAGE, told)

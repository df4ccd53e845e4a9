"""The kinds and audiences of a simulation's events."""

from __future__ import annotations

from django.db import models


class EventKind(models.TextChoices):
    """What an event reports; its `data` names the rows, whose content is fetched separately."""

    STATUS = "status"  # status, failure_code, ends_at
    MESSAGE = "message"  # id, sequence, role, message_type: a new message
    DELIVERY = "delivery"  # id, sequence, delivery_status: what became of a question
    MEDIA = "media"  # message_id, sequence, image: a picture was added to a message
    METADATA = "metadata"  # checksum
    FEEDBACK = "feedback"  # feedback_status, failure_code
    QUESTION = "question"  # id, status: a question about the feedback
    COMMAND = "command"  # id, kind: an instructor did something
    NOTE = "note"  # id, message_sequence


class Audience(models.TextChoices):
    EVERYONE = "everyone"
    INSTRUCTORS = "instructors"

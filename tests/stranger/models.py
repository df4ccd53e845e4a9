import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """A user with another key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class TicketAnswer(models.Model):
    """One answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.TextField()
    urgent = models.BooleanField()
    asked_by = models.ForeignKey(Person, null=True, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.text[:60]

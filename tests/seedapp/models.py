"""The domain rows that the examples of the source documents name."""

import uuid

from django.db import models


class Simulation(models.Model):
    sim_patient_full_name = models.CharField(max_length=100)
    tallies = models.ManyToManyField("Tally")

    def __str__(self) -> str:
        return self.sim_patient_full_name


class Message(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, null=True)
    role = models.CharField(max_length=64)
    text = models.TextField(blank=True, default="")
    content = models.TextField(blank=True, default="")
    is_from_ai = models.BooleanField(default=False)
    meta = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.role} {self.pk}"


class Attachment(models.Model):
    """Its key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, null=True)
    kind = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.kind


class Result(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    value = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Encounter(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    started_at = models.DateTimeField()
    identity = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"encounter {self.pk}"


class Observation(models.Model):
    encounter = models.ForeignKey(Encounter, on_delete=models.CASCADE)
    kind = models.CharField(max_length=50)
    value = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.kind


class AIResponse(models.Model):
    correlation_id = models.UUIDField(unique=True)
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    namespace = models.CharField(max_length=128)
    kind = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    payload = models.JSONField()

    def __str__(self) -> str:
        return str(self.correlation_id)


class Feedback(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    summary = models.TextField()
    identity = models.CharField(max_length=255, blank=True, default="")

    def __str__(self) -> str:
        return f"feedback {self.pk}"


class FeedbackMetric(models.Model):
    feedback = models.ForeignKey(Feedback, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    value = models.FloatField()

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """One row per key: what two runs of a handler would both want to insert."""

    key = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}={self.count}"

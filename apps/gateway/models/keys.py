"""What the gateway knows about an API key beyond `ApiKey`: its policy, and how much of its limits is in use."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import ApiKey


class CompressionLevel(models.TextChoices):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class CacheMode(models.TextChoices):
    OFF = "off"
    EXACT = "exact"
    SEMANTIC = "semantic", "exact, then semantic"


class KeyPolicy(models.Model):
    """How requests with a key are treated. A key without a row is treated as the defaults say."""

    api_key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, related_name="gateway_policy")
    parallel = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Requests at once. Empty: not limited."
    )
    fallback_models = models.JSONField(
        default=list, blank=True, help_text="Asked in this order when the provider fails before it answers."
    )
    compression = models.CharField(max_length=8, choices=CompressionLevel, blank=True)
    cache = models.CharField(max_length=8, choices=CacheMode, default=CacheMode.EXACT)
    mask_personal_data = models.BooleanField(
        default=False, help_text="The provider sees placeholders; the answer is restored."
    )

    class Meta:
        db_table = "gateway_key_policy"
        verbose_name_plural = "key policies"

    def __str__(self) -> str:
        return f"policy of key {self.pk}"

    def clean(self) -> None:
        names = self.fallback_models
        if not isinstance(names, list) or not all(_is_model_name(name) for name in names):
            raise ValidationError({"fallback_models": 'Write a list of names of models: ["gpt-4o", "gpt-4o-mini"].'})


def _is_model_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 128 and name.isprintable() and name.isascii()


class KeyMeter(models.Model):
    """What a key has in use. Its row lock is held by whoever changes it or the key's `spent`."""

    api_key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, related_name="gateway_meter")
    reserved = models.DecimalField(max_digits=14, decimal_places=8, default=Decimal(0))
    in_flight = models.PositiveIntegerField(default=0)
    requests_available = models.FloatField(default=0)
    tokens_available = models.FloatField(default=0)
    refilled_at = models.DateTimeField(null=True)
    """None: the buckets are full."""
    period_start = models.DateField(null=True)
    """Of the budget's period that the key's `spent` is about."""

    class Meta:
        db_table = "gateway_key_meter"
        constraints = (models.CheckConstraint(condition=Q(reserved__gte=0), name="key_meter_reserved_not_negative"),)

    def __str__(self) -> str:
        return f"meter of key {self.pk}"


class GatewayWorker(models.Model):
    """A process that serves the gateway, as long as it beats."""

    id = models.CharField(max_length=64, primary_key=True)
    beat_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "gateway_worker"

    def __str__(self) -> str:
        return self.id

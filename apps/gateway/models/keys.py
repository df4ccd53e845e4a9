"""The gateway's part of an API key: its policy, and how much of its limits is in use."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from apps.accounts.models import ApiKey
from apps.accounts.models.users import check_model_names
from orchestration.clock import database_now
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

MOST_TERMS, LONGEST_TERM = 5000, 200
"""Names and addresses of a key, and their characters."""


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
    fallback_models = StoredJSONField(
        default=list, blank=True, help_text="Asked in this order when the provider fails before it answers."
    )
    compression = models.CharField(max_length=8, choices=CompressionLevel, blank=True)
    cache = models.CharField(
        max_length=8,
        choices=CacheMode,
        default=CacheMode.OFF,
        help_text="A cached answer is the same each time, whatever the temperature.",
    )
    mask_personal_data = models.BooleanField(
        default=False, help_text="The provider sees placeholders; the answer is restored."
    )
    masked_terms = StoredJSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text='Names and addresses that are masked, too, in any case: ["Ada Lovelace", "12 St James\'s Square"].',
    )

    class Meta:
        db_table = "gateway_key_policy"
        verbose_name_plural = "key policies"

    def __str__(self) -> str:
        return f"policy of key {self.pk}"

    @classmethod
    def of(cls, key: ApiKey) -> KeyPolicy:
        """A key's policy; the defaults for a key without a row."""
        try:
            policy: KeyPolicy = key.gateway_policy
        except cls.DoesNotExist:
            return cls(api_key=key)
        return policy

    def clean(self) -> None:
        check_model_names(self.fallback_models, "fallback_models")
        terms = self.masked_terms
        if not isinstance(terms, list) or len(terms) > MOST_TERMS or not all(map(_is_term, terms)):
            raise ValidationError(
                {
                    "masked_terms": f"Write a list of at most {MOST_TERMS} names and addresses of 2 to {LONGEST_TERM} "
                    'characters, each with a letter or a digit: ["Ada Lovelace"].'
                }
            )


def _is_term(term: object) -> bool:
    return isinstance(term, str) and 2 <= len(term) <= LONGEST_TERM and any(map(str.isalnum, term))


class KeyMeter(models.Model):
    """What a key is using. Its row lock is held by whoever changes it or the key's `spent`."""

    api_key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, related_name="gateway_meter")
    reserved = models.DecimalField(max_digits=14, decimal_places=8, default=Decimal(0))
    in_flight = models.PositiveIntegerField(default=0)
    requests_available = models.FloatField(default=0)
    tokens_available = models.FloatField(default=0)
    refilled_at = MomentField(null=True)
    """None: the buckets are full."""
    period_start = models.DateField(null=True)
    """Of the budget's period that the key's `spent` is about."""

    class Meta:
        db_table = "gateway_key_meter"
        constraints = (models.CheckConstraint(condition=Q(reserved__gte=0), name="key_meter_reserved_not_negative"),)

    def __str__(self) -> str:
        return f"meter of key {self.pk}"

    @classmethod
    def of(cls, key: ApiKey) -> KeyMeter:
        """A key's meter; an unused one for a key without a row."""
        try:
            meter: KeyMeter = key.gateway_meter
        except cls.DoesNotExist:
            return cls(api_key=key)
        return meter


class GatewayWorker(models.Model):
    """A process that serves the gateway; it counts as alive while it updates `beat_at`."""

    id = models.CharField(max_length=64, primary_key=True)
    beat_at = MomentField(default=database_now)

    class Meta:
        db_table = "gateway_worker"

    def __str__(self) -> str:
        return self.id

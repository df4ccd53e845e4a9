"""One row for every request that reached the gateway, with its encrypted content in a second row."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, Self

from django.db import models
from django.db.models import Q, Value
from django.db.models.base import ModelState
from django.db.models.functions import Coalesce, NullIf

from apps.accounts.models import ApiKey
from orchestration.clock import database_now
from orchestration.values.moments import MomentField


class Status(models.TextChoices):
    """in_flight → completed | failed | client_left | unknown; unknown → any of them, when its process was not dead."""

    IN_FLIGHT = "in_flight", "in flight"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUSED = "refused"
    CLIENT_LEFT = "client_left", "client left"
    UNKNOWN = "unknown"


class Endpoint(models.TextChoices):
    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"


class CacheKind(models.TextChoices):
    EXACT = "exact"
    SEMANTIC = "semantic"


class Estimated(models.TextChoices):
    """What of a request's figures is an estimate."""

    PROMPT = "prompt"
    RESPONSE = "response"
    EMBEDDING = "embedding"
    COST = "cost"
    """The worst case that was reserved, because nobody knows what the answer cost."""


IS_ESTIMATE = Q(tokens_estimated=True) | Q(estimated__gt="")
"""The cost is an estimate; older versions note only that tokens are."""

ANSWERED_BY = Coalesce(NullIf("answered_by", Value("")), "model")
"""The model that a request is counted for: the one that answered, or the one that was asked for."""


class InteractionQuerySet(models.QuerySet["Interaction"]):
    def in_flight(self) -> Self:
        return self.filter(status=Status.IN_FLIGHT)

    def not_ended(self) -> Self:
        """In flight, or unknown because their process seemed dead."""
        return self.filter(status__in=(Status.IN_FLIGHT, Status.UNKNOWN))

    def of_user(self, user_id: int | str) -> Self:
        """The requests made with a user's keys."""
        return self.filter(user_id=str(user_id))


class Interaction(models.Model):
    """One request. Its content is in its payload, so that lists stay fast."""

    request_id = models.CharField(max_length=64, unique=True)
    """Ours, sent to the client as `x-request-id`."""
    user_id = models.CharField(max_length=64, blank=True)
    """The key's owner; empty when no key was valid."""
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="interactions")
    endpoint = models.CharField(max_length=16, choices=Endpoint, default=Endpoint.CHAT)
    model = models.CharField(max_length=128, blank=True)
    """The model that the client named."""
    answered_by = models.CharField(max_length=128, blank=True)
    """The model that answered: `model`, one that this is an alias of, or one of the key's fallbacks."""
    provider = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=64, blank=True, default="", db_default="")
    """The client of ORCA_CONFIG that answered, or was asked last; empty in rows of older versions."""
    route_reason = models.TextField(blank=True, default="", db_default="")
    """Why it was not the first route: what held or failed there."""
    status = models.CharField(max_length=16, choices=Status, default=Status.IN_FLIGHT)
    http_status = models.PositiveSmallIntegerField(default=0)
    """The status that the client got; 0 before that."""
    error_code = models.CharField(max_length=64, blank=True)
    streamed = models.BooleanField(default=False)
    cache_hit = models.BooleanField(default=False)
    cache_kind = models.CharField(max_length=16, choices=CacheKind, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    response_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    """Prompt tokens that the provider had in its own cache."""
    embedding_tokens = models.PositiveIntegerField(default=0)
    """Of the embedding that the semantic cache asked the provider for."""
    tokens_estimated = models.BooleanField(default=False)
    """The provider did not say how many of some part: counted from the text."""
    estimated = models.CharField(max_length=48, blank=True, default="", db_default="")
    """Which parts are estimated, as words of Estimated; empty in rows of older versions, too."""
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    reserved_cost = models.DecimalField(max_digits=14, decimal_places=8, default=Decimal(0))
    reserved_tokens = models.PositiveIntegerField(default=0)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    compression = models.CharField(max_length=8, blank=True)
    tokens_saved = models.IntegerField(default=0)
    masked = models.BooleanField(default=False)
    """Personal data was replaced before the provider saw the prompt."""
    slot_freed = models.BooleanField(default=False, db_default=False)
    """It does not count against the key's parallel requests: its client left, or the key had no limits."""
    worker = models.CharField(max_length=64, blank=True)
    """The process that serves it."""
    timestamp = MomentField(default=database_now)

    objects = InteractionQuerySet.as_manager()

    class Meta:
        db_table = "interactions"
        ordering = ("-id",)
        permissions = (
            ("read_payload", "Can read prompts and answers of interactions"),
            ("call_models", "Can call models through the gateway"),
        )
        indexes = (
            models.Index(fields=("user_id", "timestamp"), name="interaction_user_time"),
            models.Index(fields=("timestamp",), name="interaction_time"),
            models.Index(fields=("worker",), condition=Q(status="in_flight"), name="interaction_in_flight"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(status__in=Status.values), name="interaction_status_known"),
            models.CheckConstraint(
                condition=Q(cache_hit=True, cache_kind__in=CacheKind.values) | Q(cache_hit=False, cache_kind=""),
                name="interaction_cache_kind_of_hits",
            ),
            models.CheckConstraint(
                condition=Q(reserved_cost__gte=0) & (Q(cost__isnull=True) | Q(cost__gte=0)),
                name="interaction_cost_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.request_id

    @classmethod
    def begun(cls, request_id: str, endpoint: str, worker: str) -> Self:
        """A new row. Made as Django makes one that was pickled: setting field after field takes longer than reading the
        request."""
        row = cls.__new__(cls)
        vars(row).update(_defaults(), _state=ModelState())
        row.request_id, row.endpoint, row.worker, row.timestamp = request_id, endpoint, worker, database_now()
        return row

    def note_estimates(self, *parts: Estimated) -> None:
        """Mark these parts as estimated."""
        marked = {*self.estimated.split(), *parts}
        self.estimated = " ".join(part for part in Estimated if part in marked)
        self.tokens_estimated = bool(marked - {Estimated.COST})

    @property
    def tokens_used(self) -> int:
        """What the provider took for it: of a cached answer nothing but the question's embedding."""
        return self.embedding_tokens + (0 if self.cache_hit else self.prompt_tokens + self.response_tokens)


@cache
def _defaults() -> dict[str, Any]:
    """What a new row has in its fields."""
    return {name: value for name, value in vars(Interaction()).items() if name != "_state"}


class InteractionPayload(models.Model):
    """The prompt, the body that was sent and the response: JSON, encrypted."""

    interaction = models.OneToOneField(Interaction, models.CASCADE, primary_key=True, related_name="payload")
    prompt_enc = models.BinaryField()
    """The body as the client sent it."""
    sent_enc = models.BinaryField(null=True)
    """The body as the provider got it, where that differs: compressed, or with personal data masked."""
    response_enc = models.BinaryField(null=True)
    key_id = models.CharField(max_length=16, db_index=True)
    """Which encryption key wrote this."""

    class Meta:
        db_table = "interaction_payload"

    def __str__(self) -> str:
        return f"payload of {self.pk}"

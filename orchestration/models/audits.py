"""What was sent and what came back: one request row per provider request, one response row per answer or error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from orchestration.clock import database_now
from orchestration.models.append_only import AppendOnlyModel, AppendOnlyQuerySet
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.format_version import FormatVersionField
from orchestration.models.prices import ModelPrice
from orchestration.models.usage import UsageColumns
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models.fields.related_descriptors import RelatedManager

    from orchestration.models.tool_runs import ToolRun


class Outcome(models.TextChoices):
    """What became of a request. `unknown`: it was sent, but its worker died before the answer was stored."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"
    UNKNOWN = "unknown"


WITH_TOOLS = 2
"""The format of requests whose answers the engine may run tools for: `continues` is part of it."""


class RequestAuditQuerySet(AppendOnlyQuerySet["AIRequestAudit"]):
    """Requests; their outcome is the one thing that changes, once, from pending."""

    def pending(self) -> RequestAuditQuerySet:
        return self.filter(outcome=Outcome.PENDING)

    def unknown(self) -> RequestAuditQuerySet:
        return self.filter(outcome=Outcome.UNKNOWN)

    def settle(self, outcome: Outcome) -> int:
        """pending → answered | failed | unknown; returns how many moved."""
        return models.QuerySet.update(self.pending(), outcome=outcome)

    def abandon(self, call_ids: Iterable[str]) -> int:
        """pending → unknown, for calls whose worker died; returns how many moved."""
        return self.filter(call_id__in=list(call_ids)).settle(Outcome.UNKNOWN)


class AIRequestAudit(AppendOnlyModel):
    """One request to a provider, committed before it is sent."""

    call = models.ForeignKey(
        ServiceCallRecord,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="request_audits",
        db_index=False,
    )
    attempt = models.PositiveIntegerField(default=1)
    repair = models.PositiveSmallIntegerField(default=0, help_text="0 is the attempt itself, 1 its repair.")
    correlation_id = models.UUIDField(db_index=True)
    service_identity = models.CharField(max_length=255)
    namespace = models.CharField(max_length=128)
    kind = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    provider = models.CharField(max_length=64)
    client_name = models.CharField(max_length=64, blank=True, default="")
    model = models.CharField(max_length=128)
    surface = models.CharField(max_length=32, blank=True, default="")
    route_reason = models.TextField(  # noqa: DJ001 - null means that it went to the first one
        null=True, blank=True, help_text="Why it did not go to the first route of the call."
    )
    messages = StoredJSONField(default=list)
    tools = StoredJSONField(default=list, blank=True)
    response_schema_identity = models.CharField(max_length=255, blank=True, default="")
    response_schema = StoredJSONField(null=True, blank=True)
    parameters = StoredJSONField(default=dict, blank=True)
    prompt_meta = StoredJSONField(default=dict, blank=True)
    object_db_pk = models.CharField(max_length=64, blank=True, default="")
    continues = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,  # adding one would read all rows under a lock
        help_text="The request whose answer asked for tools. What was said up to there, and the tools and schema that"
        " were sent, are with the first request of that chain.",
    )
    repair_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="repairs", db_index=False
    )
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.PENDING)
    dispatched_at = MomentField(default=database_now)
    format_version = FormatVersionField(known=WITH_TOOLS)

    objects = RequestAuditQuerySet.as_manager()

    if TYPE_CHECKING:
        response_audit: AIResponseAudit
        tool_runs: RelatedManager[ToolRun]

    class Meta:
        db_table = "ai_request_audit"
        ordering = ("-dispatched_at", "-id")
        verbose_name = "AI request"
        permissions = (("export_airequestaudit", "Can export AI requests"),)
        constraints = (models.UniqueConstraint(fields=("call", "attempt", "repair"), name="audit_attempt_unique"),)
        indexes = (
            models.Index(fields=("repair_of",), condition=Q(repair_of__isnull=False), name="audit_repair_of"),
            models.Index(fields=("call",), condition=Q(outcome=Outcome.PENDING), name="audit_pending"),
            models.Index(fields=("-dispatched_at",), name="audit_newest"),
            models.Index(fields=("model", "-dispatched_at"), name="audit_model_newest"),
            models.Index(fields=("-dispatched_at", "call"), condition=Q(outcome=Outcome.UNKNOWN), name="audit_unknown"),
            models.Index(fields=("-dispatched_at",), condition=Q(outcome=Outcome.FAILED), name="audit_failed"),
        )

    def __str__(self) -> str:
        return f"request {self.pk} of {self.call_id} attempt {self.attempt}{' repair' if self.repair else ''}"

    @property
    def answer(self) -> AIResponseAudit | None:
        """What came back; None while nothing did. One query, none after `select_related("response_audit")`."""
        try:
            return self.response_audit
        except AIResponseAudit.DoesNotExist:
            return None


class AIResponseAudit(AppendOnlyModel, UsageColumns):
    """What came back for one request, on success and on failure."""

    ai_request = models.OneToOneField(AIRequestAudit, on_delete=models.CASCADE, related_name="response_audit")
    call = models.ForeignKey(
        ServiceCallRecord,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="response_audits",
        db_index=False,
    )
    received_at = MomentField(default=database_now)
    latency_ms = models.PositiveIntegerField(default=0)
    first_byte_ms = models.PositiveIntegerField(null=True, blank=True)
    raw = StoredJSONField(null=True, blank=True)
    outputs = StoredJSONField(default=list, blank=True)
    structured_data = StoredJSONField(null=True, blank=True)
    tool_calls = StoredJSONField(default=list, blank=True)
    finish_reason = models.CharField(max_length=64, blank=True, default="")
    provider_response_id = models.CharField(max_length=128, blank=True, default="")
    model = models.CharField(max_length=128, blank=True, default="")
    service_tier = models.CharField(max_length=32, blank=True, default="")
    price = models.ForeignKey(ModelPrice, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="")
    execution_metadata = StoredJSONField(default=dict, blank=True)
    format_version = FormatVersionField()

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        db_table = "ai_response_audit"
        ordering = ("-received_at", "-id")
        verbose_name = "AI response"
        permissions = (("export_airesponseaudit", "Can export AI responses"),)
        indexes = (
            models.Index(fields=("call",), name="response_call"),
            models.Index(fields=("provider_response_id",), name="response_provider_id"),
            models.Index(fields=("-received_at",), name="response_newest"),
            models.Index(fields=("model", "-received_at"), name="response_model_newest"),
            models.Index(
                fields=("error_code", "-received_at"), condition=Q(error_code__gt=""), name="response_error_newest"
            ),
        )

    def __str__(self) -> str:
        return f"response {self.pk} to request {self.ai_request_id}"

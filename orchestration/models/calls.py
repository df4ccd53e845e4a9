"""`ServiceCallRecord`: one logical call, and the transitions that are asked for from outside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import uuid_utils.compat
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models import Q

from orchestration.clock import database_now
from orchestration.components.routing import plan_of_identity
from orchestration.errors import TransitionRefused
from orchestration.fault_injection import fault
from orchestration.models.call_indexes import INDEXES
from orchestration.models.call_kinds import CallKind
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.models.format_version import FIRST, refuse_newer_format
from orchestration.models.persist_state import PersistenceTransitions
from orchestration.models.rollups import RollupMark
from orchestration.models.states import RETRYABLE_FROM, TERMINAL, OrderingPolicy, PersistState, Status
from orchestration.models.usage import UsageColumns
from orchestration.routes import Route
from orchestration.types import Response
from orchestration.values.content_parts import Reference
from orchestration.values.generic_refs import ObjectKey
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField
from orchestration.values.uuid_keys import UuidTextField, new_call_id

RESULT_FORMAT = FIRST
"""What this code writes and reads as the result of a call; stored in it, as `format_version`, from the second on."""
STAYS = {"persist": False}
"""In `dispatch` of a call whose result stays with it, instead of being persisted."""

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from orchestration.models.audits import AIRequestAudit


class ServiceCallRecord(PersistenceTransitions, UsageColumns, CompareAndSet):
    """One logical service call: what was asked, where it is, what came of it."""

    content_references: tuple[Reference, ...] = ()
    """Of a new record: the stored content that it refers to."""

    id = UuidTextField(primary_key=True, max_length=64, default=new_call_id, editable=False)
    service_identity = models.CharField(max_length=255)
    namespace = models.CharField(max_length=128)
    service_kwargs = StoredJSONField(default=dict, blank=True)
    input = StoredJSONField(default=dict, blank=True)
    context = StoredJSONField(default=dict, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    result = StoredJSONField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)  # noqa: DJ001 - null means there was no error
    error_code = models.CharField(max_length=64, blank=True, default="")
    retryable = models.BooleanField(default=False)

    dispatch = StoredJSONField(default=dict, blank=True)
    queue = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 - null is the default queue

    schema_identity = models.CharField(max_length=255, blank=True, default="")
    schema_version = models.PositiveIntegerField(default=0)
    schema_fingerprint = models.CharField(max_length=16, blank=True, default="")

    correlation_id = models.UUIDField(default=uuid_utils.compat.uuid7)
    priority = models.SmallIntegerField(default=0)
    ordering_key = models.CharField(max_length=255, blank=True, default="")
    ordering_policy = models.CharField(max_length=8, choices=OrderingPolicy, default=OrderingPolicy.SKIP)
    sequence = models.BigIntegerField(default=0)

    due_at = MomentField(default=database_now)
    attempts = models.PositiveIntegerField(default=0, help_text="Attempts that were started, whatever their outcome.")
    judged_attempts = models.PositiveIntegerField(
        default=0,
        help_text="Attempts whose outcome was acted on; a later one that was answered is resumed, not paid for again.",
    )
    failures = models.PositiveIntegerField(default=0, help_text="Attempts that failed since the last submit or retry.")
    max_attempts = models.PositiveSmallIntegerField(default=3)
    deaths = models.PositiveIntegerField(default=0, help_text="Times its worker died while it ran.")
    lease_token = models.BigIntegerField(default=0)
    lease_expires_at = MomentField(null=True, blank=True)
    worker = models.CharField(max_length=128, blank=True, default="")
    cancel_requested_at = MomentField(null=True, blank=True)

    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null: none given
    request_fingerprint = models.CharField(max_length=64, blank=True, default="")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    related_content_type = models.ForeignKey(
        ContentType, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    related_object_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - with the type above
    related_object = ObjectKey("related_content_type", "related_object_id")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False
    )

    client = models.CharField(
        max_length=64, blank=True, default="", help_text="The client in ORCA_CONFIG; rate limits apply to it."
    )
    model_requested = models.CharField(max_length=128, blank=True, default="")
    routes_left = models.SmallIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Which routes of its service it may still ask before it waits, a bit for each; empty: it has one.",
    )
    route_reason = models.TextField(  # noqa: DJ001 - null means that it goes to the first one
        null=True, blank=True, help_text="Why it does not go to the first of its routes: what held or failed there."
    )
    provider = models.CharField(max_length=64, blank=True, default="")
    model = models.CharField(max_length=128, blank=True, default="")

    created_at = MomentField(default=database_now, editable=False)
    updated_at = MomentField(auto_now=True)
    started_at = MomentField(null=True, blank=True)
    finished_at = MomentField(null=True, blank=True)

    domain_persist_state = models.CharField(max_length=16, choices=PersistState, default=PersistState.NONE)
    domain_persisted = models.GeneratedField(
        expression=models.Case(
            models.When(domain_persist_state=PersistState.PERSISTED.value, then=models.Value(True)),
            default=models.Value(False),
            output_field=models.BooleanField(),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    domain_persist_attempts = models.PositiveIntegerField(default=0)
    domain_persist_error = models.TextField(null=True, blank=True)  # noqa: DJ001 - null means there was no error
    next_persist_at = MomentField(null=True, blank=True)
    persisted_at = MomentField(null=True, blank=True)

    objects = ServiceCallQuerySet.as_manager()

    if TYPE_CHECKING:
        request_audits: RelatedManager[AIRequestAudit]

    class Meta:
        db_table = "service_call_record"
        ordering = ("-created_at", "-id")
        verbose_name = "service call"
        permissions = (
            ("retry_servicecallrecord", "Can retry a service call"),
            ("cancel_servicecallrecord", "Can cancel a service call"),
            ("replay_servicecallrecord", "Can rerun a service call"),
            ("preview_servicecallrecord", "Can see what reprocessing a service call would change"),
            ("persist_servicecallrecord", "Can reprocess a service call"),
            ("revert_servicecallrecord", "Can revert what a service call persisted"),
            ("export_servicecallrecord", "Can export service calls"),
            ("view_content", "Can read prompts, answers and payloads"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("requested_by", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False, requested_by__isnull=False),
                name="call_idempotency_by_user",
            ),
            models.UniqueConstraint(
                fields=("idempotency_key",),
                condition=Q(idempotency_key__isnull=False, requested_by__isnull=True),
                name="call_idempotency_by_system",
            ),
            models.UniqueConstraint(
                fields=("ordering_key", "sequence"), condition=~Q(ordering_key=""), name="call_sequence_unique"
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="call_status_known"),
            models.CheckConstraint(
                condition=Q(domain_persist_state__in=PersistState.values), name="call_persist_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.RUNNING) | Q(lease_expires_at__isnull=False), name="call_running_has_lease"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=TERMINAL) | Q(finished_at__isnull=False), name="call_finished_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(domain_persist_state=PersistState.PENDING)
                | Q(status=Status.SUCCEEDED, next_persist_at__isnull=False),
                name="call_pending_is_succeeded",
            ),
            models.CheckConstraint(
                condition=~Q(domain_persist_state=PersistState.HELD) | Q(status=Status.SUCCEEDED),
                name="call_held_is_succeeded",
            ),
        )
        indexes = INDEXES

    def __str__(self) -> str:
        return f"{self.service_identity} {self.pk}"

    # --- reading ----------------------------------------------------------------------------

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def can_be_retried(self) -> bool:
        return self.status in RETRYABLE_FROM

    @property
    def can_be_cancelled(self) -> bool:
        return not self.is_terminal and self.cancel_requested_at is None

    @property
    def result_stays(self) -> bool:
        """Whether its result is not persisted by itself: it was asked for to be compared with another one."""
        return isinstance(self.dispatch, dict) and self.dispatch.items() >= STAYS.items()

    @property
    def route(self) -> Route:
        """The client and model that it is to ask; rate limits, circuits and pauses match on it."""
        return Route(self.client, self.model_requested)

    def go_to(self, route: Route, reason: str) -> None:
        """Let it ask this route, for this reason besides those that it has already; whoever holds the row writes it."""
        self.client, self.model_requested = route
        self.route_reason = self.and_reason(reason)

    def and_reason(self, reason: str) -> str:
        """Its `route_reason` with one more."""
        return f"{self.route_reason}, {reason}" if self.route_reason else reason

    @property
    def kind(self) -> CallKind:
        return CallKind(self.service_identity, self.client, self.model_requested)

    def signal_payload(self) -> dict[str, Any]:
        """The part of the payload that all public signals share."""
        return {
            "call_id": self.pk,
            "service_identity": self.service_identity,
            "namespace": self.namespace,
            "correlation_id": self.correlation_id,
            "context": self.context,
        }

    def response(self) -> Response:
        """The stored result with its related object attached; TransitionRefused when there is none yet."""
        return self.stored_response().attach(self.related_object)

    def stored_response(self) -> Response:
        """`response` without its related object, which takes a query.

        It is the result of this call whatever call it names itself, or a copied row would count as persisted already.
        Fields that a newer version added, which may run beside this one, are left out; WrittenByNewerVersion when it
        says that this is not enough.
        """
        if self.result is None:
            raise TransitionRefused(f"Call {self.pk} is {self.status} and has no result.")
        if isinstance(self.result, dict):
            refuse_newer_format(f"the result of call {self.pk}", self.result.get("format_version"), RESULT_FORMAT)
        response = Response.model_validate(self.result, extra="ignore")
        response.call_id = self.pk
        return response

    # --- transitions an operator or a caller asks for ---------------------------------------
    # (Claiming and finishing belong to the worker that holds the lease: engine/queue/claim.py and
    # engine/execution/group_commit.py.)

    def retry(self, *, now: datetime | None = None) -> None:
        """failed | cancelled → queued, with a fresh allowance of attempts; TransitionRefused otherwise.

        Its duration counts from the next claim on: the time that a person took to retry it is not latency.
        """
        with transaction.atomic():
            RollupMark.of_call(self.pk)
            self._move(
                from_=RETRYABLE_FROM,
                verb="retried",
                status=Status.QUEUED,
                due_at=now or database_now(),
                failures=0,
                deaths=0,
                started_at=None,
                finished_at=None,
                cancel_requested_at=None,
                error=None,
                error_code="",
                retryable=False,
                **self._first_route(),
            )
        fault("in_retry")

    def _first_route(self) -> dict[str, Any]:
        """Where a call with several routes starts again, as columns."""
        plan = None if self.routes_left is None else plan_of_identity(self.service_identity)
        if plan is None:
            return {}
        client, model = plan.begin()
        return {"client": client, "model_requested": model, "routes_left": plan.all, "route_reason": None}

    def cancel(self, *, now: datetime | None = None) -> None:
        """queued → cancelled at once; running → asked to stop (its worker ends it); TransitionRefused otherwise."""
        moment = now or database_now()
        try:
            self._move(
                from_=(Status.QUEUED,),
                verb="cancelled",
                status=Status.CANCELLED,
                finished_at=moment,
                cancel_requested_at=moment,
                error_code="cancelled",
                error="Cancelled before it ran.",
            )
        except TransitionRefused:
            self._move(from_=(Status.RUNNING,), verb="cancelled", cancel_requested_at=moment)
        else:
            RollupMark.of_call(self.pk)  # the caller's transaction may end long after this minute

    def _move(self, *, from_: tuple[Status, ...], verb: str, **changes: Any) -> None:
        if not self.compare_and_set("status", from_, updated_at=database_now(), **changes):
            raise TransitionRefused(f"Call {self.pk} is {self.status} and cannot be {verb}.")

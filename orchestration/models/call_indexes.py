"""The indexes of the table of calls, and what each is for."""

from __future__ import annotations

from django.db.models import F, Index, Q

from orchestration.models.priority_aging import VirtualDueTime
from orchestration.models.states import LISTED_STATES, UNFINISHED_IN_ORDER, PersistState, Status

INDEXES = (
    Index(
        VirtualDueTime("due_at", "priority"),
        F("due_at"),
        F("id"),
        condition=Q(status=Status.QUEUED),
        name="call_due",
    ),
    Index(
        F("service_identity"),
        F("client"),
        F("model_requested"),
        VirtualDueTime("due_at", "priority"),
        F("due_at"),
        F("id"),
        condition=Q(status=Status.QUEUED),
        name="call_due_of_kind",
    ),
    Index(
        F("service_identity"),
        F("client"),
        F("model_requested"),
        F("routes_left"),
        VirtualDueTime("due_at", "priority"),
        F("due_at"),
        F("id"),
        condition=Q(status=Status.QUEUED, routes_left__isnull=False),
        name="call_due_with_routes",
    ),
    Index(
        VirtualDueTime("due_at", "priority"),
        F("due_at"),
        F("id"),
        condition=Q(status=Status.QUEUED, ordering_key=""),
        name="call_due_without_key",
    ),
    Index(F("due_at"), F("ordering_key"), F("id"), condition=Q(status=Status.QUEUED), name="call_longest_due"),
    Index(
        fields=("-created_at", "-id"),
        condition=Q(status=Status.QUEUED, error_code__gt=""),
        name="call_list_retried",
    ),
    Index(fields=("lease_expires_at",), condition=Q(status=Status.RUNNING), name="call_leased"),
    Index(
        fields=("-priority", "finished_at", "id"),  # the order in which the drain takes them
        condition=Q(domain_persist_state=PersistState.PENDING),
        name="call_pending",
    ),
    Index(
        fields=("next_persist_at",),
        condition=Q(domain_persist_state=PersistState.PENDING),
        name="call_longest_pending",
    ),
    Index(
        fields=("ordering_key", "sequence"),
        condition=~Q(ordering_key="") & UNFINISHED_IN_ORDER,
        name="call_ordering_first",
    ),
    Index(fields=("service_identity", "created_at"), name="call_service_created"),
    # Only of calls that have one: each index of all calls is written four times for each of them.
    Index(fields=("parent",), condition=Q(parent__isnull=False), name="call_parent"),
    Index(
        fields=("related_content_type", "related_object_id"),
        condition=Q(related_content_type__isnull=False),
        name="call_about_object",
    ),
    Index(
        fields=("requested_by", "-created_at"),
        condition=Q(requested_by__isnull=False),
        name="call_owner_newest",
    ),
    Index(fields=("correlation_id",), name="call_correlation"),
    Index(fields=("-created_at", "-id"), name="call_newest"),
    Index(fields=("finished_at",), condition=Q(finished_at__isnull=False), name="call_finished"),
    Index(fields=("model", "-created_at"), condition=Q(model__gt=""), name="call_model_newest"),
    Index(fields=("error_code", "-created_at"), condition=Q(error_code__gt=""), name="call_error_newest"),
    *(
        Index(fields=("-created_at", "-id"), condition=Q(**{column: state}), name=f"call_list_{state}")
        for column, state in LISTED_STATES
    ),
)

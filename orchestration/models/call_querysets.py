"""The named filters over calls that all other code uses."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q

from orchestration.clock import JITTER, database_now
from orchestration.models.call_kinds import CallKind, KindWithRoutes
from orchestration.models.ordering_keys import FirstInTurn
from orchestration.models.persist_state import REJECTED
from orchestration.models.priority_aging import URGENCY
from orchestration.models.states import TERMINAL, PersistState, Status

if TYPE_CHECKING:
    from orchestration.models.calls import ServiceCallRecord


def call_gave_no_result(call: str = "call") -> Q:
    """Of rows with a foreign key `call`: it failed, was cancelled, or its result could not be stored, or was rejected.

    A condition on the call's own row, found by its key. Of subqueries that are joined by OR, PostgreSQL hashes each,
    and reads the table of calls once for each of them.
    """
    without_result = Q(**{f"{call}__status__in": TERMINAL, f"{call}__result__isnull": True})
    state = f"{call}__domain_persist_state"
    rejected = Q(**{state: PersistState.SKIPPED, f"{call}__domain_persist_error": REJECTED})
    return without_result | Q(**{state: PersistState.DEAD}) | rejected


class ServiceCallQuerySet(models.QuerySet["ServiceCallRecord"]):
    """Named filters. Other code does not filter on `status` or `domain_persist_state` itself."""

    def queued(self) -> Self:
        return self.filter(status=Status.QUEUED)

    def running(self) -> Self:
        return self.filter(status=Status.RUNNING)

    def failed(self) -> Self:
        return self.filter(status=Status.FAILED)

    def finished(self) -> Self:
        return self.filter(status__in=TERMINAL)

    def due(self, now: datetime | None = None) -> Self:
        """Queued calls that are due."""
        return self.queued().filter(due_at__lte=now or database_now())

    def in_turn(self) -> Self:
        """Queued calls that no other call of their ordering key holds up: no earlier one that is unfinished, and none
        at all (an earlier one may be retried late) that is running or waiting to be persisted."""
        return self.queued().filter(Q(ordering_key="") | Q(FirstInTurn("pk", "status")))

    def claimable(self, now: datetime | None = None) -> Self:
        """Due calls in turn, most urgent first; waiting makes more urgent (see models/priority_aging.py)."""
        return self.due(now).in_turn().order_by(*URGENCY)

    def claimable_without_key(self) -> Self:
        return self.due().filter(ordering_key="").order_by(*URGENCY)

    def claimable_with_key(self) -> Self:
        return self.filter(FirstInTurn("pk", "status"), due_at__lte=database_now()).order_by(*URGENCY)

    def of_kind(self, kind: CallKind) -> Self:
        return self.filter(service_identity=kind.service_identity, client=kind.client, model_requested=kind.model)

    def of_kind_with_routes(self, kind: KindWithRoutes) -> Self:
        return self.of_kind(kind.kind).filter(routes_left=kind.routes_left)

    def expired(self, now: datetime | None = None) -> Self:
        """Running calls whose worker stopped renewing its lease."""
        return self.running().filter(lease_expires_at__lt=now or database_now())

    def pending_persistence(self, now: datetime | None = None) -> Self:
        """Succeeded calls whose result is due to become domain objects, most urgent and oldest first.

        A result that another process stored a moment ago is due, however little the clocks of the two differ.
        """
        return self.filter(
            status=Status.SUCCEEDED,
            domain_persist_state=PersistState.PENDING,
            next_persist_at__lte=now or database_now() + JITTER,
        ).order_by("-priority", "finished_at", "id")

    def waiting_for_persistence(self) -> Self:
        """Results that are to become domain objects, now or later."""
        return self.filter(domain_persist_state=PersistState.PENDING)

    def held(self) -> Self:
        """Results that wait for a person's decision."""
        return self.filter(domain_persist_state=PersistState.HELD)

    def dead(self) -> Self:
        """Results that persistence gave up on."""
        return self.filter(domain_persist_state=PersistState.DEAD)

    def in_status(self, *statuses: str) -> Self:
        return self.filter(status__in=statuses)

    def in_persist_state(self, *states: str) -> Self:
        return self.filter(domain_persist_state__in=states)

    def visible_to(self, user: Any) -> Self:
        """The user's own calls; all calls for users who may view calls."""
        if user.has_perm("orchestration.view_servicecallrecord"):
            return self
        return self.filter(requested_by=user)

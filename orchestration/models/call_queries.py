"""Which calls are meant: the sentences about calls that everybody else filters with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from orchestration.models.aging import URGENCY
from orchestration.models.kinds import CallKind
from orchestration.models.states import TERMINAL, UNFINISHED_IN_ORDER, PersistState, Status

if TYPE_CHECKING:
    from orchestration.models.calls import ServiceCallRecord


class ServiceCallQuerySet(models.QuerySet["ServiceCallRecord"]):
    """Sentences about calls. Nobody outside filters on `status` or `domain_persist_state`."""

    def queued(self) -> Self:
        return self.filter(status=Status.QUEUED)

    def running(self) -> Self:
        return self.filter(status=Status.RUNNING)

    def failed(self) -> Self:
        return self.filter(status=Status.FAILED)

    def finished(self) -> Self:
        return self.filter(status__in=TERMINAL)

    def due(self, now: datetime | None = None) -> Self:
        """Queued calls whose time has come."""
        return self.queued().filter(due_at__lte=now or timezone.now())

    def in_turn(self) -> Self:
        """Calls that no other call of their ordering key holds up: no earlier one that is unfinished, and none at
        all (an earlier one may be retried late) that runs or waits to be persisted."""
        # Empty keys are left out because the index leaves them out; else it could not be used.
        unfinished = self.model._default_manager.filter(UNFINISHED_IN_ORDER, ordering_key=OuterRef("ordering_key"))
        others = unfinished.exclude(ordering_key="").exclude(pk=OuterRef("pk"))
        ahead = Q(sequence__lt=OuterRef("sequence"))
        busy = Q(status=Status.RUNNING) | Q(domain_persist_state=PersistState.PENDING)
        return self.filter(Q(ordering_key="") | ~Exists(others.filter(ahead | busy)))

    def claimable(self, now: datetime | None = None) -> Self:
        """Due calls in turn, most urgent first; waiting makes more urgent (see models/aging.py)."""
        return self.due(now).in_turn().order_by(*URGENCY)

    def of_kind(self, kind: CallKind) -> Self:
        return self.filter(service_identity=kind.service_identity, client=kind.client, model_requested=kind.model)

    def expired(self, now: datetime | None = None) -> Self:
        """Running calls whose worker stopped renewing its lease."""
        return self.running().filter(lease_expires_at__lt=now or timezone.now())

    def pending_persistence(self, now: datetime | None = None) -> Self:
        """Succeeded calls whose result is due to become domain objects, most urgent and oldest first."""
        return self.filter(
            status=Status.SUCCEEDED,
            domain_persist_state=PersistState.PENDING,
            next_persist_at__lte=now or timezone.now(),
        ).order_by("-priority", "finished_at", "id")

    def dead(self) -> Self:
        """Results that persistence gave up on."""
        return self.filter(domain_persist_state=PersistState.DEAD)

    def in_status(self, *statuses: str) -> Self:
        return self.filter(status__in=statuses)

    def in_persist_state(self, *states: str) -> Self:
        return self.filter(domain_persist_state__in=states)

    def older_than(self, created_at: datetime, call_id: str) -> Self:
        """What follows a row in the order of newest first; the first condition lets the index seek."""
        return self.filter(
            Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=call_id), created_at__lte=created_at
        )

    def visible_to(self, user: Any) -> Self:
        """Own calls; all of them for whoever may view calls."""
        if user.has_perm("orchestration.view_servicecallrecord"):
            return self
        return self.filter(requested_by=user)

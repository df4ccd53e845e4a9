"""The states of a call, and of persisting its result."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Status(models.TextChoices):
    """Where a call is: queued → running → succeeded | failed | cancelled; running → queued for a later attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PersistState(models.TextChoices):
    """Where a result is on its way into domain objects."""

    NONE = "none"
    PENDING = "pending"
    HELD = "held"
    """A person decides first; nothing of it is written."""
    PERSISTED = "persisted"
    SKIPPED = "skipped"
    DEAD = "dead"


class OrderingPolicy(models.TextChoices):
    """What a failed, dead or held call does to the next one of its ordering key."""

    SKIP = "skip"
    HOLD = "hold"


TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
RETRYABLE_FROM = (Status.FAILED, Status.CANCELLED)

LISTED_STATES = (
    *(("status", status.value) for status in Status if status != Status.SUCCEEDED),
    *(
        ("domain_persist_state", state.value)
        for state in (PersistState.PENDING, PersistState.HELD, PersistState.SKIPPED, PersistState.DEAD)
    ),
)
"""States that lists are filtered by and that may hold for hardly any call, or for none: each has its index, in the
order of lists."""

UNFINISHED_IN_ORDER = (
    Q(status__in=[Status.QUEUED, Status.RUNNING])
    | Q(domain_persist_state=PersistState.PENDING)
    | Q(ordering_policy=OrderingPolicy.HOLD, status=Status.FAILED)
    | Q(ordering_policy=OrderingPolicy.HOLD, domain_persist_state=PersistState.DEAD)
    | Q(ordering_policy=OrderingPolicy.HOLD, domain_persist_state=PersistState.HELD)
)
"""A call that holds up the later ones of its ordering key."""

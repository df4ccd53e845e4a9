"""What waits for a person before it is done, and what people decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from orchestration.clock import database_now
from orchestration.components.approval import AtDeadline
from orchestration.models.calls import ServiceCallRecord
from orchestration.models.compare_and_set import CompareAndSet
from orchestration.models.states import PersistState, Status
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField
from orchestration.values.uuid_keys import UuidTextField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

MAX_REASON = 500
MAX_NOTE = 2000


class HoldState(models.TextChoices):
    """open → approved | edited | rejected | expired | superseded, once."""

    OPEN = "open"
    APPROVED = "approved"
    EDITED = "edited"
    """Approved after a person had changed the answer."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Nobody decided by its deadline, at which it was to be rejected."""
    SUPERSEDED = "superseded"
    """What it was about is gone, or has become something else in another way."""


class Trigger(models.TextChoices):
    """What held a result back, the first of those that applied."""

    ALWAYS = "always"
    RULE = "rule"
    SHARE = "share"
    UNSURE = "unsure"
    CHANGES = "changes"
    ROWS = "rows"
    RULE_FAILED = "rule_failed"
    TOOL = "tool"
    """A model asked for a tool that needs approval."""


class DecisionKind(models.TextChoices):
    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    ASSIGN = "assign"
    ESCALATE = "escalate"
    DEADLINE = "deadline"
    """Nobody decided, and what was declared for that was done."""


VOTES = (DecisionKind.APPROVE, DecisionKind.EDIT)
URGENCY = (F("priority").desc(), "opened_at", "id")
"""The most urgent and oldest first; an index has this order."""


class HoldQuerySet(models.QuerySet["Hold"]):
    """Named filters, each served by an index."""

    def open(self) -> HoldQuerySet:
        return self.filter(state=HoldState.OPEN)

    def in_order(self) -> HoldQuerySet:
        """As people take them."""
        return self.order_by(*URGENCY)

    def overdue(self, now: datetime | None = None) -> HoldQuerySet:
        """Open ones whose deadline has passed, the longest ago first."""
        return self.open().filter(deadline__lte=now or database_now()).order_by("deadline", "id")

    def of_ended_calls(self) -> HoldQuerySet:
        """Open ones about tools of calls that have ended, or are gone: there is nothing left to decide."""
        live = ServiceCallRecord.objects.filter(pk=OuterRef("call_id"), status__in=(Status.QUEUED, Status.RUNNING))
        return self.open().filter(~Exists(live), trigger=Trigger.TOOL).in_order()

    def of_lost_results(self) -> HoldQuerySet:
        """Open ones about results that do not wait: their calls were deleted, purged, or dealt with in another way."""
        waits = ServiceCallRecord.objects.filter(
            pk=OuterRef("call_id"), domain_persist_state=PersistState.HELD, result__isnull=False
        )
        return self.open().filter(~Exists(waits), tool="").in_order()

    def of_call(self, call_id: str) -> HoldQuerySet:
        return self.filter(call_id=call_id).order_by("-id")

    def assigned_to(self, user: Any) -> HoldQuerySet:
        """To this person, or to a group that they are in."""
        return self.filter(Q(assignee=user) | Q(group__in=user.groups.all()))


class Hold(CompareAndSet):
    """What waits, or waited, for a person: the result of a call, or a tool that its model asked for.

    No foreign key to the call: it outlives pruned ones.
    """

    call_id = UuidTextField(max_length=64)
    tool = models.CharField(max_length=128, blank=True, default="", help_text="Which one; empty for a result.")
    tool_key = models.CharField(max_length=255, blank=True, default="", help_text="Of that run of the tool.")
    service_identity = models.CharField(max_length=255)
    namespace = models.CharField(max_length=128, blank=True, default="")
    schema_identity = models.CharField(max_length=255, blank=True, default="")
    prompt_version = models.CharField(
        max_length=64, blank=True, default="", help_text="Of code and texts of the prompt."
    )
    priority = models.SmallIntegerField(default=0, help_text="Of the call.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,  # an older version deletes people without knowing this table
        help_text="Who asked for the call.",
    )

    state = models.CharField(max_length=16, choices=HoldState, default=HoldState.OPEN)
    trigger = models.CharField(max_length=16, choices=Trigger)
    reason = models.CharField(max_length=MAX_REASON, help_text="Why it waits.")
    opened_at = MomentField(default=database_now)
    decided_at = MomentField(null=True, blank=True)
    deadline = MomentField(null=True, blank=True)
    at_deadline = models.CharField(max_length=16, blank=True, default="", help_text="What happens then.")
    escalate_to = models.CharField(max_length=150, blank=True, default="", help_text="The group that is asked then.")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,  # as above
    )
    group = models.ForeignKey(
        "auth.Group",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    persons = models.PositiveSmallIntegerField(default=1, help_text="How many have to approve it.")
    not_the_requester = models.BooleanField(default=False)
    permissions = models.CharField(
        max_length=500, blank=True, default="", help_text="What deciding on it needs, too, separated by spaces."
    )

    answer = StoredJSONField(null=True, blank=True, help_text="What the model answered.")
    edited = StoredJSONField(null=True, blank=True, help_text="What a person made of it.")
    shown = StoredJSONField(
        null=True, blank=True, help_text="What it would write, as the report of a dry run; row by row."
    )
    essence = StoredJSONField(default=dict, blank=True, help_text="What that comes down to, as digests.")
    digest = models.CharField(max_length=64, help_text="Of the answer and of what was shown; a decision names it.")
    rows = models.PositiveIntegerField(default=0, help_text="How many it would touch.")
    shown_at = MomentField(default=database_now)
    moved = StoredJSONField(
        default=list, blank=True, help_text="What became different since it was shown before, without values."
    )
    error = models.CharField(max_length=1000, blank=True, default="", help_text="Why it cannot be persisted as it is.")

    objects = HoldQuerySet.as_manager()

    if TYPE_CHECKING:
        decisions: RelatedManager[Decision]
        assignee_id: Any
        requested_by_id: Any
        group_id: Any

    class Meta:
        db_table = "persistence_hold"
        ordering = ("-id",)
        verbose_name = "held result"
        permissions = (("decide_hold", "Can decide on held results"),)
        constraints = (
            models.UniqueConstraint(
                fields=("call_id", "tool_key"), condition=Q(state=HoldState.OPEN), name="hold_open_once"
            ),
            models.CheckConstraint(condition=Q(state__in=HoldState.values), name="hold_state_known"),
            models.CheckConstraint(
                condition=Q(state=HoldState.OPEN) | Q(decided_at__isnull=False), name="hold_decided_has_time"
            ),
            models.CheckConstraint(
                condition=Q(at_deadline__in=["", *(each.value for each in AtDeadline)]), name="hold_at_deadline_known"
            ),
        )
        indexes = (
            models.Index(*URGENCY, condition=Q(state=HoldState.OPEN), name="hold_queue"),
            models.Index(F("service_identity"), *URGENCY, condition=Q(state=HoldState.OPEN), name="hold_queue_service"),
            models.Index(F("trigger"), *URGENCY, condition=Q(state=HoldState.OPEN), name="hold_queue_trigger"),
            models.Index(
                F("assignee"),
                *URGENCY,
                condition=Q(state=HoldState.OPEN, assignee__isnull=False),
                name="hold_queue_assignee",
            ),
            models.Index(
                F("group"), *URGENCY, condition=Q(state=HoldState.OPEN, group__isnull=False), name="hold_queue_group"
            ),
            models.Index(
                fields=("deadline", "id"),
                condition=Q(state=HoldState.OPEN, deadline__isnull=False),
                name="hold_deadline",
            ),
            models.Index(fields=("call_id",), name="hold_call"),
            models.Index(fields=("opened_at",), name="hold_opened"),
            models.Index(
                fields=("-decided_at", "-id"), condition=Q(decided_at__isnull=False), name="hold_decided_newest"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service_identity} {self.call_id}"

    @property
    def is_open(self) -> bool:
        return self.state == HoldState.OPEN

    def is_overdue(self, now: datetime | None = None) -> bool:
        return self.deadline is not None and self.deadline <= (now or database_now())

    def votes(self) -> models.QuerySet[Decision]:
        """The approvals of what is shown now; those of what was shown before do not count."""
        return self.decisions.filter(kind__in=VOTES, digest=self.digest)

    def close(self, state: HoldState, **changes: Any) -> bool:
        """open → another state; False when somebody else closed it before."""
        return self.compare_and_set("state", (HoldState.OPEN,), state=state.value, decided_at=database_now(), **changes)

    def note(self, kind: DecisionKind, *, by: Any = None, note: str = "") -> Decision:
        """Record a decision about what is shown now. IntegrityError when the same person approves it twice."""
        return self.decisions.create(kind=kind.value, user=by, note=note, digest=self.digest)


class Decision(models.Model):
    """What one person decided about a held result, or what was done because nobody did."""

    hold = models.ForeignKey(Hold, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    kind = models.CharField(max_length=16, choices=DecisionKind)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,  # an older version deletes people without knowing this table
    )
    note = models.TextField(blank=True, default="")
    digest = models.CharField(max_length=64, help_text="Of what was shown when it was decided.")
    decided_at = MomentField(default=database_now)

    class Meta:
        db_table = "persistence_decision"
        ordering = ("id",)
        verbose_name = "decision"
        constraints = (
            models.UniqueConstraint(
                fields=("hold", "user", "digest"), condition=Q(kind__in=VOTES), name="decision_vote_once"
            ),
            models.CheckConstraint(condition=Q(kind__in=DecisionKind.values), name="decision_kind_known"),
        )
        indexes = (
            models.Index(fields=("hold", "id"), name="decision_of_hold"),
            models.Index(fields=("decided_at",), name="decision_age"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of hold {self.hold_id}"


def holds_of(call_ids: Iterable[str]) -> models.QuerySet[Hold]:
    """All holds of some calls, the newest first, with their decisions in two more queries."""
    rows = Hold.objects.filter(call_id__in=list(call_ids)).order_by("-id")
    return rows.prefetch_related(models.Prefetch("decisions", Decision.objects.select_related("user")))

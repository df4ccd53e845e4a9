"""What holds calls back, for all workers of all nodes: rate limits, circuit breakers, pauses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from orchestration.errors import TransitionRefused
from orchestration.lanes import PATTERN, Lane, LanePattern

if TYPE_CHECKING:
    pass

LONGEST_OPEN = timedelta(seconds=60)
is_lane_pattern = RegexValidator(PATTERN, 'Write "client/model", such as "default/gpt-4o-mini" or "default/*".')


class LimitSource(models.TextChoices):
    """Who set a limit: only rows from the settings follow the settings."""

    SETTINGS = "settings"
    ADMIN = "admin"
    PROVIDER = "provider"


class RateLimit(models.Model):
    """A limit of the calls to one or several models, with the state of its token buckets.

    Every limit whose pattern matches a call holds for it; its buckets are shared by all calls that it matches.
    """

    pattern = models.CharField(
        max_length=200, unique=True, validators=[is_lane_pattern], help_text='"client/model"; "*" for any, "gpt-4o*".'
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    parallel = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Calls that run at the same time."
    )
    source = models.CharField(max_length=16, choices=LimitSource, default=LimitSource.ADMIN)

    requests_available = models.FloatField(default=0.0)
    tokens_available = models.FloatField(default=0.0)
    tokens_per_request = models.FloatField(
        default=1000.0, help_text="What a request is expected to use: the moving average of what they used."
    )
    refilled_at = models.DateTimeField(null=True, blank=True, help_text="Empty: the buckets are full.")
    blocked_until = models.DateTimeField(null=True, blank=True, help_text="As the provider asked for (Retry-After).")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "rate_limit"
        ordering = ("pattern",)

    def __str__(self) -> str:
        return self.pattern

    @property
    def lanes(self) -> LanePattern:
        return LanePattern.parse(self.pattern)

    @property
    def is_metered(self) -> bool:
        """It has numbers to keep, not only a time that the provider asked for."""
        return any((self.requests_per_minute, self.tokens_per_minute, self.parallel))

    @classmethod
    def block(cls, lane: Lane, until: datetime) -> None:
        """No call of this lane before `until`; a later time that is there already stays."""
        row, created = cls.objects.get_or_create(
            pattern=str(lane), defaults={"source": LimitSource.PROVIDER, "blocked_until": until}
        )
        if not created:
            cls.objects.filter(pk=row.pk).update(
                blocked_until=Greatest(Coalesce("blocked_until", until), until), updated_at=timezone.now()
            )


class CircuitState(models.TextChoices):
    """closed: calls flow. open: none does. half_open: one does, as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitQuerySet(models.QuerySet["ProviderCircuit"]):
    """Transitions, each compare-and-set."""

    def count_failures(self, client: str, failures: int, error_code: str, window: timedelta) -> None:
        """Add consecutive failures; those that began longer ago than the window are forgotten."""
        now = timezone.now()
        row, created = self.get_or_create(
            client=client, defaults={"failures": failures, "failing_since": now, "last_error_code": error_code}
        )
        if created:
            return
        fresh = self.filter(pk=row.pk, failing_since__gt=now - window).update(
            failures=F("failures") + failures, last_error_code=error_code
        )
        if not fresh:
            self.filter(pk=row.pk).exclude(failing_since__gt=now - window).update(
                failures=failures, failing_since=now, last_error_code=error_code
            )

    def trip(self, client: str, threshold: int, pause: timedelta) -> bool:
        """closed → open after `threshold` consecutive failures; half_open → open, each time for twice as long."""
        now = timezone.now()
        mine = self.filter(client=client)
        if mine.filter(state=CircuitState.CLOSED, failures__gte=threshold).update(
            state=CircuitState.OPEN, opened_at=now, retry_at=now + pause, openings=1, probe=""
        ):
            return True
        probed = mine.filter(state=CircuitState.HALF_OPEN).first()
        if probed is None:
            return False
        pause = min(pause * 2 ** min(probed.openings, 16), LONGEST_OPEN)
        return bool(
            mine.filter(state=CircuitState.HALF_OPEN, probe=probed.probe).update(
                state=CircuitState.OPEN, retry_at=now + pause, openings=F("openings") + 1, probe=""
            )
        )

    def close(self, client: str) -> bool:
        """The provider answers: half_open → closed, and a closed one forgets its failures. True if it was half open.

        An open one stays: what is answered then was sent before it opened.
        """
        healthy: dict[str, Any] = {"failures": 0, "failing_since": None, "openings": 0, "probe": ""}
        mine = self.filter(client=client)
        closed = mine.filter(state=CircuitState.HALF_OPEN).update(
            state=CircuitState.CLOSED, opened_at=None, retry_at=None, **healthy
        )
        if not closed:
            mine.filter(state=CircuitState.CLOSED, failures__gt=0).update(**healthy)
        return bool(closed)

    def probe(self, circuit: ProviderCircuit, call_id: str) -> bool:
        """open | half_open (its probe came to nothing) → half_open with this call as the probe."""
        return bool(
            self.filter(pk=circuit.pk, state=circuit.state, probe=circuit.probe).update(
                state=CircuitState.HALF_OPEN, probe=call_id
            )
        )


class ProviderCircuit(models.Model):
    """The circuit breaker of one model client of ORCA_CONFIG."""

    client = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=16, choices=CircuitState, default=CircuitState.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="Consecutive ones within the window.")
    failing_since = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When one call may try whether it works again.")
    openings = models.PositiveIntegerField(default=0, help_text="How often it opened since it was last closed.")
    probe = models.CharField(max_length=64, blank=True, default="", help_text="The call that tries.")
    last_error_code = models.CharField(max_length=64, blank=True, default="")

    objects = CircuitQuerySet.as_manager()

    class Meta:
        db_table = "provider_circuit"
        ordering = ("client",)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=CircuitState.values), name="circuit_state_known"),
            models.CheckConstraint(
                condition=~Q(state=CircuitState.OPEN) | Q(retry_at__isnull=False), name="circuit_open_has_end"
            ),
        )

    def __str__(self) -> str:
        return f"{self.client} {self.state}"


class PauseKind(models.TextChoices):
    """What is paused: a service by its identity, or models by a pattern `client/model`."""

    SERVICE = "service"
    MODEL = "model"


class Pause(models.Model):
    """While this row exists, no call of the service or to the model starts, on any node; running ones go on."""

    kind = models.CharField(max_length=16, choices=PauseKind)
    name = models.CharField(max_length=255, help_text='An identity, or "client/model" ("default/gpt-4o*", "*/*").')
    reason = models.CharField(max_length=500, blank=True, default="")
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    paused_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "pause"
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "name"), name="pause_unique", violation_error_message="This is paused already."
            ),
            models.CheckConstraint(condition=Q(kind__in=PauseKind.values), name="pause_kind_known"),
        )
        permissions = (("operate_pause", "Can pause and resume services and models"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @classmethod
    def start(cls, kind: str, name: str, *, reason: str = "", by: Any = None) -> Pause:
        """Pause; InvalidCall for a model that is no pattern, TransitionRefused when it is paused already."""
        if kind == PauseKind.MODEL:
            LanePattern.parse(name)
        pause, created = cls.objects.get_or_create(kind=kind, name=name, defaults={"reason": reason, "paused_by": by})
        if not created:
            raise TransitionRefused(f"The {kind} {name} is paused already, since {pause.paused_at:%Y-%m-%d %H:%M} UTC.")
        return pause

    def end(self) -> None:
        """Resume; TransitionRefused when somebody else did."""
        if not Pause.objects.filter(pk=self.pk).delete()[0]:
            raise TransitionRefused(f"The {self.kind} {self.name} is not paused.")

    @property
    def lanes(self) -> LanePattern | None:
        """Of the calls that it holds back; None when it is a service's."""
        return LanePattern.parse(self.name) if self.kind == PauseKind.MODEL else None

"""Rate limits, circuit breakers and pauses, which hold calls back on all nodes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from orchestration.clock import database_now
from orchestration.errors import TransitionRefused
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.routes import PATTERN, Route, RoutePattern
from orchestration.values.moments import LAST, MomentField

LONGEST_OPEN = timedelta(seconds=60)
is_route_pattern = RegexValidator(PATTERN, 'Write "client/model", such as "default/gpt-4o-mini" or "default/*".')


class LimitSource(models.TextChoices):
    """Who set a limit: only rows from the settings follow the settings."""

    SETTINGS = "settings"
    ADMIN = "admin"
    PROVIDER = "provider"


class RateLimit(models.Model):
    """A limit of the calls to one or several models, with the state of its token buckets.

    Every limit whose pattern matches a call applies to it; its buckets are shared by all calls that it matches.
    """

    pattern = models.CharField(
        max_length=200, unique=True, validators=[is_route_pattern], help_text='"client/model"; "*" for any, "gpt-4o*".'
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
        default=1000.0, help_text="Expected tokens of a request: the moving average of past requests."
    )
    refilled_at = MomentField(null=True, blank=True, help_text="Empty: the buckets are full.")
    blocked_until = MomentField(
        null=True,
        blank=True,
        help_text="Until when the provider asked to wait (Retry-After), at most RETRY_AFTER_CAP_SECONDS.",
    )
    asked_seconds = models.FloatField(
        null=True, blank=True, editable=False, help_text="How long the provider last asked to wait."
    )
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "rate_limit"
        ordering = ("pattern",)

    def __str__(self) -> str:
        return self.pattern

    @property
    def routes(self) -> RoutePattern:
        return RoutePattern.parse(self.pattern)

    @property
    def is_metered(self) -> bool:
        """It has numbers to keep, not only a time that the provider asked for."""
        return any((self.requests_per_minute, self.tokens_per_minute, self.parallel))

    def is_blocked(self, at: datetime) -> bool:
        """Whether the provider asked to wait beyond this moment; a time that cannot be read holds nothing."""
        return self.blocked_until is not None and at < self.blocked_until <= LAST

    @classmethod
    def block(cls, route: Route, until: datetime, *, asked_seconds: float) -> None:
        """Allow no call of this route before `until`; a later time stays.

        `asked_seconds` is what the provider asked for, which may be longer.
        """
        block: dict[str, Any] = {"blocked_until": until, "asked_seconds": asked_seconds}
        row, created = cls.objects.get_or_create(pattern=str(route), defaults={"source": LimitSource.PROVIDER, **block})
        if not created:
            block["blocked_until"] = Greatest(Coalesce("blocked_until", until), until)
            cls.objects.filter(pk=row.pk).update(**block, updated_at=database_now())


class CircuitState(models.TextChoices):
    """closed: calls flow. open: none does. half_open: one does, as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitQuerySet(models.QuerySet["ProviderCircuit"]):
    """Transitions, each compare-and-set."""

    def count_failures(self, client: str, failures: int, error_code: str, window: timedelta) -> None:
        """Add consecutive failures; those that began longer ago than the window are forgotten."""
        now = database_now()
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
        now = database_now()
        mine = self.filter(client=client)
        if mine.filter(state=CircuitState.CLOSED, failures__gte=threshold).update(
            state=CircuitState.OPEN, opened_at=now, retry_at=now + pause, openings=1, probe=""
        ):
            code = mine.values_list("last_error_code", flat=True).first()
            EngineEvent.note(EventKind.CIRCUIT_OPENED, f"{client}: {code or 'no code'}")
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
        if closed:
            EngineEvent.note(EventKind.CIRCUIT_CLOSED, client)
        else:
            mine.filter(state=CircuitState.CLOSED, failures__gt=0).update(**healthy)
        return bool(closed)

    def probe(self, circuit: ProviderCircuit, call_id: str) -> bool:
        """open | half_open (its probe failed) → half_open with this call as the probe."""
        return bool(
            self.filter(pk=circuit.pk, state=circuit.state, probe=circuit.probe).update(
                state=CircuitState.HALF_OPEN, probe=call_id
            )
        )


class ProviderCircuit(models.Model):
    """The circuit breaker of one model client of ORCA_CONFIG."""

    client = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=16, choices=CircuitState, default=CircuitState.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="Consecutive failures within the window.")
    failing_since = MomentField(null=True, blank=True)
    opened_at = MomentField(null=True, blank=True)
    retry_at = MomentField(null=True, blank=True, help_text="When one call may probe the provider.")
    openings = models.PositiveIntegerField(default=0, help_text="How often it opened since it was last closed.")
    probe = models.CharField(max_length=64, blank=True, default="", help_text="The call that probes the provider.")
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

    def waits(self, at: datetime) -> bool:
        """Open, and not yet to be tried at this moment; a time that cannot be read holds nothing."""
        return self.state == CircuitState.OPEN and self.retry_at is not None and at < self.retry_at <= LAST


class PauseKind(models.TextChoices):
    """What is paused: a service by its identity, or models by a pattern `client/model`."""

    SERVICE = "service"
    MODEL = "model"


class Pause(models.Model):
    """While this row exists, no call of the service or to the model starts, on any node; running ones continue."""

    kind = models.CharField(max_length=16, choices=PauseKind)
    name = models.CharField(max_length=255, help_text='An identity, or "client/model" ("default/gpt-4o*", "*/*").')
    reason = models.CharField(max_length=500, blank=True, default="")
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    paused_at = MomentField(default=database_now, editable=False)

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
        """Pause; InvalidCall for a malformed model pattern, TransitionRefused when it is paused already."""
        if kind == PauseKind.MODEL:
            RoutePattern.parse(name)
        pause, created = cls.objects.get_or_create(kind=kind, name=name, defaults={"reason": reason, "paused_by": by})
        if not created:
            raise TransitionRefused(f"The {kind} {name} is paused already, since {pause.paused_at:%Y-%m-%d %H:%M} UTC.")
        EngineEvent.note(EventKind.PAUSE, str(pause))
        return pause

    def end(self) -> None:
        """Resume; TransitionRefused when it was resumed already."""
        if not Pause.objects.filter(pk=self.pk).delete()[0]:
            raise TransitionRefused(f"The {self.kind} {self.name} is not paused.")
        EngineEvent.note(EventKind.RESUME, str(self))

    @property
    def routes(self) -> RoutePattern | None:
        """Of the calls that it holds back; None when it is a service's."""
        return RoutePattern.parse(self.name) if self.kind == PauseKind.MODEL else None

"""Rate limits, provider circuits and pauses in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.extensions import ListActions
from orchestration.clock import database_now
from orchestration.components.registry import services
from orchestration.engine.queue.destinations import (
    check_pattern,
    known_patterns,
    known_routes,
    queued_by_kind,
    under,
)
from orchestration.engine.queue.held_calls import NONE, held_by_pauses
from orchestration.engine.queue.pausing import end, target_of
from orchestration.errors import OrchestrationError, TransitionRefused
from orchestration.models import Pause, ProviderCircuit, RateLimit
from orchestration.models.throttles import LimitSource
from orchestration.providers.retry_after import note_if_capped
from orchestration.stats.figures import Counted
from orchestration.theme.parts import ModelAdmin, display
from orchestration.theme.suggestions import SuggestingInput
from orchestration.theme.words import NOTHING, moment

COLOURS = {"closed": "success", "half_open": "warning", "open": "danger"}


def _models() -> Iterator[tuple[str, str]]:
    """The models that a limit can be of."""
    for pattern in known_patterns(known_routes()):
        yield pattern, "all models" if pattern.endswith("*") else "model"


def _targets() -> Iterator[tuple[str, str]]:
    """What can be paused: services, and models."""
    yield from ((str(identity), "service") for identity in services.all())
    yield from _models()


class RateLimitForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = RateLimit
        fields = ("pattern", "requests_per_minute", "tokens_per_minute", "parallel", "blocked_until")
        widgets = {"pattern": SuggestingInput(_models)}

    def clean_pattern(self) -> str:
        """A row that exists keeps its pattern: whoever used the model may be gone, and providers set limits, too."""
        pattern: str = self.cleaned_data["pattern"]
        if pattern != self.instance.pattern:
            try:
                check_pattern(pattern)
            except OrchestrationError as error:
                raise ValidationError(str(error)) from None
        return pattern


class ShowsWaiting(ModelAdmin):
    """A list that says of each row how many queued calls it is about now."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found: Any = super().get_changelist_instance(request)
        rows: Any = list(found.result_list)
        for row, waiting in zip(rows, self.waiting_for(rows), strict=True):
            row.waiting_now = waiting
        found.result_list = rows
        return found

    def waiting_for(self, rows: list[Any]) -> list[Counted]:
        """How many queued calls each of these is about."""
        raise NotImplementedError


@admin.register(RateLimit)
class RateLimitAdmin(ShowsWaiting):
    """A row that somebody saves here no longer follows the settings."""

    form = RateLimitForm
    list_display = (
        "pattern",
        "waiting",
        "requests_per_minute",
        "tokens_per_minute",
        "parallel",
        "source",
        "requests_left",
        "tokens_left",
        "blocked",
        "provider_asked",
    )
    search_fields = ("pattern",)
    fields = ("pattern", "requests_per_minute", "tokens_per_minute", "parallel", "blocked_until")

    def waiting_for(self, rows: list[Any]) -> list[Counted]:
        waiting = queued_by_kind() if rows else {}
        return [under(row, waiting) for row in rows]

    @display(description="Queued now")
    def waiting(self, limit: RateLimit) -> str:
        return str(limit.waiting_now)  # type: ignore[attr-defined]  # set for the list

    @display(description="Requests left")
    def requests_left(self, limit: RateLimit) -> str:
        return f"{limit.requests_available:.0f}" if limit.requests_per_minute and limit.refilled_at else "full"

    @display(description="Tokens left")
    def tokens_left(self, limit: RateLimit) -> str:
        return f"{limit.tokens_available:.0f}" if limit.tokens_per_minute and limit.refilled_at else "full"

    @display(description="Blocked until", ordering="blocked_until")
    def blocked(self, limit: RateLimit) -> str:
        return moment(limit.blocked_until)

    @display(description="Provider asked")
    def provider_asked(self, limit: RateLimit) -> str:
        """For how long it last asked to wait, while that holds."""
        if limit.asked_seconds is None or limit.blocked_until is None or limit.blocked_until <= database_now():
            return NOTHING
        return note_if_capped(limit.asked_seconds) or f"{limit.asked_seconds:,.0f} s"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.source = LimitSource.ADMIN
        if change:  # the buckets belong to the workers
            obj.save(update_fields=[*self.fields, "source", "updated_at"])
        else:
            obj.save()
        messages.info(request, f"{under(obj)} queued calls come under {obj} now.")


@admin.register(ProviderCircuit)
class ProviderCircuitAdmin(ReadOnlyAdmin):
    list_display = ("client", "shown_state", "failures", "last_error_code", "opened", "next_probe", "openings", "probe")

    @display(description="State", label=COLOURS, ordering="state")
    def shown_state(self, circuit: ProviderCircuit) -> str:
        return circuit.state

    @display(description="Opened", ordering="opened_at")
    def opened(self, circuit: ProviderCircuit) -> str:
        return moment(circuit.opened_at)

    @display(description="Next probe", ordering="retry_at")
    def next_probe(self, circuit: ProviderCircuit) -> str:
        return moment(circuit.retry_at)


class PauseForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Pause
        fields = ("kind", "name", "reason")
        widgets = {"name": SuggestingInput(_targets)}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        kind, name = cleaned.get("kind"), cleaned.get("name")
        try:
            if kind and name:
                cleaned["name"] = target_of(kind, name)
        except OrchestrationError as error:
            raise ValidationError({"name": str(error)}) from None
        return cleaned


@admin.register(Pause)
class PauseAdmin(ListActions, ShowsWaiting):  # type: ignore[misc]  # unfold's own mixins differ from Django's
    """Adding a row pauses, the action resumes; both need the permission to operate pauses and leave a log entry."""

    form = PauseForm
    list_display = ("name", "kind", "holds", "reason", "paused_by", "paused")
    list_select_related = ("paused_by",)
    actions = ("resume_selected",)
    not_offered = ("delete_selected",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.paused_by = request.user if request.user.is_authenticated else None
        super().save_model(request, obj, form, change)
        (held,) = self.waiting_for([obj])
        messages.info(request, f"It holds back {held} queued calls now; running calls continue.")

    def waiting_for(self, rows: list[Any]) -> list[Counted]:
        held = held_by_pauses() if rows else {}
        return [held.get(row.pk, NONE) for row in rows]

    @display(description="Paused", ordering="paused_at")
    def paused(self, pause: Pause) -> str:
        return moment(pause.paused_at)

    @display(description="Holds now")
    def holds(self, pause: Pause) -> str:
        return f"{pause.waiting_now} queued"  # type: ignore[attr-defined]  # set for the list

    @admin.action(description="Resume", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, pauses: QuerySet[Pause]) -> None:
        """Each for itself: another operator may have resumed one meanwhile."""
        for pause in pauses:
            try:
                self.log_change(request, pause, "Resumed.")
                end(pause)
            except TransitionRefused as refused:
                messages.warning(request, str(refused))
            else:
                messages.success(request, f"Resumed: {pause}.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orchestration.operate_pause")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_operate_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

"""Versions of personas and prompts: editable until a run uses them, then copied to be changed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ValidationError
from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.decorators import display

from apps.consensus.admin.import_export import PersonaResource, PromptSetResource
from apps.consensus.conf import consensus_settings
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.models import Persona, PromptSet
from orchestration.admin.import_export import Ported
from orchestration.admin.seen_forms import SeenRowForm


def _is_frozen(prompt_set: PromptSet | None) -> bool:
    """Whether a run used it; queried once for each page."""
    if prompt_set is None:
        return False
    known = vars(prompt_set)
    if "frozen" not in known:
        known["frozen"] = prompt_set.is_used
    return bool(known["frozen"])


class PersonaFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable at run time
    """Every persona once, and weights that total 1."""

    def clean(self) -> None:
        super().clean()
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if any(self.errors):
            return
        given = sorted(row["persona_id"] for row in kept)
        if given != sorted(PERSONA_IDS):
            raise ValidationError(f"Each persona must occur exactly once: {', '.join(PERSONA_IDS)}.")
        total = sum((row["weight"] for row in kept), Decimal(0))
        if total != 1:
            raise ValidationError(f"The weights must total 1, they total {total}.")


class PromptSetForm(SeenRowForm):
    """A version with its personas, which are edited together."""

    @staticmethod
    def parts(row: PromptSet) -> Iterable[Persona]:
        return row.personas.all()


class PersonaInline(StackedInline):
    model = Persona
    formset: Any = PersonaFormSet
    extra = 0
    min_num = len(PERSONA_IDS)
    max_num = len(PERSONA_IDS)

    def has_change_permission(self, request: HttpRequest, obj: PromptSet | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_frozen(obj)

    def has_add_permission(self, request: HttpRequest, obj: PromptSet | None = None) -> bool:
        return super().has_add_permission(request, obj) and not _is_frozen(obj)

    def has_delete_permission(self, request: HttpRequest, obj: PromptSet | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_frozen(obj)


@admin.register(PromptSet)
class PromptSetAdmin(Ported):
    """New runs use the version that PERSONA_TEMPLATE_VERSION names."""

    form = PromptSetForm
    resource_classes = (PromptSetResource,)
    list_display = ("version", "state", "approve_threshold", "revise_threshold", "rerun_threshold", "created_at")
    inlines = (PersonaInline,)
    actions = ("copy",)

    @display(description="State", label={"current": "success", "used": "info", "not usable": "danger"})
    def state(self, prompt_set: PromptSet) -> str:
        if prompt_set.faults():
            return "not usable"
        if prompt_set.version == consensus_settings().PERSONA_TEMPLATE_VERSION:
            return "current"
        return "used" if prompt_set.is_used else "editable"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptSet]:
        return super().get_queryset(request).prefetch_related("personas")

    def get_fields(self, request: HttpRequest, obj: PromptSet | None = None) -> Any:
        """What was there when the form was opened matters to who can save it."""
        fields = super().get_fields(request, obj)
        return fields if self.has_change_permission(request, obj) else [name for name in fields if name != "base"]

    def has_change_permission(self, request: HttpRequest, obj: PromptSet | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_frozen(obj)

    def has_delete_permission(self, request: HttpRequest, obj: PromptSet | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_frozen(obj)

    @admin.action(description="Copy as a new version", permissions=["add"])
    def copy(self, request: HttpRequest, queryset: QuerySet[PromptSet]) -> None:
        for prompt_set in queryset:
            version = f"{prompt_set.version[:27]}-copy"
            try:
                copied = prompt_set.copy_as(version)
            except IntegrityError:
                messages.error(request, f"Version {version} exists already. Rename it first.")
                return
            self.log_addition(request, copied, f"Copied from {prompt_set.version}.")
            messages.success(request, f"Version {version} can be edited now.")


@admin.register(Persona)
class PersonaAdmin(Ported):
    """Shown, imported and exported here; edited on the page of its version, together with the other weights."""

    resource_classes = (PersonaResource,)
    list_display = ("name", "persona_id", "prompt_set", "position", "weight")
    list_filter = ("prompt_set",)
    list_select_related = ("prompt_set",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_import_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("consensus.change_persona"))

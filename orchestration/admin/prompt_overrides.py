"""Prompt texts in the admin: edited in versions, each with a reason, and linked from the page of a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from orchestration.admin.base import NOTHING, moment
from orchestration.admin.extensions import ListActions
from orchestration.admin.ported import PortedPrompts
from orchestration.admin.sections import Section, add_call_sections
from orchestration.components.identity import PROMPTS
from orchestration.components.prompt_overrides import check_text, known_names
from orchestration.components.registry import registry_for, services
from orchestration.errors import TransitionRefused
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import PromptPart
from orchestration.theme.parts import SelectWidget, TextareaWidget, display
from orchestration.values.generic_refs import admin_path


class PromptTextForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A new text, or a new version of one."""

    section = forms.ChoiceField(widget=SelectWidget)

    class Meta:
        model = PromptText
        fields = ("section", "part", "text", "note")
        widgets = {"text": TextareaWidget(attrs={"rows": 14})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text" not in self.fields:  # who may only look at texts gets them without fields
            return
        sections = registry_for(PROMPTS).all()
        self.fields["section"].choices = [(str(identity), identity.label) for identity in sections]  # type: ignore[attr-defined]
        section = sections.get(self._known(sections))
        if section is not None:
            names = ", ".join(f"{{{name}}}" for name in sorted(known_names(section)))
            self.fields["text"].help_text = f"{self.fields['text'].help_text} Here: {names}."
        if self.instance.pk:
            for name in ("section", "part"):
                self.fields[name].disabled = True
        elif not self.initial.get("text"):
            self.initial["text"] = "{code}"

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        if "text" in cleaned:
            check_text(cleaned.get("section") or self.instance.section, cleaned["text"])
        return cleaned

    def _known(self, sections: Any) -> Any:
        wanted = self.instance.section or self.initial.get("section")
        return next((identity for identity in sections if str(identity) == wanted), None)


@admin.register(PromptText)
class PromptTextAdmin(ListActions, PortedPrompts):  # type: ignore[misc]  # as above
    """Saving adds a version, which the next prompt is rendered with; versions never change and never go."""

    form = PromptTextForm
    list_display = ("label", "part", "version", "state", "note", "created_by", "created")
    list_display_links = ("label",)
    list_filter = ("is_current", "part")
    list_select_related = ("created_by",)
    search_fields = ("section", "note")
    actions = ("use_again", "withdraw")
    not_offered = ("delete_selected",)
    fields = ("section", "part", "text", "note")

    @display(description="Section", ordering="section")
    def label(self, text: PromptText) -> str:
        return text.section.partition(".")[2]

    @display(description="State", label={"in use": "success"})
    def state(self, text: PromptText) -> str:
        return "in use" if text.is_current else "kept"

    @display(description="Created", ordering="created_at")
    def created(self, text: PromptText) -> str:
        return moment(text.created_at)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.publish(by=request.user)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, f"{obj} is in use from the next prompt on.")
        return HttpResponseRedirect(reverse("admin:orchestration_prompttext_changelist"))

    @admin.action(description="Use this version again", permissions=["change"])
    def use_again(self, request: HttpRequest, texts: QuerySet[PromptText]) -> None:
        """Each as a new version with the old words."""
        for text in texts:
            again = PromptText(section=text.section, part=text.part, text=text.text, note=f"As version {text.version}.")
            again.publish(by=request.user)
            self.log_addition(request, again, f"As version {text.version} again.")
            messages.success(request, f"{again} is in use.")

    @admin.action(description="Withdraw: let the section's code say it again", permissions=["change"])
    def withdraw(self, request: HttpRequest, texts: QuerySet[PromptText]) -> None:
        for text in texts:
            try:
                text.withdraw()
            except TransitionRefused as refused:
                messages.warning(request, str(refused))
            else:
                self.log_change(request, text, "Withdrawn.")
                messages.success(request, f"{text} is withdrawn.")


def edit_url(section: str, part: str, current: PromptText | None) -> str:
    """Where the text of a section is edited: its present version, or a new one."""
    if current is not None:
        return admin_path("orchestration_prompttext_change", current.pk)
    query = urlencode({"section": section, "part": part})
    return f"{reverse('admin:orchestration_prompttext_add')}?{query}"


@add_call_sections
def prompt_sections(request: HttpRequest, call: ServiceCallRecord) -> Iterable[Section]:
    """On a call's page: the sections of its service's prompt, each with where its text is edited."""
    service = services.try_get(call.service_identity)
    if service is None or not request.user.has_perm("orchestration.view_prompttext"):
        return
    names = [str(section.identity) for section in service.wiring.sections]
    current = {(text.section, text.part): text for text in PromptText.objects.current().filter(section__in=names)}
    listed = [
        {
            "label": name.rpartition(".")[2],
            "parts": [
                {
                    "part": part.value,
                    "url": edit_url(name, part, current.get((name, part))),
                    "version": current[name, part].version if (name, part) in current else NOTHING,
                }
                for part in PromptPart
            ],
        }
        for name in names
    ]
    if listed:
        yield Section(
            title="Prompt texts of this service",
            template="admin/orchestration/parts/prompt_texts.html",
            context={"sections": listed, "may_change": request.user.has_perm("orchestration.change_prompttext")},
        )

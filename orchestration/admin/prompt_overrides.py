"""Prompt texts in the admin: edited in versions, each with a reason, and linked from the page of a call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from orchestration.admin.extensions import ListActions
from orchestration.admin.optional_import_export import PortedPrompts
from orchestration.admin.prompt_versions import calls_url, texts_read_once, versions_page, versions_url
from orchestration.admin.sections import Section, Tab, add_call_sections
from orchestration.admin.seen_forms import SeenForm
from orchestration.components.identity import PROMPTS
from orchestration.components.prompt_overrides import check_text, known_names
from orchestration.components.registry import registry_for, services
from orchestration.errors import TransitionRefused
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import PromptPart, meanwhile
from orchestration.stats.prompt_use import prompt_read_once
from orchestration.theme.parts import SelectWidget, TextareaWidget, display
from orchestration.theme.words import exact, moment
from orchestration.values.generic_refs import admin_path

BASE_NUMBER = re.compile(r"-?[0-9]{1,9}")
CODE = "the section's code"
"""What says a part of a prompt that nobody edited."""


class PromptTextForm(SeenForm):
    """A new text, or a new version of one."""

    section = forms.ChoiceField(widget=SelectWidget)
    base = forms.IntegerField(required=False, widget=forms.HiddenInput)
    """What was in use when the form was opened, as `PromptText.objects.base_of` says."""

    class Meta:
        model = PromptText
        fields = ("section", "part", "text", "note", "base")
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
        self.initial["base"] = PromptText.objects.base_of(*self._place())
        if self.instance.pk:
            for name in ("section", "part"):
                self.fields[name].disabled = True
        elif not self.initial.get("text"):
            self.initial["text"] = "{code}"

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        if "text" in cleaned:
            check_text(cleaned.get("section") or self.instance.section, cleaned["text"])
        self._check_base(cleaned)
        return cleaned

    def _check_base(self, cleaned: Any) -> None:
        """Refuse to put this text in the place of one that its author has not seen, or where somebody withdrew the one
        that they saw."""
        base, place = cleaned.get("base"), (cleaned.get("section", ""), cleaned.get("part", ""))
        now = PromptText.objects.base_of(*place)
        if now == 0 and base is not None:  # of another section than the form was opened for
            cleaned["base"] = 0
        if base is None or now in {0, base}:
            return
        other = PromptText.objects.of(*place).select_related("created_by").get(version=abs(now))
        saved = f"{other.created_by or 'Somebody'} saved version {now} at {exact(other.created_at)}"
        self.refuse_unseen(now, saved if now > 0 else meanwhile(now), versions_url(other.pk))

    def _place(self) -> tuple[str, str]:
        """The section and part of the text, as far as they are known when the form is opened."""
        instance = self.instance
        section, part = self.initial.get("section", ""), self.initial.get("part") or PromptPart.INSTRUCTION
        return (instance.section, instance.part) if instance.pk else (section, part)

    def _known(self, sections: Any) -> Any:
        wanted = self.instance.section or self.initial.get("section")
        return next((identity for identity in sections if str(identity) == wanted), None)


@admin.register(PromptText)
class PromptTextAdmin(ListActions, PortedPrompts):  # type: ignore[misc]  # as above
    """Saving adds a version, which the next prompt is rendered with; versions never change and never go."""

    form = PromptTextForm
    list_display = ("label", "part", "version", "state", "note", "created_by", "created", "differences")
    list_display_links = ("label",)
    list_filter = ("is_current", "part")
    list_select_related = ("created_by",)
    search_fields = ("section", "note")
    actions = ("use_again", "withdraw")
    not_offered = ("delete_selected",)
    fields = ("section", "part", "text", "note", "base")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(versions_page)
        mine = path("<path:object_id>/versions/", page, name="orchestration_prompttext_versions")
        return [mine, *super().get_urls()]  # type: ignore[no-untyped-call]  # of unfold

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptText]:
        rows: Any = super().get_queryset(request)  # of the model's own kind
        return rows.with_bases()  # type: ignore[no-any-return]

    @display(description="Versions")
    def differences(self, text: Any) -> str:
        """With what is in use now, for an action that is chosen on this list."""
        seen = format_html('<input type="hidden" name="{}" value="{}">', _base_field(text), text.base)
        return format_html('<a class="orca-link" href="{}">what changed</a>{}', versions_url(text.pk), seen)

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

    def changeform_view(  # type: ignore[override]  # unfold's annotation is too narrow
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except TransitionRefused as refused:  # somebody was faster by less than the form's own check takes
            messages.error(request, str(refused))
            return HttpResponseRedirect(request.get_full_path())
        return response

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.publish(by=request.user, base=form.cleaned_data.get("base"))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, f"{obj} is in use from the next prompt on.")
        return HttpResponseRedirect(reverse("admin:orchestration_prompttext_changelist"))

    @admin.action(description="Use this version again", permissions=["change"])
    def use_again(self, request: HttpRequest, texts: QuerySet[PromptText]) -> None:
        """Each as a new version with the old words, unless another one is in use than the list showed."""
        for text in list(texts):
            shown = request.POST.get(_base_field(text), "")
            if not BASE_NUMBER.fullmatch(shown):
                messages.error(request, f"{text} is not on the page that this came from: choose it where you see it.")
                continue
            again = PromptText(section=text.section, part=text.part, text=text.text, note=f"As version {text.version}.")
            try:
                again.publish(by=request.user, base=int(shown))
            except TransitionRefused as refused:
                messages.error(request, f"{text} was not put in use. {refused} Choose it again, if it is still right.")
                continue
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


def _base_field(text: PromptText) -> str:
    """In which field of the list the page says what was in use, as `PromptText.objects.base_of` says."""
    return f"base-{text.pk}"


def edit_url(section: str, part: str, current: PromptText | None) -> str:
    """Where the text of a section is edited: its present version, or a new one."""
    if current is not None:
        return admin_path("orchestration_prompttext_change", current.pk)
    query = urlencode({"section": section, "part": part})
    return f"{reverse('admin:orchestration_prompttext_add')}?{query}"


Texts = Mapping[tuple[str, str, int | None], PromptText]
"""By section, part and version; the one in use by None."""


def _texts(call: ServiceCallRecord) -> Texts:
    """The texts in use, and those that were used."""
    found = texts_read_once(call)
    current = {(text.section, text.part, None): text for text in found if text.is_current}
    return current | {(text.section, text.part, text.version): text for text in found}


def _part(name: str, part: str, texts: Texts, used: Mapping[tuple[str, str], int] | None) -> dict[str, Any]:
    """One part of a section: what this call was rendered with, and what prompts are rendered with now."""
    current = texts.get((name, part, None))
    version = None if used is None else used.get((name, part))
    then = None if version is None else texts.get((name, part, version))
    return {
        "part": part,
        "url": edit_url(name, part, current),
        "now": f"v{current.version}" if current else CODE,
        "then": "" if used is None else f"v{version}" if version else CODE,
        "changed": used is not None and (current.version if current else None) != version,
        "versions_url": versions_url(then.pk) if then else "",
        "calls_url": calls_url(then.pk) if then else "",
    }


@add_call_sections
def prompt_sections(request: HttpRequest, call: ServiceCallRecord) -> Iterable[Section]:
    """On a call's page: the sections of its service's prompt, each with where its text is edited."""
    service = services.try_get(call.service_identity)
    if service is None or not request.user.has_perm("orchestration.view_prompttext"):
        return
    names = [str(section.identity) for section in service.wiring.sections]
    prompt = prompt_read_once(call)
    used = None if prompt is None else prompt.texts
    texts = _texts(call)
    listed = [
        {"label": name.rpartition(".")[2], "parts": [_part(name, part.value, texts, used) for part in PromptPart]}
        for name in names
    ]
    if listed:
        yield Section(
            title="Prompt texts of this service",
            tab=Tab.ATTEMPTS,
            template="admin/orchestration/parts/prompt_texts.html",
            context={"sections": listed, "may_change": request.user.has_perm("orchestration.change_prompttext")},
        )

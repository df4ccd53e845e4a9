"""The versions of a prompt text: what changed, who changed it, and which calls were made with each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from orchestration.admin.attempt_display import difference
from orchestration.admin.filters import add_call_filter
from orchestration.components.registry import services
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.stats.prompt_use import NEWEST_REQUESTS, calls_with, prompt_read_once, use_of
from orchestration.theme.parts import TextFilter
from orchestration.theme.words import currency
from orchestration.values.generic_refs import admin_path, key_of

LISTED = 30


def versions_url(text_id: int) -> str:
    """The page of a version and those before and after it."""
    return admin_path("orchestration_prompttext_versions", text_id)


def calls_url(text_id: int) -> str:
    """The list of calls that were made with a version."""
    return f"{reverse('admin:orchestration_servicecallrecord_changelist')}?prompt={text_id}"


def texts_read_once(call: ServiceCallRecord) -> list[PromptText]:
    """Without their words: the texts that the call's last prompt was rendered with, and those that its service's prompt
    is rendered with now; asked for once for this instance: several parts of its page show something of them."""
    known = vars(call)
    if "_texts" not in known:
        service, prompt = services.try_get(call.service_identity), prompt_read_once(call)
        sections = service.wiring.sections if service is not None else ()
        wanted = Q(section__in=[str(section.identity) for section in sections], is_current=True)
        for (section, part), version in (prompt.texts if prompt is not None else {}).items():
            wanted |= Q(section=section, part=part, version=version)
        known["_texts"] = list(PromptText.objects.filter(wanted).defer("text"))
    found: list[PromptText] = known["_texts"]
    return found


@add_call_filter
class PromptTextFilter(TextFilter):
    """By the version of a prompt text that a call was rendered with; links lead here."""

    title = "prompt text (number of the version)"
    parameter_name = "prompt"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        key = key_of(PromptText, value)
        text = None if key is None else PromptText.objects.filter(pk=key).first()
        if text is None:
            messages.warning(request, f"There is no prompt text with the number {value[:40]}.")
            return queryset.none()
        return queryset.filter(pk__in=calls_with(text))


def versions_page(request: HttpRequest, object_id: str) -> HttpResponse:
    """One version beside another, by default the one in use or, for that, the one before it; `with` names another."""
    if not request.user.has_perm("orchestration.view_prompttext"):
        raise PermissionDenied
    key = key_of(PromptText, object_id)
    shown = None if key is None else PromptText.objects.select_related("created_by").filter(pk=key).first()
    if shown is None:
        raise Http404
    versions = PromptText.objects.of(shown.section, shown.part).select_related("created_by").order_by("-version")
    other = _other(shown, versions, request.GET.get("with", ""))
    old, new = sorted((shown, other or shown), key=lambda text: text.version)
    may_see_calls = request.user.has_perm("orchestration.view_servicecallrecord")
    context = {
        **admin.site.each_context(request),
        "title": f"Versions of {shown.section.partition('.')[2]}, {shown.part}",
        "opts": PromptText._meta,
        "shown": shown,
        "other": other,
        "old": old,
        "new": new,
        "lines": list(difference(old.text, new.text)) if other else [],
        "versions": [(text, versions_url(text.pk), calls_url(text.pk)) for text in versions[:LISTED]],
        "counts": [(text, use_of(text), calls_url(text.pk)) for text in _both(shown, other)] if may_see_calls else [],
        "newest": NEWEST_REQUESTS,
        "currency": currency(),
        "edit_url": admin_path("orchestration_prompttext_change", shown.pk),
    }
    return TemplateResponse(request, "admin/orchestration/prompt_versions.html", context)


def _both(shown: PromptText, other: PromptText | None) -> list[PromptText]:
    return [shown] if other is None else [shown, other]


def _other(shown: PromptText, versions: QuerySet[PromptText], wanted: str) -> PromptText | None:
    """What a version is compared with; None when there is no other one."""
    others = versions.exclude(pk=shown.pk)
    if wanted.isdecimal():
        return others.filter(version=int(wanted[:9])).first()
    if shown.is_current:
        return others.filter(version__lt=shown.version).first()
    return others.filter(is_current=True).first() or others.first()

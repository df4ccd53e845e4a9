"""The operations of a call's pages: on one from its page, on the selected ones, and on all that match."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from orchestration.admin.added import bulk_door, matches_all
from orchestration.admin.base import DetailAdmin, detail_action
from orchestration.admin.operations import CANCEL, RETRY, Operation, ReasonForm, carry_out, plan, selected
from orchestration.models import ServiceCallRecord

LISTED_ON_CONFIRMATION = 20


class CallOperations(DetailAdmin):
    """Retry and cancel, through the model's transitions alone; what other packages add comes through `added`."""

    actions = ("retry_selected", "cancel_selected")
    actions_detail = ("retry_call", "cancel_call")  # type: ignore[assignment]  # unfold says: no actions at all

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Buttons only for what the call's present status allows."""
        call = (
            ServiceCallRecord.objects.only("status", "cancel_requested_at").filter(pk=unquote(str(object_id))).first()
        )
        possible = {operation.title for operation in (RETRY, CANCEL) if call and not operation.objection(call)}
        return [button for button in super().get_actions_detail(request, object_id) if button.description in possible]

    def has_retry_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return RETRY.allowed(request)

    def has_cancel_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return CANCEL.allowed(request)

    @admin.action(description="Retry", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> HttpResponse | None:
        return self._operate_on_selected(request, RETRY, "retry_selected", queryset)

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> HttpResponse | None:
        return self._operate_on_selected(request, CANCEL, "cancel_selected", queryset)

    @detail_action(description="Retry", url_path="retry", permissions=["retry"], icon="refresh")
    def retry_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._operate_on_one(request, RETRY, object_id)

    @detail_action(description="Cancel", url_path="cancel", permissions=["cancel"], icon="cancel")
    def cancel_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._operate_on_one(request, CANCEL, object_id)

    def _operate_on_selected(
        self, request: HttpRequest, operation: Operation, name: str, rows: QuerySet[ServiceCallRecord]
    ) -> HttpResponse | None:
        door = bulk_door() if matches_all(request) else None
        if door is not None:
            return door(request, operation.name, rows)
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        calls = selected(request, self.get_queryset(request), keys)
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            carry_out(operation, self, request, calls, form.cleaned_data["reason"])
            return None
        hidden = [("action", name), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
        return self._confirmation(request, operation, calls, form, hidden, back=request.get_full_path())

    def _operate_on_one(self, request: HttpRequest, operation: Operation, object_id: str) -> HttpResponse:
        key = unquote(object_id)
        call = self.get_object(request, key) if self.has_view_permission(request) else None
        if call is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            carry_out(operation, self, request, [call], form.cleaned_data["reason"])
            return HttpResponseRedirect(call_url(call.pk))
        return self._confirmation(request, operation, [call], form, [], back=call_url(call.pk))

    def _confirmation(
        self,
        request: HttpRequest,
        operation: Operation,
        calls: list[ServiceCallRecord],
        form: ReasonForm,
        hidden: list[tuple[str, str]],
        *,
        back: str,
    ) -> HttpResponse:
        planned = plan(operation, calls)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{operation.title} {len(calls)} service call{'' if len(calls) == 1 else 's'}",
            "opts": self.opts,
            "operation": operation,
            "plan": planned,
            "listed": [(call, call_url(call.pk)) for call in planned.will[:LISTED_ON_CONFIRMATION]],
            "unlisted": max(len(planned.will) - LISTED_ON_CONFIRMATION, 0),
            "form": form,
            "hidden": hidden,
            "back": back,
        }
        return TemplateResponse(request, "admin/orchestration/confirm.html", context)


def call_url(call_id: str) -> str:
    """A call's page."""
    return reverse("admin:orchestration_servicecallrecord_change", args=(call_id,))

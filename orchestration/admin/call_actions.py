"""Declared operations on the pages of calls: on one from its page, on the selected ones, and on all that match."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orchestration.admin.base import DetailAdmin
from orchestration.admin.extensions import Button, ListAction, bulk_runner, matches_all
from orchestration.admin.operations import ReasonForm, apply, plan, selected
from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation, operations, possible
from orchestration.values.generic_refs import admin_path
from orchestration.values.truncated_json import text_of

LISTED_ON_CONFIRMATION = 20


class CallOperations(DetailAdmin):
    """An action of the list, a button and a page for each operation that is declared (orchestration/operations.py)."""

    @property
    def selects_all_matching(self) -> bool:
        return bulk_runner() is not None or super().selects_all_matching

    def list_actions(self, request: HttpRequest) -> list[ListAction]:
        declared = [list_action(operation) for operation in operations()]
        return [*(each for each in declared if each.allowed(request)), *super().list_actions(request)]

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                f"<path:object_id>/{operation.name}/",
                self.admin_site.admin_view(partial(self.operate, operation)),
                name=_url_name(operation),
            )
            for operation in operations()
            if operation.page is None
        ]
        return [*pages, *super().get_urls()]

    def buttons(self, request: HttpRequest, call: ServiceCallRecord) -> Iterable[Button]:
        """What this person may do with the call as its page read it; operations with the same page share a button."""
        allowed = [operation for operation in operations() if _may_open(request, operation)]
        found: dict[str, Button] = {}
        for operation in possible(call, allowed, has_result=text_of(call, "result")[0] is not None):
            url = operation_url(operation, call.pk)
            found.setdefault(url, Button(title=operation.title, url=url, icon=operation.icon))
        return found.values()

    def operate(self, operation: Operation, request: HttpRequest, object_id: str) -> HttpResponse:
        """The confirmation for one call; POST does it."""
        if not request.user.has_perm(operation.permission):
            raise PermissionDenied
        call = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if call is None:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            apply(operation, self, request, [call], form.cleaned_data["reason"])
            return HttpResponseRedirect(call_url(call.pk))
        return self._confirmation(request, operation, [call], form, [], back=call_url(call.pk))

    def operate_on_selected(
        self, operation: Operation, request: HttpRequest, rows: QuerySet[ServiceCallRecord]
    ) -> HttpResponse | None:
        """The confirmation for the ticked calls; a bulk run where workers do it, or for all that match."""
        runner = bulk_runner() if operation.in_background or matches_all(request) else None
        if runner is not None:
            return runner(self, request, operation, rows)
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        calls = selected(request, self.get_queryset(request), keys)
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            apply(operation, self, request, calls, form.cleaned_data["reason"])
            return None
        hidden = [("action", action_name(operation)), *((ACTION_CHECKBOX_NAME, key) for key in keys)]
        return self._confirmation(request, operation, calls, form, hidden, back=request.get_full_path())

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


def list_action(operation: Operation) -> ListAction:
    def run(admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        response: HttpResponse | None = admin.operate_on_selected(operation, request, rows)
        return response

    return ListAction(name=action_name(operation), title=operation.title, permission=operation.permission, run=run)


def action_name(operation: Operation) -> str:
    return f"{operation.key}_selected"


def operation_url(operation: Operation, call_id: str) -> str:
    """Where an operation is done to one call."""
    if operation.page is None:
        return reverse(f"admin:{_url_name(operation)}", args=(call_id,))
    query = f"?{operation.page.query}" if operation.page.query else ""
    return reverse(f"admin:{operation.page.url_name}", args=(call_id,)) + query


def call_url(call_id: str) -> str:
    """A call's page."""
    return admin_path("orchestration_servicecallrecord_change", call_id)


def _url_name(operation: Operation) -> str:
    return f"orchestration_servicecallrecord_{operation.name}_call"


def _may_open(request: HttpRequest, operation: Operation) -> bool:
    needed = [operation.permission]
    if operation.page is not None and operation.page.permission:
        needed.append(operation.page.permission)
    return request.user.has_perms(needed)

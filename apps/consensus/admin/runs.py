"""The admin pages of runs: their progress, the decision and its reasons, the cost of each step, and actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display

from apps.accounts.models import User
from apps.accounts.models.roles import scopes_of
from apps.accounts.throttle import charge
from apps.consensus.api.runs import REVIEW_COST
from apps.consensus.errors import ConsensusRefused
from apps.consensus.forms import RevisionForm
from apps.consensus.models import Run, StepProgress, StepStatus
from apps.consensus.models.runs import STEPS
from apps.consensus.selectors import detail
from apps.consensus.workflow.retry_cancel import cancel_run, retry_run
from apps.consensus.workflow.start import start_revision
from orchestration.access_log import log_content_access
from orchestration.admin.base import (
    DetailAdmin,
    detail_action,
    may_read_content,
)
from orchestration.admin.exact_search import UuidSearch
from orchestration.admin.sections import Fact, Section
from orchestration.api.errors import ApiError
from orchestration.models import ServiceCallRecord
from orchestration.theme.reach import may_view
from orchestration.theme.words import (
    NOTHING,
    id_cell,
    moment,
    money,
    nowrap,
)
from orchestration.values.generic_refs import admin_path
from persistence.provenance import provenance_sections

STATUS_COLOURS = {
    "queued": "info",
    "running": "primary",
    "completed": "success",
    "failed": "danger",
    "cancelled": "warning",
}
DECISION_COLOURS = {"approve": "success", "revise": "warning", "reject": "danger"}
EXCERPT = 80
PARTS = "consensus/admin/"


@admin.register(Run)
class RunAdmin(UuidSearch, DetailAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Nothing is edited here: an operator may do to a run what its owner may do."""

    list_display = ("number", "excerpt", "state", "decided", "confidence", "progress", "run_type", "user", "created")
    list_display_links = ("number",)
    content_columns = ("excerpt",)
    shows_content = True
    list_filter = ("status", "decision_label", "run_type", "created_at")
    list_select_related = ("user",)
    list_defer = ("extra_context", "edited_proposal", "parameters_json", "error_context")
    search_fields = ("user__email",)
    search_help_text = "Id of a run, or part of its owner's address"
    actions = ("retry_selected", "cancel_selected")
    actions_detail = ("retry_one", "cancel_one", "revise_one")  # type: ignore[assignment]  # unfold takes a tuple, too
    detail_related = ("user", "prompt_set", "parent_run")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """With the number of its completed steps, counted only for the rows of one page."""
        steps = StepProgress.objects.filter(run=OuterRef("pk"), status=StepStatus.COMPLETED).order_by()
        counted = Subquery(steps.values("run").values(count=Count("pk")))
        rows: QuerySet[Run] = super().get_queryset(request)
        return rows.annotate(done=Coalesce(counted, 0))

    # --- the list ---------------------------------------------------------------------------

    @display(description="Run", ordering="id")
    def number(self, run: Run) -> str:
        return id_cell(run.pk)

    @display(description="Idea")
    def excerpt(self, run: Run) -> str:
        return run.input_idea if len(run.input_idea) <= EXCERPT else f"{run.input_idea[:EXCERPT]}…"

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, run: Run) -> str:
        return run.status

    @display(description="Decision", label=DECISION_COLOURS)
    def decided(self, run: Run) -> str | None:
        return run.decision_label

    @display(description="Confidence", ordering="overall_weighted_confidence")
    def confidence(self, run: Run) -> str:
        return NOTHING if run.overall_weighted_confidence is None else str(run.overall_weighted_confidence)

    @display(description="Progress")
    def progress(self, run: Any) -> str:
        return nowrap(f"{run.done} of {len(STEPS)}")

    @display(description="Created", ordering="created_at")
    def created(self, run: Run) -> str:
        return moment(run.created_at)

    # --- the page of one run ----------------------------------------------------------------

    def facts(self, request: HttpRequest, run: Run) -> Iterable[Fact]:
        shown = detail(run)
        yield Fact("Status", run.status, colour=STATUS_COLOURS[run.status])
        if run.decision_label:
            yield Fact("Decision", run.decision_label, colour=DECISION_COLOURS[run.decision_label])
            yield Fact("Confidence", run.overall_weighted_confidence)
        if run.error_code:
            yield Fact("Error code", run.error_code, colour="danger")
        yield Fact("Progress", self.progress(run))
        yield Fact("Owner", run.user or NOTHING)
        yield Fact("Run type", run.run_type)
        if run.parent_run_id:
            yield Fact("Revision of", run.parent_run_id, run_url(run.parent_run_id))
        yield Fact("Model", f"{run.model} at {run.temperature}")
        yield Fact("Prompts", run.prompt_set_version)
        yield Fact("Priority", run.priority)
        yield Fact("Tokens", shown["usage"]["total_tokens"])
        yield Fact("Cost", money(shown["usage"]["cost"]))
        user: Any = request.user
        if Run.objects.readable_by(user, scopes_of(user)).filter(pk=run.pk).exists():
            yield Fact("Page", "open", reverse("consensus:run", args=(run.pk,)))

    def sections(self, request: HttpRequest, run: Run) -> Iterable[Section]:
        shown = detail(run)
        is_open = may_view(request, ServiceCallRecord)
        steps = [
            {**step, "cost": money(step["cost"]), "url": call_url(step["call_id"]) if is_open else None}
            for step in shown["steps"]
        ]
        content = may_read_content(request)
        if content:
            yield Section(title="Idea", template=f"{PARTS}idea.html", context={"run": run})
        else:
            yield Section(title="Idea, reviews and decision", template="admin/orchestration/parts/hidden.html")
        yield Section(title="Steps", template=f"{PARTS}steps.html", context={"steps": steps})
        if content:
            yield from self._answers(run, shown)
        revisions = [(revision, run_url(revision.pk)) for revision in run.revisions.all()]
        if revisions:
            yield Section(title="Revisions", template=f"{PARTS}revisions.html", context={"revisions": revisions})
        yield from provenance_sections(run)

    def _answers(self, run: Run, shown: dict[str, Any]) -> Iterable[Section]:
        """The models' answers."""
        if shown["decision"]:
            yield Section(title="Decision", template=f"{PARTS}decision.html", context={"decision": shown["decision"]})
        if shown["reviews"]:
            yield Section(title="Reviews", template=f"{PARTS}reviews.html", context={"reviews": shown["reviews"]})
        if shown["proposal"]:
            yield Section(title="Proposal", template=f"{PARTS}proposal.html", context=shown["proposal"])

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Buttons for what the run's status allows."""
        run = Run.objects.filter(pk=unquote(str(object_id))).first()
        possible = set()
        if run is not None:
            may_revise = run.can_be_revised and may_read_content(request)
            pairs = (("Retry", run.can_be_retried), ("Cancel", run.is_open), ("Revise", may_revise))
            possible = {title for title, allowed in pairs if allowed}
        return [button for button in super().get_actions_detail(request, object_id) if button.description in possible]

    # --- operations -------------------------------------------------------------------------

    def has_operate_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return bool(request.user.has_perm("consensus.operate_run"))

    @admin.action(description="Retry the selected runs", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._carry_out(request, queryset, retry_run, "Retried")

    @admin.action(description="Cancel the selected runs", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._carry_out(request, queryset, cancel_run, "Cancelled")

    @detail_action(description="Retry", url_path="retry", permissions=["operate"], icon="refresh")
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._confirmed(request, object_id, retry_run, "Retry", "Retried")

    @detail_action(description="Cancel", url_path="cancel", permissions=["operate"], icon="cancel")
    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._confirmed(request, object_id, cancel_run, "Cancel", "Cancelled")

    @detail_action(description="Revise", url_path="revise", permissions=["operate"], icon="edit")
    def revise_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form shows the proposal, so the permission to read content is needed, too."""
        run = self._found(request, object_id)
        if not may_read_content(request):
            raise PermissionDenied
        if request.method == "GET":
            log_content_access(request.user, run, ", to revise it")
        if not run.can_be_revised:
            messages.error(request, "Only a completed run can be revised.")
            return HttpResponseRedirect(run_url(run.pk))
        form = RevisionForm(request.POST or None, proposal=run.proposal.expanded_proposal_json)
        if request.method == "POST" and form.is_valid():
            assert isinstance(request.user, User)  # noqa: S101 - for the type: the admin lets nobody else in
            try:
                charge(request.user.pk, "asking", REVIEW_COST)
                revision, _ = start_revision(request.user, run, form.checked.edits())
            except (ConsensusRefused, ApiError) as error:
                form.add_error(None, str(error))
            else:
                self.log_change(request, run, f"Revised as {revision.pk}.")
                return HttpResponseRedirect(run_url(revision.pk))
        return self._page(request, run, "Revise", form)

    def _confirmed(
        self, request: HttpRequest, object_id: str, operation: Callable[[object], Run], title: str, done: str
    ) -> HttpResponse:
        run = self._found(request, object_id)
        if request.method == "POST":
            self._carry_out(request, [run], operation, done)
            return HttpResponseRedirect(run_url(run.pk))
        return self._page(request, run, title, forms.Form())

    def _carry_out(
        self, request: HttpRequest, runs: Iterable[Run], operation: Callable[[object], Run], done: str
    ) -> None:
        """Apply the operation to each run by itself, with an entry in its history, and show the outcome."""
        for run in runs:
            try:
                if operation is retry_run:
                    charge(request.user.pk, "asking", REVIEW_COST)
                operation(run.pk)
            except (ConsensusRefused, ApiError) as error:
                messages.warning(request, f"{run}: {error}")
            else:
                self.log_change(request, run, f"{done}.")
                messages.success(request, f"{done}: {run}.")

    def _found(self, request: HttpRequest, object_id: str) -> Run:
        run: Run | None = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if run is None:
            raise Http404
        return run

    def _page(self, request: HttpRequest, run: Run, title: str, form: forms.Form) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title} {run}",
            "operation": title,
            "opts": self.opts,
            "run": run,
            "form": form,
            "back": run_url(run.pk),
        }
        return TemplateResponse(request, f"{PARTS}operate.html", context)


def run_url(run_id: object) -> str:
    """A run's page in the console."""
    return admin_path("consensus_run_change", run_id)


def call_url(call_id: str | None) -> str | None:
    """A call's page in the console."""
    return None if call_id is None else admin_path("orchestration_servicecallrecord_change", call_id)

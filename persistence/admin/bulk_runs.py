"""Bulk runs in the admin: the forecast, the progress, and the buttons that start, pause and abort one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_POST

from orchestration.admin.base import (
    DetailAdmin,
    ReadOnlyAdmin,
    may_read_content,
)
from orchestration.admin.calls import call_link
from orchestration.admin.exact_search import ExactSearch
from orchestration.admin.sections import Fact, Section
from orchestration.models import ServiceCallRecord
from orchestration.operations import operation_of, operations
from orchestration.theme.parts import DropdownFilter, display
from orchestration.theme.words import NOTHING, moment, seconds
from persistence.admin.base import ReasonForm, note, page, page_urls, render
from persistence.admin.bulk_actions import has_pairs, pairs_url, run_url, unless_empty
from persistence.bulk.figures import rate, time_left, troubles_by_cause
from persistence.bulk.runs import abort, freeze_rows, pause, progress, start
from persistence.errors import BulkRefused
from persistence.exports.registry import permission_to_export
from persistence.models import BulkItem, BulkRun, BulkState, DrainWake, PersistedPart, PersistenceDeath
from persistence.models.bulk import CHANGED, EXPORT, TROUBLES, Trouble

STATE_COLOURS = {
    BulkState.DRAFT.value: "info",
    BulkState.QUEUED.value: "info",
    BulkState.RUNNING.value: "primary",
    BulkState.PAUSED.value: "warning",
    BulkState.DONE.value: "success",
    BulkState.ABORTED.value: "warning",
    BulkState.FAILED.value: "danger",
    "done, see below": "warning",
}
LISTED_TROUBLES = 50
LISTED_SAMPLE = 5
VIEW = "persistence.view_bulkrun"


def kinds() -> list[tuple[str, str]]:
    """Every kind of run with its title."""
    return [*((operation.key, operation.title) for operation in operations()), (EXPORT, "Export")]


def permission_of(run: BulkRun) -> str:
    """What one needs to steer a run: what doing the same by hand would need."""
    if run.kind == EXPORT:
        return permission_to_export(run.options["exporter"]) or VIEW
    return operation_of(run.kind).permission if run.kind in dict(kinds()) else VIEW


def shown_state(run: BulkRun) -> str:
    """Its state; a run is not simply done that left something undone."""
    return "done, see below" if run.state == BulkState.DONE and run.error else str(run.state)


class KindFilter(DropdownFilter):
    title = "operation"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return kinds()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(BulkRun)
class BulkRunAdmin(DetailAdmin):
    """One's own runs; all of them with the permission to view bulk runs."""

    list_display = ("number", "title", "state_badge", "total", "by", "asked", "created")
    list_display_links = ("number",)
    list_filter = (KindFilter, "state")
    list_select_related = ("requested_by",)
    detail_related = ("requested_by",)
    ordering = ("-id",)
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        return [*page_urls(), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW) or obj is None or obj.requested_by_id == request.user.pk

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkRun]:
        runs: QuerySet[BulkRun] = super().get_queryset(request)
        return runs if request.user.has_perm(VIEW) else runs.filter(requested_by=request.user.pk)

    @display(description="Run")
    def number(self, run: BulkRun) -> str:
        return f"#{run.pk}"

    @display(description="Operation")
    def title(self, run: BulkRun) -> str:
        return run.title

    @display(description="State", label=STATE_COLOURS)
    def state_badge(self, run: BulkRun) -> str:
        return shown_state(run)

    @display(description="Asked by")
    def by(self, run: BulkRun) -> str:
        return str(run.requested_by or "command line")

    @display(description="Asked for")
    def asked(self, run: BulkRun) -> str:
        return in_words(run.filter)

    @display(description="Created")
    def created(self, run: BulkRun) -> str:
        return moment(run.created_at)

    def facts(self, request: HttpRequest, run: BulkRun) -> Iterable[Fact]:
        yield Fact("State", shown_state(run), colour=STATE_COLOURS[shown_state(run)])
        yield Fact("Operation", run.title)
        yield Fact("How", in_words(run.options))
        yield Fact("Rows", f"{run.total:,}")
        yield Fact("Asked for", in_words(run.filter))
        yield Fact("Asked by", self.by(run))
        yield Fact("Reason", run.reason or NOTHING)
        yield Fact("Created", moment(run.created_at))
        yield Fact("Started", moment(run.started_at))
        yield Fact("Ended", moment(run.finished_at))
        if run.error:
            yield Fact("Failed" if run.state == BulkState.FAILED else "Not done", run.error)

    def sections(self, request: HttpRequest, run: BulkRun) -> Iterator[Section]:
        if run.state == BulkState.DRAFT and run.kind in dict(kinds()):
            yield _plan(request, run)
        else:
            yield Section(title="Progress", template="admin/persistence/progress.html", context=how_far(request, run))
        troubles = list(run.items.filter(outcome__in=(*TROUBLES, CHANGED)).order_by("pk")[:LISTED_TROUBLES])
        if troubles:
            items = reverse("admin:persistence_bulkitem_changelist")
            yield Section(
                title="Left alone, failed or changed",
                template="admin/persistence/troubles.html",
                context={
                    "items": [(item, call_link(item.call_id)) for item in troubles],
                    "all": f"{items}?run__id__exact={run.pk}",
                    "limit": LISTED_TROUBLES,
                    "content": may_read_content(request),
                },
            )


def _plan(request: HttpRequest, run: BulkRun) -> Section:
    """What would be done, as it was counted when the list was frozen, and the button that does it."""
    entry = operation_of(run.kind)
    keys = run.items.order_by("pk").values_list("call_id", flat=True)[:LISTED_SAMPLE]
    return Section(
        title=f"{entry.title}?",
        template="admin/persistence/plan.html",
        context={
            "run": run,
            "operation": entry,
            "consequence": entry.consequence(run.options),
            "forecast": run.forecast,
            "frozen": moment(run.created_at),
            "form": ReasonForm(),
            "sample": [call_link(key) for key in keys],
            "may": request.user.has_perm(entry.permission),
            "content": may_read_content(request),
        },
    )


def how_far(request: HttpRequest, run: BulkRun) -> dict[str, Any]:
    """The context of the progress page."""
    counts = progress(run)
    per_second = rate(run)
    return {
        "rate": per_second and f"{per_second:,.1f} a second",
        "left": seconds(time_left(run, counts["done"], per_second)) if per_second else "",
        "causes": troubles_by_cause(run) if any(counts["outcomes"].get(trouble) for trouble in TROUBLES) else [],
        "can_repeat": run.has_ended and run.kind != EXPORT,
        "run": run,
        "state": shown_state(run),
        "stage": stage(run),
        "counts": counts,
        "percent": round(100 * counts["done"] / run.total) if run.total else 100,
        "outcomes": sorted(counts["outcomes"].items(), key=lambda pair: (-pair[1], pair[0])),
        "may": request.user.has_perm(permission_of(run)),
        "pairs": pairs_url(run.pk) if has_pairs(run) else "",
        "download": run.file and run.requested_by_id == request.user.pk,
        "is_export": run.kind == EXPORT,
        "content": may_read_content(request),
    }


def stage(run: BulkRun) -> str:
    """What decides which buttons the page has. Queued and running have the same: were the page loaded anew between
    the two, a click of that moment would be lost."""
    return "ended" if run.has_ended else "paused" if run.state == BulkState.PAUSED else "under way"


def in_words(value: object) -> str:
    """JSON as `key: value, key: value`."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {in_words(item)}" if item != {} else str(key) for key, item in value.items()) or "-"
    return str(value)


# --- pages of a run -------------------------------------------------------------------------


def shown_run(request: HttpRequest, run_id: int) -> BulkRun:
    """A run that this person may look at; 404 otherwise."""
    rows = BulkRun.objects.select_related("requested_by")
    run = (rows if request.user.has_perm(VIEW) else rows.filter(requested_by=request.user.pk)).filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


@page("<int:run_id>/progress/", "run_progress")
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The figures, which refresh themselves; a whole new page when the state is not the one that is shown, so that its
    buttons stay where they are while somebody reaches for them."""
    section = how_far(request, shown_run(request, run_id))
    if request.GET.get("shown", section["stage"]) != section["stage"]:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "progress.html", "Progress", section=section)


def _started(run: BulkRun, reason: str) -> None:
    start(run, reason=reason)


def _paused(run: BulkRun, reason: str) -> None:
    pause(run)


def _aborted(run: BulkRun, reason: str) -> None:
    abort(run)


VERBS: dict[str, Callable[[BulkRun, str], None]] = {"start": _started, "pause": _paused, "abort": _aborted}


@page("<int:run_id>/steer/<slug:verb>/", "run_steer")
@require_POST
def steer(request: HttpRequest, run_id: int, verb: str) -> HttpResponse:
    """Start, pause or abort; needs what doing the same by hand would need."""
    run = shown_run(request, run_id)
    if verb not in VERBS:
        raise Http404
    if not request.user.has_perm(permission_of(run)):
        raise PermissionDenied
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A reason has at most 500 characters. Nothing was started.")
        return HttpResponseRedirect(run_url(run.pk))
    try:
        VERBS[verb](run, form.cleaned_data["reason"])
    except BulkRefused as refused:
        messages.warning(request, str(refused))
    else:
        note(request, run, f"{verb.title()}. {form.cleaned_data['reason']}")
    return HttpResponseRedirect(run_url(run.pk))


@page("<int:run_id>/again/", "run_again")
@require_POST
def again(request: HttpRequest, run_id: int) -> HttpResponse:
    """A new draft with the same options over those items that were left alone or failed."""
    run = shown_run(request, run_id)
    if run.kind == EXPORT or run.kind not in dict(kinds()) or not run.has_ended:
        raise Http404
    if not request.user.has_perm(permission_of(run)):
        raise PermissionDenied
    keys = run.items.filter(outcome__in=(Trouble.FAILED, Trouble.REFUSED)).values("call_id")
    rows = ServiceCallRecord.objects.filter(pk__in=keys).order_by("created_at", "pk")
    asked = {"left alone or failed in": f"run #{run.pk}"}
    try:
        made = freeze_rows(run.kind, rows, options=run.options, asked=asked, requested_by=request.user)
    except BulkRefused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(run_url(run.pk))
    return HttpResponseRedirect(run_url(made.pk if unless_empty(request, made) else run.pk))


@page("<int:run_id>/download/", "run_download")
def download(request: HttpRequest, run_id: int) -> FileResponse:
    """The file of an export, for who asked for it and for nobody else; 404 when it was removed."""
    run = BulkRun.objects.filter(pk=run_id, requested_by=request.user.pk).exclude(file="").first()
    if run is None or not default_storage.exists(run.file):
        raise Http404
    note(request, run, "Downloaded.")
    return FileResponse(default_storage.open(run.file), as_attachment=True, filename=run.file.rpartition("/")[2])


# --- the other rows of persistence ----------------------------------------------------------


class TroubleFilter(DropdownFilter):
    """What was not done; the other outcomes are nearly all rows, and no index would help to find them."""

    title = "trouble"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(outcome, outcome) for outcome in TROUBLES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(outcome=value, outcome__in=TROUBLES) if value in TROUBLES else queryset


@admin.register(BulkItem)
class BulkItemAdmin(ExactSearch, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """The rows of runs, each with what became of it."""

    list_display = ("run", "row", "outcome", "counts", "error", "done")
    list_display_links = None
    list_filter = (TroubleFilter,)
    content_columns = ("error",)
    linked_lookups = ("run__id__exact",)
    list_select_related = ("run",)
    search_fields = ("call_id", "run__id")
    search_help_text = "Call id or number of the run"
    ordering = ("-id",)
    sortable_by = ()

    @display(description="Call or row")
    def row(self, item: BulkItem) -> str:
        return item.call_id if item.run.kind == EXPORT else call_link(item.call_id)

    @display(description="Done")
    def done(self, item: BulkItem) -> str:
        return moment(item.done_at)


@admin.register(PersistedPart)
class PersistedPartAdmin(ReadOnlyAdmin):
    """Parts of results that failed so far."""

    list_display = ("part", "call", "schema_identity", "attempts", "is_dead", "error", "failed")
    list_display_links = None
    list_filter = ("is_dead",)
    content_columns = ("error",)
    search_fields = ("=call_id", "=schema_identity")
    search_help_text = "Call id or schema"
    ordering = ("-id",)
    sortable_by = ()

    @display(description="Call")
    def call(self, part: PersistedPart) -> str:
        return call_link(part.call_id)

    @display(description="Failed")
    def failed(self, part: PersistedPart) -> str:
        return moment(part.failed_at)


@admin.register(DrainWake)
class DrainWakeAdmin(ReadOnlyAdmin):
    """Whether a drain was asked for that has not begun."""

    list_display = ("__str__",)
    list_display_links = None


@admin.register(PersistenceDeath)
class PersistenceDeathAdmin(ReadOnlyAdmin):
    """Processes that died while a handler ran."""

    list_display = ("call", "part", "node", "pid", "began")
    list_display_links = None
    search_fields = ("=call_id", "=node")
    ordering = ("-id",)
    sortable_by = ()

    @display(description="Call")
    def call(self, death: PersistenceDeath) -> str:
        return call_link(death.call_id)

    @display(description="The handler was called")
    def began(self, death: PersistenceDeath) -> str:
        return moment(death.began_at)

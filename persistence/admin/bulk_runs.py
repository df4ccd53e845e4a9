"""Bulk runs in the admin: the list, the forecast, the progress. What one does on them is in run_pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, reverse

from orchestration.admin.base import (
    DetailAdmin,
    ReadOnlyAdmin,
    may_read_content,
)
from orchestration.admin.calls import call_link
from orchestration.admin.exact_search import ExactSearch
from orchestration.admin.sections import Fact, Section
from orchestration.operations import operation_of, operations
from orchestration.theme.parts import DropdownFilter, display
from orchestration.theme.reach import seen_in
from orchestration.theme.words import NOTHING, exact, moment, seconds
from persistence.admin.base import page_urls
from persistence.admin.bulk_actions import has_pairs, pairs_url
from persistence.admin.operation_forms import PaceForm, StartForm
from persistence.bulk.figures import expected_rate, rate, time_left, troubles_by_cause, undone
from persistence.bulk.pace import pace_in_words
from persistence.bulk.rights import VIEW_RUNS, permissions_of
from persistence.bulk.runs import progress
from persistence.models import BulkItem, BulkRun, BulkState, DrainWake, PersistedPart, PersistenceDeath
from persistence.models.bulk import CHANGED, EXPORT, TROUBLES, Channel, items_with_a_note
from persistence.operations import DRY_RUN

STATE_COLOURS = {
    BulkState.DRAFT.value: "info",
    BulkState.QUEUED.value: "info",
    BulkState.RUNNING.value: "primary",
    BulkState.PAUSED.value: "warning",
    BulkState.DONE.value: "success",
    BulkState.ABORTED.value: "warning",
    BulkState.FAILED.value: "danger",
    "done, see below": "warning",
    "scheduled": "info",
}
PEOPLE = (Channel.CONSOLE, Channel.API)
"""Ways on which somebody asks; a run without anybody was asked for by the command line."""
LISTED_TROUBLES = 50
LISTED_SAMPLE = 5


def kinds() -> list[tuple[str, str]]:
    """Every kind of run with its title."""
    return [*((operation.key, operation.title) for operation in operations()), (EXPORT, "Export")]


def shown_state(run: BulkRun) -> str:
    """Its state; a run is not simply done that left something undone."""
    if run.is_scheduled:
        return "scheduled"
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

    list_display = ("number", "title", "state_badge", "size", "by", "asked", "created")
    list_display_links = ("number",)
    list_filter = (KindFilter, "state")
    list_select_related = ("requested_by",)
    detail_related = ("requested_by", "authorized_by")
    ordering = ("-id",)
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        return [*page_urls(), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW_RUNS) or obj is None or obj.requested_by_id == request.user.pk

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW_RUNS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkRun]:
        runs: QuerySet[BulkRun] = super().get_queryset(request)
        return runs if request.user.has_perm(VIEW_RUNS) else runs.filter(requested_by=request.user.pk)

    @display(description="Run")
    def number(self, run: BulkRun) -> str:
        return f"#{run.pk}"

    @display(description="Operation")
    def title(self, run: BulkRun) -> str:
        return run.title

    @display(description="State", label=STATE_COLOURS)
    def state_badge(self, run: BulkRun) -> str:
        return shown_state(run)

    @display(description="Total")
    def size(self, run: BulkRun) -> str:
        return f"{run.total:,}"

    @display(description="Asked by")
    def by(self, run: BulkRun) -> str:
        return asked_by(run)

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
        yield Fact("Rows" if run.kind == EXPORT else "Calls", f"{run.total:,}")
        yield Fact("Asked for", in_words(run.filter))
        yield Fact("Asked by", asked_by(run))
        if run.authorized_by_id != run.requested_by_id:
            yield Fact("In the name of", str(run.authorized_by or "somebody who no longer exists"))
        yield Fact("Reason", run.reason or NOTHING)
        yield Fact("Created", moment(run.created_at))
        if run.per_minute:
            yield Fact("Pace", pace_in_words(run))
        if run.starts_at is not None:
            yield Fact("Scheduled for", exact(run.starts_at))
        yield Fact("Started", moment(run.started_at))
        yield Fact("Ended", moment(run.finished_at))
        if run.error:
            yield Fact("Failed" if run.state == BulkState.FAILED else "Note", run.error)

    def sections(self, request: HttpRequest, run: BulkRun) -> Iterator[Section]:
        if run.state == BulkState.DRAFT and run.kind in dict(kinds()):
            yield _plan(request, run)
        else:
            yield Section(title="Progress", template="admin/persistence/progress.html", context=how_far(request, run))
        troubles = run.items.filter(outcome__in=(*TROUBLES, CHANGED)).order_by("pk")
        yield from _listed(request, run, "Left alone, failed or changed", troubles)
        yield from _listed(request, run, "Forced, and what speaks against it", items_with_a_note(run))


def _listed(request: HttpRequest, run: BulkRun, title: str, items: QuerySet[BulkItem]) -> Iterator[Section]:
    """The first of these items, with why; nothing when there are none."""
    found = list(items[: LISTED_TROUBLES + 1])
    if found:
        everything = reverse("admin:persistence_bulkitem_changelist")
        yield Section(
            title=title,
            template="admin/persistence/troubles.html",
            context={
                "items": [(item, call_link(request, item.call_id)) for item in found[:LISTED_TROUBLES]],
                "all": f"{everything}?run__id__exact={run.pk}",
                "more": len(found) > LISTED_TROUBLES,
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
            "form": StartForm(initial=pace_chosen(run) | {"reason": run.reason}),
            "starts": exact(run.starts_at) if run.starts_at else "",
            "pace": pace_in_words(run),
            "rows": sample_url(request, run),
            "sample": [call_link(request, key) for key in keys],
            "may": request.user.has_perms(permissions_of(run)),
            "content": may_read_content(request),
        },
    )


def how_far(request: HttpRequest, run: BulkRun) -> dict[str, Any]:
    """The context of the progress page."""
    counts = progress(run)
    per_second = rate(run)
    left = time_left(run, counts["done"], expected_rate(run, per_second))
    return {
        "rate": f"{per_second:,.1f} a second" if per_second else "",
        "left": seconds(left) if left is not None else "",
        "pace": pace_in_words(run),
        "pace_form": PaceForm(initial=pace_chosen(run)) if run.kind != EXPORT and not run.has_ended else None,
        "rows": sample_url(request, run),
        "causes": troubles_by_cause(run) if any(counts["outcomes"].get(trouble) for trouble in TROUBLES) else [],
        "can_repeat": run.has_ended and run.kind != EXPORT,
        "is_undone": run.has_ended and undone(run).exists(),
        "run": run,
        "state": shown_state(run),
        "stage": stage(run),
        "counts": counts,
        "percent": round(100 * counts["done"] / run.total) if run.total else 100,
        "outcomes": sorted(counts["outcomes"].items(), key=lambda pair: (-pair[1], pair[0])),
        "may": request.user.has_perms(permissions_of(run)),
        "pairs": pairs_url(run.pk) if has_pairs(run) else "",
        "download": run.file and run.requested_by_id == request.user.pk,
        "is_export": run.kind == EXPORT,
        "content": may_read_content(request),
    }


def asked_by(run: BulkRun) -> str:
    """Who asked for a run, and over which way when that was not the console."""
    if run.requested_by is None:
        return "somebody who no longer exists" if run.channel in PEOPLE else "command line"
    return f"{run.requested_by}{', over REST' if run.channel == Channel.API else ''}"


def pace_chosen(run: BulkRun) -> dict[str, Any]:
    """The pace as the form has it."""
    if not run.per_minute:
        return {}
    whole, rest = divmod(run.per_minute, 60)
    return {"at_most": run.per_minute, "per": "minute"} if rest else {"at_most": whole, "per": "second"}


def shows_sample(run: BulkRun) -> bool:
    """Whether the rows of a few of its calls can be shown as they would become: before it starts, or of a dry run."""
    operation = run.operation
    return operation is not None and operation.tells_rows and (run.state == BulkState.DRAFT or operation.is_dry_run)


def sample_url(request: HttpRequest, run: BulkRun) -> str:
    """Where that is; empty when it cannot be shown to this person."""
    may = shows_sample(run) and request.user.has_perm(DRY_RUN.permission)
    return reverse("admin:persistence_run_sample", args=(run.pk,)) if may else ""


def stage(run: BulkRun) -> str:
    """What decides which buttons the page has. Queued and running have the same: were the page loaded again between
    the two, a click of that moment would be lost."""
    return "ended" if run.has_ended else "paused" if run.state == BulkState.PAUSED else "under way"


def in_words(value: object) -> str:
    """JSON as `key: value, key: value`, without how the address of a list writes that something is equal. What is so
    is its key alone, and what is not so is left out."""
    if isinstance(value, dict):
        named = ((str(key).removesuffix("__exact").replace("_", " "), item) for key, item in value.items())
        said = ((key, item) for key, item in named if item is not False and item is not None)
        return (
            ", ".join(key if item is True or item == {} else f"{key}: {in_words(item)}" for key, item in said)
            or NOTHING
        )
    return str(value)


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
        return item.call_id if item.run.kind == EXPORT else call_link(seen_in(item), item.call_id)

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
        return call_link(seen_in(part), part.call_id)

    @display(description="Failed")
    def failed(self, part: PersistedPart) -> str:
        return moment(part.failed_at)


@admin.register(DrainWake)
class DrainWakeAdmin(ReadOnlyAdmin):
    """Whether a drain was asked for that has not begun."""

    list_display = ("asked",)
    list_display_links = None

    @display(description="Asked for")
    def asked(self, wake: DrainWake) -> str:
        return moment(wake.asked_at) if wake.asked_at else "not asked"


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
        return call_link(seen_in(death), death.call_id)

    @display(description="The handler was called")
    def began(self, death: PersistenceDeath) -> str:
        return moment(death.began_at)

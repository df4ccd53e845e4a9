"""The overview on the admin's first page: figures, alarms and the workers, with links to the calls behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from orchestration.admin.nodes import NODE_COLOURS
from orchestration.causes.known import known
from orchestration.clock import database_now
from orchestration.models import WorkerNode
from orchestration.models.states import Status
from orchestration.stats.aggregation import LENGTHS, floor
from orchestration.stats.figures import (
    LATE,
    Figures,
    History,
    Period,
    Queues,
    Running,
    history,
    queues,
    running_by_node,
)
from orchestration.theme.reach import may_open
from orchestration.theme.words import NOTHING, currency, moment, seconds
from persistence.admin.base import VIEW_CALLS, page, show_overview
from persistence.admin.dead_letters import dead_letters_url
from persistence.admin.failed_calls import failed_calls_url
from persistence.admin.overview_charts import charts
from persistence.admin.overview_marks import Mark, as_json, marks
from persistence.approval.figures import approval_figures
from persistence.maintenance.dead_letters import failure_groups
from persistence.models.approval import HoldState

show_overview(admin.site)

REFRESH_SECONDS = 5
LISTED = 10
OLD_FIGURES = timedelta(minutes=2)
ALL, FAILING = "all", "failing"
DECIDED = (HoldState.APPROVED, HoldState.EDITED, HoldState.REJECTED)
TERMINAL = (Status.SUCCEEDED.value, Status.FAILED.value, Status.CANCELLED.value)
RESOLUTION = timedelta(microseconds=1)
"""Of a stored moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number at the top of the page."""

    label: str
    value: object
    note: str = ""
    url: str = ""
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table; `url` makes it a link, `colour` a badge."""

    text: object
    url: str = ""
    colour: str = ""
    number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One card with rows."""

    title: str
    headers: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    empty: str
    url: str = ""
    """The page that says more."""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's dashboard callback: adds the figures to the admin's index, for those who may see calls."""
    if request.user.has_perm(VIEW_CALLS):
        context["overview"] = figures(request)
    return context


@page("overview/", "overview")
def live(request: HttpRequest) -> HttpResponse:
    """The figures alone, for the page to refresh."""
    if not request.user.has_perm(VIEW_CALLS):
        return HttpResponse(status=403)
    return TemplateResponse(request, "admin/persistence/overview_live.html", {"overview": figures(request)})


def figures(request: HttpRequest) -> dict[str, Any]:
    """All that the page shows."""
    now = database_now()
    period = Period.named(request.GET.get("period", ""))
    found = history(period, now=now)
    happened = marks(found)
    return {
        "marks": as_json(happened),
        "periods": [(choice.label, choice is period) for choice in Period],
        "period": period.label,
        "now": now,
        "rolled_at": found.rolled_at,
        "is_old": found.rolled_at is None or now - found.rolled_at > OLD_FIGURES,
        "refresh_seconds": REFRESH_SECONDS,
        "tiles": [*_waiting(queues(now=now)), *_finished(found)],
        "charts": list(charts(found)),
        "tables": [
            _openable(request, table)
            for table in (
                _dead_letters(),
                _parts(found),
                *_approvals(found),
                _errors(found),
                _workers(now),
                _events(happened),
            )
        ],
    }


def _openable(request: HttpRequest, table: Table) -> Table:
    """Without the links that this person may not open."""
    rows = [
        [cell if not cell.url or may_open(request, cell.url) else replace(cell, url="") for cell in row]
        for row in table.rows
    ]
    return replace(table, rows=rows, url=table.url if table.url and may_open(request, table.url) else "")


@page("overview/calls/", "overview_calls")
def calls_of_point(request: HttpRequest) -> HttpResponse:
    """To the list of exactly the calls that a point of a chart counts: `at` says when it began, in seconds since 1970,
    `what` which of its series it is. 404 for what no chart has."""
    if not request.user.has_perm(VIEW_CALLS):
        return HttpResponse(status=403)
    span = Period.named(request.GET.get("period", "")).span
    what = request.GET.get("what", ALL)
    try:
        began = floor(datetime.fromtimestamp(int(request.GET.get("at", "")), UTC), span)
    except (ValueError, OverflowError, OSError):
        raise Http404 from None
    if what not in {ALL, FAILING, *TERMINAL}:
        raise Http404
    ended = began + LENGTHS[span]
    if what == FAILING:
        return HttpResponseRedirect(calls(began_to_fail=f"{began.isoformat()}/{ended.isoformat()}"))
    status = {} if what == ALL else {"status__exact": what}
    return HttpResponseRedirect(calls(**status, **_side("from", began), **_side("to", ended - RESOLUTION)))


def _side(side: str, at: datetime) -> dict[str, str]:
    """A bound of the filter by the end of calls, in the reader's time zone; with its offset where the hour of the
    clock comes twice."""
    local = timezone.localtime(at)
    naive = local.replace(tzinfo=None, fold=0)
    clock = naive.time().isoformat() + ("" if timezone.make_aware(naive) == at else local.strftime("%z"))
    return {f"finished_at_{side}_0": f"{local:%Y-%m-%d}", f"finished_at_{side}_1": clock}


def calls(**filters: str) -> str:
    """The list of calls, filtered."""
    return f"{reverse('admin:orchestration_servicecallrecord_changelist')}?{urlencode(filters)}"


def _since(found: History) -> dict[str, str]:
    """As the filter of the list reads it: in the reader's time zone."""
    since = timezone.localtime(found.since)
    return {"finished_at_from_0": f"{since:%Y-%m-%d}", "finished_at_from_1": f"{since:%H:%M:%S}"}


def _waiting(waiting: Queues) -> Iterator[Tile]:
    yield Tile(label="Queue depth", value=waiting.queued, url=calls(status__exact="queued"))
    yield Tile(
        label="Oldest waiting",
        value=seconds(waiting.oldest_waiting),
        note="among calls that are due",
        url=calls(status__exact="queued"),
        alarm=_is_late(waiting.oldest_waiting),
    )
    yield Tile(label="Running", value=f"{waiting.running:,}", url=calls(status__exact="running"))
    yield Tile(
        label="Drain lag",
        value=seconds(waiting.drain_lag),
        note=f"{waiting.pending} results to persist",
        url=calls(domain_persist_state__exact="pending"),
        alarm=_is_late(waiting.drain_lag),
    )
    yield Tile(
        label="Dead letters",
        value=waiting.dead,
        note="results that could not be persisted",
        url=calls(domain_persist_state__exact="dead"),
        alarm=waiting.dead.count > 0,
    )


def _is_late(waited: timedelta | None) -> bool:
    return waited is not None and waited > LATE


def _finished(found: History) -> Iterator[Tile]:
    total, since = found.total, _since(found)
    yield Tile(label="Finished", value=f"{total.finished:,}", note=f"in {found.period.label}", url=calls(**since))
    yield Tile(
        label="Failed",
        value=f"{total.failed:,}",
        note=f"{total.failure_rate:.1%} of calls that succeeded or failed",
        url=calls(status__exact="failed", **since),
        alarm=total.failure_rate > 0.05,
    )
    yield Tile(label="Latency, p50", value=_latency(total, 0.5), note=f"p95 {_latency(total, 0.95)}")
    yield Tile(
        label="Tokens",
        value=f"{total.total_tokens:,}",
        note=f"{total.input_tokens:,} in, {total.output_tokens:,} out",
    )
    label = f"Cost, {currency()}" if currency() else "Cost"  # beside the number it would not fit into one line
    yield Tile(label=label, value=f"{total.cost:,.4f}", note=_unpriced(total), alarm=bool(total.unpriced))


def _latency(found: Figures, share: float) -> str:
    ms = found.latency(share)
    return NOTHING if ms is None else seconds(timedelta(milliseconds=ms))


def _unpriced(found: Figures) -> str:
    return f"{found.unpriced:,} calls without a price" if found.unpriced else "every call has a price"


# --- tables ---------------------------------------------------------------------------------


def _dead_letters() -> Table:
    rows = [
        [
            Cell(text=group.exception or NOTHING, url=calls(dead=group.fingerprint)),
            Cell(text=group.headline, url=f"{dead_letters_url()}#orca-group-{group.fingerprint}"),
            Cell(text=group.handler.partition(".")[2]),
            Cell(text=f"{group.dead:,}", number=True),
            Cell(text=f"{group.failing:,}", number=True),
            Cell(text=moment(group.last_seen)),
        ]
        for group in failure_groups()[:LISTED]
    ]
    return Table(
        title="Results that cannot be persisted, by cause",
        url=dead_letters_url(),
        headers=["Error", "Cause", "Handler", "Dead", "Failing", "Last seen"],
        rows=rows,
        empty="No result is dead, and none fails.",
    )


def _errors(found: History) -> Table:
    most = sorted(found.total.errors.items(), key=lambda error: (-error[1], error[0]))[:LISTED]
    rows = [
        [
            Cell(text=code or NOTHING, url=calls(error_code=code, **_since(found))),
            Cell(text=known(code).said),
            Cell(text=f"{count:,}", number=True),
        ]
        for code, count in most
    ]
    return Table(
        title="Failures by error code",
        url=failed_calls_url(),
        headers=["Error code", "What it is", "Calls"],
        rows=rows,
        empty="No call failed in this period.",
    )


def _approvals(found: History) -> Iterator[Table]:
    """What was held in this period, and what people made of it; nothing where nothing is ever held."""
    figures = approval_figures(found.since)
    rows = [
        [
            Cell(text=each.service.partition(".")[2], url=f"{approvals_url()}?{urlencode({'service': each.service})}"),
            Cell(text=each.prompt_version or NOTHING),
            Cell(text=f"{each.held:,}", number=True),
            *(Cell(text=f"{each.states[state]:,}", number=True) for state in DECIDED),
            Cell(text=f"{each.states[HoldState.OPEN]:,}", number=True),
            Cell(text=_seconds(each.seconds_to_decision), number=True),
        ]
        for each in figures[:LISTED]
    ]
    if rows:
        yield Table(
            title="Results that waited for approval",
            url=approvals_url(),
            headers=["Service", "Prompt", "Held", *(state.title() for state in DECIDED), "Waits", "Time to a decision"],
            rows=rows,
            empty="",
        )


def approvals_url() -> str:
    return reverse("admin:persistence_hold_changelist")


def _seconds(took: float | None) -> str:
    return NOTHING if took is None else seconds(timedelta(seconds=took))


def _parts(found: History) -> Table:
    rows = [
        [
            Cell(text=service.partition(".")[2], url=calls(service=service, model=model, **_since(found))),
            Cell(text=model or NOTHING),
            Cell(text=f"{part.finished:,}", number=True),
            Cell(text=f"{part.failed:,}", number=True),
            Cell(text=_latency(part, 0.5), number=True),
            Cell(text=_latency(part, 0.95), number=True),
            Cell(text=f"{part.total_tokens:,}", number=True),
            Cell(text=f"{part.cost:,.4f}" + (f" + {part.unpriced:,} unpriced" if part.unpriced else ""), number=True),
        ]
        for (service, model), part in list(found.parts.items())[:LISTED]
    ]
    return Table(
        title="Tokens and cost by service and model",
        headers=["Service", "Model", "Calls", "Failed", "p50", "p95", "Tokens", f"Cost {currency()}".rstrip()],
        rows=rows,
        empty="No call finished in this period.",
    )


def _events(happened: list[Mark]) -> Table:
    rows = [
        [Cell(text=moment(mark.event.at)), Cell(text=mark.title), Cell(text=mark.event.about)]
        for mark in happened[:LISTED]
    ]
    return Table(
        title="What happened",
        headers=["When", "What", "Which"],
        rows=rows,
        empty="Nothing of this kind happened in this period.",
    )


def _workers(now: datetime) -> Table:
    running: dict[str, list[Running]] = {}
    for entry in running_by_node():
        running.setdefault(entry.node, []).append(entry)
    rows = []
    for node in WorkerNode.objects.order_by("name"):
        state = node.state(now)
        rows.append(
            [_node(node.name), Cell(text=state, colour=NODE_COLOURS[state]), *_busy(running.pop(node.name, []))]
        )
    rows += [[Cell(text=name), Cell(text="no node", colour=""), *_busy(busy)] for name, busy in running.items()]
    return Table(
        title="Workers and their calls",
        headers=["Node", "State", "Running", "Longest"],
        rows=rows,
        empty="No worker is registered.",
    )


def _node(name: str) -> Cell:
    return Cell(text=name, url=f"{reverse('admin:orchestration_workernode_changelist')}?{urlencode({'q': name})}")


def _busy(running: list[Running]) -> tuple[Cell, Cell]:
    what = ", ".join(f"{entry.calls} x {entry.service.rpartition('.')[2]}" for entry in running) or "nothing"
    began = min((entry.since for entry in running if entry.since), default=None)
    return Cell(text=what), Cell(text=seconds(database_now() - began if began else None), number=True)

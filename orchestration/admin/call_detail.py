"""The page of one call: its facts, its timeline, its attempts, its payloads, its reruns and its history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Case, Count, F, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest
from django.urls import reverse

from orchestration.access_log import LOOKED
from orchestration.admin.attempt_comparison import comparison_url
from orchestration.admin.attempt_display import attempts_of, attempts_section, tokens
from orchestration.admin.base import (
    STATE_COLOURS,
    may_read_content,
)
from orchestration.admin.call_actions import call_url
from orchestration.admin.call_content import content_section
from orchestration.admin.call_stream import stream_section
from orchestration.admin.content_display import stored
from orchestration.admin.failure_display import failure_sections, has_failed, place_url
from orchestration.admin.sections import Fact, Head, Section, Tab, added_call_sections
from orchestration.admin.similar_calls import similar_calls
from orchestration.causes.known import known
from orchestration.clock import database_now
from orchestration.content.of_call import marked
from orchestration.engine.queue.waiting import waits_of
from orchestration.errors import PUT_OFF
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.stats.prompt_use import know_prompt
from orchestration.stats.timeline import phases, timeline
from orchestration.theme.reach import Way, show_to, way_to
from orchestration.theme.words import NOTHING, copyable, moment, money, seconds, short_id
from orchestration.values.generic_refs import admin_path, reference
from orchestration.values.truncated_json import cut

LISTED_RERUNS = 12
LISTED_ENTRIES = 50
CONTENT = ("result", "input", "context")
TICKS = 5


def head(call: ServiceCallRecord) -> Head:
    """What stays in sight."""
    states = [("Status", call.status)]
    if call.domain_persist_state != PersistState.NONE:
        states.append(("Persisted", call.domain_persist_state))
    return Head(
        title=service_label(call).rpartition(".")[2],
        key=call.pk,
        crumb=short_id(call.pk),
        badges=[Fact(label, state, colour=STATE_COLOURS.get(state, "")) for label, state in states],
    )


def facts(call: ServiceCallRecord) -> Iterator[Fact]:
    """What is known of it at a glance, below what went wrong."""
    related = reference(call.related_content_type, call.related_object_id)
    if call.result_stays:
        yield Fact("Result", "kept to be compared; not persisted unless you reprocess it")
    if call.error_code:
        is_put_off = call.error_code in PUT_OFF
        yield Fact("Put off" if is_put_off else "Error code", call.error_code, colour="" if is_put_off else "danger")
    yield Fact("Service", service_label(call))
    yield Fact("Related object", related.label if related else NOTHING, related.admin_url if related else None)
    yield Fact("Requested by", call.requested_by or NOTHING)
    yield Fact("Model", f"{call.provider} {call.model}".strip() or _unanswered(call))
    if call.route_reason:
        yield Fact("Route", f"{call.route}, after {call.route_reason}")
    deaths = f", {call.deaths} deaths of workers" if call.deaths else ""
    yield Fact("Attempts", f"{call.attempts} of {call.max_attempts}{deaths}")
    yield Fact("Duration", duration(call, database_now()))
    yield Fact("Tokens", tokens(call))
    yield Fact("Cost", money(call.cost))
    yield Fact("Schema", f"{call.schema_identity} v{call.schema_version}" if call.schema_identity else NOTHING)
    yield Fact("Correlation id", copyable(str(call.correlation_id)))
    yield Fact("Priority", call.priority)
    if call.ordering_key:
        yield Fact("Order", f"{call.ordering_key}, number {call.sequence}")
    if call.idempotency_key:
        yield Fact("Idempotency key", call.idempotency_key)
    if call.parent_id:
        yield Fact("Rerun of", call.parent_id, call_url(call.parent_id))
    yield from similar_calls(call)


def sections(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """What leads (what went wrong, why it waits), and the tabs."""
    audits = list(attempts_of(call.request_audits.order_by("attempt", "repair", "id")))
    show_to(request, audits)
    know_prompt(call, audits)
    content = may_read_content(request)
    yield from failure_sections(request, call, audits, content=content)
    yield from _waits(request, call)
    yield from stream_section(call, content=content)
    yield _timeline(call, audits)
    yield from content_section(call, content=content)
    beside = comparison_url(call.pk) if len(audits) > 1 else ""
    yield replace(attempts_section(audits, content=content, compare_url=beside), tab=Tab.ATTEMPTS)
    yield from added_call_sections(request, call)
    yield _payloads(call, content=content)
    yield from _reruns(call, content=content)
    yield from _history(call)


def _waits(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """Of a queued call: why it does not run, each with the way to where that can be mended."""
    found = waits_of(call)
    if found:
        yield Section(
            title="Why it is not running",
            template="admin/orchestration/parts/waits.html",
            context={
                "waits": [
                    (wait, way_of_remedy(request, wait.code, wait.call_id), wait.until and moment(wait.until))
                    for wait in found
                ]
            },
        )


REMEDIES = {
    "paused": "orchestration_pause_changelist",
    "circuit_open": "orchestration_providercircuit_changelist",
    "rate_limited": "orchestration_ratelimit_changelist",
    "no_worker": "orchestration_workernode_changelist",
    "queue": "orchestration_workernode_changelist",
}
"""The lists on which what holds a call can be mended."""


def remedy_url(code: str, call_id: str = "") -> str:
    """Where a wait with this code can be mended: the call that is waited for, the place of what put it off, or one of
    REMEDIES; empty for others."""
    if call_id:
        return call_url(call_id)
    if code in PUT_OFF:
        return next(filter(None, map(place_url, known(code).places)), "")
    return reverse(f"admin:{REMEDIES[code]}") if code in REMEDIES else ""


def way_of_remedy(request: HttpRequest, code: str, call_id: str = "") -> Way:
    """The way of this person to `remedy_url`; to nowhere where that is empty."""
    url = remedy_url(code, call_id)
    return way_to(request, url) if url else Way()


def _unanswered(call: ServiceCallRecord) -> str:
    """Where a call goes that has no answer, and whether it was asked for one."""
    said = "not asked yet" if not call.attempts else "gave no answer" if call.is_terminal else "no answer yet"
    return f"{call.route}, {said}" if any(call.route) else said


def service_label(call: ServiceCallRecord) -> str:
    """`namespace.group.Name`."""
    return call.service_identity.partition(".")[2] or call.service_identity


def duration(call: ServiceCallRecord, now: datetime) -> str:
    """From the first claim to the end, or to now."""
    return seconds((call.finished_at or now) - call.started_at) if call.started_at else NOTHING


def _timeline(call: ServiceCallRecord, audits: list[AIRequestAudit]) -> Section:
    found = phases(call, audits, now=database_now())
    whole = (max(phase.ended for phase in found) - min(phase.began for phase in found)) if found else None
    ticks = [(100 * step / (TICKS - 1), seconds(whole * step / (TICKS - 1))) for step in range(TICKS)] if whole else []
    return Section(
        title="Timeline",
        tab=Tab.TIMELINE,
        template="admin/orchestration/parts/timeline.html",
        context={
            "phases": [(phase, seconds(phase.ended - phase.began)) for phase in found],
            "ticks": ticks,
            "events": timeline(call, audits),
        },
    )


def _payloads(call: ServiceCallRecord, *, content: bool) -> Section:
    found = ((name, stored(call, name, url=content_url(call, name))) for name in CONTENT) if content else ()
    payloads = [(name.title(), value) for name, value in found if value is not None]
    return Section(
        title="Result, input and context",
        tab=Tab.RAW,
        template="admin/orchestration/parts/payloads.html",
        context={
            "payloads": payloads,
            "is_purged": call.status == Status.SUCCEEDED and not payloads,
            "content": content,
            "error": "" if has_failed(call) else call.error,
            "persist_error": call.domain_persist_error,
        },
    )


def content_url(call: ServiceCallRecord, column: str) -> str:
    """Where one of CONTENT is downloaded whole."""
    return admin_path("orchestration_servicecallrecord_content", call.pk, column)


# --- reruns ---------------------------------------------------------------------------------


def _reruns(call: ServiceCallRecord, *, content: bool) -> Iterator[Section]:
    """The family of the call, beside each other."""
    rows = family_read_once(call)
    if len(rows) < 2:
        return
    listed = rows[:LISTED_RERUNS]
    yield Section(
        title="Reruns beside each other",
        tab=Tab.RERUNS,
        count=len(listed) - 1,
        template="admin/orchestration/parts/reruns.html",
        context={
            "calls": [(row, call_url(row.pk), short_id(row.pk), row.pk == call.pk) for row in listed],
            "lines": list(_compared(listed)),
            "results": [stored(row, "result", url=content_url(row, "result")) for row in listed] if content else [],
            "more": len(rows) > LISTED_RERUNS,
        },
    )


def family_read_once(call: ServiceCallRecord) -> list[ServiceCallRecord]:
    """The call, what it reruns, and the reruns of either, the first one first, and at most one more than are listed;
    asked for once for this instance: several parts of its page show something of them."""
    known = vars(call)
    if "_family" not in known:
        origin = call.parent_id or call.pk
        family = ServiceCallRecord.objects.filter(Q(pk=origin) | Q(parent=origin) | Q(parent=call.pk))
        known["_family"] = list(_light(family)[: LISTED_RERUNS + 1])
    found: list[ServiceCallRecord] = known["_family"]
    return found


def _light(rows: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
    unseen = ("input", "context", "error", "domain_persist_error")
    return cut(rows, ["result"]).defer("result", *unseen).order_by("created_at", "id")


def _compared(rows: list[ServiceCallRecord]) -> Iterator[tuple[str, list[Any]]]:
    """(label, one value per call)."""
    now = database_now()
    asked = [row.service_kwargs or {} for row in rows]
    yield "Model", [row.model or row.model_requested or NOTHING for row in rows]
    yield "Temperature", [(given.get("parameters") or {}).get("temperature", NOTHING) for given in asked]
    yield "Prompt", ["overridden" if given.get("messages") else "of the service" for given in asked]
    yield "Error", [row.error_code or NOTHING for row in rows]
    yield "Attempts", [f"{row.attempts} of {row.max_attempts}" for row in rows]
    yield "Duration", [duration(row, now) for row in rows]
    yield "Tokens", [tokens(row) for row in rows]
    yield "Cost", [money(row.cost) for row in rows]
    yield "Persisted", [row.domain_persist_state for row in rows]


# --- history --------------------------------------------------------------------------------


def _history(call: ServiceCallRecord) -> Iterator[Section]:
    """What people did to the call; how often its content was looked at."""
    kind = ContentType.objects.get_for_model(ServiceCallRecord)
    is_access = Case(When(change_message__startswith=LOOKED, then=Value(True)), default=Value(False))
    newest = LogEntry.objects.filter(content_type=kind, object_id=call.pk).order_by("-action_time", "-pk")
    listed = (
        newest.annotate(is_access=is_access)
        .annotate(
            number=Window(RowNumber(), partition_by=F("is_access"), order_by=("-action_time", "-pk")),
            in_all=Window(Count("pk"), partition_by=F("is_access")),
        )
        .filter(number__lte=LISTED_ENTRIES)
        .select_related("user")
    )
    entries: list[Any] = []
    accesses: list[Any] = []
    for entry in listed:
        (accesses if entry.is_access else entries).append(entry)
    if entries or accesses:
        yield Section(
            title="What operators did",
            tab=Tab.HISTORY,
            count=entries[0].in_all if entries else None,
            template="admin/orchestration/parts/history.html",
            context={"entries": entries, "accesses": accesses},
        )


def call_columns(rows: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
    """Calls as the page reads them: content cut by the database."""
    return marked(cut(rows, CONTENT).defer(*CONTENT))

"""Service calls over REST: submit, wait, list and read them; and the services that can be called."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import uuid_utils.compat
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpResponse
from ninja import Header, Query, Router, Status

from orchestration.api.errors import ApiError
from orchestration.api.event_loops import for_either_server, in_thread
from orchestration.api.filters import filtered, refuse_unknown_filters
from orchestration.api.idempotency import IdempotencyKey, mark_replayed
from orchestration.api.pagination import newest_first
from orchestration.api.permissions import (
    READ,
    WRITE,
    ApiRequest,
    Principal,
    call_links,
    find_call,
    for_any_api,
    may_read_content,
    needs,
    refusals,
    require_model,
    require_own_content,
    require_permission,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api.prefer_wait import link_when_away, preferred_wait, wait_until_finished
from orchestration.api.schemas import (
    AttemptOut,
    CallFilter,
    CallIn,
    CallOut,
    CallPage,
    ComponentOut,
    RelatedIn,
    StatsOut,
    TimelineOut,
    error_responses,
)
from orchestration.api.serializers import CONTENT_COLUMNS, attempts, call_detail, call_summary
from orchestration.api.stats import finished_figures
from orchestration.clock import database_now
from orchestration.components.catalog import inventory
from orchestration.components.identity import SCHEMAS, SERVICES
from orchestration.components.lifecycle import get_current_app
from orchestration.components.registry import registry_for, schemas
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.throttling.snapshot import held_back
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import Status as CallStatus
from orchestration.stats.figures import counted
from orchestration.stats.timeline import TimelineEvent, timeline
from orchestration.types import JsonObject

router = Router(tags=["service calls"])
router.add_decorator(for_any_api)

Prefer = Annotated[str | None, Header(alias="Prefer", max_length=255, examples=["wait=10"])]


# --- submitting -----------------------------------------------------------------------------


@router.post(
    "/service-calls",
    response={200: CallOut, 202: CallOut, **error_responses(400, 413, 422, 503)},
    summary="Submit a call; `Prefer: wait=N` waits for its result",
)
@needs(WRITE, permission="orchestration.add_servicecallrecord", counts="calls")
@for_either_server
async def submit_service_call(
    request: ApiRequest,
    body: CallIn,
    response: HttpResponse,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Status[JsonObject]:
    """Queues the call: 202, or 200 when it has finished within the time that `Prefer: wait=N` gives (at most 60 s),
    well or not: `status` says which. 503 when the database goes away meanwhile; `Location` is where the call is then.

    The same `Idempotency-Key` with the same body gives the stored call, marked `Idempotent-Replayed: true`; with
    another body, 422.
    """
    call, repeated = await in_thread(_submit, request.auth, body, idempotency_key)
    if repeated:
        mark_replayed(response)
    seconds = preferred_wait(prefer)
    if seconds:
        response["Preference-Applied"] = f"wait={seconds}"
        with link_when_away(call_links(request, call.pk)["self"]):
            await wait_until_finished(call.pk, seconds)
            call = await in_thread(find_call, request.auth, call.pk)
    shown = call_detail(request, call, content=may_read_content(request.auth))
    response["Location"] = shown["links"]["self"]
    return Status(200 if call.is_terminal else 202, shown)


def _submit(principal: Principal, body: CallIn, idempotency_key: str | None) -> tuple[ServiceCallRecord, bool]:
    """The call, and whether it is an earlier one that the idempotency key stands for."""
    require_scope(principal, WRITE)
    require_permission(principal, "orchestration.add_servicecallrecord")
    mark = uuid_utils.compat.uuid7()
    with refusals():
        spec = call_spec(principal, body)
        call = submit(replace(spec, idempotency_key=idempotency_key, correlation_id=mark))
    return call, call.correlation_id != mark


def call_spec(principal: Principal, body: CallIn) -> CallSpec:
    """What a body asks for, as its caller; ServiceNotFound, IdentityError, or ApiError: 403 for a model that is not for
    the caller, 422 for the related object, or content that the caller did not upload."""
    require_model(principal, body.model)
    require_own_content(principal, body.input, body.context)
    return CallSpec(
        service=registry_for(SERVICES).get(body.service),
        input=body.input,
        context=body.context,
        priority=body.priority,
        run_at=body.run_at,
        ordering_key=body.ordering_key,
        related_object=_related(principal, body.related) if body.related else None,
        max_attempts=body.max_attempts,
        requested_by=principal.user,
        model=body.model,
    )


def _related(principal: Principal, wanted: RelatedIn) -> models.Model:
    """The object, when the caller may view such objects; ApiError 422 does not tell that apart from a missing one."""
    try:
        model = apps.get_model(wanted.model)
        key = model._meta.pk.to_python(wanted.id)
    except (LookupError, ValidationError) as error:
        raise _no_related(wanted) from error
    found: models.Model | None = model._default_manager.filter(pk=key).first()
    if found is None or not principal.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
        raise _no_related(wanted)
    return found


def _no_related(wanted: RelatedIn) -> ApiError:
    return ApiError(422, "unknown_related", f"There is no {wanted.model} with this id, or you may not view it.")


# --- reading --------------------------------------------------------------------------------


@router.get("/service-calls", response={200: CallPage, **error_responses(422)}, summary="List calls, newest first")
@needs(READ)
def list_service_calls(request: ApiRequest, wanted: Query[CallFilter]) -> JsonObject:
    """Own calls; all of them with the permission to view calls. Pages cost the same however many calls there are."""
    require_scope(request.auth, READ)
    refuse_unknown_filters(request, CallFilter)
    rows = filtered(ServiceCallRecord.objects.visible_to(request.auth.user), wanted)
    rows = rows.select_related("related_content_type").defer(*CONTENT_COLUMNS)
    page, cursor = newest_first(rows, cursor=wanted.cursor, limit=wanted.limit)
    return {"items": [call_summary(request, call) for call in page], "next": cursor}


@router.get(
    "/service-calls/{call_id}",
    response={200: CallOut, **error_responses(404)},
    summary="One call, its state and result",
)
@needs(READ)
def get_service_call(request: ApiRequest, call_id: str) -> JsonObject:
    call = visible_call(request.auth, call_id)
    return call_detail(request, call, content=shows_content(request, call))


@router.get(
    "/service-calls/{call_id}/attempts",
    response={200: list[AttemptOut], **error_responses(404)},
    summary="Every request to the provider, its repairs and its answer, oldest first",
)
@needs(READ)
def list_call_attempts(request: ApiRequest, call_id: str) -> list[JsonObject]:
    call = visible_call(request.auth, call_id)
    return attempts(_audits(call), content=shows_content(request, call, prompts=True))


@router.get(
    "/service-calls/{call_id}/timeline",
    response={200: list[TimelineOut], **error_responses(404)},
    summary="Every transition and how long it took",
)
@needs(READ)
def get_call_timeline(request: ApiRequest, call_id: str) -> list[TimelineEvent]:
    call = visible_call(request.auth, call_id)
    return timeline(call, _audits(call))


def _audits(call: ServiceCallRecord) -> models.QuerySet[AIRequestAudit]:
    rows = call.request_audits.select_related("response_audit").prefetch_related("tool_runs")
    return rows.order_by("attempt", "repair", "id")


# --- what there is --------------------------------------------------------------------------


@router.get(
    "/services", response={200: list[ComponentOut], **error_responses()}, summary="Services and what they are wired to"
)
@needs(READ)
def list_services(request: ApiRequest) -> list[JsonObject]:
    """`output_schema` is the strict schema of the service's answer; null when it answers in free text."""
    require_scope(request.auth, READ)
    return [entry for entry in _components() if entry["domain"] == SERVICES]


@router.get(
    "/components", response={200: list[ComponentOut], **error_responses()}, summary="Every registered component"
)
@needs(READ)
def list_components(request: ApiRequest) -> list[JsonObject]:
    require_scope(request.auth, READ)
    return _components()


def _components() -> list[JsonObject]:
    return [
        {**entry, "class_name": entry["class"], "output_schema": _output_schema(entry)}
        for entry in inventory(get_current_app())
    ]


def _output_schema(entry: JsonObject) -> JsonObject | None:
    identity = entry["identity"] if entry["domain"] == SCHEMAS else entry["wiring"].get("schema")
    component: Any = schemas.try_get(identity) if identity else None
    return component.strict.json_schema if component else None


@router.get(
    "/stats",
    response={200: StatsOut, **error_responses()},
    summary="Depth, oldest age, rates, latency, tokens and cost by service and model",
)
@needs(READ)
def get_stats(request: ApiRequest) -> JsonObject:
    """About one's own calls; about all with the permission to view calls. Rows are counted up to 10,000; beyond it, a
    figure says 10,000. What finished is summed up exactly."""
    require_scope(request.auth, READ)
    now = database_now()
    since = now - timedelta(hours=24)
    rows = ServiceCallRecord.objects.visible_to(request.auth.user)
    oldest = rows.due(now).order_by("due_at").values_list("due_at", flat=True).first()
    recent = {status: _count(rows.in_status(status).filter(created_at__gte=since)) for status in CallStatus}
    return {
        "queued": _count(rows.queued()),
        "due": _count(rows.due(now)),
        "running": _count(rows.running()),
        "oldest_due_seconds": (now - oldest).total_seconds() if oldest else 0,
        "persistence_pending": _count(rows.in_persist_state("pending")),
        "persistence_dead": _count(rows.dead()),
        "since": since,
        "by_status": {status: count for status, count in recent.items() if count},
        "held": held_back(),
        **finished_figures(request.auth.user, since),
    }


def _count(rows: ServiceCallQuerySet) -> int:
    return counted(rows).count

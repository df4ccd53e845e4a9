"""Service calls over REST: submit, wait, list, look inside, retry, cancel; and what can be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import uuid_utils.compat
from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.http import HttpResponse
from django.utils import timezone
from ninja import Header, Query, Router, Status

from orchestration.api_access import (
    READ,
    WRITE,
    ApiRequest,
    Principal,
    find_call,
    may_read_content,
    operable_call,
    refusals,
    require_permission,
    require_scope,
    shows_content,
    visible_call,
)
from orchestration.api_errors import ApiError
from orchestration.api_figures import finished_figures
from orchestration.api_listing import page_of, refuse_unknown_filters
from orchestration.api_schemas import (
    NO_NUL,
    AttemptOut,
    CallFilter,
    CallIn,
    CallOut,
    CallPage,
    ComponentOut,
    ErrorOut,
    RelatedIn,
    StatsOut,
    TimelineOut,
)
from orchestration.api_views import attempts, call_detail, call_summary
from orchestration.api_waiting import preferred_wait, wait_until_finished
from orchestration.app import ensure_autostarted
from orchestration.engine.limits import held_back
from orchestration.engine.submit import CallSpec, submit, wake
from orchestration.identity import SCHEMAS, SERVICES
from orchestration.inventory import inventory
from orchestration.metrics import counted
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.call_queries import ServiceCallQuerySet
from orchestration.models.states import Status as CallStatus
from orchestration.registry import registry_for, schemas
from orchestration.timeline import TimelineEvent, timeline
from orchestration.types import JsonObject

router = Router(tags=["service calls"])

REFUSED = {401: ErrorOut, 403: ErrorOut, 429: ErrorOut, 500: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}
INVALID = {**REFUSED, 422: ErrorOut}

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=NO_NUL)]
Prefer = Annotated[str | None, Header(alias="Prefer", max_length=255, examples=["wait=10"])]


# --- submitting -----------------------------------------------------------------------------


@router.post(
    "/service-calls",
    response={200: CallOut, 202: CallOut, **INVALID, 400: ErrorOut, 413: ErrorOut},
    summary="Submit a call; `Prefer: wait=N` waits for its result",
)
async def submit_service_call(
    request: ApiRequest,
    body: CallIn,
    response: HttpResponse,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Status[JsonObject]:
    """Queues the call: 202, or 200 when it has finished within the time that `Prefer: wait=N` gives (at most 60 s).

    The same `Idempotency-Key` with the same body gives the stored call, marked `Idempotent-Replayed: true`; with
    another body, 422.
    """
    call, replayed = await sync_to_async(_submit)(request.auth, body, idempotency_key)
    if replayed:
        response["Idempotent-Replayed"] = "true"
    seconds = preferred_wait(prefer)
    if seconds:
        response["Preference-Applied"] = f"wait={seconds}"
        await wait_until_finished(call.pk, seconds)
        call = await sync_to_async(find_call)(request.auth, call.pk)
    shown = call_detail(request, call, content=may_read_content(request.auth))
    response["Location"] = shown["links"]["self"]
    return Status(200 if call.is_terminal else 202, shown)


def _submit(principal: Principal, body: CallIn, idempotency_key: str | None) -> tuple[ServiceCallRecord, bool]:
    """The call, and whether it is an earlier one that the idempotency key stands for."""
    require_scope(principal, WRITE)
    require_permission(principal, "orchestration.add_servicecallrecord")
    mark = uuid_utils.compat.uuid7()
    with refusals():
        ensure_autostarted()
        spec = call_spec(principal, body)
        call = submit(replace(spec, idempotency_key=idempotency_key, correlation_id=mark))
    return call, call.correlation_id != mark


def call_spec(principal: Principal, body: CallIn) -> CallSpec:
    """What a body asks for, as its caller; ServiceNotFound, IdentityError, or ApiError 422 for the related object."""
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


@router.get("/service-calls", response={200: CallPage, **INVALID}, summary="List calls, newest first")
def list_service_calls(request: ApiRequest, wanted: Query[CallFilter]) -> JsonObject:
    """Own calls; all of them with the permission to view calls. Pages cost the same however many calls there are."""
    require_scope(request.auth, READ)
    refuse_unknown_filters(request)
    page, cursor = page_of(ServiceCallRecord.objects.visible_to(request.auth.user), wanted)
    return {"items": [call_summary(request, call) for call in page], "next": cursor}


@router.get("/service-calls/{call_id}", response={200: CallOut, **MISSING}, summary="One call, its state and result")
def get_service_call(request: ApiRequest, call_id: str) -> JsonObject:
    call = visible_call(request.auth, call_id)
    return call_detail(request, call, content=shows_content(request, call))


@router.get(
    "/service-calls/{call_id}/attempts",
    response={200: list[AttemptOut], **MISSING},
    summary="Every request to the provider, its repairs and its answer, oldest first",
)
def list_call_attempts(request: ApiRequest, call_id: str) -> list[JsonObject]:
    call = visible_call(request.auth, call_id)
    return attempts(_audits(call), content=shows_content(request, call, prompts=True))


@router.get(
    "/service-calls/{call_id}/timeline",
    response={200: list[TimelineOut], **MISSING},
    summary="Every transition and how long it took",
)
def get_call_timeline(request: ApiRequest, call_id: str) -> list[TimelineEvent]:
    call = visible_call(request.auth, call_id)
    return timeline(call, _audits(call))


def _audits(call: ServiceCallRecord) -> models.QuerySet[AIRequestAudit]:
    return call.request_audits.select_related("response_audit").order_by("attempt", "repair", "id")


# --- operating ------------------------------------------------------------------------------


@router.post(
    "/service-calls/{call_id}/retry",
    response={200: CallOut, **MISSING, 409: ErrorOut},
    summary="Queue a failed or cancelled call again, as a new attempt",
)
def retry_service_call(request: ApiRequest, call_id: str) -> JsonObject:
    """Needs the scope calls:operate, and the call to be one's own or the permission to retry calls."""
    return _operate(request, call_id, "orchestration.retry_servicecallrecord", ServiceCallRecord.retry)


@router.post(
    "/service-calls/{call_id}/cancel",
    response={200: CallOut, **MISSING, 409: ErrorOut},
    summary="Cancel a queued call, or ask a running one to stop",
)
def cancel_service_call(request: ApiRequest, call_id: str) -> JsonObject:
    """Needs the scope calls:operate, and the call to be one's own or the permission to cancel calls."""
    return _operate(request, call_id, "orchestration.cancel_servicecallrecord", ServiceCallRecord.cancel)


def _operate(
    request: ApiRequest, call_id: str, permission: str, transition: Callable[[ServiceCallRecord], None]
) -> JsonObject:
    call = operable_call(request.auth, call_id, permission)
    with refusals(), transaction.atomic():
        transition(call)
        transaction.on_commit(lambda: _wake(call))
    return call_detail(request, call, content=shows_content(request, call))


def _wake(call: ServiceCallRecord) -> None:
    wake(call.queue)


# --- what there is --------------------------------------------------------------------------


@router.get("/services", response={200: list[ComponentOut], **REFUSED}, summary="Services and what they are wired to")
def list_services(request: ApiRequest) -> list[JsonObject]:
    """`output_schema` is the strict schema of the service's answer; null when it answers in free text."""
    require_scope(request.auth, READ)
    return [entry for entry in _components() if entry["domain"] == SERVICES]


@router.get("/components", response={200: list[ComponentOut], **REFUSED}, summary="Every registered component")
def list_components(request: ApiRequest) -> list[JsonObject]:
    require_scope(request.auth, READ)
    return _components()


def _components() -> list[JsonObject]:
    return [
        {**entry, "class_name": entry["class"], "output_schema": _output_schema(entry)}
        for entry in inventory(ensure_autostarted())
    ]


def _output_schema(entry: JsonObject) -> JsonObject | None:
    identity = entry["identity"] if entry["domain"] == SCHEMAS else entry["wiring"].get("schema")
    component: Any = schemas.try_get(identity) if identity else None
    return component.strict.json_schema if component else None


@router.get(
    "/stats",
    response={200: StatsOut, **REFUSED},
    summary="Depth, oldest age, rates, latency, tokens and cost by service and model",
)
def get_stats(request: ApiRequest) -> JsonObject:
    """About one's own calls; about all with the permission to view calls. Rows are counted up to 10,000; beyond it, a
    figure says 10,000. What finished is summed up exactly."""
    require_scope(request.auth, READ)
    now = timezone.now()
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

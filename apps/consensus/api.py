"""The consensus engine over REST, below /v1. What is not yours is 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Header, Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models import User
from apps.accounts.roles import Scope
from apps.consensus.errors import ConsensusRefused, KeyReused, NothingEdited, PromptsNotUsable
from apps.consensus.inputs import FullReviewIn, RevisionIn
from apps.consensus.listing import page_of, refuse_unknown_filters
from apps.consensus.models import Run
from apps.consensus.models.runs import RunStatus
from apps.consensus.orca.schemas import SCHEMA_VERSION
from apps.consensus.reading import comparison, detail, summary
from apps.consensus.schemas import DiffOut, RunAccepted, RunFilter, RunOut, RunPage
from apps.consensus.settling import PROVIDER_AUTH, cancel_run, reason_of, retry_run
from apps.consensus.shipping import current_prompt_set
from apps.consensus.starting import start_revision, start_run
from apps.consensus.streaming import look
from orchestration.api_access import link
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut
from orchestration.api_streams import EventStream, LastEventId, resumed_after, streaming_response
from orchestration.api_waiting import preferred_wait, wait_until

router = Router(tags=["consensus"])

REFUSED = {401: ErrorOut, 403: ErrorOut, 429: ErrorOut, 500: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}
INVALID = {**REFUSED, 400: ErrorOut, 413: ErrorOut, 422: ErrorOut, 503: ErrorOut}
STARTED = {200: RunOut, 202: RunAccepted, **INVALID, 502: ErrorOut}
STATUS_OF = {NothingEdited: 422, KeyReused: 422, PromptsNotUsable: 503}
"""Of refusals; every other one is 409."""

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Prefer = Annotated[str | None, Header(alias="Prefer", max_length=255, examples=["wait=30"])]
SchemaVersion = Annotated[str | None, Header(alias="X-Schema-Version", max_length=64)]
PromptSetVersion = Annotated[str | None, Header(alias="X-Prompt-Set-Version", max_length=64)]


@router.post("/full-review", response=STARTED, summary="Expand an idea, have it reviewed by five, decide")
async def full_review(
    request: AuthedRequest,
    body: FullReviewIn,
    response: HttpResponse,
    idempotency_key: Key = None,
    prefer: Prefer = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> Status[dict[str, Any]]:
    """202 at once; with `Prefer: wait=N` (at most 60 s) 200 with the whole result when the run completes in time.

    The same `Idempotency-Key` with the same body gives the same run, marked `Idempotent-Replayed: true`.
    """
    versions = (x_schema_version, x_prompt_set_version)
    run, is_new = await sync_to_async(_start)(request, body, idempotency_key, versions)
    return await answered(request, response, run, prefer, is_new=is_new)


def _start(
    request: AuthedRequest, body: FullReviewIn, key: str | None, versions: tuple[str | None, str | None]
) -> tuple[Run, bool]:
    user = require(request, Scope.RUNS_WRITE).user
    with refusals():
        check_versions(*versions)
        return start_run(
            user,
            idea=body.idea,
            extra_context=body.extra_context,
            priority=body.priority,
            idempotency_key=key,
        )


@router.get("/runs", response={200: RunPage, **REFUSED, 422: ErrorOut}, summary="List runs, newest first")
def list_runs(request: AuthedRequest, wanted: Query[RunFilter]) -> dict[str, Any]:
    """Own runs; staff see all."""
    user = require(request, Scope.RUNS_READ).user
    refuse_unknown_filters(request)
    page, cursor = page_of(Run.objects.visible_to(user), wanted)
    return {"items": [{**summary(run), "links": links(request, run)} for run in page], "next": cursor}


@router.get("/runs/{uuid:run_id}", response={200: RunOut, **MISSING}, summary="Everything about one run")
def get_run(request: AuthedRequest, run_id: UUID) -> dict[str, Any]:
    return shown(request, visible_run(request, run_id))


@router.get(
    "/runs/{uuid:run_id}/events",
    response={**MISSING, 422: ErrorOut},
    summary="Changes of the run and its steps as server-sent events",
)
def stream_run_events(request: AuthedRequest, run_id: UUID, last_event_id: LastEventId = None) -> StreamingHttpResponse:
    """Events `step` and `run` carry an id; send the last one as `Last-Event-ID` to go on from there. `end` is last.

    `stopping`: the server is stopping, reconnect.
    """
    run = visible_run(request, run_id)
    return streaming_response(request, EventStream(partial(look, run.pk), resumed_after(last_event_id)))


@router.post(
    "/runs/{uuid:run_id}/revisions",
    response={**STARTED, 404: ErrorOut, 409: ErrorOut},
    summary="Review an edited proposal; only who has a reason reviews again",
)
async def create_revision(
    request: AuthedRequest,
    run_id: UUID,
    body: RevisionIn,
    response: HttpResponse,
    idempotency_key: Key = None,
    prefer: Prefer = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> Status[dict[str, Any]]:
    """Needs at least one edit and a completed parent. Answers as `full-review` does."""
    versions = (x_schema_version, x_prompt_set_version)
    run, is_new = await sync_to_async(_revise)(request, run_id, body, idempotency_key, versions)
    return await answered(request, response, run, prefer, is_new=is_new)


def _revise(
    request: AuthedRequest,
    run_id: UUID,
    body: RevisionIn,
    key: str | None,
    versions: tuple[str | None, str | None],
) -> tuple[Run, bool]:
    parent = changeable_run(request, run_id)
    if body.model is not None and not request.auth.may_choose(body.model):
        raise ApiError(403, "model_not_allowed", f"This API key may not use the model {body.model!r}.")
    with refusals():
        check_versions(*versions)
        return start_revision(request.auth.user, parent, body.edits(), idempotency_key=key)


@router.post(
    "/runs/{uuid:run_id}/retry",
    response={202: RunAccepted, **MISSING, 409: ErrorOut},
    summary="Do what is missing of a failed or cancelled run",
)
def retry(request: AuthedRequest, run_id: UUID) -> Status[dict[str, Any]]:
    """What is stored is neither asked for nor paid for again."""
    run = changeable_run(request, run_id)
    with refusals():
        run = retry_run(run.pk)
    return Status(202, accepted(request, run))


@router.post(
    "/runs/{uuid:run_id}/cancel",
    response={202: RunAccepted, **MISSING, 409: ErrorOut},
    summary="End a run and stop its requests",
)
def cancel(request: AuthedRequest, run_id: UUID) -> Status[dict[str, Any]]:
    """What is stored stays."""
    run = changeable_run(request, run_id)
    with refusals():
        run = cancel_run(run.pk)
    return Status(202, accepted(request, run))


@router.get(
    "/runs/{uuid:run_id}/diff/{uuid:other_id}",
    response={200: DiffOut, **MISSING},
    summary="What differs between two runs: proposal, reviews, decision",
)
def diff_runs(request: AuthedRequest, run_id: UUID, other_id: UUID) -> dict[str, Any]:
    """From the first to the other one. No model is asked."""
    return comparison(visible_run(request, run_id), visible_run(request, other_id))


# --- shared ---------------------------------------------------------------------------------


def visible_run(request: AuthedRequest, run_id: UUID) -> Run:
    """ApiError 403 without the scope, 404 for what does not exist or is not the caller's."""
    return _run_for(require(request, Scope.RUNS_READ).user, run_id)


def changeable_run(request: AuthedRequest, run_id: UUID) -> Run:
    """As `visible_run`, to change it; ApiError 403 when the caller may read it but no more."""
    user = require(request, Scope.RUNS_WRITE).user
    run = _run_for(user, run_id)
    if not Run.objects.changeable_by(user).filter(pk=run.pk).exists():
        raise ApiError(403, "read_only", "You may read this run, but only its owner may change it.")
    return run


def _run_for(user: User, run_id: UUID) -> Run:
    run = Run.objects.visible_to(user).select_related("prompt_set").filter(pk=run_id).first()
    if run is None:
        raise ApiError(404, "not_found", "There is no such run.")
    return run


def check_versions(schema: str | None, prompt_set: str | None) -> None:
    """ApiError 400 when a caller counts on other versions than the current ones."""
    current = current_prompt_set().version
    for header, given, supported in (
        ("X-Schema-Version", schema, SCHEMA_VERSION),
        ("X-Prompt-Set-Version", prompt_set, current),
    ):
        if given is not None and given != supported:
            raise ApiError(
                400,
                "UNSUPPORTED_VERSION",
                f"{header} is not the current version. Send {supported}, or leave the header out.",
                {"header": header, "supported": supported},
            )


async def answered(
    request: AuthedRequest, response: HttpResponse, run: Run, prefer: str | None, *, is_new: bool
) -> Status[dict[str, Any]]:
    """The answer to a POST that began a run, after the wait that the caller prefers."""
    if not is_new:
        response["Idempotent-Replayed"] = "true"
    response["Location"] = links(request, run)["self"]
    seconds = preferred_wait(prefer)
    if not seconds:
        return Status(202, accepted(request, run))
    response["Preference-Applied"] = f"wait={seconds}"
    is_open = Run.objects.open().filter(pk=run.pk)
    await wait_until(lambda: not is_open.exists(), seconds)
    return await sync_to_async(_after_waiting)(request, run.pk)


def _after_waiting(request: HttpRequest, run_id: UUID) -> Status[dict[str, Any]]:
    run = Run.objects.select_related("prompt_set").get(pk=run_id)
    if run.status == RunStatus.COMPLETED:
        return Status(200, shown(request, run))
    if run.error_code == PROVIDER_AUTH:
        details = {"run_id": str(run.pk), "error_context": run.error_context}
        raise ApiError(502, PROVIDER_AUTH, reason_of(PROVIDER_AUTH), details)
    return Status(202, accepted(request, run))


def accepted(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "status": run.status,
        "links": links(request, run),
        "error_code": run.error_code,
        "error_context": run.error_context,
    }


def shown(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {**detail(run), "links": links(request, run)}


def links(request: HttpRequest, run: Run) -> dict[str, str]:
    names = {
        "self": "get_run",
        "events": "stream_run_events",
        "retry": "retry",
        "cancel": "cancel",
        "revisions": "create_revision",
    }
    return {name: link(request, operation, run_id=run.pk) for name, operation in names.items()}


@contextmanager
def refusals() -> Iterator[None]:
    """The engine's refusals as the API's."""
    try:
        yield
    except ConsensusRefused as error:
        raise ApiError(STATUS_OF.get(type(error), 409), error.code, str(error)) from error

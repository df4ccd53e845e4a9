"""The REST operations on runs, below /v1. Runs that the caller may not see are 404."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Header, Query, Router, Status

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Scope
from apps.consensus.api.event_stream import look
from apps.consensus.api.filters import filtered
from apps.consensus.api.permissions import changeable_run, require_reading, revisable_run, visible_run
from apps.consensus.api.request_schemas import FullReviewIn, RevisionIn
from apps.consensus.api.response_schemas import DiffOut, RunAccepted, RunFilter, RunOut, RunPage
from apps.consensus.errors import ConsensusRefused, KeyReused, NothingEdited, PromptsNotUsable
from apps.consensus.models import Run
from apps.consensus.orca.schemas import SCHEMA_VERSION
from apps.consensus.prompt_sets.install import current_prompt_set
from apps.consensus.selectors import JsonObject, comparison, detail, log_run_access, may_read, summary, without_content
from apps.consensus.workflow.retry_cancel import PROVIDER_AUTH, cancel_run, reason_of, retry_run
from apps.consensus.workflow.start import start_revision, start_run
from orchestration.api.errors import ApiError, refused_as
from orchestration.api.event_loops import for_either_server, in_thread
from orchestration.api.filters import refuse_unknown_filters
from orchestration.api.idempotency import IdempotencyKey, mark_replayed
from orchestration.api.pagination import newest_first
from orchestration.api.permissions import link, needs, require_model
from orchestration.api.prefer_wait import link_when_away, preferred_wait, wait_until
from orchestration.api.schemas import error_responses
from orchestration.api.sse import STREAM_ANSWER, EventStream, LastEventId, resumed_after, streaming_response

router = Router(tags=["consensus"])

UNSUITABLE = (400, 413, 422, 502, 503)
"""What may be answered to an idea, besides the usual errors."""
STARTED = {200: RunOut, 202: RunAccepted, **error_responses(*UNSUITABLE)}
refusals = partial(refused_as, {ConsensusRefused: 409, NothingEdited: 422, KeyReused: 422, PromptsNotUsable: 503})
"""The API errors for what the engine refuses."""

REVIEW_COST = 6
"""Model answers of a run: one expands the idea, five review it."""

Prefer = Annotated[str | None, Header(alias="Prefer", max_length=255, examples=["wait=30"])]
SchemaVersion = Annotated[str | None, Header(alias="X-Schema-Version", max_length=64)]
PromptSetVersion = Annotated[str | None, Header(alias="X-Prompt-Set-Version", max_length=64)]


@router.post("/full-review", response=STARTED, summary="Expand an idea, have it reviewed by five, decide")
@needs(Scope.RUNS_WRITE, counts="asking", cost=REVIEW_COST)
@for_either_server
async def full_review(
    request: AuthedRequest,
    body: FullReviewIn,
    response: HttpResponse,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> Status[dict[str, Any]]:
    """202 at once; with `Prefer: wait=N` (at most 60 s) 200 with the whole run when it ends in time, well or not:
    `status` says which. 503 when the database goes away meanwhile; `Location` is where the run is then.

    The same `Idempotency-Key` with the same body gives the same run, marked `Idempotent-Replayed: true`.
    """
    versions = (x_schema_version, x_prompt_set_version)
    run, is_new = await in_thread(_start, request, body, idempotency_key, versions)
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


@router.get("/runs", response={200: RunPage, **error_responses(422)}, summary="List runs, newest first")
@needs(Scope.RUNS_READ)
def list_runs(request: AuthedRequest, wanted: Query[RunFilter]) -> dict[str, Any]:
    """Own runs; staff see all, and read the ideas of others with the scope content:read."""
    user = require(request, Scope.RUNS_READ).user
    refuse_unknown_filters(request, RunFilter)
    rows = filtered(Run.objects.visible_to(user), wanted)
    page, cursor = newest_first(rows, cursor=wanted.cursor, limit=wanted.limit)
    return {"items": [as_seen(request, run, summary(run)) for run in page], "next": cursor}


@router.get(
    "/runs/{any_uuid:run_id}", response={200: RunOut, **error_responses(404)}, summary="Everything about one run"
)
@needs(Scope.RUNS_READ)
def get_run(request: AuthedRequest, run_id: UUID) -> dict[str, Any]:
    run = visible_run(request, run_id)
    if may_read(request.auth.user, request.auth.scopes, run):
        log_run_access(request.auth.user, run, " over the API")
    return shown(request, run)


@router.get(
    "/runs/{any_uuid:run_id}/events",
    response={**error_responses(404, 422)},
    summary="Changes of the run and its steps as server-sent events",
    openapi_extra=STREAM_ANSWER,
)
@needs(Scope.RUNS_READ, row=visible_run)
def stream_run_events(request: AuthedRequest, run_id: UUID, last_event_id: LastEventId = None) -> StreamingHttpResponse:
    """Events `step` and `run` have an id; send the last one as `Last-Event-ID` to continue from there. `end` is last.

    `stopping`, `unavailable`: the server is stopping, or its database is away; reconnect.
    """
    run = visible_run(request, run_id)
    return streaming_response(request, EventStream(partial(look, run.pk), resumed_after(last_event_id)))


@router.post(
    "/runs/{any_uuid:run_id}/revisions",
    response={**STARTED, **error_responses(404, 409)},
    summary="Review an edited proposal; personas without a reason to review again are reused",
)
@needs(Scope.RUNS_WRITE, counts="asking", cost=REVIEW_COST, row=revisable_run)
@for_either_server
async def create_revision(
    request: AuthedRequest,
    run_id: UUID,
    body: RevisionIn,
    response: HttpResponse,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> Status[dict[str, Any]]:
    """Needs at least one edit and a completed parent. Answers as `full-review` does."""
    versions = (x_schema_version, x_prompt_set_version)
    run, is_new = await in_thread(_revise, request, run_id, body, idempotency_key, versions)
    return await answered(request, response, run, prefer, is_new=is_new)


def _revise(
    request: AuthedRequest,
    run_id: UUID,
    body: RevisionIn,
    key: str | None,
    versions: tuple[str | None, str | None],
) -> tuple[Run, bool]:
    parent = revisable_run(request, run_id)
    require_model(request.auth, body.model)
    with refusals():
        check_versions(*versions)
        return start_revision(request.auth.user, parent, body.edits(), idempotency_key=key)


@router.post(
    "/runs/{any_uuid:run_id}/retry",
    response={202: RunAccepted, **error_responses(404, 409)},
    summary="Run the missing steps of a failed or cancelled run",
)
@needs(Scope.RUNS_WRITE, counts="asking", cost=REVIEW_COST, row=changeable_run)
def retry(request: AuthedRequest, run_id: UUID) -> Status[dict[str, Any]]:
    """Steps that are stored are not repeated, and cost nothing again."""
    run = changeable_run(request, run_id)
    with refusals():
        run = retry_run(run.pk)
    return Status(202, accepted(request, run))


@router.post(
    "/runs/{any_uuid:run_id}/cancel",
    response={202: RunAccepted, **error_responses(404, 409)},
    summary="Cancel a run and its requests",
)
@needs(Scope.RUNS_WRITE, row=changeable_run)
def cancel(request: AuthedRequest, run_id: UUID) -> Status[dict[str, Any]]:
    """Results that are stored are kept."""
    run = changeable_run(request, run_id)
    with refusals():
        run = cancel_run(run.pk)
    return Status(202, accepted(request, run))


@router.get(
    "/runs/{any_uuid:run_id}/diff/{any_uuid:other_id}",
    response={200: DiffOut, **error_responses(404)},
    summary="What differs between two runs: proposal, reviews, decision",
)
@needs(Scope.RUNS_READ)
def diff_runs(request: AuthedRequest, run_id: UUID, other_id: UUID) -> dict[str, Any]:
    """The changes from the first run to the other. No model is asked. Runs of others need the scope content:read."""
    run, other = visible_run(request, run_id), visible_run(request, other_id)
    for read in (run, other):
        require_reading(request, read)
    for read in (run, other):
        log_run_access(request.auth.user, read, " over the API")
    return comparison(run, other)


# --- shared ---------------------------------------------------------------------------------


def check_versions(schema: str | None, prompt_set: str | None) -> None:
    """ApiError 400 when a caller requires other versions than the current ones."""
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
    """The answer to a POST that started a run, after the wait that the caller prefers."""
    if not is_new:
        mark_replayed(response)
    response["Location"] = links(request, run)["self"]
    seconds = preferred_wait(prefer)
    if not seconds:
        return Status(202, accepted(request, run))
    response["Preference-Applied"] = f"wait={seconds}"
    is_open = Run.objects.open().filter(pk=run.pk)
    with link_when_away(links(request, run)["self"]):
        await wait_until(lambda: not is_open.exists(), seconds)
        return await in_thread(_after_waiting, request, run.pk)


def _after_waiting(request: AuthedRequest, run_id: UUID) -> Status[dict[str, Any]]:
    run = Run.objects.select_related("prompt_set").get(pk=run_id)
    if run.is_open:
        return Status(202, accepted(request, run))
    if run.error_code == PROVIDER_AUTH:
        location = links(request, run)["self"]
        details = {"run_id": str(run.pk), "error_context": run.error_context, "location": location}
        raise ApiError(502, PROVIDER_AUTH, reason_of(PROVIDER_AUTH), details)
    return Status(200, shown(request, run))


def accepted(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "status": run.status,
        "links": links(request, run),
        "error_code": run.error_code,
        "error_context": run.error_context,
    }


def shown(request: AuthedRequest, run: Run) -> dict[str, Any]:
    return as_seen(request, run, detail(run))


def as_seen(request: AuthedRequest, run: Run, described: JsonObject) -> dict[str, Any]:
    """A summary or a detail with its links, and with its content for those who may read it."""
    readable = may_read(request.auth.user, request.auth.scopes, run)
    seen = described if readable else without_content(described)
    return {**seen, "content": "shown" if readable else "hidden", "links": links(request, run)}


def links(request: HttpRequest, run: Run) -> dict[str, str]:
    names = {
        "self": "get_run",
        "events": "stream_run_events",
        "retry": "retry",
        "cancel": "cancel",
        "revisions": "create_revision",
    }
    return {name: link(request, operation, run_id=run.pk) for name, operation in names.items()}

"""One step without a run: expand an idea, or have one generic reviewer review it. Recorded like any call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.urls import reverse
from ninja import Router

from apps.accounts.auth import AuthedRequest, require
from apps.accounts.models.roles import Scope
from apps.consensus.api.request_schemas import IdeaIn
from apps.consensus.api.response_schemas import ExpandOut, ReviewIdeaOut
from apps.consensus.api.runs import UNSUITABLE, PromptSetVersion, SchemaVersion, check_versions, refusals
from apps.consensus.decision.verdict import Rules, decide
from apps.consensus.models import PromptSet
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema, content_of
from apps.consensus.orca.services import ExpandIdea, ReviewIdea
from apps.consensus.prompt_sets.install import current_prompt_set
from apps.consensus.workflow.retry_cancel import AUTH_CODES, PROVIDER_AUTH, reason_of
from apps.consensus.workflow.start import parameters
from orchestration.api.errors import ApiError
from orchestration.api.idempotency import IdempotencyKey
from orchestration.api.permissions import needs
from orchestration.api.permissions import refusals as call_refusals
from orchestration.api.prefer_wait import look_later
from orchestration.api.schemas import error_responses
from orchestration.errors import CallError, OutOfSight
from orchestration.types import Response

router = Router(tags=["consensus"])

GENERIC = "generic_reviewer"
ANSWERS = error_responses(*UNSUITABLE)


@router.post("/expand-idea", response={200: ExpandOut, **ANSWERS}, summary="Expand an idea into a proposal")
@needs(Scope.RUNS_WRITE, counts="asking")
async def expand_idea(
    request: AuthedRequest,
    body: IdeaIn,
    idempotency_key: IdempotencyKey = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> dict[str, Any]:
    """Waits for the model. The call is recorded; no run is created."""
    prompt_set = await sync_to_async(_checked)(request, (x_schema_version, x_prompt_set_version))
    response = await _asked(ExpandIdea, "expand", request, body, prompt_set, idempotency_key)
    return {**_call(response), "expanded_proposal": content_of(ProposalOutputSchema, response)}


@router.post("/review-idea", response={200: ReviewIdeaOut, **ANSWERS}, summary="One generic review of an idea")
@needs(Scope.RUNS_WRITE, counts="asking")
async def review_idea(
    request: AuthedRequest,
    body: IdeaIn,
    idempotency_key: IdempotencyKey = None,
    x_schema_version: SchemaVersion = None,
    x_prompt_set_version: PromptSetVersion = None,
) -> dict[str, Any]:
    """Waits for the model. The thresholds are those of a full review; there is one reviewer, and no veto."""
    prompt_set = await sync_to_async(_checked)(request, (x_schema_version, x_prompt_set_version))
    response = await _asked(ReviewIdea, "review", request, body, prompt_set, idempotency_key)
    review = content_of(ReviewOutputSchema, response)
    rules = Rules(
        weights={GENERIC: Decimal(1)},
        approve=prompt_set.approve_threshold,
        revise=prompt_set.revise_threshold,
        rerun=prompt_set.rerun_threshold,
        veto_persona="",
    )
    verdict = decide([{**review, "persona_id": GENERIC, "persona_name": "Reviewer"}], rules)
    return {
        **_call(response),
        "review": review,
        "decision": verdict.decision,
        "overall_weighted_confidence": verdict.overall_weighted_confidence,
    }


def _checked(request: AuthedRequest, versions: tuple[str | None, str | None]) -> PromptSet:
    require(request, Scope.RUNS_WRITE)
    with refusals():
        check_versions(*versions)
        return current_prompt_set()


async def _asked(
    service: Any, kind: str, request: AuthedRequest, body: IdeaIn, prompt_set: PromptSet, key: str | None
) -> Response:
    """Run the call now; ApiError 502 when the model gives no valid answer."""
    chosen = parameters()
    call = service.using(
        context={"prompt_set_version": prompt_set.version},
        requested_by=request.auth.user,
        idempotency_key=key,
        max_attempts=chosen["max_retries_per_persona"],
        model=chosen[f"{kind}_model"],
        parameters={"temperature": chosen[f"{kind}_temperature"]},
    )
    try:
        with call_refusals():
            response: Response = await call.execute(idea=body.idea, extra_context=body.extra_context)
    except OutOfSight as error:
        raise look_later(reverse("api:get_service_call", kwargs={"call_id": error.call_id})) from error
    except CallError as error:
        code = PROVIDER_AUTH if error.code in AUTH_CODES else error.code.upper()
        raise ApiError(502, code, reason_of(code), {"call_id": error.call_id}) from error
    return response


def _call(response: Response) -> dict[str, Any]:
    return {"call_id": response.call_id, "model": response.model, "total_tokens": response.usage.total_tokens}

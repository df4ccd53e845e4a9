"""The steps of a run: one proposal, five concurrent reviews, one decision.

Everything here works on a run that the caller has locked, so that of five reviews that arrive together exactly one is
the last, whichever worker stores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from pydantic import ValidationError

from apps.consensus import log
from apps.consensus.decision.comparison import proposal_diff
from apps.consensus.decision.verdict import Verdict, decide, has_security_concerns, must_review_again, quantized
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run, RunType, StepProgress
from apps.consensus.models.prompts import Persona
from apps.consensus.models.runs import AGGREGATE, EXPAND, REVIEW, Priority, StepStatus
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema, content_of
from apps.consensus.orca.services import ExpandIdea, ReviewAsPersona
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.types import JsonObject, Response

PRIORITIES = {Priority.NORMAL: 0, Priority.HIGH: 10}


# --- asking ---------------------------------------------------------------------------------


def request_proposal(run: Run) -> None:
    """Submit the expand call in the caller's transaction."""
    parameters = run.parameters_json
    spec = _spec(run, ExpandIdea, {}, parameters["expand_model"], parameters["expand_temperature"])
    _submit(run, {EXPAND: spec})


def request_reviews(run: Run) -> None:
    """Reuse the parent's reviews that are still valid, and submit the calls that are missing."""
    personas = list(run.prompt_set.personas.all())
    reusable = _reusable(run)
    done = set(run.reviews.values_list("persona_id", flat=True))
    asked = set(run.steps.filter(call__isnull=False).values_list("step", flat=True))
    specs = {}
    for persona in personas:
        step = f"{REVIEW}{persona.persona_id}"
        if persona.persona_id in done or step in asked:
            continue
        if persona.persona_id in reusable:
            _reuse(run, persona, reusable[persona.persona_id])
        else:
            specs[step] = _review_spec(run, persona)
    _submit(run, specs)
    decide_when_complete(run)


def _review_spec(run: Run, persona: Persona) -> CallSpec:
    parameters = run.parameters_json
    context = {"persona_id": persona.persona_id}
    return _spec(run, ReviewAsPersona, context, parameters["review_model"], parameters["review_temperature"])


def _spec(run: Run, service: Any, context: JsonObject, model: str, temperature: float) -> CallSpec:
    return CallSpec(
        service=service,
        context={"run_id": str(run.pk), **context},
        priority=PRIORITIES[Priority(run.priority)],
        max_attempts=run.parameters_json["max_retries_per_persona"],
        related_object=run,
        requested_by=run.user,
        correlation_id=run.pk,
        model=model,
        parameters={"temperature": temperature},
    )


def _submit(run: Run, specs: Mapping[str, CallSpec]) -> None:
    records = submit_many(list(specs.values()))
    for step, record in zip(specs, records, strict=True):
        run.steps.filter(step=step).update(call=record)


# --- receiving ------------------------------------------------------------------------------


def proposal_arrived(run_id: str, response: Response) -> ProposalVersion:
    """Store the proposal, and ask for the reviews unless the run has ended meanwhile.

    A repeated answer changes nothing. Fields that a person edited are stored as they wrote them, whatever the model
    returned.
    """
    run = Run.objects.locked(run_id)
    known = ProposalVersion.objects.filter(run=run).first()
    if known is not None:
        return known
    content = proposal_content(run, response)
    proposal = ProposalVersion.objects.create(
        run=run,
        expanded_proposal_json=content,
        proposal_diff_json=diff_to_parent(run, content),
        persona_template_version=run.prompt_set_version,
        edit_notes=run.edit_notes,
    )
    run.begin()
    complete_step(run, EXPAND, response.execution_metadata.attempt)
    if run.is_open:
        request_reviews(run)
    return proposal


def review_arrived(run_id: str, persona_id: str, response: Response) -> PersonaReview:
    """Store one review; the last one leads to the decision. A repeated answer changes nothing."""
    run = Run.objects.locked(run_id)
    known = run.reviews.filter(persona_id=persona_id).first()
    if known is not None:
        return known
    attempt = response.execution_metadata.attempt
    parameters = {
        "model": response.model or run.model,
        "temperature": run.parameters_json["review_temperature"],
        "persona_template_version": run.prompt_set_version,
        "attempt_count": attempt,
        "request_id": response.provider_response_id or response.call_id,
    }
    persona = run.prompt_set.personas.get(persona_id=persona_id)
    review = store_review(run, persona, content_of(ReviewOutputSchema, response), parameters)
    complete_step(run, f"{REVIEW}{persona_id}", attempt)
    decide_when_complete(run)
    fail_when_settled(run)
    return review


def store_review(
    run: Run, persona: Persona, content: JsonObject, parameters: JsonObject, *, reused: bool = False
) -> PersonaReview:
    """A review as a row."""
    return PersonaReview.objects.create(
        run=run,
        persona_id=persona.persona_id,
        persona_name=persona.name,
        prompt_parameters_json=parameters,
        reused=reused,
        **columns_of(persona.persona_id, content),
    )


def columns_of(persona_id: str, content: JsonObject) -> JsonObject:
    """The columns of a review: the score column has 4 places, the JSON keeps the score as written."""
    return {
        "review_json": content,
        "confidence_score": quantized(Decimal(str(content["confidence_score"]))),
        "blocking_issues_present": bool(content["blocking_issues"]),
        "security_concerns_present": has_security_concerns({**content, "persona_id": persona_id}),
    }


# --- revising -------------------------------------------------------------------------------


def proposal_content(run: Run, response: Response) -> JsonObject:
    """The answer, with the fields that a person edited in place of the model's."""
    edited = run.edited_proposal if isinstance(run.edited_proposal, dict) else {}
    return {**content_of(ProposalOutputSchema, response), **edited}


def diff_to_parent(run: Run, content: JsonObject) -> JsonObject | None:
    """Where a revision's proposal differs from its parent's; None when the run is not a revision."""
    if run.parent_run_id is None:
        return None
    parent = ProposalVersion.objects.filter(run=run.parent_run_id).first()
    return None if parent is None else proposal_diff(parent.expanded_proposal_json, content)


def _reusable(run: Run) -> dict[str, PersonaReview]:
    """The parent's reviews that need not be repeated; none when the prompt set has changed."""
    parent = run.parent_run
    if run.run_type != RunType.REVISION or parent is None or parent.prompt_set_id != run.prompt_set_id:
        return {}
    rules = run.prompt_set.rules()
    return {
        review.persona_id: review
        for review in parent.reviews.all()
        if _still_valid(review)
        and not must_review_again(review.as_review(), rules, security_concerns=review.security_concerns_present)
    }


def _still_valid(review: PersonaReview) -> bool:
    try:
        ReviewOutputSchema.model_validate(review.review_json)
    except ValidationError:
        return False
    return True


def _reuse(run: Run, persona: Persona, review: PersonaReview) -> None:
    store_review(run, persona, review.review_json, review.prompt_parameters_json, reused=True)
    complete_step(run, f"{REVIEW}{persona.persona_id}", 0)


# --- deciding -------------------------------------------------------------------------------


def decide_when_complete(run: Run) -> bool:
    """Decide once every persona's review is stored and the run is still open; True when it was decided now."""
    reviews = list(run.reviews.all())
    if not run.is_open or len(reviews) < run.prompt_set.personas.count():
        return False
    step = run.steps.get(step=AGGREGATE)
    step.begin(1)
    verdict = decide([review.as_review() for review in reviews], run.prompt_set.rules())
    Decision.objects.create(
        run=run,
        decision_json=verdict_json(verdict),
        overall_weighted_confidence=verdict.overall_weighted_confidence,
        decision_notes=notes(verdict),
        veto_applied=verdict.veto_applied,
    )
    complete_step(run, AGGREGATE, 1)
    run.complete(verdict.overall_weighted_confidence, verdict.decision)
    _when_committed(partial(log.run_changed, "completed", run, decision=str(verdict.decision)))
    return True


def verdict_json(verdict: Verdict) -> JsonObject:
    """A verdict as JSON; its numbers are text, so that they stay exact."""
    return {key: _exact(value) for key, value in asdict(verdict).items()}


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, str) else value


def notes(verdict: Verdict) -> str:
    """The decision in one sentence."""
    veto = " after a security veto" if verdict.veto_applied else ""
    count = len(verdict.minority_reports)
    minority = f"; minority reports: {count}" if count else ""
    return f"{verdict.decision} at {verdict.overall_weighted_confidence}{veto}{minority}"


# --- failing --------------------------------------------------------------------------------


def complete_step(run: Run, name: str, attempt: int) -> None:
    step = run.steps.get(step=name)
    if step.complete(attempt):
        _when_committed(partial(log.step_changed, step))


def fail_when_settled(run: Run) -> bool:
    """Fail the run once a step has failed and none is under way; until then paid answers may still arrive."""
    if not run.is_open:
        return False
    steps = run.ordered_steps()
    failed = [step for step in steps if step.status == StepStatus.FAILED]
    if not failed or any(_is_under_way(step) for step in steps):
        return False
    run.fail(failed[0].error_code, error_context(failed))
    _when_committed(partial(log.run_changed, "failed", run, error_code=run.error_code, step=failed[0].step))
    return True


def _is_under_way(step: StepProgress) -> bool:
    return step.status in (StepStatus.PENDING, StepStatus.RUNNING) and step.call_id is not None


def error_context(failed: list[StepProgress]) -> JsonObject:
    """Which steps failed, why, and after how many attempts; the first one at the top."""
    described = [
        {"step": step.step, "code": step.error_code, "reason": step.error, "attempts": step.attempt_count}
        for step in failed
    ]
    return {**described[0], "failed_steps": described}


def _when_committed(action: partial[None]) -> None:
    transaction.on_commit(action, robust=True)

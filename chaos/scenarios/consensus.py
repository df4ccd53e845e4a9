"""Full reviews: six model calls for each run, five of them at once, and one decision, whichever review is last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from apps.accounts.models import User
from apps.consensus.decision import decide
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run, StepProgress
from apps.consensus.models.runs import AGGREGATE, EXPAND, REVIEW, Priority, RunStatus
from apps.consensus.workflow.start import start_run
from chaos.plan import PlannedCall, marker
from chaos.records import Records
from chaos.scenarios.base import Scenario
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject

OWNER = "chaos@example.invalid"


class ConsensusScenario(Scenario):
    """Rows are runs, with everything that belongs to them. Ordering keys and delays of the plan are not used."""

    def submit(self, call: PlannedCall, seed: int) -> str:
        owner, _ = User.objects.get_or_create(email=OWNER)
        run, _ = start_run(
            owner,
            idea=f"A shared calendar for choirs, as of {marker(call.number)}.",
            priority=Priority.HIGH if call.priority > 0 else Priority.NORMAL,
            idempotency_key=f"chaos-{seed}-{call.number}",
        )
        return str(run.pk)

    def rows(self) -> Sequence[Run]:
        runs = Run.objects.select_related("proposal", "decision", "prompt_set")
        return list(runs.prefetch_related("reviews", "events", "steps").order_by("created_at", "id"))

    def lost(self, records: Records) -> list[str]:
        whole = {str(run.pk) for run in records.rows if _is_whole(run)}
        return sorted(set(records.submitted.values()) - whole)

    def duplicated(self, records: Records) -> list[str]:
        """A second run of one submit, a second call for one step, or a second completion of a run or a step."""
        again = [str(run.pk) for run in records.rows if str(run.pk) not in set(records.submitted.values())]
        asked = Counter((record.correlation_id, record.context.get("persona_id")) for record in records.calls.values())
        twice = [f"{run}:{persona or EXPAND}" for (run, persona), count in asked.items() if count > 1]
        return again + twice + [f"{run.pk}:{what}" for run in records.rows for what in _told_twice(run)]

    def falsely_persisted(self, records: Records) -> list[str]:
        """A review or proposal that is not its call's answered result, or a decision that the rules do not give."""
        return [f"{run.pk}:{what}" for run in records.rows for what in _false(run, records)]

    def out_of_order(self, records: Records) -> list[str]:
        """Reviews requested before the proposal was stored, a review after the decision, or gaps between events."""
        return [str(run.pk) for run in records.rows if not _in_order(run, records)]


def _is_whole(run: Run) -> bool:
    results = _proposal(run), _decision(run)
    return run.status == RunStatus.COMPLETED and None not in results and len(run.reviews.all()) == _personas(run)


def _proposal(run: Run) -> ProposalVersion | None:
    try:
        return run.proposal
    except ProposalVersion.DoesNotExist:
        return None


def _decision(run: Run) -> Decision | None:
    try:
        return run.decision
    except Decision.DoesNotExist:
        return None


def _personas(run: Run) -> int:
    return sum(step.persona_id is not None for step in run.steps.all())


def _told_twice(run: Run) -> Iterator[str]:
    announced = Counter(event.data["step"] if event.kind == "step" else "run" for event in run.events.all()
                   if event.data["status"] == "completed")  # fmt: skip
    return (what for what, count in announced.items() if count > 1)


def _false(run: Run, records: Records) -> Iterator[str]:
    steps = {step.step: step for step in run.steps.all()}
    proposal, decision = _proposal(run), _decision(run)
    if proposal is not None and proposal.expanded_proposal_json != _result(steps[EXPAND], records):
        yield EXPAND
    for review in run.reviews.all():
        step = steps[f"{REVIEW}{review.persona_id}"]
        if not _was_answered(review, step, records) or not _says(review, _result(step, records)):
            yield step.step
    if decision is not None:
        verdict = decide([review.as_review() for review in run.reviews.all()], run.prompt_set.rules())
        stored = (decision.overall_weighted_confidence, run.decision_label, decision.veto_applied)
        if stored != (verdict.overall_weighted_confidence, verdict.decision, verdict.veto_applied):
            yield AGGREGATE


def _result(step: StepProgress, records: Records) -> JsonObject | None:
    record: ServiceCallRecord | None = records.calls.get(step.call_id or "")
    return None if record is None or record.result is None else record.result["structured_data"]


def _was_answered(review: PersonaReview, step: StepProgress, records: Records) -> bool:
    parts = review.prompt_parameters_json["request_id"].split("_")
    entry = next((entry for part in parts if (entry := records.answered().get(part)) is not None), None)
    return entry is not None and entry.correlation.startswith(f"{step.call_id}:")


def _says(review: PersonaReview, result: JsonObject | None) -> bool:
    """But for the score, of which 4 places are kept."""
    rest = {"confidence_score": None}
    return result is not None and {**review.review_json, **rest} == {**result, **rest}


def _in_order(run: Run, records: Records) -> bool:
    if [event.sequence for event in run.events.all()] != list(range(1, run.last_event + 1)):
        return False
    if not _is_whole(run):
        return True  # it is counted as lost
    asked = [records.calls[step.call_id].created_at for step in run.steps.all() if step.persona_id and step.call_id]
    reviewed = [review.created_at for review in run.reviews.all()]
    return min(asked) >= run.proposal.created_at and max(reviewed) <= run.decision.created_at

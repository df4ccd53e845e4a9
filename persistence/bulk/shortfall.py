"""What a run that has no open items came short of: it is not simply done when something was not written."""

from __future__ import annotations

from persistence.approval.decisions import DecisionOutcome
from persistence.bulk.runs import outcomes_of
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import TROUBLES, items_with_a_note
from persistence.reprocessing.reports import ReprocessOutcome

NOT_WRITTEN: dict[str, str] = {
    ReprocessOutcome.SKIPPED: "were skipped: no handler takes their results",
    ReprocessOutcome.HELD: "wait for a person's approval; nothing of them is persisted yet",
    DecisionOutcome.WAITING: "wait for another person's approval; nothing of them is persisted yet",
}
"""Outcomes of items of which nothing was written, though nothing failed: what is said of them, after their number."""
AS_BEFORE: tuple[str, ...] = (ReprocessOutcome.KEPT, ReprocessOutcome.UNCHANGED)
"""Outcomes of items that were to be written, and were as they would become."""
WRITTEN: tuple[str, ...] = (
    *(ReprocessOutcome.PERSISTED, ReprocessOutcome.UPDATED, ReprocessOutcome.RECREATED, ReprocessOutcome.REVERTED),
    *(DecisionOutcome.REJECTED, DecisionOutcome.ASSIGNED),
)
"""Outcomes of items that were done as was asked, beside those of the engine's own operations and of dry runs."""


def shortfall(run: BulkRun) -> tuple[BulkState, str]:
    """The state in which a run ends that has no open items, and what is missing from it: nothing, if all went well."""
    outcomes = outcomes_of(run)
    troubles = sum(outcomes.get(outcome, 0) for outcome in TROUBLES)
    if troubles and troubles == run.total:
        return BulkState.FAILED, "Nothing was done: every call was left alone, or failed."
    return BulkState.DONE, " ".join(_sentences(run, outcomes, troubles))


def _sentences(run: BulkRun, outcomes: dict[str, int], troubles: int) -> list[str]:
    idle = sum(outcomes.get(outcome, 0) for outcome in AS_BEFORE)
    unwritten = {outcome: outcomes[outcome] for outcome in NOT_WRITTEN if outcomes.get(outcome)}
    found = []
    if idle and idle == run.total:
        found.append("Nothing was changed: everything was as it would become.")
    elif run.total and idle + troubles + sum(unwritten.values()) == run.total:
        found.append("Nothing was changed.")
    if troubles:
        found.append(f"{troubles:,} of {run.total:,} calls were left alone, or failed.")
    found += [f"{count:,} of {run.total:,} calls {NOT_WRITTEN[outcome]}." for outcome, count in unwritten.items()]
    forced = items_with_a_note(run).count()
    if forced:
        found.append(f"{forced:,} of {run.total:,} calls were forced; what speaks against that is listed.")
    return found

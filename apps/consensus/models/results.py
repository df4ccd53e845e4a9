"""The results of a run: a proposal, five reviews, a decision."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from apps.consensus.models.runs import Run
from orchestration.clock import database_now
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


class ProposalVersion(models.Model):
    """The proposal of a run; for a revision also the difference from its parent's."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="proposal")
    expanded_proposal_json = StoredJSONField()
    proposal_diff_json = StoredJSONField(null=True, blank=True)
    persona_template_version = models.CharField(max_length=32)
    edit_notes = models.TextField(blank=True, default="")
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "consensus_proposal_version"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"proposal of {self.run_id}"


class PersonaReview(models.Model):
    """One persona's review. `reused`: copied from the parent run, without a model call."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="reviews", db_index=False)
    persona_id = models.CharField(max_length=32)
    persona_name = models.CharField(max_length=64)
    review_json = StoredJSONField()
    confidence_score = models.DecimalField(max_digits=5, decimal_places=4)
    blocking_issues_present = models.BooleanField()
    security_concerns_present = models.BooleanField()
    prompt_parameters_json = StoredJSONField(default=dict)
    reused = models.BooleanField(default=False)
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "consensus_persona_review"
        ordering = ("run", "id")
        constraints = (
            models.UniqueConstraint(fields=("run", "persona_id"), name="review_once_by_persona"),
            models.CheckConstraint(
                condition=Q(confidence_score__gte=0, confidence_score__lte=1), name="review_score_between_0_and_1"
            ),
        )

    def __str__(self) -> str:
        return f"{self.persona_id} of {self.run_id}"

    def as_review(self) -> dict[str, Any]:
        """The mapping that `decide` takes, with the score as it was written: `confidence_score` has 4 places of it."""
        return {**self.review_json, "persona_id": self.persona_id, "persona_name": self.persona_name}


class Decision(models.Model):
    """The decision of a run, with everything that it was calculated from."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="decision")
    decision_json = StoredJSONField()
    overall_weighted_confidence = models.DecimalField(max_digits=5, decimal_places=4)
    decision_notes = models.TextField(blank=True, default="")
    veto_applied = models.BooleanField(default=False)
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "consensus_decision"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"decision on {self.run_id}"

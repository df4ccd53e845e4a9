"""What a run brings: a proposal, five reviews, a decision."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.consensus.models.runs import Run


class ProposalVersion(models.Model):
    """The proposal of a run; of a revision with its difference from the parent's."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="proposal")
    expanded_proposal_json = models.JSONField()
    proposal_diff_json = models.JSONField(null=True, blank=True)
    persona_template_version = models.CharField(max_length=32)
    edit_notes = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "consensus_proposal_version"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"proposal of {self.run_id}"


class PersonaReview(models.Model):
    """One persona's review. `reused`: taken over from the parent run, unpaid."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="reviews", db_index=False)
    persona_id = models.CharField(max_length=32)
    persona_name = models.CharField(max_length=64)
    review_json = models.JSONField()
    confidence_score = models.DecimalField(max_digits=5, decimal_places=4)
    blocking_issues_present = models.BooleanField()
    security_concerns_present = models.BooleanField()
    prompt_parameters_json = models.JSONField(default=dict)
    reused = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

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
        """The mapping that `decide` takes; the score is the stored one."""
        return {
            **self.review_json,
            "persona_id": self.persona_id,
            "persona_name": self.persona_name,
            "confidence_score": self.confidence_score,
        }


class Decision(models.Model):
    """The decision of a run, with everything it was made of."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="decision")
    decision_json = models.JSONField()
    overall_weighted_confidence = models.DecimalField(max_digits=5, decimal_places=4)
    decision_notes = models.TextField(blank=True, default="")
    veto_applied = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "consensus_decision"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"decision on {self.run_id}"

"""Personas, weights, thresholds and prompt texts, in versions. A version that a run used cannot be changed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.forms.models import model_to_dict

from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.decision.verdict import Rules, rule_faults
from orchestration.clock import database_now
from orchestration.values.moments import MomentField

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from apps.consensus.models.runs import Run

VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
SHARE = (MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1)))


class FrozenVersion(ValidationError):
    """A run used this version of the prompts, so it cannot be changed: copy it to a new version and change that."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


class PromptSet(models.Model):
    """One version of what shapes a run: prompt texts and thresholds, and through its personas the weights."""

    version = models.CharField(max_length=32, unique=True, validators=[RegexValidator(rf"^{VERSION}\Z")])
    expand_instruction = models.TextField(help_text="What the model is told when it turns the idea into a proposal.")
    review_instruction = models.TextField(help_text="What every reviewer is told, before the persona's own text.")
    generic_instruction = models.TextField(help_text="Who reviews for /v1/review-idea.")
    approve_threshold = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.80"), validators=SHARE)
    revise_threshold = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.60"), validators=SHARE)
    rerun_threshold = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.70"),
        validators=SHARE,
        help_text="Reviewers who scored below this review a revision again.",
    )
    created_at = MomentField(default=database_now, editable=False)

    if TYPE_CHECKING:
        personas: RelatedManager[Persona]
        runs: RelatedManager[Run]

    class Meta:
        db_table = "consensus_prompt_set"
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.version

    def save(self, *args: Any, **kwargs: Any) -> None:
        """FrozenVersion when a run used it."""
        self.refuse_when_used()
        super().save(*args, **kwargs)

    def clean(self) -> None:
        super().clean()
        self.refuse_when_used()

    @property
    def is_used(self) -> bool:
        return self.pk is not None and self.runs.exists()

    def refuse_when_used(self) -> None:
        if self.is_used:
            raise FrozenVersion

    def faults(self) -> list[str]:
        """Why this version cannot be run with, one sentence each; empty when it can."""
        personas = list(self.personas.all())
        given = [persona.persona_id for persona in personas]
        faults = []
        if sorted(given) != sorted(PERSONA_IDS):
            faults.append(f"The personas must be {', '.join(PERSONA_IDS)}; they are {', '.join(given) or 'none'}.")
        texts = {"expand_instruction": self.expand_instruction, "review_instruction": self.review_instruction}
        texts |= {persona.persona_id: persona.instruction for persona in personas}
        faults += [f"The text of {name} is empty." for name, text in texts.items() if not text.strip()]
        weights = [persona.weight for persona in personas]
        return faults + rule_faults(weights, self.approve_threshold, self.revise_threshold, self.rerun_threshold)

    def rules(self) -> Rules:
        """The rules of decision; ValueError when the weights do not total 1."""
        return Rules(
            weights={persona.persona_id: persona.weight for persona in self.personas.all()},
            approve=self.approve_threshold,
            revise=self.revise_threshold,
            rerun=self.rerun_threshold,
        )

    def copy_as(self, version: str) -> PromptSet:
        """A new, editable version with the same texts, thresholds and personas."""
        personas = list(self.personas.all())
        with transaction.atomic():
            copied = PromptSet.objects.create(version=version, **model_to_dict(self, fields=SET_FIELDS))
            for persona in personas:
                Persona.objects.create(prompt_set=copied, **model_to_dict(persona, fields=PERSONA_FIELDS))
        return copied


SET_FIELDS = (
    "expand_instruction",
    "review_instruction",
    "generic_instruction",
    "approve_threshold",
    "revise_threshold",
    "rerun_threshold",
)
PERSONA_FIELDS = ("persona_id", "name", "position", "weight", "instruction")


class Persona(models.Model):
    """One reviewer of a version."""

    prompt_set = models.ForeignKey(PromptSet, on_delete=models.CASCADE, related_name="personas")
    persona_id = models.CharField(max_length=32, choices=[(name, name) for name in PERSONA_IDS])
    name = models.CharField(max_length=64)
    position = models.PositiveSmallIntegerField(default=1, help_text="Personas are shown and asked in this order.")
    weight = models.DecimalField(max_digits=5, decimal_places=4, validators=SHARE, help_text="All weights total 1.")
    instruction = models.TextField()

    class Meta:
        db_table = "consensus_persona"
        ordering = ("prompt_set", "position", "id")
        constraints = (
            models.UniqueConstraint(fields=("prompt_set", "persona_id"), name="persona_once_in_a_version"),
            models.CheckConstraint(
                condition=models.Q(weight__gte=0, weight__lte=1), name="persona_weight_between_0_and_1"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.prompt_set}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """FrozenVersion when a run used its version."""
        self.prompt_set.refuse_when_used()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """FrozenVersion when a run used its version."""
        self.prompt_set.refuse_when_used()
        return super().delete(*args, **kwargs)

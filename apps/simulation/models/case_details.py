"""What scenarios and simulations share beside the story: who the patient is, the task, what counts as right."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.simulation.fields import validate_line, validate_text
from apps.simulation.models.cases import validate_lines
from orchestration.values.stored_json import StoredJSONField

OLDEST = 120


class PatientSex(models.TextChoices):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class CaseDetails(models.Model):
    """Columns of a case. Each has a default in the database, because older versions do not know them."""

    patient_age = models.IntegerField(
        "age",
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(OLDEST)],
        help_text="In years.",
    )
    patient_sex = models.CharField("sex", max_length=16, choices=PatientSex, blank=True, default="", db_default="")
    patient_occupation = models.CharField(
        "occupation", max_length=100, blank=True, default="", db_default="", validators=[validate_line]
    )
    setting = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[validate_line],
        help_text="Where and when: emergency department, Saturday evening.",
    )
    task = models.TextField(
        blank=True,
        default="",
        db_default="",
        validators=[validate_text],
        help_text="What the trainee should do. The briefing shows it: no diagnosis here.",
    )
    accepted_diagnoses = StoredJSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_lines],
        help_text="What counts as the diagnosis, too: abbreviations, everyday words, a list.",
    )
    treatment_points = StoredJSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_lines],
        help_text="What a correct plan includes, a list.",
    )
    criteria = StoredJSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_lines],
        help_text="What the feedback assesses one by one, a list. Empty: what a good consultation needs.",
    )
    holds_feedback = models.BooleanField(
        "feedback waits for an instructor",
        default=False,
        db_default=False,
        help_text="An instructor reads the feedback, edits it where it is wrong, and releases it.",
    )

    class Meta:
        abstract = True


CASE_DETAILS = tuple(field.name for field in CaseDetails._meta.local_fields)
"""The names of the columns."""
PERSON = ("patient_age", "patient_sex", "patient_occupation")

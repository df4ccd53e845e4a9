"""The cases that simulations are started from, and their pictures."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import validate_slug
from django.db import models
from django.db.models import Q

from apps.accounts.models.ownership import OwnedQuerySet
from apps.accounts.models.roles import Resource
from apps.simulation.fields import validate_line, validate_text
from apps.simulation.models.case_details import CASE_DETAILS, CaseDetails
from apps.simulation.models.cases import validate_findings, validate_modifiers
from apps.simulation.models.images import StoredImage
from orchestration.clock import database_now
from orchestration.values.columns import value_of
from orchestration.values.moments import LengthField, MomentField
from orchestration.values.stored_json import StoredJSONField

if TYPE_CHECKING:
    from apps.accounts.models import User


CASE_FIELDS = (
    "sim_patient_full_name",
    "diagnosis",
    "chief_complaint",
    "scenario",
    "instructions",
    "modifiers",
    "findings",
    "time_limit",
    "model",
    *CASE_DETAILS,
)
"""The fields that are copied to each simulation that is started from a scenario."""


class ScenarioTemplateQuerySet(OwnedQuerySet["ScenarioTemplate"]):
    """Whoever may see a scenario sees all of it, with diagnosis and findings."""

    resource = Resource.SCENARIO
    owner = "owner"

    def usable(self) -> Self:
        """Not archived."""
        return self.filter(archived_at__isnull=True)

    def startable_by(self, user: User) -> Self:
        """Usable ones that this user may start: those open to everybody, and those that the user may read."""
        return self.usable().filter(Q(is_open=True) | Q(pk__in=self.visible_to(user).values("pk")))


class ScenarioTemplate(CaseDetails):
    """A case that simulations are started from. Simulations keep their own copy, so edits do not change them."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(
        max_length=64, unique=True, validators=[validate_slug], help_text="Short name. Imports match scenarios by it."
    )
    title = models.CharField(max_length=150, validators=[validate_line])
    summary = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="For trainees: no diagnosis here."
    )
    sim_patient_full_name = models.CharField("patient", max_length=100, validators=[validate_line])
    diagnosis = models.CharField(max_length=255, validators=[validate_line])
    chief_complaint = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    scenario = models.TextField(blank=True, default="", validators=[validate_text], help_text="What has happened.")
    instructions = models.TextField(
        blank=True, default="", validators=[validate_text], help_text="How the patient should be played."
    )
    modifiers = StoredJSONField(
        default=list, blank=True, validators=[validate_modifiers], help_text="What makes the patient difficult, a list."
    )
    findings = StoredJSONField(
        default=list, blank=True, validators=[validate_findings], help_text="Results that are found when asked for."
    )
    time_limit = LengthField(null=True, blank=True)
    model = models.CharField(max_length=128, blank=True, default="", help_text="Empty: the client's model.")
    is_open = models.BooleanField(default=False, help_text="Every trainee may start it without an assignment.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="scenarios"
    )
    created_at = MomentField(default=database_now, editable=False)
    updated_at = MomentField(auto_now=True)
    archived_at = MomentField(null=True, blank=True)

    objects = ScenarioTemplateQuerySet.as_manager()

    class Meta:
        db_table = "scenario_template"
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title

    def case(self) -> dict[str, Any]:
        """The fields of a simulation that is started from this scenario."""
        return self.values_of(CASE_FIELDS)

    def values_of(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of these fields, by name."""
        return {name: value_of(self, name) for name in names}


class ScenarioImage(StoredImage):
    """A picture that the patient of this scenario can show."""

    template = models.ForeignKey(ScenarioTemplate, on_delete=models.CASCADE, related_name="images")
    position = models.IntegerField(default=0, db_default=0, editable=False)

    class Meta:
        db_table = "scenario_image"
        ordering = ("position", "id")

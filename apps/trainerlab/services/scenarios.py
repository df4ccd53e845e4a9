"""Assigns and starts scenarios."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import transaction

from apps.simulation.models import Simulation, SimulationImage
from apps.simulation.services.image_upload import copy_image
from apps.simulation.services.lifecycle import start_simulation
from apps.trainerlab.errors import (
    AlreadyAssigned,
    AssignmentStarted,
    AssignmentWithdrawn,
    DueInThePast,
    ScenarioArchived,
)
from apps.trainerlab.models import Assignment, ScenarioTemplate, TrainerSession
from apps.trainerlab.models.scenarios import CASE_FIELDS
from orchestration.clock import database_now

if TYPE_CHECKING:
    from apps.accounts.models import User

COPIED = ("title", "summary", *CASE_FIELDS)
LONGEST_TITLE = 140
"""So that ` (copy)` fits behind it."""


def start_scenario(template: ScenarioTemplate, user: User, instructor: User | None = None) -> Simulation:
    """A simulation of this scenario for `user`: with a copy of the case and its pictures, and the trainer's session.

    Raises ScenarioArchived.
    """
    if template.archived_at is not None:
        raise ScenarioArchived
    with transaction.atomic():
        simulation = start_simulation(user, **template.case())
        give_pictures(template, simulation)
        TrainerSession.objects.create(simulation=simulation, template=template, instructor=instructor)
    return simulation


def give_pictures(template: ScenarioTemplate, simulation: Simulation) -> None:
    """The pictures of the scenario for a new simulation, in the caller's transaction."""
    # Locked, because deleting the last row of a picture deletes its file.
    images = template.images.select_for_update(no_key=True)
    SimulationImage.objects.bulk_create(copy_image(image, simulation) for image in images)


def duplicate(template: ScenarioTemplate, user: User, key: str) -> ScenarioTemplate:
    """A copy of the scenario with its pictures, under another key, that belongs to `user` and is open to nobody."""
    with transaction.atomic():
        copy = ScenarioTemplate(**template.values_of(COPIED), key=key, owner=user, is_open=False)
        copy.title = f"{template.title[:LONGEST_TITLE]} (copy)"
        copy.save(force_insert=True)
        for image in template.images.select_for_update(no_key=True):
            image.pk, image.uuid, image.template, image._state.adding = None, uuid4(), copy, True
            image.save(force_insert=True)
    return copy


def assign(
    template: ScenarioTemplate,
    trainee: User,
    assigned_by: User,
    *,
    message: str = "",
    due_at: datetime | None = None,
) -> Assignment:
    """Assign a scenario to a trainee. Raises DueInThePast, ScenarioArchived, or AlreadyAssigned while one is open."""
    if due_at is not None and due_at <= database_now():
        raise DueInThePast
    with transaction.atomic():
        locked = ScenarioTemplate.objects.select_for_update(no_key=True).get(pk=template.pk)
        if locked.archived_at is not None:
            raise ScenarioArchived
        if Assignment.objects.open().filter(template=locked, trainee=trainee).exists():
            raise AlreadyAssigned
        return Assignment.objects.create(
            template=locked, trainee=trainee, assigned_by=assigned_by, message=message, due_at=due_at
        )


def start_assignment(assignment_id: int) -> Simulation:
    """The simulation of an assignment, created on the first call.

    Raises AssignmentWithdrawn or ScenarioArchived, and Assignment.DoesNotExist.
    """
    with transaction.atomic():
        Assignment.objects.select_for_update(no_key=True).get(pk=assignment_id)
        rows = Assignment.objects.select_related("simulation", "template", "trainee", "assigned_by")
        assignment = rows.get(pk=assignment_id)
        if assignment.simulation is not None:
            return assignment.simulation
        if assignment.withdrawn_at is not None:
            raise AssignmentWithdrawn
        assignment.simulation = start_scenario(assignment.template, assignment.trainee, assignment.assigned_by)
        assignment.save(update_fields=["simulation"])
    return assignment.simulation


def withdraw(assignment_id: int) -> Assignment:
    """Withdraw an assignment that was not started; doing it again changes nothing. Raises AssignmentStarted."""
    with transaction.atomic():
        assignment = Assignment.objects.select_for_update(no_key=True).get(pk=assignment_id)
        if assignment.simulation_id is not None:
            raise AssignmentStarted
        if assignment.withdrawn_at is None:
            assignment.withdrawn_at = database_now()
            assignment.save(update_fields=["withdrawn_at"])
    return assignment

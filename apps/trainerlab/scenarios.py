"""From scenario to simulation: assigning, starting, pictures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from apps.simulation.images import ImageRefused, Picture, copy_image, fill
from apps.simulation.lifecycle import start_simulation
from apps.simulation.models import Simulation, SimulationImage
from apps.trainerlab.errors import AlreadyAssigned, AssignmentStarted, AssignmentWithdrawn, ScenarioArchived
from apps.trainerlab.models import Assignment, ScenarioImage, ScenarioTemplate, TrainerSession

if TYPE_CHECKING:
    from apps.accounts.models import User

MAX_PICTURES = 20


def start_scenario(template: ScenarioTemplate, user: User, instructor: User | None = None) -> Simulation:
    """A simulation of this scenario for `user`: a copy of the case with its pictures, and the trainer's session.

    Raises ScenarioArchived.
    """
    if template.archived_at is not None:
        raise ScenarioArchived
    with transaction.atomic():
        simulation = start_simulation(user, **template.case())
        # Locked, because with the last row that shows a picture its file goes.
        images = template.images.select_for_update(no_key=True).order_by("id")
        SimulationImage.objects.bulk_create(copy_image(image, simulation) for image in images)
        TrainerSession.objects.create(simulation=simulation, template=template, instructor=instructor)
    return simulation


def assign(
    template: ScenarioTemplate,
    trainee: User,
    assigned_by: User,
    *,
    message: str = "",
    due_at: datetime | None = None,
) -> Assignment:
    """Give a trainee a scenario to play. Raises ScenarioArchived, or AlreadyAssigned while one is still open."""
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
    """The simulation of an assignment, made when it is asked for the first time; again, the same one.

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
    """Take back an assignment that nobody started; doing it again changes nothing. Raises AssignmentStarted."""
    with transaction.atomic():
        assignment = Assignment.objects.select_for_update(no_key=True).get(pk=assignment_id)
        if assignment.simulation_id is not None:
            raise AssignmentStarted
        if assignment.withdrawn_at is None:
            assignment.withdrawn_at = timezone.now()
            assignment.save(update_fields=["withdrawn_at"])
    return assignment


def add_picture(template: ScenarioTemplate, picture: Picture, description: str) -> ScenarioImage:
    """A picture that the patient of this scenario can show. Raises ImageRefused with code `too_many`."""
    if template.images.count() >= MAX_PICTURES:
        raise ImageRefused("too_many", f"A scenario may have at most {MAX_PICTURES} pictures.")
    row = ScenarioImage(template=template, description=description)
    fill(row, picture)
    return row

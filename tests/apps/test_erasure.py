"""What the apps keep about a person is erased with them: words, feedback, facts, pictures, notes, reviews."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message, MessageRole, store_message
from apps.consensus.models import Run
from apps.simulation.models import (
    FeedbackQuestion,
    Simulation,
    SimulationFeedback,
    SimulationMetadata,
    SimulationStatus,
)
from apps.trainerlab.models import InstructorNote, TrainerSession
from orchestration.testing import drain
from persistence.maintenance.erasure import erase_subject
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECRET = "I am Ada, and I live in Turin."


def played(user: User, *, ended: bool = True) -> Simulation:
    """A simulation in which all kinds of rows say who somebody is."""
    simulation = Simulation.objects.create(
        user=user, sim_patient_full_name="Maria Alvarez", status=SimulationStatus.RUNNING
    )
    store_message(simulation, sender=user, role=MessageRole.USER, content=SECRET)
    SimulationMetadata.objects.create(simulation=simulation, kind="history", key="said", value=SECRET)
    SimulationFeedback.objects.create(
        simulation=simulation,
        correct_diagnosis=True,
        correct_treatment_plan=True,
        patient_experience=3,
        overall_feedback=SECRET,
        next_time=[SECRET],
    )
    FeedbackQuestion.objects.create(simulation=simulation, asked_by=user, question=SECRET)
    session = TrainerSession.objects.create(simulation=simulation)
    InstructorNote.objects.create(session=session, content=SECRET)
    if ended:
        simulation.end()
    return simulation


def texts_of(simulation: Simulation) -> str:
    rows: list[Any] = []
    for model in (Message, SimulationMetadata, SimulationFeedback, FeedbackQuestion):
        rows += model.objects.filter(simulation=simulation).values()
    return str([*rows, *InstructorNote.objects.filter(session__simulation=simulation).values()])


def test_what_a_trainee_said_and_was_told_goes_with_them() -> None:
    ada, bob = person(), person()
    mine, others = played(ada), played(bob)
    assert SECRET in texts_of(mine)
    counted = erase_subject(ada).rows
    assert erase_subject(ada, dry_run=False).rows == counted
    assert counted == {"messages": 1, "facts": 1, "feedback": 1, "questions": 1, "notes": 1}
    assert SECRET not in texts_of(mine)
    assert Message.objects.get(simulation=mine).content == "[erased]", "it keeps its place"
    assert SECRET in texts_of(others)
    assert erase_subject(ada).rows == {"messages": 0, "facts": 0, "feedback": 0, "questions": 0}


def test_one_simulation_is_erased_alone() -> None:
    ada = person()
    one, other = played(ada), played(ada)
    erase_subject(one, dry_run=False)
    assert SECRET not in texts_of(one)
    assert SECRET in texts_of(other)


def test_what_is_still_played_is_held() -> None:
    ada = person()
    simulation = played(ada, ended=False)
    report = erase_subject(ada, dry_run=False)
    assert report.held == 5
    assert SECRET in texts_of(simulation)


def test_a_review_goes_with_who_asked_for_it() -> None:
    ann = person(UserRole.STAFF)
    run = new_run(ann)
    assert erase_subject(ann, dry_run=False).held > 0, "it is still under way"
    assert Run.objects.filter(pk=run.pk).exists()
    drain()
    erase_subject(ann, dry_run=False)
    assert not Run.objects.filter(pk=run.pk).exists()

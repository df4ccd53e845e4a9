"""What the apps keep about a person is erased with them: words, feedback, facts, pictures, notes, commands, reviews."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db.models import Model

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message, MessageRole, store_message
from apps.consensus.models import Run
from apps.simulation.models import (
    FeedbackQuestion,
    Simulation,
    SimulationEvent,
    SimulationFeedback,
    SimulationMetadata,
    SimulationStatus,
)
from apps.simulation.models.cases import Finding
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate, SessionEvent
from apps.trainerlab.services.commands import add_note, give_direction, inject_event, inject_finding
from orchestration.clock import database_now
from orchestration.testing import drain
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.kept import contradicted, undeclared
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PACKAGES = ("orchestration", "persistence", "apps")
SECRET = "I am Ada, and I live in Turin."


def direct(simulation: Simulation) -> None:
    """What instructors write about somebody, in each place where they can."""
    instructor = person(UserRole.INSTRUCTOR)
    add_note(simulation.pk, instructor, SECRET)
    give_direction(simulation.pk, instructor, "direction", SECRET)
    inject_event(simulation.pk, instructor, "event", SECRET)
    inject_finding(simulation.pk, instructor, "finding", Finding(kind="exam", key="History", value=SECRET))
    simulation.refresh_from_db()
    scenario = ScenarioTemplate.objects.create(key=f"case-{simulation.pk}", title="Case", diagnosis="Asthma")
    Assignment.objects.create(template=scenario, trainee=simulation.user, message=SECRET, simulation=simulation)


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
    direct(simulation)
    if ended:
        simulation.end()
    return simulation


def texts_of(simulation: Simulation) -> str:
    about: dict[type[Model], str] = dict.fromkeys((Message, SimulationMetadata, SimulationFeedback), "simulation")
    about |= {FeedbackQuestion: "simulation", SimulationEvent: "simulation", Assignment: "simulation"}
    about |= {InstructorNote: "session__simulation", SessionEvent: "session__simulation", Simulation: "pk"}
    return str([list(model._base_manager.filter(**{path: simulation.pk}).values()) for model, path in about.items()])


def ours() -> list[type[Model]]:
    """The models of the engine, of persistence and of the apps."""
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in PACKAGES]


WRITTEN = {
    **{"cases": 1, "messages": 3, "facts": 2, "feedback": 1, "questions": 1},
    **{"notes": 1, "commands": 3, "assignments": 1},
}


def test_what_a_trainee_said_and_was_told_goes_with_them() -> None:
    ada, bob = person(), person()
    mine, others = played(ada), played(bob)
    assert SECRET in texts_of(mine)
    counted = erase_subject(ada).rows
    assert erase_subject(ada, dry_run=False).rows == counted
    assert counted == WRITTEN
    assert SECRET not in texts_of(mine)
    assert Message.objects.filter(simulation=mine).first().content == "[erased]", "it keeps its place"
    assert SECRET in texts_of(others)
    assert erase_subject(ada).rows == {name: 0 for name in WRITTEN if name != "notes"}


def test_no_row_of_any_model_has_a_word_left() -> None:
    ada = person()
    played(ada)
    erase_subject(ada, dry_run=False)
    left = [f"{model._meta.label}: {row}" for model in ours() for row in model._base_manager.values()]
    assert [row for row in left if SECRET in row] == []


def test_each_column_with_text_goes_or_stays_for_a_reason() -> None:
    """Whoever adds a column says whether an erasure empties it: `add_kind`, or `keep` with the reason."""
    assert undeclared(ours()) == []
    assert contradicted() == []


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
    assert report.held == sum(WRITTEN.values())
    assert SECRET in texts_of(simulation)


def test_an_open_assignment_is_held_until_it_is_withdrawn() -> None:
    ada = person()
    scenario = ScenarioTemplate.objects.create(key="case", title="Case", diagnosis="Asthma")
    assignment = Assignment.objects.create(template=scenario, trainee=ada, message=SECRET)
    assert erase_subject(ada, dry_run=False).held == 1
    Assignment.objects.update(withdrawn_at=database_now())
    assert erase_subject(ada, dry_run=False).rows == {"assignments": 1}
    assignment.refresh_from_db()
    assert assignment.message == ""


def test_a_review_goes_with_who_asked_for_it() -> None:
    ann = person(UserRole.STAFF)
    run = new_run(ann)
    assert erase_subject(ann, dry_run=False).held > 0, "it is still under way"
    assert Run.objects.filter(pk=run.pk).exists()
    drain()
    erase_subject(ann, dry_run=False)
    assert not Run.objects.filter(pk=run.pk).exists()

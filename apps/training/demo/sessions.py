"""Sessions of the demo, played through the functions that the pages call. Every step has an
idempotency key, so that an interrupted demo continues where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.chatlab.models import Delivery, Message, MessageRole
from apps.chatlab.services.replies import place_order, post_message
from apps.simulation.models import FeedbackQuestion, FeedbackStatus, Simulation, SimulationStatus
from apps.simulation.models.cases import findings_of
from apps.simulation.models.feedback import QuestionStatus
from apps.simulation.services.feedback import ask_about_feedback
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate
from apps.trainerlab.services.commands import add_note, give_direction, inject_event, inject_finding
from apps.trainerlab.services.scenarios import assign, start_assignment
from orchestration.models import ServiceCallRecord

if TYPE_CHECKING:
    from apps.accounts.models import User

PATIENCE_SECONDS = 120.0

Drive = Callable[[], object]
"""Runs the calls that are due; a cluster may do so instead."""


class NotAnswered(Exception):
    """An answer did not arrive."""


@dataclass(frozen=True, slots=True)
class Ask:
    text: str


@dataclass(frozen=True, slots=True)
class Order:
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happens:
    text: str


@dataclass(frozen=True, slots=True)
class Whisper:
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    key: str


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    on_message: bool = False
    """Adds a note to the trainee's last message, else to the session."""


@dataclass(frozen=True, slots=True)
class End:
    question: str = ""


Step = Ask | Order | Happens | Whisper | Report | Note | End

BELLY_STEPS: tuple[Step, ...] = (
    Ask("Hello Ms Alvarez, thank you for coming. Where does it hurt?"),
    Ask("When did the pain start, and has it moved?"),
    Note("Good open start: she lets the patient tell.", on_message=True),
    Ask("How strong is the pain on a scale from 0 to 10? Does anything make it better or worse?"),
    Order(("White blood cells", "C-reactive protein", "Pregnancy test")),
    Happens("A nurse measures the temperature again: 38.6."),
    Ask("Do you take any medicines, and do you have any allergies?"),
    Ask("Have you had any operation before?"),
    Report("Abdominal ultrasound"),
    Ask("I think that you have appendicitis. We admit you and prepare the operation, is that all right for you?"),
    Note("Clear communication at the end. Ask for the last period earlier."),
    End("What should I have asked earlier?"),
)
CHEST_STEPS: tuple[Step, ...] = (
    Ask("Good morning Mr Brandt, what brings you here?"),
    Ask("Where exactly is the pressure, and does it move anywhere?"),
    Order(("ECG", "Troponin")),
    Whisper("Becomes restless and wants to smoke."),
    Ask("Do you smoke, and is there heart disease in your family?"),
    Ask("Are you allergic to anything?"),
    Note("The ECG was ordered at once.", on_message=True),
    Ask("This is a heart attack, an infarction. I give you aspirin now, and you will be treated in the catheter lab."),
    End(),
)
RASH_STEPS: tuple[Step, ...] = (
    Ask("Hello Ida, what can I do for you?"),
    Ask("Can you show me a picture of it?"),
    Ask("Have you been in the woods?"),
)


def play(scenario: ScenarioTemplate, trainee: User, instructor: User, steps: tuple[Step, ...], drive: Drive) -> bool:
    """Assign the scenario and play it; False when it was played before. Raises NotAnswered."""
    assignment = Assignment.objects.filter(template=scenario, trainee=trainee, withdrawn_at__isnull=True).first()
    if assignment is None:
        assignment = assign(scenario, trainee, instructor, message="Take your time.")
    simulation = start_assignment(assignment.pk)
    if simulation.has_ended or _said(simulation) >= sum(isinstance(step, Ask | Order) for step in steps):
        return False
    _until(lambda: _status(simulation) != SimulationStatus.PREPARING, drive)
    for number, step in enumerate(steps):
        _do(step, f"demo-{number}", simulation, instructor)
        _until(lambda: not Message.objects.pending().filter(simulation=simulation).exists(), drive)
        if Message.objects.filter(simulation=simulation, delivery_status=Delivery.FAILED).exists():
            raise NotAnswered("A question was not answered; the admin shows why its call failed.")
    if isinstance(steps[-1], End):
        _conclude(simulation, steps[-1], drive)
    return True


def _said(simulation: Simulation) -> int:
    return Message.objects.filter(simulation=simulation, client_id__startswith="demo-").count()


def _status(simulation: Simulation) -> str:
    simulation.refresh_from_db(fields=["status", "feedback_status", "feedback_call"])
    return simulation.status


def _do(step: Step, key: str, simulation: Simulation, instructor: User) -> None:
    match step:
        case Ask(text):
            post_message(simulation.pk, simulation.user, text, key)
        case Order(tests):
            place_order(simulation.pk, simulation.user, tests, key)
        case Happens(text):
            inject_event(simulation.pk, instructor, key, text)
        case Whisper(text):
            give_direction(simulation.pk, instructor, key, text)
        case Report(wanted):
            finding = next(found for found in findings_of(simulation.findings) if found.key == wanted)
            inject_finding(simulation.pk, instructor, key, finding)
        case Note(text, on_message):
            if not InstructorNote.objects.filter(session__simulation=simulation, content=text).exists():
                add_note(simulation.pk, instructor, text, _last_asked(simulation) if on_message else None)
        case End():
            end_simulation(simulation)


def _last_asked(simulation: Simulation) -> int | None:
    rows = Message.objects.filter(simulation=simulation, role=MessageRole.USER)
    return rows.order_by("-sequence").values_list("sequence", flat=True).first()


def _conclude(simulation: Simulation, end: End, drive: Drive) -> None:
    def has_feedback() -> bool:
        _status(simulation)
        waits = ServiceCallRecord.objects.held().filter(pk=simulation.feedback_call_id).exists()
        return waits or simulation.feedback_status != FeedbackStatus.PENDING

    _until(has_feedback, drive)
    if simulation.feedback_status == FeedbackStatus.FAILED:
        raise NotAnswered("The feedback was not written; the admin shows why its call failed.")
    if end.question and simulation.feedback_status == FeedbackStatus.READY:
        asked = ask_about_feedback(simulation.pk, simulation.user, end.question, "demo-question")
        rows = FeedbackQuestion.objects.filter(pk=asked.pk, status=QuestionStatus.PENDING)
        _until(lambda: not rows.exists(), drive)


def _until(done: Callable[[], bool], drive: Drive) -> None:
    """Drive the engine until the condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise NotAnswered(f"No answer arrived within {PATIENCE_SECONDS:g} seconds; the admin shows the calls.")
        drive()
        if not done():
            time.sleep(0.1)

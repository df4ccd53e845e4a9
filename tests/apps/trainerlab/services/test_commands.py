"""Many at once: a command, an end and a start happen once each, whoever is first."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import post_message
from apps.simulation.errors import SimulationEnded
from apps.simulation.models import Simulation
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import ScenarioTemplate, SessionEvent
from apps.trainerlab.services.commands import inject_event
from apps.trainerlab.services.scenarios import assign, start_assignment
from orchestration.models import ServiceCallRecord
from tests.apps.crowds import at_once
from tests.apps.people import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
MANY = 10


def test_start_command_and_end_each_happen_once_under_contention() -> None:
    instructor, trainee = person(UserRole.INSTRUCTOR), person()
    template = ScenarioTemplate.objects.create(key="a", title="A", sim_patient_full_name="Maria", diagnosis="x")
    assignment = assign(template, trainee, instructor)

    started = at_once(MANY, lambda _: start_assignment(assignment.pk).pk)
    assert len(set(started)) == 1
    assert Simulation.objects.count() == 1
    simulation = Simulation.objects.get()

    events = at_once(MANY, lambda _: inject_event(simulation.pk, instructor, "k-1", "The phone rings.").pk)
    assert len(set(events)) == 1
    assert SessionEvent.objects.count() == 1
    assert Message.objects.filter(message_type="event").count() == 1

    def end_or_say(number: int, user: User = trainee) -> bool:
        if number % 2:
            return end_simulation(Simulation.objects.get())
        try:
            post_message(simulation.pk, user, f"question {number}")
        except SimulationEnded:
            pass
        return False

    post_message(simulation.pk, trainee, "Hello?")
    assert sum(at_once(MANY, end_or_say)) == 1
    assert ServiceCallRecord.objects.filter(service_identity__contains="Hotwash").count() == 1
    assert simulation.events.filter(kind="status", data__status="ended").count() == 1
    numbers = list(simulation.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    sequences = list(Message.objects.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, len(sequences) + 1))

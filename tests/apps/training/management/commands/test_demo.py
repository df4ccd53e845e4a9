"""`manage.py demo`: believable, repeatable, and not for production."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from apps.chatlab.models import Message, MessageRole
from apps.simulation.models import FeedbackStatus, Simulation, SimulationFeedback, SimulationStatus
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate, SessionEvent
from orchestration.models import ServiceCallRecord
from persistence.models.approval import Hold

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALL = (ScenarioTemplate, Assignment, Simulation, Message, SimulationFeedback, SessionEvent, InstructorNote)


def demo() -> str:
    said = io.StringIO()
    call_command("demo", stdout=said)
    return said.getvalue()


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (*ALL, ServiceCallRecord)}


def test_the_demo_is_filled_once_and_resumes_where_it_stopped(settings) -> None:
    """Its patients stay in character."""
    settings.DEBUG = True
    first = demo()
    assert "sessions: 3 played, 0 already there" in first
    assert first.count("demo-orchestrai") >= 3
    before = counts()
    assert before["ScenarioTemplate"] == 3
    assert before["Simulation"] == 3
    assert "sessions: 0 played, 3 already there" in demo()
    assert counts() == before

    ended = Simulation.objects.filter(status=SimulationStatus.ENDED)
    assert ended.count() == 2
    held = ended.filter(feedback_status=FeedbackStatus.PENDING)  # of the scenario whose feedback an instructor releases
    assert sorted(held.values_list("feedback_call_id", flat=True)) == sorted(
        Hold.objects.open().values_list("call_id", flat=True)
    )
    assert (held.count(), ended.filter(feedback_status=FeedbackStatus.READY).count()) == (1, 1)
    assert Simulation.objects.filter(status=SimulationStatus.RUNNING).count() == 1
    assert Assignment.objects.open().count() == 2
    assert not Message.objects.exclude(delivery_status="delivered").exists()
    assert Message.objects.filter(image_requested=True).count() == 1
    for simulation in Simulation.objects.all():
        said = list(
            Message.objects.filter(simulation=simulation, role=MessageRole.ASSISTANT).values_list("content", flat=True)
        )
        assert len(set(said)) == len(said)  # it varies
        text = " ".join(said).lower()
        assert simulation.chief_complaint.split(" since ")[0] in text
        assert simulation.diagnosis not in text
        assert "simulated" not in text

    Simulation.objects.filter(status=SimulationStatus.RUNNING).delete()
    Assignment.objects.filter(simulation__isnull=True).delete()
    assert "sessions: 1 played, 2 already there" in demo()
    after = counts()
    assert [name for name in ("Simulation", "Message", "Assignment") if after[name] != before[name]] == []


def test_its_published_passwords_stay_out_of_production(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DJANGO_DEBUG"):
        demo()
    assert not ScenarioTemplate.objects.exists()

"""The board says of each session what was said last, who waits, and how far it is; in a fixed number of queries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import place_order, post_message
from apps.simulation.models import Simulation
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.services.commands import inject_event, pause
from apps.training.live.board import Row, board_part, rows_of
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import Visitor, begun, scenario_of, versions

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR, first_name="Ines", last_name="Instructor"))


@pytest.fixture
def running(instructor: Visitor) -> Simulation:
    template = scenario_of(instructor.user, time_limit=timedelta(minutes=20))
    return begun(template, person(first_name="Tess", last_name="Trainee"))


def row_of(user: User, simulation: Simulation) -> Row:
    return next(row for row in rows_of(user) if row.simulation == simulation)


def aged(simulation: Simulation, minutes: int) -> None:
    Message.objects.filter(simulation=simulation).update(created_at=timezone.now() - timedelta(minutes=minutes))


def test_a_row_tells_what_was_said_last_and_by_whom(instructor: Visitor, running: Simulation) -> None:
    assert row_of(instructor.user, running).said_by == "Rosa"
    post_message(running.pk, running.user, "When did it\nbegin? " + "x" * 200, "k1")
    row = row_of(instructor.user, running)
    assert (row.said_by, row.asked, row.orders) == ("Tess", 1, 0)
    assert row.last_line.startswith("When did it begin? x")
    assert row.last_line.endswith("…")
    drain()
    place_order(running.pk, running.user, ["Sodium"], "o1")
    assert row_of(instructor.user, running).said_by == "Ordered"
    drain()
    row = row_of(instructor.user, running)
    assert (row.said_by, row.orders, row.found, row.findings) == ("Results", 1, 1, 1)
    inject_event(running.pk, instructor.user, "e1", "The phone rings.")
    assert row_of(instructor.user, running).said_by == "Event"


def test_a_patient_waits_from_a_minute_on(instructor: Visitor, running: Simulation) -> None:
    assert not row_of(instructor.user, running).is_waiting
    aged(running, 2)
    assert row_of(instructor.user, running).is_waiting
    post_message(running.pk, running.user, "When?", "k1")
    assert row_of(instructor.user, running).waiting_since is None, "now the trainee waits, for the model"
    drain()
    aged(running, 5)
    html = instructor.get("/board", show="waiting").content.decode()
    assert "Tess Trainee" in html
    assert 'data-says="waiting"' in html
    pause(running.pk, instructor.user, "p1")
    assert not row_of(instructor.user, running).is_waiting


def test_filters_and_search_narrow_the_board(instructor: Visitor, running: Simulation) -> None:
    other = begun(scenario_of(instructor.user, key="b", title="Cough"), person(first_name="Kofi", last_name="Mensah"))
    ended = begun(scenario_of(instructor.user, key="c", title="Fever"), person(first_name="Lena", last_name="Novak"))
    end_simulation(ended)
    pause(other.pk, instructor.user, "p1")
    names = {"Tess Trainee": running, "Kofi Mensah": other, "Lena Novak": ended}
    for query, expected in (
        ({}, {"Tess Trainee", "Kofi Mensah"}),
        ({"show": "paused"}, {"Kofi Mensah"}),
        ({"show": "ended"}, {"Lena Novak"}),
        ({"show": "nonsense"}, {"Tess Trainee", "Kofi Mensah"}),
        ({"q": "kofi"}, {"Kofi Mensah"}),
        ({"q": "COUGH mensah"}, {"Kofi Mensah"}),
        ({"q": "nobody"}, set()),
        ({"show": "ended", "q": "kofi"}, set()),
    ):
        html = instructor.get("/board", **query).content.decode()
        assert {name for name in names if name in html} == expected, query
    assert "Nothing matches" in instructor.get("/board", q="<nobody>").content.decode()
    shown = board_part(instructor.user).context["filters"]
    assert {each["label"]: each["count"] for each in shown} == {"Live": 2, "Waiting": 0, "Paused": 1, "Ended": 1}


def test_a_live_board_keeps_its_filter(instructor: Visitor, running: Simulation) -> None:
    page = instructor.get("/board", show="paused").content.decode()
    assert "/training/board/live?show=paused" in page
    there = {"show": "paused", "have": versions(page)}
    assert instructor.client.get("/training/board/live", there).content == b""
    pause(running.pk, instructor.user, "p1")
    assert "Tess Trainee" in instructor.client.get("/training/board/live", there).content.decode()


def test_time_runs_while_a_session_does(instructor: Visitor, running: Simulation) -> None:
    Simulation.objects.filter(pk=running.pk).update(ends_at=timezone.now() + timedelta(minutes=5))
    row = row_of(instructor.user, running)
    assert row.limit_seconds == 1200
    assert 895 <= (row.seconds_used or 0) <= 901
    unlimited = begun(scenario_of(instructor.user, key="b", time_limit=None), person())
    assert row_of(instructor.user, unlimited).seconds_used is None


def test_what_needs_help_is_among_the_waiting(instructor: Visitor, running: Simulation, settings) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_MAX_ATTEMPTS": 1}
    post_message(running.pk, running.user, "Where?", "k1")
    with scripted(Fault(kind="server_error", times=0)):
        drain()
    assert row_of(instructor.user, running).needs_help
    assert "No reply" in instructor.get("/board", show="waiting").content.decode()

"""Twenty people posting at once into one simulation: 1..n without gap or double."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.chatlab.delivery import open_chat, post_message
from apps.chatlab.models import Message
from apps.simulation.models import Simulation
from orchestration.models import ServiceCallRecord
from tests.apps.people import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

PEOPLE = 20


def everybody(count: int, post) -> list[Message]:
    """Run `post(number)` in `count` threads that start together, each with its own connection."""
    start = threading.Barrier(count)

    def run(number: int) -> Message:
        try:
            start.wait(timeout=30)
            return post(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation.objects.create(user=person(), sim_patient_full_name="Maria Alvarez")
    open_chat(simulation, simulation.user)
    return simulation


def test_twenty_posts_at_once_are_numbered_without_gap_and_asked_in_that_order(simulation: Simulation) -> None:
    user = simulation.user
    everybody(PEOPLE, lambda number: post_message(simulation.pk, user, f"question {number}"))

    messages = list(Message.objects.filter(simulation=simulation).order_by("sequence").select_related("call"))
    assert [message.sequence for message in messages] == list(range(1, PEOPLE + 1))
    assert {message.content for message in messages} == {f"question {number}" for number in range(PEOPLE)}
    assert [message.call.sequence for message in messages] == list(range(2, PEOPLE + 2))
    simulation.refresh_from_db()
    assert simulation.next_sequence == PEOPLE + 1


def test_one_message_sent_twenty_times_at_once_is_stored_and_asked_once(simulation: Simulation) -> None:
    user = simulation.user
    posted = everybody(PEOPLE, lambda _: post_message(simulation.pk, user, "Hello?", "c-1"))

    assert len({message.pk for message in posted}) == 1
    assert Message.objects.count() == 1
    assert ServiceCallRecord.objects.count() == 2

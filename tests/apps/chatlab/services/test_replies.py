"""Twenty people posting at once into one simulation: 1..n without gap or double, and the replies in that order."""

from __future__ import annotations

import pytest

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import open_chat, post_message
from apps.simulation.models import Simulation
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.chatlab.conversation import OPENING, says
from tests.apps.crowds import at_once
from tests.apps.people import person, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

PEOPLE = 20


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation.objects.create(user=person(), sim_patient_full_name="Maria Alvarez")
    open_chat(simulation, simulation.user)
    return simulation


def test_twenty_posts_at_once_are_numbered_and_asked_in_order(simulation: Simulation) -> None:
    user = simulation.user
    at_once(PEOPLE, lambda number: post_message(simulation.pk, user, f"question {number}"))

    messages = list(Message.objects.filter(simulation=simulation).order_by("sequence").select_related("call"))
    assert [message.sequence for message in messages] == list(range(1, PEOPLE + 1))
    assert {message.content for message in messages} == {f"question {number}" for number in range(PEOPLE)}
    assert [message.call.sequence for message in messages] == list(range(2, PEOPLE + 2))
    simulation.refresh_from_db()
    assert simulation.next_sequence == PEOPLE + 1


def test_twenty_people_at_once_get_every_reply_and_event_once(simulation: Simulation) -> None:
    callers = [signed_in(person(UserRole.ADMIN)) for _ in range(PEOPLE)]
    path = f"/simulations/{simulation.uuid}/messages"
    answers = at_once(PEOPLE, lambda number: callers[number].post(path, {"content": f"question {number}"}))
    assert {answer.status_code for answer in answers} == {202}
    with scripted(OPENING, *[says(f"Answer {number}.") for number in range(PEOPLE)]):
        drain()

    messages = list(Message.objects.filter(simulation=simulation).order_by("sequence"))
    assert [message.sequence for message in messages] == list(range(1, 2 * PEOPLE + 3))
    questions = [message for message in messages if message.role == "user"]
    replies = [message for message in messages if message.reply_to_id]
    assert [message.sender.email for message in questions] != [None] * PEOPLE
    assert len({message.sender_id for message in questions}) == PEOPLE
    assert [reply.reply_to_id for reply in replies] == [question.pk for question in questions]
    assert [reply.content for reply in replies] == [f"Answer {number}." for number in range(PEOPLE)]
    assert {question.delivery_status for question in questions} == {"delivered"}
    numbers = list(simulation.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert simulation.events.filter(kind="message").count() == len(messages)


def test_one_message_sent_twenty_times_is_stored_and_asked_once(simulation: Simulation) -> None:
    user = simulation.user
    posted = at_once(PEOPLE, lambda _: post_message(simulation.pk, user, "Hello?", "c-1"))

    assert len({message.pk for message in posted}) == 1
    assert Message.objects.count() == 1
    assert ServiceCallRecord.objects.count() == 2

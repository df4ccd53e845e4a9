"""The main job in process: create a simulation, ask, get a reply; every message in one gapless order."""

from __future__ import annotations

import pytest

from apps.accounts.models.roles import Scope, UserRole
from apps.chatlab.models import ChatSession, Delivery, Message
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation, SimulationMetadata, SimulationStatus
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.models import PersistedChunk
from tests.apps.chatlab.conversation import OPENING, new_simulation, say, says, transcript
from tests.apps.people import Caller, person, signed_in, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def trainee() -> Caller:
    return signed_in(person())


def test_a_new_simulation_opens_with_a_message_of_the_patient(trainee: Caller) -> None:
    with scripted(OPENING):
        simulation = new_simulation(trainee)
        assert simulation.status == SimulationStatus.PREPARING
        assert drain().calls == 1

    simulation.refresh_from_db()
    assert simulation.status == SimulationStatus.RUNNING
    assert simulation.started_at is not None
    assert ChatSession.objects.get().simulation == simulation
    assert transcript(simulation) == [(1, "assistant", "It hurts here."), (2, "assistant", "Please help.")]
    first = Message.objects.get(sequence=1)
    assert first.is_from_ai
    assert first.sender is None
    assert first.call == simulation.initial_call
    assert first.provider_response_id


def test_opening_facts_become_metadata(trainee: Caller) -> None:
    """The condition check of the opening is stored nowhere."""
    with scripted(OPENING):
        simulation = new_simulation(trainee)
        drain()

    facts = trainee.get(f"/simulations/{simulation.uuid}/metadata").json()
    assert {(fact["kind"], fact["key"], fact["value"]) for fact in facts} == {
        ("demographics", "age", "34"),
        ("demographics", "occupation", "baker"),
    }
    simulation.refresh_from_db()
    assert len(simulation.metadata_checksum) == 64
    stored = [*Message.objects.values_list("content", flat=True), *SimulationMetadata.objects.values_list("value")]
    assert "kept, honestly" not in str(stored)


def test_the_chunk_names_every_row_that_the_opening_made(trainee: Caller) -> None:
    with scripted(OPENING):
        new_simulation(trainee)
        drain()

    chunk = PersistedChunk.objects.get()
    assert chunk.domain_object == Message.objects.get(sequence=1)
    touched = {(str(item.domain_object._meta.model_name), item.action) for item in chunk.objects_touched.all()}
    assert touched == {
        ("message", "created"),
        ("simulationmetadata", "created"),
        ("simulationevent", "created"),
        ("simulation", "updated"),
    }


def test_a_question_is_answered(trainee: Caller) -> None:
    with scripted(OPENING, says("Since last night.")):
        simulation = new_simulation(trainee)
        drain()
        asked = say(trainee, simulation, "When did it start?")
        assert asked["message"]["delivery_status"] == "pending"
        assert asked["call"]["status"] == "queued"
        assert drain().calls == 1

    page = trainee.get(f"/simulations/{simulation.uuid}/messages", after=2).json()
    question, reply = page["items"]
    assert page["next"] is None
    assert (question["sequence"], question["role"], question["delivery_status"]) == (3, "user", "delivered")
    assert (reply["sequence"], reply["role"], reply["content"]) == (4, "assistant", "Since last night.")
    assert reply["reply_to"] == question["id"] == asked["message"]["id"]
    assert reply["call_id"] == question["call_id"] == asked["call"]["id"]
    call = ServiceCallRecord.objects.get(pk=asked["call"]["id"])
    assert call.related_object == simulation
    assert call.ordering_key == f"simulation:{simulation.pk}"


def test_the_embedded_patient_needs_no_script(trainee: Caller) -> None:
    simulation = new_simulation(trainee)
    say(trainee, simulation, "What brings you here?")
    assert drain().calls == 2

    sequences = [sequence for sequence, _, _ in transcript(simulation)]
    assert sequences == list(range(1, len(sequences) + 1))
    assert {role for _, role, _ in transcript(simulation)} == {"user", "assistant"}


def test_an_early_question_waits_for_the_opening(trainee: Caller) -> None:
    with scripted(OPENING, says("Since last night.")):
        simulation = new_simulation(trainee)
        say(trainee, simulation, "When did it start?")
        drain()

    assert [content for _, _, content in transcript(simulation)] == [
        "When did it start?",
        "It hurts here.",
        "Please help.",
        "Since last night.",
    ]


def test_many_questions_are_answered_in_order_without_a_gap(trainee: Caller) -> None:
    answers = [says(f"answer {number}", contains=f"question {number};") for number in range(8)]
    with scripted(OPENING, *answers):
        simulation = new_simulation(trainee)
        for number in range(8):
            say(trainee, simulation, f"question {number};")
        drain()

    rows = transcript(simulation)
    assert [sequence for sequence, _, _ in rows] == list(range(1, 19))
    assert [content for _, role, content in rows if role == "assistant"][2:] == [f"answer {n}" for n in range(8)]
    assert not Message.objects.exclude(delivery_status=Delivery.DELIVERED).exists()
    simulation.refresh_from_db()
    assert simulation.next_sequence == 19


def test_a_message_sent_twice_is_stored_once_and_asked_once(trainee: Caller) -> None:
    simulation = new_simulation(trainee)
    first = say(trainee, simulation, "Hello?", client_id="c-1")
    again = say(trainee, simulation, "Hello?", client_id="c-1")

    assert again["message"]["id"] == first["message"]["id"]
    assert again["call"]["id"] == first["call"]["id"]
    assert Message.objects.count() == 1
    assert ServiceCallRecord.objects.count() == 2


def test_a_used_client_id_with_another_message_is_refused(trainee: Caller) -> None:
    """The second message is refused, not lost silently."""
    simulation = new_simulation(trainee)
    say(trainee, simulation, "Hello?", client_id="c-1")
    answer = trainee.post(f"/simulations/{simulation.uuid}/messages", {"content": "Bye!", "client_id": "c-1"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "client_id_reused"


def test_messages_come_in_pages_from_a_sequence_on(trainee: Caller) -> None:
    simulation = new_simulation(trainee)
    for number in range(5):
        say(trainee, simulation, f"question {number}")

    seen, after = [], 0
    while after is not None:
        page = trainee.get(f"/simulations/{simulation.uuid}/messages", after=after, limit=2).json()
        seen += [item["sequence"] for item in page["items"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4, 5]


def test_a_key_with_the_scopes_does_the_whole_job() -> None:
    caller = with_key(person(), Scope.SIMULATIONS_READ, Scope.SIMULATIONS_WRITE)
    simulation = new_simulation(caller)
    say(caller, simulation, "Hello?")
    drain()
    assert trainee_messages(caller, simulation) >= 3


def trainee_messages(caller: Caller, simulation: Simulation) -> int:
    return len(caller.get(f"/simulations/{simulation.uuid}/messages").json()["items"])


def test_a_key_without_the_scope_is_refused() -> None:
    user = person()
    simulation = new_simulation(signed_in(user))
    reader, other = with_key(user, Scope.SIMULATIONS_READ), with_key(user, Scope.CALLS_READ)

    assert reader.get(f"/simulations/{simulation.uuid}").status_code == 200
    assert reader.post(f"/simulations/{simulation.uuid}/messages", {"content": "Hi"}).status_code == 403
    assert reader.post("/simulations", {"sim_patient_full_name": "X"}).json()["code"] == "missing_scope"
    assert other.get(f"/simulations/{simulation.uuid}").status_code == 403


def test_an_ended_simulation_is_closed_and_shows_its_diagnosis(trainee: Caller) -> None:
    simulation = new_simulation(trainee)
    path = f"/simulations/{simulation.uuid}"
    assert trainee.get(path).json()["diagnosis"] is None

    ended = trainee.post(f"{path}/end")
    assert ended.status_code == 200
    assert trainee.post(f"{path}/end").json()["ended_at"] == ended.json()["ended_at"]
    assert ended.json()["diagnosis"] == "acute appendicitis"

    answer = trainee.post(f"{path}/messages", {"content": "One more thing"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "simulation_ended"
    assert not Message.objects.exists()


def test_a_reply_under_way_when_the_simulation_ends_is_kept(trainee: Caller) -> None:
    with scripted(OPENING, says("Since last night.")):
        simulation = new_simulation(trainee)
        say(trainee, simulation, "When did it start?")
        trainee.post(f"/simulations/{simulation.uuid}/end")
        drain()

    assert len(transcript(simulation)) == 4
    simulation.refresh_from_db()
    assert simulation.status == SimulationStatus.ENDED


def test_an_instructor_reads_any_simulation_and_changes_none(trainee: Caller) -> None:
    simulation = new_simulation(trainee)
    instructor = signed_in(person(UserRole.INSTRUCTOR))
    path = f"/simulations/{simulation.uuid}"

    assert instructor.get(path).json()["diagnosis"] == "acute appendicitis"
    assert instructor.get(f"{path}/messages").status_code == 200
    answer = instructor.post(f"{path}/messages", {"content": "Let me help"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "read_only"


def test_a_reply_without_a_question_continues_the_conversation(trainee: Caller) -> None:
    with scripted(OPENING, says("Are you still there?")):
        simulation = new_simulation(trainee)
        drain()
        call = GeneratePatientReply.using(related_object=simulation).enqueue_now(simulation_id=simulation.pk)
        drain()

    reply = Message.objects.get(sequence=3)
    assert (reply.content, reply.reply_to, reply.call_id) == ("Are you still there?", None, call.id)

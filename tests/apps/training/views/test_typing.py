"""What a patient is saying is heard by whoever may see the session, and by nobody else."""

from __future__ import annotations

from html import escape
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import place_order, post_message
from apps.simulation.models import Simulation
from apps.training.live.conversation import speaks_in
from orchestration.api import streams
from orchestration.engine.streaming import listening
from orchestration.models.stream_chunks import StreamChunk
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import Visitor, begun, scenario_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "THREAD_SECONDS", 0.05)
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person())


@pytest.fixture
def running(trainee: Visitor) -> Simulation:
    return begun(scenario_of(person(UserRole.INSTRUCTOR)), trainee.user)


def heard(visitor: Visitor, address: str, **headers: str) -> str:
    answer: Any = visitor.client.get(address, headers=headers)
    assert answer.status_code == 200, answer.status_code
    return b"".join(answer.streaming_content).decode()


def test_the_words_of_a_reply_are_heard_by_who_sees_the_session(trainee: Visitor, running: Simulation) -> None:
    assert speaks_in(running) == ""
    question = post_message(running.pk, trainee.user, "Where does it hurt?")
    address = speaks_in(running)
    chunk = StreamChunk.objects.create(call_id=question.call_id, attempt=1, text="Here.")
    said = heard(trainee, address)
    assert f"id: {chunk.pk}\nevent: text\n" in said
    assert '"text": "Here."' in said
    assert "event:" not in heard(trainee, address, **{"Last-Event-ID": str(chunk.pk)})
    assert '"Here."' in heard(trainee, address, **{"Last-Event-ID": "x" * 40})
    instructor = Visitor(person(UserRole.INSTRUCTOR))
    assert '"Here."' in heard(instructor, address)
    assert Visitor(person()).client.get(address).status_code == 404
    drain()
    reply = Message.objects.get(reply_to=question)
    assert reply.content.splitlines()[0] in heard(trainee, address)
    assert speaks_in(running) == ""
    assert not StreamChunk.objects.exists()


def test_calls_in_which_the_patient_says_nothing_are_not_heard(trainee: Visitor, running: Simulation) -> None:
    """Orders, calls of other sessions, and what is not a call."""
    other = begun(scenario_of(person(UserRole.INSTRUCTOR), key="other"), person())
    order = place_order(running.pk, trainee.user, ["CRP"])
    assert speaks_in(running) == ""
    for call_id in (order.call_id, other.initial_call_id, uuid4()):
        assert trainee.client.get(f"/training/simulations/{running.uuid}/typing/{call_id}").status_code == 404


def test_the_opening_is_heard_too(trainee: Visitor) -> None:
    simulation = begun(scenario_of(person(UserRole.INSTRUCTOR)), trainee.user)
    address = f"/training/simulations/{simulation.uuid}/typing/{simulation.initial_call_id}"
    assert "event: end" in heard(trainee, address)


def test_without_scripts_the_page_loads_itself_until_the_answer(trainee: Visitor, running: Simulation) -> None:
    """A form is posted, and the page that follows loads itself again; not while somebody may be writing."""
    again, place = '<noscript><meta http-equiv="refresh" content="4"></noscript>', f"/simulations/{running.uuid}"
    assert again not in trainee.get(place).content.decode()
    page = trainee.post(f"{place}/say", content="Where does it hurt?", client_id="k").content.decode()
    assert "Where does it hurt?" in page
    assert again in page.partition("</head>")[0]
    drain()
    page = trainee.get(place).content.decode()
    assert again not in page
    reply = Message.objects.get(reply_to__content="Where does it hurt?")
    assert escape(reply.content) in page

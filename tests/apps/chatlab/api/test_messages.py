"""Input that is refused, with the place of the mistake and without a trace in the database."""

from __future__ import annotations

import json

import pytest

from apps.accounts.throttle import Window
from apps.chatlab.models import MAX_CONTENT, Message
from apps.simulation.api import permissions as api_access
from apps.simulation.models import Simulation
from orchestration.models import ServiceCallRecord
from tests.apps.chatlab.conversation import new_simulation, say
from tests.apps.people import person, signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": ""},
        {"content": "  \n "},
        {"content": "x" * (MAX_CONTENT + 1)},
        {"content": "x" * 1_000_000},
        {"content": "", "image_ids": []},
        {"content": "hello", "image_ids": ["x"]},
        {"content": "nul \x00 inside"},
        {"content": "escape \x1b[2J"},
        {"content": 7},
        {"content": ["hello"]},
        {"content": "hello", "client_id": ""},
        {"content": "hello", "client_id": "x" * 65},
        {"content": "hello", "client_id": "a\nb"},
        {"content": "hello", "role": "assistant"},
        {"content": "hello", "sequence": 1},
    ],
)
def test_a_bad_message_is_refused(body) -> None:
    caller = signed_in(person())
    simulation = new_simulation(caller)
    answer = caller.post(f"/simulations/{simulation.uuid}/messages", body)
    assert answer.status_code == 422, answer.content
    assert answer.json()["details"]
    assert not Message.objects.exists()
    assert ServiceCallRecord.objects.count() == 1


def test_the_longest_message_is_accepted_with_its_line_breaks() -> None:
    caller = signed_in(person())
    content = "a\n" * (MAX_CONTENT // 2 - 1) + "\N{STETHOSCOPE}!"
    assert say(caller, new_simulation(caller), content)["message"]["content"] == content


@pytest.mark.parametrize("raw", [b'{"content": "\\ud800"}', b"{", b"[]", b"\xff\xfe"])
def test_a_body_that_is_not_a_json_object_of_texts_is_refused(raw: bytes) -> None:
    caller = signed_in(person())
    path = f"/api/v1/simulations/{new_simulation(caller).uuid}/messages"
    answer = caller.client.post(path, raw, "application/json", headers=caller.headers)
    assert answer.status_code in {400, 422}, answer.content
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sim_patient_full_name": ""},
        {"sim_patient_full_name": "x" * 101},
        {"sim_patient_full_name": "Two\nLines"},
        {"sim_patient_full_name": "Ann", "diagnosis": "x" * 256},
        {"sim_patient_full_name": "Ann", "scenario": "nul \x00"},
        {"sim_patient_full_name": "Ann", "time_limit_minutes": 0},
        {"sim_patient_full_name": "Ann", "time_limit_minutes": 10**9},
        {"sim_patient_full_name": "Ann", "model": "the-expensive-one"},
        {"sim_patient_full_name": "Ann", "user": 1},
    ],
)
def test_a_bad_simulation_is_refused(body) -> None:
    answer = signed_in(person()).post("/simulations", body)
    assert answer.status_code == 422, answer.content
    assert not Simulation.objects.exists()
    assert not ServiceCallRecord.objects.exists()


@pytest.mark.parametrize("query", [{"after": -1}, {"after": "x"}, {"limit": 0}, {"limit": 201}, {"after": 2**40}])
def test_a_bad_page_is_refused(query) -> None:
    caller = signed_in(person())
    assert caller.get(f"/simulations/{new_simulation(caller).uuid}/messages", **query).status_code == 422


def test_a_foreign_cursor_is_refused() -> None:
    theirs = new_simulation(signed_in(person()))
    answer = signed_in(person()).get("/simulations", after=str(theirs.uuid))
    assert answer.status_code == 422
    assert answer.json()["code"] == "unknown_cursor"


def test_an_error_tells_nothing_of_what_was_sent() -> None:
    caller = signed_in(person())
    simulation = new_simulation(caller)
    answer = caller.post(f"/simulations/{simulation.uuid}/messages", {"content": "private " * 2000})
    assert "private private" not in json.dumps(answer.json())


def test_a_throttled_user_is_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = signed_in(person())
    simulation = new_simulation(caller)
    monkeypatch.setattr(api_access, "ASKING", Window(name="few", limit=2, seconds=10_000_000))
    answers = [caller.post(f"/simulations/{simulation.uuid}/messages", {"content": "Hello?"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert caller.get(f"/simulations/{simulation.uuid}/messages").status_code == 200, "reading continues"
    assert caller.post(f"/simulations/{simulation.uuid}/end").status_code == 200

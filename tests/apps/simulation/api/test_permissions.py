"""What is not yours is not there: 404 on every endpoint, the same as for what does not exist."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.simulation.models import Simulation
from orchestration.models import ServiceCallRecord
from tests.apps.chatlab.conversation import new_simulation, say
from tests.apps.people import Caller, person, signed_in

pytestmark = pytest.mark.django_db

ENDPOINTS = [
    ("get", "", None),
    ("get", "/metadata", None),
    ("get", "/messages", None),
    ("get", "/messages/{message}", None),
    ("post", "/end", None),
    ("post", "/retry-initial", None),
    ("post", "/messages", {"content": "Let me in"}),
    ("post", "/messages/{message}/retry", None),
    ("post", "/messages/read", {"up_to": 1}),
    ("post", "/orders", {"tests": ["ECG"]}),
    ("get", "/feedback", None),
    ("post", "/feedback/regenerate", None),
    ("get", "/feedback/questions", None),
    ("post", "/feedback/questions", {"question": "Why?"}),
    ("post", "/feedback/questions/1/retry", None),
    ("get", "/events", None),
    ("get", "/transcript", None),
    ("get", "/images", None),
    ("get", "/images/5e7e8f6e-95c4-4d5f-a4ff-6d1c2a34a001", None),
    ("get", "/debrief", None),
]


def call(caller: Caller, method: str, path: str, body: object) -> object:
    return caller.get(path) if method == "get" else caller.post(path, body)


@pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS)
def test_anothers_simulation_and_a_missing_one_look_alike(method: str, path: str, body: object) -> None:
    owner = signed_in(person())
    theirs = new_simulation(owner)
    path = path.format(message=say(owner, theirs, "Hello?")["message"]["id"])
    stranger = signed_in(person())

    foreign = call(stranger, method, f"/simulations/{theirs.uuid}{path}", body)
    missing = call(stranger, method, f"/simulations/{uuid.uuid4()}{path}", body)

    assert foreign.status_code == missing.status_code == 404
    assert (foreign.json()["code"], foreign.json()["message"]) == (missing.json()["code"], missing.json()["message"])
    assert Simulation.objects.get().ended_at is None
    assert ServiceCallRecord.objects.count() == 2


@pytest.mark.parametrize(("method", "path", "body"), [*ENDPOINTS, ("get", "/../simulations", None)])
def test_nobody_gets_anything_without_signing_in(method: str, path: str, body: object) -> None:
    path = f"/simulations/{uuid.uuid4()}{path.format(message=1)}" if ".." not in path else "/simulations"
    assert call(Caller(), method, path, body).status_code == 401


def test_a_message_is_not_found_through_another_simulation() -> None:
    owner, stranger = signed_in(person()), signed_in(person())
    foreign = say(owner, new_simulation(owner), "Hello?")["message"]["id"]
    mine = new_simulation(stranger)
    assert stranger.get(f"/simulations/{mine.uuid}/messages/{foreign}").status_code == 404
    assert stranger.post(f"/simulations/{mine.uuid}/messages/{foreign}/retry").status_code == 404


def test_the_list_pages_through_ones_own_simulations() -> None:
    """The newest is the first."""
    new_simulation(signed_in(person()))
    caller = signed_in(person())
    mine = [str(new_simulation(caller).uuid) for _ in range(5)]

    seen, query = [], {"limit": 2}
    while query:
        page = caller.get("/simulations", **query).json()
        seen += [item["id"] for item in page["items"]]
        query = {"limit": 2, "after": page["next"]} if page["next"] else {}
    assert seen == mine[::-1]


def test_lists_cost_the_same_whatever_they_show() -> None:
    caller = signed_in(person())
    simulation = new_simulation(caller)
    for path in ("/simulations", f"/simulations/{simulation.uuid}/messages"):
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert caller.get(path).status_code == 200
            counts.append(len(queries))
            for number in range(3):
                new_simulation(caller)
                say(caller, simulation, f"question {number}")
        assert counts[1] <= counts[0] + 1 <= 8, "pictures are looked for once there are messages"


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "9" * 40])
def test_no_number_in_a_path_breaks_anything(number: str) -> None:
    caller = signed_in(person())
    path = f"/simulations/{new_simulation(caller).uuid}"
    for suffix in (f"/messages/{number}/retry", f"/feedback/questions/{number}/retry"):
        assert caller.post(path + suffix).status_code == 404
    assert caller.get(f"{path}/messages/{number}").status_code == 404
    assert caller.post(f"/assignments/{number}/start").status_code == 404

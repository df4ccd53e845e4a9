"""A transcript in four forms, each safe where it is opened."""

from __future__ import annotations

import csv
import io
import json

import pytest

from apps.chatlab.models import MessageRole, store_message
from apps.simulation.history import register_history_provider, unregister_history_provider
from apps.simulation.models import Simulation
from tests.apps.people import Caller, person, signed_in

pytestmark = pytest.mark.django_db
FORMULA = '=HYPERLINK("http://evil")'
MARKUP = "# Heading\n<script>alert(1)</script> **bold**"


@pytest.fixture
def caller() -> Caller:
    return signed_in(person())


@pytest.fixture
def simulation(caller: Caller) -> Simulation:
    user_id = caller.get("/auth/me").json()["user"]["id"]
    simulation = Simulation.objects.create(user_id=user_id, sim_patient_full_name="Maria Alvarez")
    store_message(simulation, role=MessageRole.ASSISTANT, content="It hurts, here & there.")
    store_message(simulation, role=MessageRole.USER, sender=simulation.user, content=FORMULA)
    store_message(simulation, role=MessageRole.SYSTEM, content=MARKUP)
    return simulation


def fetched(caller: Caller, simulation: Simulation, form: str) -> str:
    answer = caller.get(f"/simulations/{simulation.uuid}/transcript", format=form)
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return answer.content.decode()


def test_json_has_everything_in_order(caller: Caller, simulation: Simulation) -> None:
    content = json.loads(fetched(caller, simulation, "json"))
    assert (content["complete"], content["missing"], content["patient"]) == (True, [], "Maria Alvarez")
    assert content["file_format"] == 1
    assert [(entry["role"], entry["content"]) for entry in content["entries"]] == [
        ("assistant", "It hurts, here & there."),
        ("user", FORMULA),
        ("system", MARKUP),
    ]


def test_csv_runs_no_formula(caller: Caller, simulation: Simulation) -> None:
    rows = list(csv.DictReader(io.StringIO(fetched(caller, simulation, "csv"))))
    assert [row["content"] for row in rows] == ["It hurts, here & there.", f"'{FORMULA}", MARKUP]
    assert {row["file_format"] for row in rows} == {"1"}


def test_markdown_keeps_what_was_said_as_text(caller: Caller, simulation: Simulation) -> None:
    text = fetched(caller, simulation, "markdown")
    assert text.startswith("# Maria Alvarez\n")
    assert "<script>" not in text
    assert "\n# Heading" not in text
    assert "**bold**" not in text
    assert "> \\# Heading" in text


def test_openai_has_the_roles_of_a_chat_model(caller: Caller, simulation: Simulation) -> None:
    messages = json.loads(fetched(caller, simulation, "openai"))["messages"]
    assert [message["role"] for message in messages] == ["assistant", "user", "system"]


def test_a_gap_is_named_and_another_form_refused(caller: Caller, simulation: Simulation) -> None:
    def broken(_: Simulation) -> list:
        raise LookupError

    register_history_provider("ward", broken)
    try:
        content = json.loads(fetched(caller, simulation, "json"))
        assert (content["complete"], content["missing"]) == (False, ["ward"])
        assert "ward could not be read" in fetched(caller, simulation, "markdown")
    finally:
        unregister_history_provider("ward")
    assert caller.get(f"/simulations/{simulation.uuid}/transcript", format="exe").status_code == 422

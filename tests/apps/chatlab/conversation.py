"""A simulation to talk in, over REST, and what its patient says."""

from __future__ import annotations

from typing import Any

from apps.chatlab.models import Message
from apps.simulation.models import Simulation
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.people import Caller

CASE = {
    "sim_patient_full_name": "Maria Alvarez",
    "diagnosis": "acute appendicitis",
    "chief_complaint": "belly pain since last night",
}


def new_simulation(caller: Caller, **fields: Any) -> Simulation:
    """A simulation whose first message is still to be generated."""
    answer = caller.post("/simulations", {**CASE, **fields})
    assert answer.status_code == 202, answer.content
    return Simulation.objects.get(uuid=answer.json()["id"])


def opened(caller: Caller, **fields: Any) -> Simulation:
    """A simulation whose patient has come in."""
    with scripted(OPENING):
        simulation = new_simulation(caller, **fields)
        drain()
    return simulation


def say(caller: Caller, simulation: Simulation, content: str, **fields: Any) -> dict[str, Any]:
    """Post a message; the answer's JSON."""
    answer = caller.post(f"/simulations/{simulation.uuid}/messages", {"content": content, **fields})
    assert answer.status_code == 202, answer.content
    return answer.json()


def transcript(simulation: Simulation) -> list[tuple[int, str, str]]:
    """(sequence, role, content) of every message, in order."""
    return list(Message.objects.filter(simulation=simulation).values_list("sequence", "role", "content"))


def says(
    *texts: str,
    contains: str = "",
    facts: dict[str, str] | None = None,
    told: dict[str, str] | None = None,
    times: int = 1,
) -> Fault:
    """A scripted answer of the patient: an opening when it states `facts`, else a reply, which may have `told` some."""
    data: dict[str, Any] = {
        "messages": [{"role": "patient", "content": [{"type": "text", "text": text}]} for text in texts],
        "llm_conditions_check": [{"key": "in_role", "value": "kept, honestly"}],
    }
    if facts is None:
        data["image_requested"] = False
        data["facts"] = [{"kind": "history", "key": key, "value": value} for key, value in (told or {}).items()]
    else:
        data["metadata"] = [{"kind": "demographics", "key": key, "value": value} for key, value in facts.items()]
    return Fault(kind="json", data=data, contains=contains, times=times)


OPENING = says("It hurts here.", "Please help.", facts={"age": "34", "occupation": "baker"})

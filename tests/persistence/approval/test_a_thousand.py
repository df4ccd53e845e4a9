"""A thousand held results: nothing of them is written before a decision, and then what was shown, object by object."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from orchestration.components import Approval
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.approval.decisions import DecisionOutcome, approve, edit_and_approve, preview_edit, reject
from persistence.models import PersistedObject
from persistence.models.approval import Hold, HoldState
from persistence.outbox.drain import drain_batch
from tests.persistence.results import note
from tests.seedapp.models import Message, Simulation
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
]
RESULTS = 1000
KEYS = {"id", "simulation_id"}


def renames_and_writes(handler: Any, response: Any) -> Any:
    text = response.structured_data["text"]
    simulation = Simulation.objects.get(pk=response.context["simulation"])
    simulation.sim_patient_full_name = text
    simulation.save()
    return [Message.objects.create(simulation=simulation, role="assistant", content=text), simulation]


def written(call_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What a call did: its objects as they are now, without keys."""
    rows = PersistedObject.objects.filter(chunk__call_id=call_id).select_related("content_type")
    found = []
    for row in rows.order_by("pk"):
        made = row.domain_object
        assert made is not None
        names = [field.attname for field in made._meta.concrete_fields]
        found.append((row.model_name, row.action, {name: getattr(made, name) for name in names}))
    return found


def as_shown(hold: Hold) -> list[tuple[str, str, dict[str, Any]]]:
    assert hold.shown is not None
    changes = [change for part in hold.shown["parts"] for change in part["changes"]]
    return [
        (change["model"], change["action"], {name: pair[1] for name, pair in change["fields"].items()})
        for change in changes
    ]


def decided(number: int, hold: Hold, by: Any) -> DecisionOutcome:
    """One in ten is rejected, one in ten edited."""
    if number % 10 == 0:
        return reject(hold.pk, by=by, note="no", shown=hold.digest).outcome
    if number % 10 == 1:
        answer = {"text": f"edited {number}"}
        return edit_and_approve(hold.pk, by=by, answer=answer, shown=preview_edit(hold.pk, answer).digest).outcome
    return approve(hold.pk, by=by, shown=hold.digest).outcome


def test_a_thousand_held_results_are_written_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GenerateNote, "approval", Approval(always=True))
    before = Simulation.objects.bulk_create(Simulation(sim_patient_full_name="before") for _ in range(RESULTS))
    for number, simulation in enumerate(before):
        note(renames_and_writes, data={"text": f"answer {number}"}, context={"simulation": simulation.pk})
    while drain_batch().claimed:
        pass
    assert ServiceCallRecord.objects.held().count() == Hold.objects.open().count() == RESULTS
    assert not Message.objects.exists()
    assert not PersistedObject.objects.exists()
    assert not Simulation.objects.exclude(sim_patient_full_name="before").exists()

    by = get_user_model().objects.create_superuser("person@example.org", "pw")
    outcomes = [decided(number, hold, by) for number, hold in enumerate(Hold.objects.open().order_by("pk"))]
    assert outcomes.count(DecisionOutcome.PERSISTED) == RESULTS * 9 // 10
    assert outcomes.count(DecisionOutcome.REJECTED) == RESULTS // 10
    for hold in Hold.objects.all():
        rejected = hold.state == HoldState.REJECTED
        call = ServiceCallRecord.objects.get(pk=hold.call_id)
        assert call.domain_persist_state == (PersistState.SKIPPED if rejected else PersistState.PERSISTED)
        made = written(hold.call_id)
        assert len(made) == (0 if rejected else 2)
        if not rejected:
            check(made, as_shown(hold))
    assert Message.objects.count() == RESULTS * 9 // 10


def check(made: list[Any], shown: list[Any]) -> None:
    """The same rows, with every value that was shown."""
    by_model = {model: (action, values) for model, action, values in made}
    for model, action, values in shown:
        found_action, found = by_model[model]
        assert found_action == action
        assert {name: found[name] for name in values if name not in KEYS} == {
            name: value for name, value in values.items() if name not in KEYS
        }

"""What is wrong with decisions, and with the rows that they left, is found."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.app.models import ChaosRow
from chaos.app.orca.services.approved_note import ApprovedNote
from chaos.records import Records
from chaos.scenarios.approval import ApprovalScenario, Person
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.testing import drain, scripted_provider
from persistence.models.approval import Hold, HoldState

pytestmark = pytest.mark.django_db


@pytest.fixture
def records() -> Records:
    """Three calls that were rejected, edited and approved."""
    submitted = {}
    with scripted_provider() as model:
        model.answer({"note": "done"}, times=3)
        for number in range(3):
            submitted[number] = submit(CallSpec(service=ApprovedNote, context={"number": number})).pk
        drain()
    Person()._decide_some()
    return read(submitted)


def read(submitted: dict[int, str]) -> Records:
    calls = {call.pk: call for call in ServiceCallRecord.objects.all()}
    rows = list(ChaosRow.objects.all())
    return Records(submitted=submitted, ledger=[], calls=calls, audits=[], rows=rows)


def found(records: Records) -> dict[str, Any]:
    books = ApprovalScenario()
    names = ("lost", "duplicated", "falsely_persisted")
    return {name: wrong for name in names if (wrong := getattr(books, name)(records))}


def test_what_was_decided_is_clean(records: Records) -> None:
    assert found(records) == {}
    assert [row.note for row in records.rows] == ["done (edited)", "done"]


def test_what_is_wrong_is_found(records: Records) -> None:
    rejected, edited, approved = (records.submitted[number] for number in range(3))
    ChaosRow.objects.create(call_id=rejected, number=0, note="done", provider_response_id="")
    ChaosRow.objects.filter(call_id=edited).update(note="done")
    Hold.objects.filter(call_id=approved).update(state=HoldState.OPEN, decided_at=None)
    wrong = found(read(records.submitted))
    assert wrong["lost"] == [rejected, approved]
    assert set(wrong["falsely_persisted"]) == {rejected, edited, approved}

"""Reprocessing, which is free, and reruns, which ask the model, over REST."""

import pytest

from orchestration.models import ServiceCallRecord
from persistence.testing import persist
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
RIGHTS = (
    "replay_servicecallrecord",
    "preview_servicecallrecord",
    "persist_servicecallrecord",
    "view_servicecallrecord",
    "add_servicecallrecord",
)


@pytest.fixture
def operator(caller):  # noqa: F811
    return caller("op", permissions=RIGHTS)


def test_a_dry_run_is_the_default_and_applying_does_the_same(operator):
    record = memo("hi", 1)
    told = operator.post(f"/service-calls/{record.pk}/reprocess").json()
    assert told["outcome"] == "persisted"
    assert told["dry_run"]
    assert not Message.objects.exists()
    assert told["parts"][0]["changes"][0]["fields"]["content"] == [None, "hi"]
    done = operator.post(f"/service-calls/{record.pk}/reprocess?dry_run=false").json()
    assert done["counts"] == told["counts"] == {"created": 1}
    assert Message.objects.count() == 1


def test_values_are_hidden_without_the_right_to_read_content(caller):  # noqa: F811
    blind = caller("b", scopes=("calls:read", "calls:operate"), permissions=RIGHTS)
    told = blind.post(f"/service-calls/{memo().pk}/reprocess").json()
    assert told["parts"][0]["changes"][0]["fields"] is None


def test_what_is_refused_is_a_conflict_with_the_reason(operator):
    record = note(one_message)
    persist(record)
    answer = operator.post(f"/service-calls/{record.pk}/reprocess?policy=update")
    assert (answer.status_code, answer.json()["code"]) == (409, "reprocess_refused")
    assert "defines no `update" in answer.json()["message"]


def test_reprocessing_needs_permission_even_for_ones_own_calls(caller):  # noqa: F811
    who = caller("ann")
    record = memo("x", requested_by=who.user)
    assert who.post(f"/service-calls/{record.pk}/reprocess").status_code == 403


def test_a_rerun_queues_a_new_call(operator):
    record = memo("hi")
    answer = operator.post(f"/service-calls/{record.pk}/rerun", {"model": "gpt-4o", "temperature": 0.5})
    assert answer.status_code == 202, answer.json()
    new_call = ServiceCallRecord.objects.get(pk=answer.json()["id"])
    assert new_call.parent_id == record.pk
    assert new_call.requested_by == operator.user
    assert new_call.service_kwargs == {"model": "gpt-4o", "client": None, "parameters": {"temperature": 0.5}}

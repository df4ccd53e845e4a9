"""Persisting again and replaying over REST."""

import pytest

from orchestration.models import ServiceCallRecord
from persistence.testing import persist
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.results import note
from tests.persistence.test_replay import memo, one_message
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
    told = operator.post(f"/service-calls/{record.pk}/persist").json()
    assert told["outcome"] == "persisted" and told["dry_run"] and not Message.objects.exists()
    assert told["parts"][0]["changes"][0]["fields"]["content"] == [None, "hi"]
    done = operator.post(f"/service-calls/{record.pk}/persist?dry_run=false").json()
    assert done["counts"] == told["counts"] == {"created": 1} and Message.objects.count() == 1


def test_values_are_hidden_without_the_right_to_read_content(caller):  # noqa: F811
    blind = caller("b", scopes=("calls:read", "calls:operate"), permissions=RIGHTS)
    told = blind.post(f"/service-calls/{memo().pk}/persist").json()
    assert told["parts"][0]["changes"][0]["fields"] is None


def test_what_is_refused_is_a_conflict_with_the_reason(operator):
    record = note(one_message)
    persist(record)
    answer = operator.post(f"/service-calls/{record.pk}/persist?policy=update")
    assert (answer.status_code, answer.json()["code"]) == (409, "replay_refused")
    assert "defines no `update" in answer.json()["message"]


def test_persisting_again_needs_permission_even_for_ones_own_calls(caller):  # noqa: F811
    who = caller("ann")
    record = memo("x", requested_by=who.user)
    assert who.post(f"/service-calls/{record.pk}/persist").status_code == 403


def test_a_replay_queues_a_sibling(operator):
    record = memo("hi")
    answer = operator.post(f"/service-calls/{record.pk}/replay", {"model": "gpt-4o", "temperature": 0.5})
    assert answer.status_code == 202, answer.json()
    sibling = ServiceCallRecord.objects.get(pk=answer.json()["id"])
    assert sibling.parent_id == record.pk and sibling.requested_by == operator.user
    assert sibling.service_kwargs == {"model": "gpt-4o", "client": None, "parameters": {"temperature": 0.5}}

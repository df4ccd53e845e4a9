"""Submitting over REST."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.models import ApiKey
from orchestration.models import ServiceCallRecord
from orchestration.testing import drain
from tests.orchestration.api.conftest import SUBMIT, Caller

pytestmark = pytest.mark.postgres

BODY = {"service": "engineapp.default.Triage", "context": {"ticket": "it burns"}}


def test_a_call_is_queued_and_answered_with_202_and_links(ann: Caller) -> None:
    answer = ann.post("/service-calls", {**BODY, "priority": 5, "ordering_key": "k", "max_attempts": 2})
    assert answer.status_code == 202, answer.json()
    told = answer.json()
    call = ServiceCallRecord.objects.get(pk=told["id"])
    assert (call.priority, call.ordering_key, call.max_attempts, call.requested_by) == (5, "k", 2, ann.user)
    assert told["status"] == "queued"
    assert answer["Location"] == told["links"]["self"] == f"/api/v1/service-calls/{call.pk}"
    assert told["links"]["objects"].endswith(f"{call.pk}/objects")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"service": "engineapp.default.Triagee"}, "unknown_service", "engineapp.default.Triage"),
        ({"service": "nonsense"}, "invalid_identity", "nonsense"),
        ({"context": {}}, "missing_context", "ticket"),
        ({"priority": 99999}, "invalid_request", ""),
        ({"run_at": "2030-01-01T00:00:00"}, "invalid_request", ""),
        ({"unknown": 1}, "invalid_request", ""),
        ({"context": {"ticket": "a\x00b"}}, "invalid_request", ""),
        ({"context": ["ticket"]}, "invalid_request", ""),
        ({"related": {"model": "no.model", "id": "1"}}, "unknown_related", "no.model"),
        ({"related": {"model": "accounts.user", "id": "x"}}, "unknown_related", "accounts.user"),
    ],
)
def test_bad_input_is_422_with_a_reason_and_queues_nothing(
    ann: Caller, change: dict[str, object], code: str, says: str
) -> None:
    answer = ann.post("/service-calls", {**BODY, **change})
    assert answer.status_code == 422, answer.json()
    assert answer.json()["code"] == code
    assert says in answer.json()["message"]
    assert not ServiceCallRecord.objects.exists()


@pytest.mark.parametrize(("levels", "status"), [(98, 202), (99, 400)])
def test_json_is_taken_up_to_the_one_depth_of_all(ann: Caller, levels: int, status: int) -> None:
    """A body of a hundred levels, two of which are the body and its context."""
    deep: object = 1
    for _ in range(levels):
        deep = [deep]
    answer = ann.post("/service-calls", {**BODY, "context": {"ticket": deep}})
    assert answer.status_code == status
    if status == 202:
        assert ServiceCallRecord.objects.get().context == {"ticket": deep}
        assert ann.get(f"/service-calls/{answer.json()['id']}").json()["status"] == "queued"


def test_a_payload_over_the_limit_is_413_and_names_the_limit(ann: Caller) -> None:
    answer = ann.post("/service-calls", {**BODY, "context": {"ticket": "x" * 1_100_000}})
    assert answer.status_code == 413
    assert "1,000,000" in answer.json()["message"]


def test_a_related_object_needs_the_permission_to_view_it(ann: Caller, operator: Caller) -> None:
    related = {"model": "accounts.user", "id": str(operator.user.pk)}
    refused = ann.post("/service-calls", {**BODY, "related": related})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_related")


def test_a_related_object_is_stored_with_the_call(ann: Caller) -> None:
    ann.user.is_superuser = True
    ann.user.save()
    answer = ann.post("/service-calls", {**BODY, "related": {"model": "accounts.User", "id": str(ann.user.pk)}})
    assert answer.status_code == 202
    assert answer.json()["related"] == {"model": "accounts.user", "id": str(ann.user.pk)}


def test_the_same_idempotency_key_and_body_give_the_stored_call(ann: Caller) -> None:
    first = ann.post("/service-calls", BODY, **{"idempotency-key": "k1"})
    again = ann.post("/service-calls", BODY, **{"idempotency-key": "k1"})
    assert again.json()["id"] == first.json()["id"]
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert ServiceCallRecord.objects.count() == 1


@pytest.mark.parametrize("change", [{"context": {"ticket": "other"}}, {"max_attempts": 1}, {"priority": 1}])
def test_the_same_idempotency_key_with_another_body_is_refused(ann: Caller, change: dict[str, object]) -> None:
    ann.post("/service-calls", BODY, **{"idempotency-key": "k1"})
    answer = ann.post("/service-calls", {**BODY, **change}, **{"idempotency-key": "k1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")


def test_two_people_may_use_the_same_idempotency_key(ann: Caller, caller: object) -> None:
    bob = caller("bob", permissions=("add_servicecallrecord",))
    ids = {who.post("/service-calls", BODY, **{"idempotency-key": "k"}).json()["id"] for who in (ann, bob)}
    assert len(ids) == 2


def test_submitting_needs_the_scope_and_the_permission(caller: object) -> None:
    without_scope = caller("a", scopes=("calls:read",), permissions=("add_servicecallrecord",))
    without_permission = caller("b")
    for who, code in ((without_scope, "missing_scope"), (without_permission, "missing_permission")):
        answer = who.post("/service-calls", BODY)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_prefer_wait_returns_the_call_as_it_is_at_the_timeout(ann: Caller) -> None:
    answer = ann.post("/service-calls", BODY, prefer="respond-async, wait=1")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer["Preference-Applied"] == "wait=1"


def test_a_repeated_key_of_a_finished_call_returns_its_result(ann: Caller) -> None:
    """The status is 200."""
    ann.post("/service-calls", BODY, **{"idempotency-key": "k"})
    drain()
    answer = ann.post("/service-calls", BODY, **{"idempotency-key": "k", "prefer": "wait=5"})
    told = answer.json()
    assert (answer.status_code, told["status"], told["content"]) == (200, "succeeded", "shown")
    assert set(told["result"]["structured_data"]) == {"urgency", "reason"}


def test_a_key_has_only_its_own_models_asked(caller: Callable[..., Caller]) -> None:
    """Submitted alone, in a batch, and as a rerun of a call that asked another one."""
    ann = caller(permissions=SUBMIT)
    ServiceCallRecord.objects.all().delete()
    dear = {**BODY, "model": "dear-1"}
    original = ann.post("/service-calls", dear).json()["id"]
    ApiKey.objects.update(allowed_models=["cheap-1"])

    refused = [
        ann.post("/service-calls", dear),
        ann.post(f"/service-calls/{original}/rerun", {"model": "dear-2"}),
        ann.post(f"/service-calls/{original}/rerun", {"temperature": 0.5}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "model_not_allowed")] * 3
    batch = ann.post("/service-calls/batch", {"items": [BODY, dear], "all_or_nothing": False}).json()
    assert [item["error"] and item["error"]["code"] for item in batch["items"]] == [None, "model_not_allowed"]
    allowed = [
        ann.post("/service-calls", {**BODY, "model": "cheap-1"}),
        ann.post(f"/service-calls/{original}/rerun", {"model": "cheap-1"}),
    ]
    assert [answer.status_code for answer in allowed] == [202, 202]

"""`Idempotency-Key`: stored answers, conflicts, requests in flight, secrets that stay unreadable, and batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from orchestration.models import ServiceCallRecord
from orchestration.models.idempotency import ApiAnswer
from tests.apps.people import person, signed_in
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.orchestration.factories import failed
from tests.persistence.reprocessing.test_reprocess import memo

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TRIAGE = "engineapp.default.Triage"
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
def ann(caller: Any) -> Any:  # noqa: F811
    return caller("ann", permissions=("add_servicecallrecord", "replay_servicecallrecord"))


def test_the_same_request_happens_once_and_is_answered_alike(ann: Any) -> None:
    record = memo("hi", requested_by=ann.user)
    first = ann.post(f"/service-calls/{record.pk}/rerun", {"model": "gpt-4o"}, **KEY)
    again = ann.post(f"/service-calls/{record.pk}/rerun", {"model": "gpt-4o"}, **KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert ServiceCallRecord.objects.filter(parent=record).count() == 1
    other = ann.post(f"/service-calls/{record.pk}/rerun", {"model": "gpt-5"}, **KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_keys_are_told_apart_by_person_and_a_bad_one_is_refused(ann: Any, caller: Any) -> None:  # noqa: F811
    bob = caller("bob", permissions=("replay_servicecallrecord", "add_servicecallrecord"))
    for who in (ann, bob):
        call = failed(requested_by=who.user)
        assert who.post("/service-calls/x/retry", **KEY).status_code == 404
        assert who.post(f"/service-calls/{call.pk}/retry", **KEY).status_code == 200, "a refusal frees its key"
    told = ann.post(f"/service-calls/{failed(requested_by=ann.user).pk}/retry", **{"Idempotency-Key": "x" * 256})
    assert told.json()["code"] == "invalid_idempotency_key"


def test_a_request_in_flight_conflicts_until_it_ends_or_dies(ann: Any) -> None:
    call = failed(requested_by=ann.user)
    ann.post(f"/service-calls/{call.pk}/retry", **KEY)
    ApiAnswer.objects.update(status=None)
    told = ann.post(f"/service-calls/{call.pk}/retry", **KEY)
    assert (told.status_code, told.json()["code"], told["Retry-After"]) == (409, "in_flight", "1")
    ApiAnswer.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    ServiceCallRecord.objects.update(status="failed", finished_at=timezone.now())
    assert ann.post(f"/service-calls/{call.pk}/retry", **KEY).status_code == 200


def test_the_secret_in_an_answer_cannot_be_read_from_the_row() -> None:
    someone = signed_in(person())
    body = {"name": "ci", "scopes": ["calls:read"]}
    made, again = someone.post("/api-keys", body, **KEY), someone.post("/api-keys", body, **KEY)
    secret = made.json()["secret"]
    assert again.json()["secret"] == secret
    assert ApiKey.objects.count() == 1
    row = ApiAnswer.objects.get()
    assert secret.encode() not in bytes(row.body or b"")
    assert KEY["Idempotency-Key"] not in row.key_digest


def test_a_batch_is_all_or_nothing_or_each_for_itself(ann: Any) -> None:
    good, bad = {"service": TRIAGE, "context": {"ticket": "x"}}, {"service": TRIAGE}
    gone, wrong = {"service": "no.such.Service"}, {"service": TRIAGE, "priority": "high", "surprise": 1}
    told = ann.post("/service-calls/batch", {"items": [good, bad, gone]})
    assert (told.status_code, told.json()["code"]) == (422, "invalid_items")
    assert [(item["index"], item["code"]) for item in told.json()["details"]["items"]] == [
        (1, "missing_context"),
        (2, "unknown_service"),
    ]
    assert not ServiceCallRecord.objects.exists()
    mixed = {"items": [bad, good, wrong, good], "all_or_nothing": False}
    told = ann.post("/service-calls/batch", mixed, **KEY)
    assert told.status_code == 202
    items = told.json()["items"]
    assert [item["error"] and item["error"]["code"] for item in items] == [
        "missing_context",
        None,
        "invalid_request",
        None,
    ]
    assert {fault["path"] for fault in items[2]["error"]["details"]["faults"]} == {"priority", "surprise"}
    assert ann.get(f"/service-calls/{items[1]['id']}").json()["status"] == "queued"
    assert ann.post("/service-calls/batch", mixed, **KEY).json() == told.json()
    assert ServiceCallRecord.objects.count() == 2
    assert ann.post("/service-calls/batch", {"items": []}).status_code == 422


def test_a_batch_of_a_thousand_costs_few_queries(ann: Any, django_assert_max_num_queries: Any) -> None:
    items = [{"service": TRIAGE, "context": {"ticket": str(n)}} for n in range(1000)]
    with django_assert_max_num_queries(90):  # SQLite takes some twenty rows per statement
        told = ann.post("/service-calls/batch", {"items": items})
    assert told.json()["accepted"] == 1000


def test_submitting_needs_its_scope_and_permission(caller: Any) -> None:  # noqa: F811
    items = {"items": [{"service": TRIAGE, "context": {"ticket": "x"}}]}
    assert caller("reader", scopes=("calls:read",)).post("/service-calls/batch", items).status_code == 403
    assert caller("nobody").post("/service-calls/batch", items).json()["code"] == "missing_permission"

"""Bulk runs over REST: made, forecast, started, watched, steered and done again, each with its right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from apps.accounts.models import ApiKey, User
from apps.accounts.throttle import CALLS, WINDOWS
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.operations import operations
from persistence.bulk.worker import work
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import Channel
from tests.orchestration.api.conftest import Caller, caller  # noqa: F401 - a fixture
from tests.orchestration.factories import failed, queued
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

RIGHTS = (
    "view_servicecallrecord",
    *(f"{verb}_servicecallrecord" for verb in ("retry", "persist", "preview", "replay", "add")),
)


@pytest.fixture
def operator(caller: Callable[..., Caller]) -> Caller:  # noqa: F811
    return caller("op", permissions=RIGHTS)


def made(who: Caller, operation: str = "retry", **body: Any) -> dict[str, Any]:
    answer = who.post("/bulk-runs", {"operation": operation, **(body or {"filter": {}})})
    assert answer.status_code == 201, answer.content
    return answer.json()  # type: ignore[no-any-return]


def refused(who: Caller, **body: Any) -> tuple[int, str]:
    answer = who.post("/bulk-runs", body)
    return answer.status_code, answer.json()["code"]


def steered(who: Caller, run: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    answer = who.post(f"/bulk-runs/{run['id']}/{verb}", body)
    assert answer.status_code in (200, 201), answer.content
    return answer.json()  # type: ignore[no-any-return]


def test_a_run_is_forecast_started_watched_and_done_again(operator: Caller) -> None:
    """The list is frozen; nothing is done before it is started."""
    for code in ("timeout", "timeout", "rate_limited"):
        failed(error_code=code)
    queued()
    run = made(operator, filter={"error_code": "timeout", "status": "failed"})
    failed(error_code="timeout")
    assert (run["state"], run["total"], run["done"]) == ("draft", 2, 0)
    assert run["forecast"]["will"] == 2
    assert run["filter"] == {"asked over REST": {"status": "failed", "error_code": "timeout"}}
    ServiceCallRecord.objects.filter(pk=BulkRun.objects.get().items.first().call_id).update(status="cancelled")  # type: ignore[union-attr]
    ServiceCallRecord.objects.filter(pk=BulkRun.objects.get().items.last().call_id).delete()  # type: ignore[union-attr]
    run = steered(operator, run, "start", reason="back again", per_minute=6_000)
    assert (run["state"], run["reason"], run["per_minute"]) == ("queued", "back again", 6_000)
    work(run["id"])
    run = operator.get(f"/bulk-runs/{run['id']}").json()
    assert (run["state"], run["outcomes"]) == ("done", {"retried": 1, "gone": 1})
    assert run["causes"] == [{"outcome": "gone", "why": "The call no longer exists.", "count": 1}]
    items = operator.get(run["links"]["items"].removeprefix("/api/v1"), limit=1).json()
    assert (items["items"][0]["outcome"], items["next"] is not None) == ("retried", True)
    assert operator.get(f"/bulk-runs/{run['id']}/items", outcome="undone").json()["items"] == []
    assert operator.post(f"/bulk-runs/{run['id']}/retry").json()["code"] == "nothing_matches"
    again = steered(operator, run, "repeat")
    assert (again["state"], again["total"], again["filter"]) == ("draft", 1, run["filter"])
    assert [entry["id"] for entry in operator.get("/bulk-runs", limit=1).json()["items"]] == [again["id"]]
    assert LogEntry.objects.filter(change_message__contains="(over REST)").count() == 1


def test_what_failed_or_was_not_reached_is_tried_again(operator: Caller) -> None:
    calls = [memo("a"), memo("b"), memo("c")]
    run = made(operator, "reprocess", calls=[call.pk for call in calls])
    assert (run["options"], run["filter"]) == ({"policy": "keep"}, {"selected": 3})
    steered(operator, run, "start")
    BulkRun.objects.get().items.filter(call_id=calls[0].pk).update(outcome="failed", error="of a secret")
    BulkRun.objects.get().items.filter(call_id=calls[1].pk).update(outcome="persisted")
    steered(operator, run, "cancel")
    again = steered(operator, run, "retry")
    assert (again["total"], again["options"]) == (2, {"policy": "keep"})
    assert steered(operator, run, "repeat")["total"] == 3


def test_a_dry_run_keeps_counts_and_nothing_else(operator: Caller) -> None:
    memo("a")
    run = made(operator, "dry-run", filter={"persist_state": "pending"})
    steered(operator, run, "start")
    work(run["id"])
    assert operator.get(f"/bulk-runs/{run['id']}").json()["outcomes"] == {"would persist": 1}
    assert not Message.objects.exists()


def test_a_run_is_scheduled_paced_paused_and_cancelled(operator: Caller) -> None:
    memo("a")
    run = made(operator, "reprocess", filter={})
    at = database_now() + timedelta(hours=3)
    assert steered(operator, run, "start", starts_at=at.isoformat())["state"] == "draft"
    assert BulkRun.objects.get().starts_at == at
    answer = operator.post(f"/bulk-runs/{run['id']}/start", {"starts_at": "2020-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (409, "bulk_refused")
    steered(operator, run, "start")
    pace = f"/api/v1/bulk-runs/{run['id']}/pace"
    for wanted in (30, None):
        answer = operator.client.put(
            pace, {"per_minute": wanted}, content_type="application/json", headers=operator.headers
        )
        assert answer.json()["per_minute"] == wanted
    assert steered(operator, run, "pause")["state"] == "paused"
    assert work(run["id"]) == 0
    assert steered(operator, run, "start")["state"] == "queued"
    assert steered(operator, run, "cancel")["state"] == "aborted"
    assert operator.post(f"/bulk-runs/{run['id']}/start").status_code == 409


def test_each_operation_needs_its_own_permission(caller: Callable[..., Caller]) -> None:  # noqa: F811
    """Even over one's own calls, as in the console."""
    ann = caller("ann", permissions=("retry_servicecallrecord",))
    failed(requested_by=ann.user)
    failed()
    for operation in operations():
        expected = 201 if operation.name == "retry" else 403
        assert ann.post("/bulk-runs", {"operation": operation.name, "filter": {}}).status_code == expected
    assert BulkRun.objects.get().total == 1, "the call of somebody else is not to be seen"
    assert refused(ann, operation="retry", calls=[failed().pk]) == (422, "unknown_calls")
    blind = caller("blind", scopes=("calls:read", "calls:write"), permissions=RIGHTS)
    assert refused(blind, operation="retry", filter={}) == (403, "missing_scope")
    poor = caller("poor", scopes=("calls:operate", "calls:read"), permissions=RIGHTS)
    assert refused(poor, operation="rerun", filter={}) == (403, "missing_scope")
    run = BulkRun.objects.get()
    assert poor.get(f"/bulk-runs/{run.pk}").status_code == 404
    assert poor.post(f"/bulk-runs/{run.pk}/start").status_code == 404


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"operation": "explode", "filter": {}}, "unknown_operation"),
    ({"operation": "retry"}, "invalid_request"),
    ({"operation": "retry", "filter": {}, "calls": ["x"]}, "invalid_request"),
    ({"operation": "retry", "filter": {"stauts": "failed"}}, "invalid_request"),
    ({"operation": "retry", "filter": {"limit": 7}}, "invalid_request"),
    ({"operation": "retry", "calls": ["not a call"]}, "unknown_calls"),
    ({"operation": "retry", "filter": {}, "options": {"force": True}}, "unknown_option"),
    ({"operation": "rerun", "filter": {}, "options": {"temperature": 3}}, "invalid_options"),
    ({"operation": "rerun", "filter": {}, "options": {"temperature": True}}, "invalid_options"),
    ({"operation": "rerun", "filter": {}, "options": {"model": "a\0b"}}, "invalid_options"),
    ({"operation": "rerun", "filter": {}, "options": {"persist": "yes"}}, "invalid_options"),
    ({"operation": "rerun", "filter": {}, "options": {"model": {"a": 1}}}, "invalid_request"),
    ({"operation": "reprocess", "filter": {}, "options": {"policy": "burn"}}, "invalid_options"),
]


@pytest.mark.parametrize(("body", "code"), WRONG)
def test_what_is_not_understood_makes_no_run(operator: Caller, body: dict[str, Any], code: str) -> None:
    memo("a")
    assert refused(operator, **body) == (422, code)
    assert not BulkRun.objects.exists()


def test_nothing_that_matches_makes_no_run(operator: Caller) -> None:
    assert refused(operator, operation="retry", filter={}) == (409, "nothing_matches")
    assert not BulkRun.objects.exists()


def test_a_key_ends_with_its_runs(operator: Caller) -> None:
    """A scheduled run does not outlive the key that asked for it, nor the permission of its owner."""
    memo("a")
    runs = [made(operator, "reprocess", filter={}) for _ in range(2)]
    steered(operator, runs[0], "start")
    ApiKey.objects.get().revoke()
    assert work(runs[0]["id"]) == 0
    run = BulkRun.objects.get(pk=runs[0]["id"])
    assert (run.state, run.channel) == (BulkState.FAILED, Channel.API)
    assert "was revoked, or has expired" in run.error
    ApiKey.objects.update(revoked_at=None)
    steered(operator, runs[1], "start")
    operator.user.user_permissions.remove(Permission.objects.get(codename="persist_servicecallrecord"))
    assert work(runs[1]["id"]) == 0
    assert not Message.objects.exists()


def test_a_key_reruns_only_with_its_models(operator: Caller) -> None:
    memo("a", model_requested="gpt-4o-mini")
    ApiKey.objects.update(allowed_models=["gpt-4o"])
    assert refused(operator, operation="rerun", filter={}) == (403, "model_not_allowed")
    run = made(operator, "rerun", filter={}, options={"model": "gpt-4o", "temperature": 0.2})
    assert run["options"] == {"model": "gpt-4o", "temperature": 0.2}


@pytest.mark.parametrize("per_minute", [None, 6_000])
def test_each_call_counts_and_the_run_waits_at_the_limit(
    operator: Caller, monkeypatch: pytest.MonkeyPatch, per_minute: int | None
) -> None:
    """However fast it is started, and whoever lifts its pace later: in the next minute it continues."""
    limit = replace(CALLS, limit=2)
    monkeypatch.setitem(WINDOWS, "calls", (limit, "service calls"))
    monkeypatch.setattr("apps.accounts.throttle._seconds", lambda: 60_000)
    for _ in range(3):
        failed()
    run = made(operator, filter={})
    steered(operator, run, "start", per_minute=per_minute)
    assert [work(run["id"]), work(run["id"])] == [2, 0]
    waiting = BulkRun.objects.get()
    assert waiting.state == BulkState.RUNNING
    assert waiting.next_item_at is not None
    assert 50 < (waiting.next_item_at - database_now()).total_seconds() <= 60
    assert limit.hit(str(operator.user.pk)), "nothing is left for the person's own calls"
    monkeypatch.setattr("apps.accounts.throttle._seconds", lambda: 60_060)
    BulkRun.objects.update(next_item_at=database_now())
    assert work(run["id"]) == 1
    assert BulkRun.objects.get().state == BulkState.DONE


@pytest.mark.parametrize("lost", ["permission", "scope"])
def test_a_rerun_ends_with_the_right_to_submit_calls(operator: Caller, lost: str) -> None:
    memo("a")
    run = made(operator, "rerun", filter={})
    steered(operator, run, "start")
    if lost == "scope":
        ApiKey.objects.update(scopes=["calls:read", "calls:operate"])
    else:
        operator.user.user_permissions.remove(Permission.objects.get(codename="add_servicecallrecord"))
    assert work(run["id"]) == 0
    ended = BulkRun.objects.get()
    assert ended.state == BulkState.FAILED
    assert ("scope calls:write" if lost == "scope" else "permission orchestration.add_servicecallrecord") in ended.error


def test_reasons_are_hidden_without_the_right_to_read_content(caller: Callable[..., Caller]) -> None:  # noqa: F811
    blind = caller("blind", scopes=("calls:read", "calls:operate"), permissions=RIGHTS)
    memo("a")
    run = made(blind, "reprocess", filter={})
    BulkRun.objects.get().items.update(outcome="failed", error="of a secret")
    shown = blind.get(f"/bulk-runs/{run['id']}").json()
    assert shown["causes"] == [{"outcome": "failed", "why": None, "count": 1}]
    assert blind.get(f"/bulk-runs/{run['id']}/items").json()["items"][0]["error"] is None


def test_runs_of_others_are_shown_to_who_may_view_runs(operator: Caller) -> None:
    BulkRun.objects.create(kind="export", options={"exporter": "calls"}, state=BulkState.DONE)
    assert operator.get("/bulk-runs").json()["items"] == []
    User.objects.get(pk=operator.user.pk).user_permissions.add(Permission.objects.get(codename="view_bulkrun"))
    shown = operator.get("/bulk-runs", state="done").json()["items"]
    assert [run["operation"] for run in shown] == ["export"]
    assert operator.get(f"/bulk-runs/{shown[0]['id']}").json()["forecast"] is None

"""Approvals over REST: the queue, one item, decisions, and what each needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import ApiKey
from orchestration.models import ServiceCallRecord
from persistence.bulk.worker import work
from persistence.models import BulkRun
from persistence.models.approval import Decision, Hold
from tests.orchestration.api.conftest import ALL, Caller, caller  # noqa: F401 - a fixture
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import NoteSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

SCOPES = (*ALL, "approvals:decide")
RIGHTS = ("view_servicecallrecord", "view_hold", "decide_hold", "view_content")


@pytest.fixture
def decider(caller: Callable[..., Caller]) -> Caller:  # noqa: F811
    return caller("decider", SCOPES, RIGHTS)


def decided(who: Caller, hold: Hold, decision: str = "approve", **body: Any) -> tuple[int, dict[str, Any]]:
    sent = {"decision": decision, "shown": hold.digest, **body}
    answer = who.post(f"/approvals/{hold.pk}/decision", sent)
    return answer.status_code, answer.json()


def test_the_queue_shows_the_most_urgent_and_oldest_first(held: Any, decider: Caller) -> None:
    holds = [held(priority=priority) for priority in (0, 5, 0)]
    first = decider.get("/approvals?limit=2").json()
    assert [each["id"] for each in first["items"]] == [holds[1].pk, holds[0].pk]
    rest = decider.get(f"/approvals?limit=2&after={first['next']}").json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([holds[2].pk], None)
    assert decider.get("/approvals?assigned=me").json()["items"] == []
    assert len(decider.get("/approvals?assigned=nobody&trigger=always").json()["items"]) == 3
    assert decider.get("/approvals?after=999999999").json()["code"] == "unknown_cursor"


def test_a_page_of_the_queue_takes_few_queries(held: Any, decider: Caller, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        held()
    decider.get("/approvals")
    with django_assert_max_num_queries(8) as done:
        decider.get("/approvals")
    assert not [each["sql"] for each in done.captured_queries if "COUNT(" in each["sql"]]


def test_an_item_shows_the_answer_and_the_rows(held: Any, decider: Caller) -> None:
    hold = held()
    item = decider.get(f"/approvals/{hold.pk}").json()
    assert (item["answer"], item["may_decide"], item["why_not"]) == ({"text": "hello"}, True, "")
    assert item["shown"]["parts"][0]["changes"][0]["fields"]["content"] == [None, "hello"]
    assert decider.get("/approvals/999999").status_code == 404


def test_without_the_right_to_content_none_is_shown(held: Any, caller: Callable[..., Caller]) -> None:  # noqa: F811
    hold = held()
    without = tuple(scope for scope in SCOPES if scope != "content:read")
    who = caller("viewer", without, ("view_servicecallrecord", "view_hold"))
    item = who.get(f"/approvals/{hold.pk}").json()
    assert (item["content"], item["answer"], item["shown"], item["reason"]) == ("hidden", None, None, None)
    assert item["why_not"] == "Deciding on this needs the permission persistence.decide_hold."
    assert caller("stranger", permissions=("view_servicecallrecord",)).get("/approvals").status_code == 403


def test_it_is_approved_once_however_often_it_is_sent(held: Any, decider: Caller) -> None:
    hold = held()
    for _ in range(2):
        assert decided(decider, hold) == (200, {"outcome": "persisted", "state": "approved", "made": ""})
    assert Message.objects.count() == 1
    listed = decider.get("/approvals?state=approved").json()["items"]
    assert [each["id"] for each in listed] == [hold.pk]


def test_it_is_edited_after_a_preview(held: Any, decider: Caller) -> None:
    hold = held()
    preview = decider.post(f"/approvals/{hold.pk}/preview", {"answer": {"text": "better"}}).json()
    status, told = decided(decider, hold, "edit", answer={"text": "better"}, shown=preview["digest"])
    assert (status, told["state"], Message.objects.get().content) == (200, "edited", "better")


def test_each_refusal_has_its_code(held: Any, decider: Caller, caller: Callable[..., Caller]) -> None:  # noqa: F811
    hold = held()
    cases: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
        ("approve", {"shown": "0"}, (409, "approval_outdated")),
        ("reject", {}, (422, "approval_invalid")),
        ("edit", {"answer": {"text": 5}}, (422, "invalid_edit")),
        ("edit", {"answer": {"text": "x"}}, (409, "approval_moved")),
        ("approve", {"answer": {}}, (422, "invalid_request")),
        ("reject", {"note": "no", "rerun": True}, (403, "missing_permission")),
    ]
    for decision, body, expected in cases:
        status, told = decided(decider, hold, decision, **body)
        assert (status, told["code"]) == expected, (decision, body, told)
    watcher = caller("watcher", SCOPES, ("view_servicecallrecord", "view_hold"))
    assert decided(watcher, hold)[0] == 403
    assert decided(decider, hold, "reject", note="no")[0] == 200
    assert decided(decider, hold)[1]["code"] == "approval_closed"
    gone = held()
    ServiceCallRecord.objects.filter(pk=gone.call_id).delete()
    assert decided(decider, gone)[1]["code"] == "approval_superseded"
    assert not Message.objects.exists()


def test_what_is_gone_is_told_as_that(held: Any, decider: Caller) -> None:
    gone, decided_before = held(), held()
    ServiceCallRecord.objects.filter(pk=gone.call_id).delete()
    assert decided(decider, decided_before)[0] == 200
    for hold, code in ((gone, "approval_superseded"), (decided_before, "approval_closed")):
        for path, body in (("preview", {"answer": {"text": "x"}}), ("refresh", {}), ("assign", {})):
            answer = decider.post(f"/approvals/{hold.pk}/{path}", body)
            assert (answer.status_code, answer.json()["code"]) == (409, code), path


def test_nothing_is_tried_for_who_may_not_decide(held: Any, decider: Caller, caller: Callable[..., Caller]) -> None:  # noqa: F811
    hold = held(says={"permission": "auth.change_group"})
    hidden = caller("hidden", SCOPES, [name for name in RIGHTS if name != "view_content"])
    for who in (decider, hidden):
        for path, body in (("preview", {"answer": {"text": "x"}}), ("refresh", {})):
            answer = who.post(f"/approvals/{hold.pk}/{path}", body)
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")


def test_a_key_without_the_scope_does_not_decide(held: Any, caller: Callable[..., Caller]) -> None:  # noqa: F811
    assert decided(caller("reader", ALL, RIGHTS), held())[1]["code"] == "missing_scope"


def test_it_is_assigned_and_shown_again(held: Any, decider: Caller, caller: Callable[..., Caller]) -> None:  # noqa: F811
    hold = held()
    other = caller("other", SCOPES, RIGHTS)
    told = decider.post(f"/approvals/{hold.pk}/assign", {"user": other.user.pk, "note": "yours"}).json()
    assert told["assignee"] == other.user.pk
    assert [each["id"] for each in other.get("/approvals?assigned=me").json()["items"]] == [hold.pk]
    assert decider.post(f"/approvals/{hold.pk}/assign", {"user": 999999}).json()["code"] == "approval_invalid"
    assert decider.post(f"/approvals/{hold.pk}/refresh", {}).json()["digest"] == hold.digest


def test_figures_by_service_and_prompt(held: Any, decider: Caller) -> None:
    hold = held()
    held()
    decided(decider, hold)
    (figures,) = decider.get("/approvals/figures").json()["items"]
    assert (figures["held"], figures["open"], figures["approved"]) == (2, 1, 1)
    assert figures["seconds_to_decision"] >= 0


def test_many_are_approved_over_rest_with_the_same_scope(held: Any, caller: Callable[..., Caller]) -> None:  # noqa: F811
    holds = [held(), held()]
    wanted = {"operation": "approve", "options": {"note": "fine"}, "calls": [hold.call_id for hold in holds]}
    operator = caller("operator", ("calls:read", "calls:operate", "content:read"), RIGHTS)
    refused = operator.post("/bulk-runs", wanted)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    decider = caller("decider", ("calls:read", "calls:operate", "approvals:decide"), RIGHTS)
    run = decider.post("/bulk-runs", wanted).json()
    assert decider.post(f"/bulk-runs/{run['id']}/start", {}).status_code == 200
    assert work(run["id"]) == 2
    assert set(Decision.objects.values_list("user", "note")) == {(decider.user.pk, "fine")}
    assert Message.objects.count() == 2


def test_a_run_of_approvals_ends_with_the_scope(held: Any, decider: Caller) -> None:
    hold = held()
    run = decider.post("/bulk-runs", {"operation": "approve", "calls": [hold.call_id]}).json()
    assert decider.post(f"/bulk-runs/{run['id']}/start", {}).status_code == 200
    ApiKey.objects.update(scopes=["calls:read", "calls:operate"])
    assert work(run["id"]) == 0
    assert "scope approvals:decide" in BulkRun.objects.get().error
    assert Hold.objects.get().is_open


def test_an_edit_keeps_the_digits_of_a_long_integer(held, decider, monkeypatch):
    monkeypatch.setattr(NoteSchema, "model_validate", classmethod(lambda cls, data: data))
    hold = held(lambda handler, response: Message.objects.create(content=str(response.structured_data["text"])))
    sent = {"answer": {"text": 12345678901234567890123}}
    preview = decider.post(f"/approvals/{hold.pk}/preview", sent).json()
    assert "12345678901234567890123" in json.dumps(preview["shown"])
    answer = decider.post(f"/approvals/{hold.pk}/decision", {"decision": "edit", "shown": preview["digest"], **sent})
    assert (answer.status_code, Message.objects.get().content) == (200, "12345678901234567890123")

"""/v1 for a caller: submit, read, list, repeat, and what is refused."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection
from django.test import AsyncClient, Client
from django.utils import timezone

from apps.accounts.models.roles import UserRole
from apps.consensus.models import Run
from apps.consensus.models.runs import RunQuerySet
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.consensus.calling import V1Caller, caller
from tests.apps.consensus.reviewing import IDEA, new_run, script
from tests.apps.people import person, with_key

pytestmark = pytest.mark.django_db
BODY = {"idea": IDEA}


@pytest.fixture
def ann() -> V1Caller:
    return caller(person())


def test_a_submitted_idea_is_accepted_and_read_back_complete(ann: V1Caller) -> None:
    with scripted(*script()):
        answer = ann.post("/full-review", {**BODY, "extra_context": {"budget": 1}})
        assert answer.status_code == 202, answer.content
        accepted = answer.json()
        assert accepted["status"] == "queued"
        assert answer["Location"] == accepted["links"]["self"] == f"/v1/runs/{accepted['run_id']}"
        drain()
    shown = ann.get(f"/runs/{accepted['run_id']}").json()
    assert shown["status"] == "completed"
    assert (shown["decision"]["decision"], shown["decision"]["overall_weighted_confidence"]) == ("approve", "0.9000")
    assert [review["persona_id"] for review in shown["reviews"]] == [
        "architect",
        "critic",
        "optimist",
        "security_guardian",
        "user_advocate",
    ]
    assert [step["status"] for step in shown["steps"]] == ["completed"] * 7
    assert shown["proposal"]["expanded_proposal"]["title"] == "Choir calendar"
    assert shown["usage"]["calls"] == 6
    assert shown["usage"]["total_tokens"] > 0
    assert (shown["schema_version"], shown["prompt_set_version"]) == ("1.0.0", "1.0.0")
    assert shown["extra_context"] == {"budget": 1}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "idea"),
        ({"idea": ""}, "idea"),
        ({"idea": "   "}, "idea"),
        ({"idea": "..."}, "idea"),
        ({"idea": "x" * 10_001}, "idea"),
        ({"idea": "One. " * 11}, "idea"),
        ({"idea": "nul \x00 inside"}, "idea"),
        ({"idea": 5}, "idea"),
        ({**BODY, "surprise": 1}, "surprise"),
        ({**BODY, "extra_context": "x" * 50_001}, "extra_context"),
        ({**BODY, "extra_context": {"k": "x" * 50_000}}, "extra_context"),
        ({**BODY, "extra_context": ["a list"]}, "extra_context"),
        ({**BODY, "extra_context": {"k": "\x00"}}, "extra_context"),
        ({**BODY, "priority": "urgent"}, "priority"),
    ],
)
def test_bad_input_is_422_and_says_where(ann: V1Caller, body: dict, path: str) -> None:
    answer = ann.post("/full-review", body)
    assert answer.status_code == 422, answer.content
    assert answer.json()["code"] == "invalid_request"
    assert path in "\n".join(detail["path"] for detail in answer.json()["details"])
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"idea": "x"},
        {"idea": "x" * 10_000},
        {"idea": "One. " * 10},
        {**BODY, "extra_context": "x" * 50_000},
        {**BODY, "extra_context": {"k": "x" * 49_992}},
    ],
)
def test_input_at_its_limits_is_taken(ann: V1Caller, body: dict) -> None:
    assert ann.post("/full-review", body).status_code == 202


@pytest.mark.parametrize("nothing", ["", {}, None, "  "])
def test_an_empty_context_means_none(ann: V1Caller, nothing: object) -> None:
    assert ann.post("/full-review", {**BODY, "extra_context": nothing}).status_code == 202
    assert Run.objects.get().extra_context is None


def test_a_repeated_key_is_one_run(ann: V1Caller) -> None:
    first = ann.post("/full-review", BODY, Idempotency_Key="k1")
    again = ann.post("/full-review", BODY, Idempotency_Key="k1")
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["run_id"] == first.json()["run_id"]
    assert ServiceCallRecord.objects.count() == 1
    other = ann.post("/full-review", {"idea": "Something else."}, Idempotency_Key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert caller(person()).post("/full-review", BODY, Idempotency_Key="k1").json()["run_id"] != first.json()["run_id"]


@pytest.mark.parametrize("header", ["X_Schema_Version", "X_Prompt_Set_Version"])
def test_a_version_that_is_not_the_current_one_is_400(ann: V1Caller, header: str) -> None:
    assert ann.post("/full-review", BODY, **{header: "1.0.0"}).status_code == 202
    answer = ann.post("/full-review", BODY, **{header: "0.9"})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNSUPPORTED_VERSION")
    assert answer.json()["details"]["supported"] == "1.0.0"


def test_somebody_elses_run_is_404_everywhere(ann: V1Caller) -> None:
    run = new_run(person())
    mine = new_run(person())
    for path in (f"/runs/{run.pk}", f"/runs/{run.pk}/events", f"/runs/{run.pk}/diff/{mine.pk}"):
        assert ann.get(path).status_code == 404
    for action in ("retry", "cancel"):
        assert ann.post(f"/runs/{run.pk}/{action}").status_code == 404
    assert ann.post(f"/runs/{run.pk}/revisions", {"edit_notes": "x"}).status_code == 404
    assert ann.get("/runs").json()["items"] == []


def test_staff_see_all_runs_but_change_only_their_own() -> None:
    run = new_run(person())
    staff = caller(person(UserRole.STAFF))
    assert staff.get(f"/runs/{run.pk}").status_code == 200
    assert [item["run_id"] for item in staff.get("/runs").json()["items"]] == [str(run.pk)]
    assert staff.post(f"/runs/{run.pk}/cancel").json()["code"] == "read_only"
    assert caller(person(UserRole.ADMIN)).post(f"/runs/{run.pk}/cancel").status_code == 202


def test_the_flag_is_staff_alone_opens_no_run_of_others() -> None:
    run, other = new_run(person()), new_run(person())
    for role in (UserRole.TRAINEE, UserRole.INSTRUCTOR):
        flagged = person(role, is_staff=True)
        over_rest = caller(flagged)
        for path in (f"/runs/{run.pk}", f"/runs/{run.pk}/events", f"/runs/{run.pk}/diff/{other.pk}"):
            assert over_rest.get(path).status_code == 404
        assert over_rest.get("/runs").json()["items"] == []
        browser = Client()
        browser.force_login(flagged)
        for path in (f"/consensus/runs/{run.pk}", f"/consensus/runs/{run.pk}/diff/{other.pk}"):
            assert browser.get(path).status_code == 404
        assert str(run.pk) not in browser.get("/consensus/").content.decode()


def test_runs_of_others_show_their_content_with_its_scope_alone() -> None:
    owner, reader = person(), person(UserRole.ADMIN)
    run = new_run(owner, extra_context={"k": "v"})
    without = caller(reader)
    shown = without.get(f"/runs/{run.pk}").json()
    assert (shown["content"], shown["input_idea"], shown["extra_context"]) == ("hidden", None, None)
    assert (shown["proposal"], shown["reviews"], shown["decision"]) == (None, [], None)
    (listed,) = without.get("/runs").json()["items"]
    assert (listed["content"], listed["input_idea"]) == ("hidden", None)
    for refused in (
        without.get(f"/runs/{run.pk}/diff/{run.pk}"),
        without.post(f"/runs/{run.pk}/revisions", {"edit_notes": "x"}),
    ):
        assert refused.status_code == 403
        assert refused.json()["details"] == {"scope": "content:read"}
    assert not LogEntry.objects.exists()

    with_it = V1Caller(**with_key(reader, "runs:read", "content:read").headers)
    shown = with_it.get(f"/runs/{run.pk}").json()
    assert (shown["content"], shown["input_idea"], shown["extra_context"]) == ("shown", IDEA, {"k": "v"})
    assert LogEntry.objects.get().change_message == "Looked at the content over the API."
    assert caller(owner).get(f"/runs/{run.pk}").json()["content"] == "shown"
    assert LogEntry.objects.count() == 1


def test_who_has_no_key_or_no_scope_is_refused() -> None:
    user = person()
    assert V1Caller().post("/full-review", BODY).status_code == 401
    reader = V1Caller(**with_key(user, "runs:read").headers)
    assert reader.post("/full-review", BODY).json()["code"] == "missing_scope"
    assert reader.get("/runs").status_code == 200


def test_errors_have_the_envelope_on_every_path(ann: V1Caller) -> None:
    malformed = ann.client.post("/v1/full-review", "{", "application/json", headers=ann.headers)
    assert malformed.status_code == 400
    for answer in (malformed, ann.get("/runs/not-a-uuid"), ann.get("/nowhere"), ann.get("/full-review")):
        assert set(answer.json()) == {"code", "message", "details", "request_id"}


def test_runs_are_listed_newest_first_in_stable_pages(ann: V1Caller) -> None:
    ids = [ann.post("/full-review", BODY).json()["run_id"] for _ in range(5)]
    Run.objects.update(created_at=timezone.now())
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ann.get("/runs", limit=2, **cursor).json()
        seen += [item["run_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 5


def test_runs_are_filtered(ann: V1Caller) -> None:
    with scripted(*script()):
        done = ann.post("/full-review", BODY).json()["run_id"]
        drain()
    waiting = ann.post("/full-review", BODY).json()["run_id"]
    later = (timezone.now() + timedelta(hours=1)).isoformat()

    def found(**query: object) -> list[str]:
        answer = ann.get("/runs", **query)
        assert answer.status_code == 200, answer.content
        return [item["run_id"] for item in answer.json()["items"]]

    assert found(status="completed") == found(decision="approve") == found(min_confidence="0.9") == [done]
    assert found(status="queued") == [waiting]
    assert found(min_confidence="0.9001") == found(start_date=later) == found(parent_run_id=done) == []
    assert found(run_type="initial", end_date=later) == [waiting, done]


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "2026-01-01T00:00:00"},
        {"status": "lost"},
        {"min_confidence": "1.1"},
        {"cursor": "nonsense"},
        {"limit": 0},
        {"colour": "red"},
    ],
)
def test_a_filter_that_makes_no_sense_is_422(ann: V1Caller, query: dict) -> None:
    assert ann.get("/runs", **query).status_code == 422


def events(answer: object) -> list[tuple[int, dict]]:
    text = b"".join(answer.streaming_content).decode()
    blocks = [block for block in text.split("\n\n") if block.startswith("id: ")]
    return [(int(block.split("\n")[0][4:]), json.loads(block.split("data: ")[1])) for block in blocks]


def test_events_are_streamed_and_resumed_after_the_last_id(ann: V1Caller) -> None:
    with scripted(*script()):
        path = ann.post("/full-review", BODY).json()["links"]["events"].removeprefix("/v1")
        drain()
    answer = ann.get(path)
    assert answer["Content-Type"] == "text/event-stream"
    everything = events(answer)
    assert [number for number, _ in everything] == list(range(1, len(everything) + 1))
    assert everything[-1][1]["status"] == "completed"
    ann.headers = {**ann.headers, "Last-Event-ID": "5"}
    assert events(ann.get(path)) == everything[5:]
    ann.headers = {**ann.headers, "Last-Event-ID": "five"}
    assert ann.get(path).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_prefer_wait_gives_the_whole_result_or_a_502() -> None:
    """The 502 is for credentials of ours that the provider refuses."""
    headers = {**with_key(person(), "runs:read", "runs:write").headers, "Prefer": "wait=30"}

    def work() -> None:
        deadline = time.monotonic() + 20
        while not Run.objects.filter(status="queued").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        drain()
        connection.close()

    async def post() -> Any:
        return await AsyncClient().post("/v1/full-review", BODY, content_type="application/json", headers=headers)

    def post_and_work() -> Any:
        worker = threading.Thread(target=work)
        worker.start()
        answer = asyncio.run(post())
        worker.join()
        return answer

    with scripted(*script()):
        answer = post_and_work()
    assert answer.status_code == 200, answer.content
    assert answer.json()["decision"]["decision"] == "approve"
    with scripted(Fault(kind="refusal", times=0)):
        failed = post_and_work()
    assert (failed.status_code, failed.json()["status"], failed.json()["error_code"]) == (200, "failed", "REFUSED")
    assert failed.json()["steps"]
    with scripted(Fault(kind="unauthorized", times=0)):
        refused = post_and_work()
    assert refused["Location"] == f"/v1/runs/{refused.json()['details']['run_id']}"
    assert (refused.status_code, refused.json()["code"]) == (502, "PROVIDER_AUTH")
    assert Run.objects.get(pk=refused.json()["details"]["run_id"]).status == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_database_lost_while_waiting_is_503_with_the_runs_link(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {**with_key(person(), "runs:read", "runs:write").headers, "Prefer": "wait=30"}

    def lost(rows: Any) -> bool:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(RunQuerySet, "exists", lost)
    answer = asyncio.run(AsyncClient().post("/v1/full-review", BODY, content_type="application/json", headers=headers))
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "database_away", "5")
    assert answer["Location"] == f"/v1/runs/{Run.objects.get().pk}"
    monkeypatch.undo()
    assert Client().get(answer["Location"], headers=headers).json()["status"] == "queued"


@pytest.mark.django_db
def test_a_run_is_found_by_any_spelling_of_its_id() -> None:
    ann = caller(person())
    run = ann.post("/full-review", BODY).json()["run_id"]
    for spelled in (run.upper(), run.replace("-", ""), f"%7B{run}%7D", f"urn:uuid:{run}"):
        for below in ("", f"/diff/{run.upper()}"):
            assert ann.get(f"/runs/{spelled}{below}").status_code == 200, spelled
        assert ann.get("/runs", parent_run_id=spelled.replace("%7B", "{").replace("%7D", "}")).status_code == 200
    for odd in ("x", f"{run}0", run[:-1], str(10**30), "%00"):
        assert ann.get(f"/runs/{odd}").status_code == 404, odd

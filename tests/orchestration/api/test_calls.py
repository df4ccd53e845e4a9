"""Reading calls over REST: whose they are, what of them is shown, page after page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from orchestration.components.registry import location
from orchestration.models import AIResponseAudit
from orchestration.models.audits import Outcome
from orchestration.testing import drain
from persistence.models import ObjectRole, PersistedChunk, PersistedObject
from tests.orchestration.admin.conftest import root  # noqa: F401 - a fixture
from tests.orchestration.api.conftest import SUBMIT, Caller
from tests.orchestration.factories import failed, queued, request_audit, running

pytestmark = pytest.mark.postgres


def listed(who: Caller, **params: Any) -> list[str]:
    answer = who.get("/service-calls", **params)
    assert answer.status_code == 200, answer.json()
    return [item["id"] for item in answer.json()["items"]]


def test_a_user_sees_own_calls_and_all_with_the_permission(ann: Caller, operator: Caller) -> None:
    own, foreign = queued(requested_by=ann.user), queued()
    assert listed(ann) == [own.pk]
    assert set(listed(operator)) == {own.pk, foreign.pk}


@pytest.mark.parametrize("path", ["", "/attempts", "/timeline", "/objects"])
def test_a_foreign_call_is_not_found(ann: Caller, path: str) -> None:
    foreign = queued()
    for call_id in (foreign.pk, "unknown", "a%00b"):
        answer = ann.get(f"/service-calls/{call_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_reading_needs_the_scope(caller: Any) -> None:
    who = caller("w", scopes=("calls:write",))
    call = queued(requested_by=who.user)
    for path in ("", f"/{call.pk}", f"/{call.pk}/attempts", f"/{call.pk}/objects", f"/{call.pk}/timeline"):
        assert who.get(f"/service-calls{path}").status_code == 403


def test_content_is_hidden_without_its_scope(caller: Any) -> None:
    who = caller("w", scopes=("calls:read",))
    call = failed(requested_by=who.user, error="secret", input={"a": 1}, result={"secret": 1})
    audit = request_audit(call)
    audit.save()
    AIResponseAudit.objects.create(ai_request=audit, call=call, raw={"secret": 1}, error="secret")
    PersistedChunk.objects.create(call_id=call.pk, schema_identity="s", namespace="n", summary={"secret": 1})
    told = who.get(f"/service-calls/{call.pk}").json()
    assert (told["content"], told["input"], told["context"], told["result"]) == ("hidden", None, None, None)
    (attempt,) = who.get(f"/service-calls/{call.pk}/attempts").json()
    assert (attempt["content"], attempt["messages"], attempt["answer"]["raw"]) == ("hidden", None, None)
    for path in ("", "/attempts", "/timeline", "/objects"):
        assert "secret" not in who.get(f"/service-calls/{call.pk}{path}").content.decode()


def test_a_look_at_content_is_noted_like_one_in_the_console(caller: Any, root: Client) -> None:  # noqa: F811
    owner = caller("owner", permissions=SUBMIT)
    call = queued(requested_by=owner.user)
    reader = caller("reader", permissions=("view_servicecallrecord",))
    blind = caller("blind", scopes=("calls:read",), permissions=("view_servicecallrecord",))
    looks = LogEntry.objects.filter(object_id=call.pk, change_message="Looked at the content over the API.")
    blind.get(f"/service-calls/{call.pk}")
    owner.get(f"/service-calls/{call.pk}")
    reader.get(f"/service-calls/{call.pk}/timeline")
    assert not looks.exists(), "content was hidden, one's own, or not shown"
    reader.get(f"/service-calls/{call.pk}")
    reader.get(f"/service-calls/{call.pk}/objects")
    reader.get(f"/service-calls/{call.pk}/attempts")
    assert [look.user for look in looks] == [reader.user] * 3
    owner.get(f"/service-calls/{call.pk}/attempts")
    assert looks.filter(user=owner.user).count() == 1, "the prompt is the service's"
    history = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert "reader@example.com" in history[history.index("Its content was looked at") :]


def test_a_finished_call_shows_its_messages_answer_and_tokens(ann: Caller) -> None:
    """The timeline is shown as well."""
    call_id = ann.post(
        "/service-calls", {"service": "engineapp.default.Triage", "context": {"ticket": "it burns"}}
    ).json()["id"]
    drain()
    (attempt,) = ann.get(f"/service-calls/{call_id}/attempts").json()
    assert attempt["outcome"] == "answered"
    assert "it burns" in str(attempt["messages"])
    assert attempt["answer"]["raw"]
    assert attempt["answer"]["outputs"]
    events = [event["event"] for event in ann.get(f"/service-calls/{call_id}/timeline").json()]
    assert events[:2] == ["queued", "claimed"]
    assert {"sent", "answered", "succeeded"} <= set(events)
    told = ann.get(f"/service-calls/{call_id}").json()
    assert told["usage"]["total_tokens"] > 0
    assert told["output_schema"]["version"] == 2


def test_repairs_stand_under_their_attempt(ann: Caller) -> None:
    call = queued(requested_by=ann.user)
    first = request_audit(call, outcome=Outcome.ANSWERED)
    first.save()
    request_audit(call, repair=1, repair_of=first).save()
    request_audit(call, attempt=2).save()
    told = ann.get(f"/service-calls/{call.pk}/attempts").json()
    assert [(a["attempt"], [r["repair"] for r in a["repairs"]]) for a in told] == [(1, [1]), (2, [])]


def test_objects_have_their_admin_page_and_whether_they_exist(ann: Caller) -> None:
    call = queued(requested_by=ann.user)
    kind = ContentType.objects.get_for_model(User)
    gone = ContentType.objects.create(app_label="gone", model="thing")
    chunk = PersistedChunk.objects.create(call_id=call.pk, schema_identity="s", namespace="n")
    for content_type, key, role in ((gone, "7", ObjectRole.RELATED), (kind, str(ann.user.pk), ObjectRole.PRIMARY)):
        PersistedObject.objects.create(chunk=chunk, content_type=content_type, object_id=key, role=role)
    (told,) = ann.get(f"/service-calls/{call.pk}/objects").json()
    primary, other = told["objects"]
    assert primary["links"]["admin"] == f"/admin/accounts/user/{ann.user.pk}/change/"
    assert (primary["model"], primary["exists"]) == ("accounts.user", True)
    assert (other["model"], other["exists"], other["links"]["admin"]) == ("gone.thing", False, None)


# --- listing --------------------------------------------------------------------------------


def test_every_filter_finds_its_rows_and_no_others(ann: Caller) -> None:
    kind = ContentType.objects.get_for_model(User)
    wanted = failed(
        requested_by=ann.user,
        namespace="special",
        service_identity="services.special.default.X",
        model="m1",
        error_code="timeout",
        related_content_type=kind,
        related_object_id="5",
        created_at=timezone.now() - timedelta(days=2),
    )
    queued(requested_by=ann.user, domain_persist_state="none")
    day = timezone.now() - timedelta(days=1)
    for params in (
        {"status": "failed"},
        {"namespace": "special"},
        {"service": "special.default.X"},
        {"service": "services.special.default.X"},
        {"model": "m1"},
        {"error_code": "timeout"},
        {"correlation_id": str(wanted.correlation_id)},
        {"related_model": "accounts.User", "related_id": "5"},
        {"created_to": day.isoformat()},
    ):
        assert listed(ann, **params) == [wanted.pk], params
    assert wanted.pk not in listed(ann, created_from=day.isoformat())
    assert len(listed(ann, persist_state="none")) == 2
    assert listed(ann, related_model="no.model", related_id="5") == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"state": "failed"}, "unknown_filter"),
        ({"status": "lost"}, "invalid_request"),
        ({"limit": "201"}, "invalid_request"),
        ({"limit": "0"}, "invalid_request"),
        ({"cursor": "x"}, "invalid_cursor"),
        ({"cursor": "MjAyMC0wMS0wMQ"}, "invalid_cursor"),
        ({"related_id": "5"}, "incomplete_filter"),
        ({"service": "x"}, "invalid_identity"),
        ({"correlation_id": "x"}, "invalid_request"),
        ({"created_from": "2020-01-01T00:00:00"}, "invalid_request"),
        ({"model": "a\x00b"}, "invalid_request"),
    ],
)
def test_a_wrong_filter_is_refused_instead_of_listing_everything(
    ann: Caller, params: dict[str, str], code: str
) -> None:
    answer = ann.get("/service-calls", **params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_pages_meet_without_gap_or_overlap_at_equal_times(ann: Caller) -> None:
    moment = timezone.now()
    calls = [queued(requested_by=ann.user, created_at=moment - timedelta(seconds=i // 3)) for i in range(10)]
    expected = [c.pk for c in sorted(calls, key=lambda c: (c.created_at, c.pk), reverse=True)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = ann.get("/service-calls", limit=3, **({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == expected


def test_a_page_reads_no_content_and_has_a_fixed_cost(operator: Caller) -> None:
    """It counts nothing; more rows do not make it dearer."""
    kind = ContentType.objects.get_for_model(User)

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            listed(operator, limit=50)
        return [query["sql"] for query in captured]

    queued(related_content_type=kind, related_object_id="1")
    queries()  # the key's last use is noted once a minute
    few = queries()
    for _ in range(30):
        queued(related_content_type=kind, related_object_id="1")
    many = queries()
    assert len(few) == len(many) <= 12
    assert not [sql for sql in many if "COUNT(" in sql.upper()]
    assert not [sql for sql in many if '"service_call_record"."result"' in sql]


# --- what there is --------------------------------------------------------------------------


def test_services_list_their_file_wiring_and_answer_schema(ann: Caller) -> None:
    told = {entry["label"]: entry for entry in ann.get("/services").json()}
    triage = told["engineapp.default.Triage"]
    assert triage["file"].endswith("tests/engineapp/orca/services/triage.py")
    assert triage["wiring"]["schema"] == "schemas.engineapp.default.TriageOutputSchema"
    assert set(triage["output_schema"]["required"]) == {"urgency", "reason"}
    assert told["engineapp.default.FreeText"]["output_schema"] is None


def test_components_are_of_every_domain(ann: Caller) -> None:
    assert {"services", "schemas", "prompts"} <= {entry["domain"] for entry in ann.get("/components").json()}


def test_components_are_looked_for_in_their_sources_once(ann: Caller) -> None:
    location.cache_clear()
    first = ann.get("/components").json()
    looked = location.cache_info().misses
    assert looked >= len(first)
    assert ann.get("/components").json() == first
    assert location.cache_info().misses == looked


def test_stats_are_about_what_one_may_see(ann: Caller, operator: Caller) -> None:
    queued(requested_by=ann.user, due_at=timezone.now() - timedelta(seconds=30))
    running()
    failed()
    own, everything = ann.get("/stats").json(), operator.get("/stats").json()
    assert (own["queued"], own["due"], own["running"], own["by_status"]) == (1, 1, 0, {"queued": 1})
    assert own["oldest_due_seconds"] >= 30
    assert everything["by_status"] == {"queued": 1, "running": 1, "failed": 1}

"""The list of calls and the page of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from orchestration.access_log import log_content_access
from orchestration.models import AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.stats.timeline import phases
from orchestration.values.uuid_keys import new_call_id
from tests.columns import columns_handed_out
from tests.orchestration.admin.rows import HOSTILE, answer, succeeded
from tests.orchestration.factories import failed, queued, request_audit, running

pytestmark = pytest.mark.postgres

LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def page(call: ServiceCallRecord) -> str:
    return reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))


def listed(client: Client, **params: str) -> set[str]:
    response = client.get(LIST, params)
    assert response.status_code == 200
    return {call.pk for call in response.context["cl"].result_list}


# --- the list -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_long_key_of_a_related_object_is_shown_by_its_end(root: Client) -> None:
    """A whole UUID pushes the columns behind it out of the window; one click copies it."""
    kind, key = ContentType.objects.get(app_label="consensus", model="run"), "019ab3de-0000-7000-8000-00001234abcd"
    name = kind.model_class()._meta.verbose_name  # type: ignore[union-attr]  # is installed
    queued(related_content_type=kind, related_object_id=key)
    queued(related_content_type=ContentType.objects.get_for_model(User), related_object_id="7")
    html = root.get(LIST).content.decode()
    assert f' title="{name} {key}" data-id="{key}">{name} …1234abcd</a>' in html
    assert ' class="orca-link">user 7</a>' in html


@pytest.mark.slow
@pytest.mark.parametrize("who", ["root", "staff"])
def test_a_hundred_rows_cost_at_most_twelve_queries_and_no_count(who: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)
    client = client if isinstance(client, Client) else client("view_servicecallrecord", "view_persistedchunk")
    kinds = list(ContentType.objects.all())
    for index in range(100):
        kind = kinds[index % len(kinds)]
        queued(related_content_type=kind, related_object_id=str(index), requested_by=None)
    ContentType.objects.clear_cache()
    with CaptureQueriesContext(connection) as captured:
        response = client.get(LIST)
    assert len(response.context["cl"].result_list) == 50
    sql = [query["sql"] for query in captured]
    assert len(sql) <= 12, sql
    assert not [text for text in sql if "COUNT(" in text.upper()]
    assert not [text for text in sql if '"service_call_record"."result"' in text]


def test_the_list_shows_the_facts_of_each_call_as_text(root: Client) -> None:
    """State, service, related object, attempts, duration and cost."""
    person = User.objects.get()
    succeeded(person)
    html = root.get(LIST).content.decode()
    for text in (
        "succeeded",
        "persisted",
        "engineapp.default.Triage",
        f"user {person.pk}",
        "2/3",
        "4.0 s",
        "0.000567",
    ):
        assert text in html, text


def test_search_finds_the_start_of_an_id_and_the_error_code(root: Client) -> None:
    """The correlation id is found as well."""
    wanted = failed(error_code="rate_limited", created_at=timezone.now() - timedelta(days=1))
    failed(error_code="timeout", id="ffff1111")
    assert wanted.pk in listed(root, q=wanted.pk[:8])
    assert listed(root, q="ffff1") == {"ffff1111"}
    assert listed(root, q=str(wanted.correlation_id)) == {wanted.pk}
    assert listed(root, q=wanted.pk) == {wanted.pk}
    assert listed(root, q="rate_limited") == {wanted.pk}
    assert listed(root, q="<b>") == set()


def test_filters_narrow_the_list(root: Client) -> None:
    call = failed(model="m1", service_identity="services.engineapp.default.FreeText")
    running()
    for params in (
        {"status__exact": "failed"},
        {"service": "services.engineapp.default.FreeText"},
        {"model": "m1"},
        {"error_code": "timeout"},
    ):
        assert listed(root, **params) == {call.pk}, params
    assert listed(root, domain_persist_state__exact="dead") == set()


def test_pages_beyond_the_end_are_empty_not_broken(root: Client) -> None:
    queued()
    assert listed(root, p="5") == set()


# --- one call -------------------------------------------------------------------------------


def test_the_page_tells_the_whole_story(root: Client) -> None:
    person = User.objects.get()
    call = succeeded(person)
    rerun = queued(parent=call)
    html = root.get(page(call)).content.decode()
    for text in (
        "The ticket: it burns",
        "You triage.",
        "resp_1",
        "invalid_output",
        "urgency: field required",
        "Repair of attempt 2",
        "rate_limited",
        "schemas.engineapp.default.TriageOutputSchema v2",
        "210 in, 42 out, 252 in all",
        "node-1",
        reverse("admin:accounts_user_change", args=(person.pk,)),
        page(rerun),
    ):
        assert text in html, text
    assert html.index("Repair of attempt 2") > html.index("Attempt 2")


def test_the_page_costs_at_most_twenty_queries(root: Client) -> None:
    people = [User.objects.create_user(f"p{i}@example.com", "pw") for i in range(30)]
    call = succeeded(*people)
    with CaptureQueriesContext(connection) as captured:
        root.get(page(call))
    assert len(captured) <= 20, [query["sql"] for query in captured]


def test_markup_in_prompts_answers_and_errors_is_text(root: Client) -> None:
    call = succeeded(prompt=HOSTILE, result={"text": HOSTILE}, error=HOSTILE, context={HOSTILE: HOSTILE})
    html = root.get(page(call)).content.decode()
    assert HOSTILE not in html
    assert "<b>bold</b>" not in html
    assert "&lt;script&gt;alert(" in html


def test_content_is_hidden_and_not_logged_without_permission(staff: Callable[..., Client]) -> None:
    call = succeeded(prompt="secret prompt", result={"x": "secret result"}, error="secret error", input={"x": "secret"})
    viewer = staff("view_servicecallrecord")
    html = viewer.get(page(call)).content.decode()
    assert "Hidden: reading content needs the permission" in html
    assert "secret" not in html
    assert not LogEntry.objects.exists()


def test_looking_at_content_is_logged(staff: Callable[..., Client]) -> None:
    call = succeeded()
    staff("view_servicecallrecord", "view_content").get(page(call))
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (call.pk, "Looked at the content.")


def test_an_answer_that_never_came_is_told_as_unknown(root: Client) -> None:
    call = running()
    request_audit(call, outcome=Outcome.UNKNOWN).save()
    assert "nobody knows what came back" in root.get(page(call)).content.decode()


def test_a_wait_that_was_capped_is_told_without_content_too(staff: Callable[..., Client]) -> None:
    call = queued()
    audit = request_audit(call, outcome="failed")
    audit.save()
    told = "The provider asked to wait 86,400 s, capped at 600 s."
    answer(audit, error_code="rate_limited", error="429", execution_metadata={"retry_after": 86_400, "capped": told})
    looker = staff("view_servicecallrecord")
    assert told in looker.get(page(call)).content.decode()


def test_a_huge_result_is_cut_and_says_so(root: Client) -> None:
    call = succeeded(result={"text": "x" * 300_000})
    html = root.get(page(call)).content.decode()
    assert "the first 200000 of" in html
    assert len(html) < 500_000


def test_a_related_object_whose_model_is_gone_is_shown_as_text(root: Client) -> None:
    gone = ContentType.objects.create(app_label="gone", model="thing")
    call = queued(related_content_type=gone, related_object_id="7")
    assert "gone.thing 7" in root.get(LIST).content.decode()
    assert "gone.thing 7" in root.get(page(call)).content.decode()


def test_a_call_that_is_not_there_leads_back_with_a_message(root: Client) -> None:
    response = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(new_call_id(),)), follow=True)
    assert response.status_code == 200
    assert "exist. Perhaps it was deleted?" in response.content.decode()


def test_nobody_adds_changes_or_deletes_calls(root: Client) -> None:
    call = queued()
    assert root.get(reverse("admin:orchestration_servicecallrecord_add")).status_code == 403
    assert root.post(page(call), {"status": "failed"}).status_code == 403
    assert root.post(reverse("admin:orchestration_servicecallrecord_delete", args=(call.pk,))).status_code == 403
    call.refresh_from_db()
    assert call.status == "queued"


def test_without_the_permission_to_view_there_is_no_page(staff: Callable[..., Client]) -> None:
    call = queued()
    assert staff().get(LIST).status_code == 403
    assert staff("retry_servicecallrecord").get(page(call)).status_code == 403


# --- the whole story ------------------------------------------------------------------------


def test_time_is_drawn_to_scale(root: Client) -> None:
    call = succeeded()
    found = phases(call, call.request_audits.select_related("response_audit"), now=timezone.now())
    assert [(phase.name, phase.kind) for phase in found][:3] == [
        ("in the queue", "wait"),
        ("attempt 1", "fail"),
        ("between attempts", "wait"),
    ]
    assert [phase.kind for phase in found][-2:] == ["work", "persist"]
    whole = (call.persisted_at - call.created_at).total_seconds()
    for phase in found:
        assert phase.width == pytest.approx(phase.seconds / whole * 100, abs=0.01)
        assert phase.left == pytest.approx((phase.began - call.created_at).total_seconds() / whole * 100, abs=0.01)
    html = root.get(page(call)).content.decode()
    assert f"left: {found[1].left}%; width: max(2px, {found[1].width}%)" in html


@pytest.mark.django_db
def test_the_wait_for_a_person_is_not_drawn_as_work() -> None:
    call = succeeded(domain_persist_state="held", persisted_at=None)
    held = phases(call, call.request_audits.select_related("response_audit"), now=timezone.now())[-1]
    assert (held.name, held.kind) == ("waiting for approval", "wait")


@pytest.mark.django_db
def test_what_was_lost_and_what_still_runs_has_its_stretch() -> None:
    call = running(created_at=timezone.now() - timedelta(seconds=9), started_at=timezone.now() - timedelta(seconds=8))
    for attempt, outcome, ago in ((1, Outcome.UNKNOWN, 7), (2, Outcome.PENDING, 3)):
        sent = timezone.now() - timedelta(seconds=ago)
        request_audit(call, attempt=attempt, outcome=outcome, dispatched_at=sent).save()
    found = phases(call, call.request_audits.select_related("response_audit"), now=timezone.now())
    shown = [(phase.name, phase.kind, round(phase.seconds)) for phase in found if phase.kind != "wait"]
    assert shown == [("attempt 1", "lost", 4), ("attempt 2", "ask", 3)]
    assert phases(queued(), [], now=timezone.now() + timedelta(seconds=1))[0].name == "in the queue"


def test_a_repair_shows_what_it_changed(root: Client) -> None:
    call = succeeded()
    first, repair = call.request_audits.filter(attempt=2).order_by("repair")
    QuerySet.update(
        AIResponseAudit.objects.filter(ai_request=first), structured_data={"urgency": "high", "reason": "x"}
    )
    QuerySet.update(AIResponseAudit.objects.filter(ai_request=repair), structured_data={"urgency": 3, "reason": "x"})
    html = root.get(page(call)).content.decode()
    assert "What the repair changed" in html
    assert "<del>  &quot;urgency&quot;: &quot;high&quot;" in html
    assert "<ins>  &quot;urgency&quot;: 3" in html


def test_reruns_are_shown_side_by_side_from_each_of_them(root: Client) -> None:
    call = succeeded()
    rerun = succeeded(
        parent=call, model="gpt-4o", service_kwargs={"parameters": {"temperature": 0.1}}, result={"text": "other"}
    )
    for looked_at in (call, rerun):
        html = root.get(page(looked_at)).content.decode()
        section = html[html.index("Reruns beside each other") :]
        for text in ("this call", "gpt-4o-mini", "gpt-4o", "0.1", "other", "fire"):
            assert text in section, text
    assert "Reruns beside each other" not in root.get(page(succeeded())).content.decode()


def test_what_operators_did_is_on_the_page_apart_from_access(root: Client) -> None:
    call = failed()
    root.post(reverse("admin:orchestration_servicecallrecord_retry_call", args=(call.pk,)), {"reason": "it is back"})
    for _ in range(60):
        log_content_access(User.objects.get(), call)
    html = root.get(page(call)).content.decode()
    section = html[html.index("What operators did") :]
    assert "Retry. it is back" in section
    assert section.index("Retry. it is back") < section.index("Its content was looked at")


def test_the_history_counts_its_entries(root: Client) -> None:
    call = failed()
    address = reverse("admin:orchestration_servicecallrecord_history", args=(call.pk,))
    assert "Nobody has changed it here." in root.get(address).content.decode()
    for _ in range(101):
        log_content_access(User.objects.get(), call)
    first, last = (root.get(f"{address}?p={number}").content.decode() for number in (1, 2))
    assert (first.count("Looked at the content."), last.count("Looked at the content.")) == (100, 1)
    assert "101 entries" in first
    assert "Later" in first
    assert "Earlier" in last


# --- too long, or gone ----------------------------------------------------------------------


@pytest.mark.long
def test_fifty_megabytes_are_cut_by_the_database(root: Client) -> None:
    """The download has all of them."""
    huge, long = {"text": "x" * 50_000_000}, {"text": "x" * 500_000}
    other, call = succeeded(), succeeded(result=huge)
    QuerySet.update(AIResponseAudit.objects.filter(call=call, structured_data__isnull=False), raw=long)
    html = with_no_content_read(root, page(call))
    assert len(html) < 1_500_000
    html = with_no_content_read(root, reverse("admin:persistence_compare", args=(call.pk, other.pk)))
    assert len(html) < 200_000
    assert "characters: too long to be compared here" in html
    assert f'href="{reverse("admin:orchestration_servicecallrecord_content", args=(call.pk, "result"))}"' in html
    assert "You triage." in with_no_content_read(root, reverse("admin:persistence_rerun", args=(call.pk,)))
    html = root.get(page(call)).content.decode()
    last = AIResponseAudit.objects.latest("pk")
    for address, whole in (
        (reverse("admin:orchestration_servicecallrecord_content", args=(call.pk, "result")), huge),
        (reverse("admin:orchestration_airesponseaudit_content", args=(last.pk, "raw")), long),
    ):
        assert f'href="{address}"' in html
        assert "Download all of it" in html
        answer = root.get(address)
        assert json.loads(answer.content) == whole
        assert answer["Content-Disposition"].startswith("attachment")
    assert LogEntry.objects.filter(
        change_message="Looked at the content: downloaded result.", object_id=call.pk
    ).exists()


def with_no_content_read(root: Client, address: str) -> str:
    """The page, for which the database handed no whole column of content out."""
    with columns_handed_out() as read:
        html = root.get(address).content.decode()
    assert "service_identity" in read
    assert read.isdisjoint({"result", "raw", "outputs", "structured_data", "messages"})
    return html


def test_downloads_need_the_permission_and_a_column_of_content(root: Client, staff: Callable[..., Client]) -> None:
    call = succeeded()
    address = reverse("admin:orchestration_servicecallrecord_content", args=(call.pk, "result"))
    assert staff("view_servicecallrecord").get(address).status_code == 403
    assert staff("view_content").get(address).status_code == 403
    assert root.get(address.replace("/result/", "/lease_token/")).status_code == 404
    assert root.get(address.replace(call.pk, "unknown")).status_code == 404

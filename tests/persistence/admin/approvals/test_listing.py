"""The queue as a list: its order, its filters, its cost, its badge; and decisions on many of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from persistence.admin.approvals.queue import KEPT, HoldQueue
from persistence.approval.waiting import waiting
from persistence.bulk.runs import start
from persistence.bulk.worker import work
from persistence.models import BulkItem, BulkRun
from persistence.models.approval import Decision, Hold, HoldState
from tests.persistence.admin.approvals.conftest import LIST, decide, html, item, listed
from tests.persistence.admin.approvals.test_pages import user_of
from tests.persistence.approval.test_decisions import rewrites
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
AT_MOST = 12


def made(count: int = 1, **fields: Any) -> list[Hold]:
    """Rows of the queue without their calls."""
    first = Hold.objects.count()
    return Hold.objects.bulk_create(
        Hold(
            **{
                "call_id": f"call-{number}",
                "service_identity": "services.shop.default.Answer",
                "trigger": "always",
                "reason": "Every result waits.",
                "digest": "0" * 64,
                "shown": {},
                "opened_at": database_now() + timedelta(milliseconds=number),
                **fields,
            }
        )
        for number in range(first, first + count)
    )


def test_the_most_urgent_and_oldest_come_first(anna):
    late, old, urgent = made(3)
    Hold.objects.filter(pk=urgent.pk).update(priority=5)
    Hold.objects.filter(pk=old.pk).update(opened_at=database_now() - timedelta(days=1))
    assert listed(anna.get(LIST)) == [urgent.pk, old.pk, late.pk]


def test_filters_are_kept_from_item_to_item(anna, held):
    user, group = user_of(anna), Group.objects.create(name="night")
    user.groups.add(group)
    mine, ours, nobodys, other = made(4)
    Hold.objects.filter(pk=mine.pk).update(assignee=user)
    Hold.objects.filter(pk=ours.pk).update(group=group, trigger="rule")
    Hold.objects.filter(pk=other.pk).update(service_identity="services.shop.default.Other", state="open")
    queries = {
        "assignee=me": [mine],
        "assignee=groups": [ours],
        "assignee=nobody": [nobodys, other],
        "reason=rule": [ours],
        "service=services.shop.default.Other": [other],
        "assignee=nobody&service=services.shop.default.Other": [other],
        "assignee=strangers&reason=made-up": [mine, ours, nobodys, other],
        "state=approved": [],
    }
    for query, found in queries.items():
        assert listed(anna.get(f"{LIST}?{query}")) == [hold.pk for hold in found], query
    page = anna.get(item(nobodys), {KEPT: "assignee=nobody"})
    assert page.context["after_url"].startswith(f"{item(other)}?{KEPT}=assignee%3Dnobody")
    assert (page.context["before_url"], page.context["list_url"]) == ("", f"{LIST}?assignee=nobody")


def test_next_and_previous_follow_the_order(anna):
    holds = [*made(2, priority=5), *made(2), *made(1, priority=-1)]
    at = database_now()
    Hold.objects.filter(pk__in=[hold.pk for hold in holds[2:4]]).update(opened_at=at)
    queue = HoldQueue(user=user_of(anna))
    ordered = list(queue.open())
    assert [hold.pk for hold in ordered] == [hold.pk for hold in holds]
    for one, other in pairwise(ordered):
        assert (queue.after(one), queue.before(other)) == (other.pk, one.pk)
    assert (queue.before(ordered[0]), queue.after(ordered[-1])) == (None, None)
    assert queue.next_after(ordered[-1]) == ordered[0].pk


def counts_the_table(sql: str) -> bool:
    return "COUNT(" in sql.upper() and "persistence_hold" in sql and "LIMIT" not in sql


def cost_of_the_first_page(client: Any, query: str = "") -> list[str]:
    """The statements of the list, when somebody opens it again."""
    client.get(LIST)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(f"{LIST}?{query}").status_code == 200
    return [each["sql"] for each in asked]


@pytest.mark.parametrize("query", ["", "assignee=me", "assignee=groups", "reason=always"])
def test_the_first_page_costs_few_queries_and_counts_nothing(anna, query):
    made(120)
    statements = cost_of_the_first_page(anna, query)
    assert len(statements) <= AT_MOST, "\n".join(statements)
    assert not [sql for sql in statements if counts_the_table(sql)]


def test_the_badge_says_how_many_wait_and_no_more_than_99(anna):
    def badge() -> str:
        items = [each for group in anna.get(LIST).context["sidebar_navigation"] for each in group["items"]]
        return str(next(each["badge"] for each in items if each["title"] == "Approvals"))

    assert badge() == ""
    made(3)
    assert badge() == "3"
    assert 'data-badge="Approvals" class="orca-count">3<' in html(anna.get(LIST))
    made(97)
    assert badge() == "99+"
    Hold.objects.all().delete()
    assert waiting() == ""


# --- many at once -----------------------------------------------------------------------------


def run_of(client: Any, action: str, *holds: Hold, **options: str) -> BulkRun:
    """What is made of ticked rows."""
    ticked = {"action": action, "_selected_action": [hold.pk for hold in holds], "confirmed": "yes", **options}
    page = client.post(LIST, ticked, follow=True)
    assert page.status_code == 200
    return BulkRun.objects.latest("pk")


def carried_out(run: BulkRun) -> dict[str, tuple[str, str]]:
    start(run)
    work(run.pk)
    return {each.call_id: (each.outcome, each.error) for each in BulkItem.objects.filter(run=run)}


def test_many_are_approved_over_a_frozen_list(held, anna):
    there = Message.objects.create(role="there", content="A")
    good, moved, new = held(), held(rewrites(there)), held()
    run = run_of(anna, "approve_selected", good, moved, new, note="all fine")
    assert (run.kind, run.total, run.forecast["will"]) == ("approve", 3, 3)
    late = held()
    Message.objects.filter(pk=there.pk).update(content="B")
    Hold.objects.filter(pk=new.pk).update(shown_at=database_now() + timedelta(hours=1))
    done = carried_out(run)
    assert done[good.call_id] == ("persisted", "")
    assert done[moved.call_id] == ("refused", f"moved: message {there.pk} updated: content before")
    assert done[new.call_id][1].endswith("look at it again")
    assert late.call_id not in done
    assert Decision.objects.get(hold=good).note == "all fine"
    assert Hold.objects.get(pk=moved.pk).moved
    assert Message.objects.filter(role="assistant").count() == 1


def test_all_that_match_are_rejected_with_a_reason(held, anna):
    holds = [held(), held()]
    page = anna.post(LIST, {"action": "reject_selected", "select_across": "1", "_selected_action": "all"})
    assert "Rejected answers are not asked for again" in html(page)
    assert "This field is required" not in html(page)
    sent = {"action": "reject_selected", "select_across": "1", "_selected_action": "all", "confirmed": "yes"}
    assert "This field is required" in html(anna.post(LIST, sent))
    anna.post(LIST, {**sent, "note": "a bad batch"})
    done = carried_out(BulkRun.objects.latest("pk"))
    assert set(done.values()) == {("rejected", "")}
    assert list(Decision.objects.values_list("note", flat=True)) == ["a bad batch"] * 2
    assert {hold.state for hold in Hold.objects.filter(pk__in=[hold.pk for hold in holds])} == {HoldState.REJECTED}


def test_what_one_may_not_decide_on_is_left_alone(held, anna, staff):
    hold, mine = held(says={"permission": "auth.change_group"}), held()
    run = run_of(anna, "approve_selected", hold, mine)
    decide(anna, mine, "approve")
    done = carried_out(run)
    assert done[hold.call_id] == ("refused", "Deciding on this needs the permission auth.change_group.")
    assert done[mine.call_id] == ("refused", "its result does not wait for approval")
    actions = html(staff("view_hold").get(LIST))
    assert "approve_selected" not in actions


def test_who_may_not_see_what_it_writes_approves_none_of_many(held, staff):
    hold = held()
    done = carried_out(run_of(staff("view_hold", "decide_hold"), "approve_selected", hold))
    assert done[hold.call_id] == ("refused", "Deciding on this needs the permission orchestration.view_content.")
    assert not Message.objects.exists()


def test_calls_are_approved_from_their_own_list_too(held, root):
    hold = held()
    calls = reverse("admin:orchestration_servicecallrecord_changelist")
    root.post(calls, {"action": "approve_selected", "_selected_action": [hold.call_id], "confirmed": "yes"})
    assert carried_out(BulkRun.objects.latest("pk")) == {hold.call_id: ("persisted", "")}
    assert ServiceCallRecord.objects.get(pk=hold.call_id).domain_persist_state == "persisted"

"""One held result on its page: what is shown to whom, what its buttons do, and where one goes then."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.theme.words import NOTHING
from persistence.approval.decisions import approve
from persistence.models.approval import Hold, HoldState
from tests.orchestration.factories import queued
from tests.persistence.admin.approvals.conftest import DECIDES, LIST, decide, edit, html, item, listed, told
from tests.persistence.approval.test_decisions import rewrites
from tests.persistence.approval.test_rules import by_hand
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def user_of(client):
    return client.get(LIST).context["user"]


def test_it_shows_the_input_the_answer_and_the_rows(held, anna):
    there = Message.objects.create(role="there", content="Before <b>")
    hold = held(rewrites(there), context={"ticket": "My printer burns"})
    page = html(anna.get(item(hold)))
    assert "My printer burns" in page
    assert "<dd>hello</dd>" in page
    assert "Before &lt;b&gt;" in page
    assert "1 row updated" in page
    assert f"message {there.pk} " in page
    assert "Approve <kbd>a</kbd>" in page


def test_without_the_right_to_content_nothing_of_it_is_shown(held, staff):
    there = Message.objects.create(role="there", content="Before")
    hold = held(rewrites(there), context={"ticket": "My printer burns"})
    viewer = staff("view_hold", "decide_hold", "view_servicecallrecord")
    for address in (item(hold), LIST, call_url(hold.call_id)):
        page = html(viewer.get(address))
        assert not [secret for secret in ("My printer", "hello", "Before", hold.digest) if secret in page]
    assert "reading content needs the permission" in html(viewer.get(item(hold)))
    assert viewer.post(item(hold), {"do": "approve", "shown": hold.digest}).status_code == 403
    assert viewer.get(f"{item(hold)[: -len('change/')]}edit/").status_code == 403
    assert staff("view_servicecallrecord").get(item(hold)).status_code == 403


def test_an_approval_leads_to_the_next(held, anna):
    first, second = held(), held()
    page = decide(anna, first, "approve", note="fine")
    assert told(page) == f"Approved: GenerateNote …{first.call_id[-8:]}."
    assert page.request["PATH_INFO"] == item(second)
    assert Message.objects.count() == 1
    assert first.decisions.get().note == "fine"
    page = decide(anna, second, "approve")
    assert page.request["PATH_INFO"] == LIST
    assert "There is nothing here yet" in html(page)


def test_a_rejection_says_why_or_is_none(held, anna):
    hold = held()
    page = decide(anna, hold, "reject", note=" ")
    assert told(page) == "Say why it is rejected."
    assert Hold.objects.get().is_open
    decide(anna, hold, "reject", note="not\r\nnice")
    assert (Hold.objects.get().state, hold.decisions.get().note) == (HoldState.REJECTED, "not\nnice")
    assert not Message.objects.exists()


def test_asking_again_needs_the_right_to_rerun(held, anna, staff):
    hold = held()
    assert anna.post(item(hold), {"do": "reject", "note": "no", "rerun": "on"}).status_code == 403
    assert "ask the model again" not in html(anna.get(item(hold)))
    assert "ask the model again" in html(staff(*DECIDES, "replay_servicecallrecord").get(item(hold)))


def test_when_the_world_moved_it_asks_again(held, anna):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    Message.objects.filter(pk=there.pk).update(content="B")
    page = decide(anna, hold, "approve")
    assert page.request["PATH_INFO"] == item(hold)
    assert "Nothing was written" in told(page)
    assert f"message {there.pk} updated: content before" in html(page)
    page = decide(anna, hold, "approve")  # in a tab that shows what was there before
    assert "not what is shown" in told(page)
    assert Hold.objects.get().is_open
    page = decide(anna, Hold.objects.get(), "approve")
    there.refresh_from_db()
    assert there.content == "hello"


def test_more_filters_than_fit_are_left_out(held, anna):
    page = anna.get(item(held()), {"_changelist_filters": "a=1&" * 2000})
    assert (page.status_code, page.context["list_url"]) == (200, LIST)


def test_it_says_what_cannot_be_shown(held, anna):
    page = html(anna.get(item(held(by_hand))))
    assert "cannot be followed: UPDATE seedapp_message. What they change is neither shown here nor compared" in page


def test_looking_again_says_whether_anything_changed(held, anna):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    assert told(decide(anna, hold, "show")) == "It would still write what is shown."
    Message.objects.filter(pk=there.pk).update(content="B")
    assert "what it would write has changed" in told(decide(anna, hold, "show"))
    there.delete()
    assert "cannot be persisted" in html(decide(anna, Hold.objects.get(), "show"))


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        ("approved", "approved already by"),
        ("retried", "nothing left to decide"),
        ("pruned", "nothing left to decide"),
        ("forgotten", "no longer stored"),
        ("overdue", "deadline has passed"),
    ],
)
def test_what_was_settled_meanwhile_is_told_and_the_next_shown(held, anna, staff, happens, said):
    hold, other = held(says={"deadline": timedelta(hours=1), "at_deadline": "reject"}), held()
    if happens == "approved":
        approve(hold.pk, by=user_of(staff(*DECIDES)), shown=hold.digest)
    elif happens == "retried":
        ServiceCallRecord.objects.filter(pk=hold.call_id).update(domain_persist_state="skipped")
    elif happens == "pruned":
        ServiceCallRecord.objects.filter(pk=hold.call_id).delete()
    elif happens == "forgotten":
        Hold.objects.filter(pk=hold.pk).delete()
    else:
        Hold.objects.filter(pk=hold.pk).update(deadline=database_now() - timedelta(seconds=1))
    page = decide(anna, hold, "approve")
    shown = html(page)
    assert said in shown
    if happens != "forgotten":
        assert page.request["PATH_INFO"] == item(other)
    assert anna.get(item(hold), follow=True).status_code == 200


def test_who_may_not_is_told_why(held, anna, staff):
    hold = held(says={"permission": "auth.change_group"})
    assert "needs the permission auth.change_group" in html(anna.get(item(hold)))
    page = decide(anna, hold, "approve")
    assert "auth.change_group" in told(page)
    assert page.request["PATH_INFO"] == item(hold)


def test_it_takes_two(held, anna, staff):
    hold = held(says={"persons": 2})
    page = decide(anna, hold, "approve")
    assert "waits for another person" in html(page)
    assert "it waits for another person" in html(anna.get(item(hold)))
    berta = staff(*DECIDES)
    assert "it takes 2 people" in html(berta.get(item(hold)))
    decide(berta, hold, "approve")
    assert Hold.objects.get().state == HoldState.APPROVED


def test_after_ones_own_approval_one_may_reject_or_ask_others(held, anna):
    hold = held(says={"persons": 2})
    decide(anna, hold, "approve")
    shown = html(anna.get(item(hold)))
    buttons = re.findall(r'name="do" value="(\w+)"', shown)
    assert buttons == ["reject", "assign", "escalate", "take", "show"]
    decide(anna, hold, "reject", note="on second thought")
    assert Hold.objects.get().state == HoldState.REJECTED


def test_whoever_asked_for_it_may_ask_somebody_else(held, anna):
    hold = held(says={"not_the_requester": True}, requested_by=user_of(anna))
    shown = html(anna.get(item(hold)))
    assert "ask somebody else" in shown
    assert re.findall(r'name="do" value="(\w+)"', shown) == ["assign", "escalate", "show"]
    group = Group.objects.create(name="night")
    decide(anna, hold, "assign", to=f"group-{group.pk}")
    assert Hold.objects.get().group == group


def test_others_can_be_asked(held, anna):
    hold, other = held(), held()
    group = Group.objects.create(name="night")
    assert decide(anna, hold, "assign", to=f"group-{group.pk}").request["PATH_INFO"] == item(other)
    assert Hold.objects.get(pk=hold.pk).group == group
    for wrong in ("group-99", "user-x", "nobody-1", "group-"):
        assert "Choose the person or the group" in told(decide(anna, hold, "assign", to=wrong))
    assert "Choose the person or the group" in told(decide(anna, hold, "escalate", to=""))
    page = decide(anna, hold, "take")
    assert page.request["PATH_INFO"] == item(hold)
    assert Hold.objects.get(pk=hold.pk).assignee == page.context["user"]
    decide(anna, hold, "assign", to="")
    assert Hold.objects.get(pk=hold.pk).assignee is None


def test_the_call_shows_its_hold_and_leads_there(held, anna, staff):
    hold = held()
    reader = staff("view_hold", "decide_hold", "view_content", "view_servicecallrecord")
    page = html(reader.get(call_url(hold.call_id)))
    assert "Waits for approval" in page
    assert f'href="{reverse("admin:persistence_approval_of_call", args=(hold.call_id,))}"' in page
    leads = reader.get(reverse("admin:persistence_approval_of_call", args=(hold.call_id,)))
    assert leads["Location"] == item(hold)
    decide(reader, hold, "approve", note="as it should be")
    page = html(reader.get(call_url(hold.call_id)))
    assert "as it should be" in page
    assert "It was approved, and its rows are written." in page


def test_a_tool_is_decided_on_with_its_arguments(anna):
    call = queued()
    hold = Hold.objects.create(
        call_id=call.pk,
        service_identity=call.service_identity,
        tool="look_up",
        tool_key="1",
        trigger="tool",
        reason="The model asks for the tool look_up.",
        answer={"number": 7},
        digest="0" * 64,
    )
    page = html(anna.get(item(hold)))
    assert "The model asks for look_up with" in page
    assert "&quot;number&quot;: 7" in page
    assert "What approving it writes" not in page
    assert edit(hold) not in page
    assert "approved or rejected as they are" in html(anna.get(edit(hold), follow=True))
    decide(anna, hold, "approve")
    assert Hold.objects.get().state == HoldState.APPROVED
    assert "It was approved: the tool is run." in html(anna.get(item(hold)))


def test_the_overview_says_what_people_decided(held, anna, root):
    overview = reverse("admin:persistence_overview")
    assert "Results that waited for approval" not in html(root.get(overview))
    good, bad, _ = held(), held(), held()
    decide(anna, good, "approve")
    decide(anna, bad, "reject", note="no")
    tables = {table.title: table for table in root.get(overview).context["overview"]["tables"]}
    table = tables["Results that waited for approval"]
    (row,) = table.rows
    shown = dict(zip(table.headers, (cell.text for cell in row), strict=True))
    assert [shown[name] for name in ("Held", "Approved", "Edited", "Rejected", "Waits")] == ["3", "1", "0", "1", "1"]
    assert shown["Time to a decision"] != NOTHING
    assert listed(root.get(row[0].url)) == [Hold.objects.open().get().pk]


def test_an_address_that_leads_nowhere(anna):
    assert "no longer stored" in html(anna.get(f"{LIST}0/change/", follow=True))
    assert anna.get(f"{LIST}{'9' * 30}/change/").status_code == 404

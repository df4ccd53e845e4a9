"""Held results on which nobody decided in time."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.approval.deadlines import settle, settle_lost, settle_overdue
from persistence.approval.decisions import DecisionOutcome, approve
from persistence.models.approval import Hold, HoldState
from persistence.tasks import prune_content
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def overdue(held):
    def hold(at_deadline, **more):
        made = held(says={"deadline": timedelta(hours=1), "at_deadline": at_deadline, **more})
        Hold.objects.filter(pk=made.pk).update(deadline=made.opened_at - timedelta(seconds=1))
        return Hold.objects.get(pk=made.pk)

    return hold


def test_before_its_deadline_nothing_is_done(held):
    hold = held(says={"deadline": timedelta(hours=1), "at_deadline": "reject"})
    assert settle_overdue(seconds=5) == 0
    assert not settle(hold.pk)


def test_it_is_rejected(overdue):
    hold = overdue("reject")
    assert settle_overdue(seconds=5) == 1
    hold.refresh_from_db()
    assert hold.state == HoldState.EXPIRED
    assert ServiceCallRecord.objects.get(pk=hold.call_id).domain_persist_state == PersistState.SKIPPED
    assert settle_overdue(seconds=5) == 0


def test_it_is_approved_as_it_was_shown(overdue):
    hold = overdue("approve")
    assert settle_overdue(seconds=5) == 1
    hold.refresh_from_db()
    assert (hold.state, hold.decisions.get().kind) == (HoldState.APPROVED, "deadline")
    assert Message.objects.get().content == "hello"


def test_what_takes_two_is_not_approved_by_nobody(overdue):
    hold = overdue("approve", persons=2)
    assert settle_overdue(seconds=5) == 1
    hold.refresh_from_db()
    assert (hold.state, hold.deadline) == (HoldState.OPEN, None)
    assert hold.decisions.last().note == "It was to be approved, and takes two persons."
    assert not Message.objects.exists()


@pytest.mark.parametrize("lost", ["deleted", "purged", "dealt with"])
def test_the_retention_closes_what_no_longer_waits(held, lost):
    gone, stays = held(), held()
    calls = ServiceCallRecord.objects.filter(pk=gone.call_id)
    if lost == "deleted":
        calls.delete()
    else:
        calls.update(**{"purged": {"result": None}, "dealt with": {"domain_persist_state": PersistState.SKIPPED}}[lost])
    prune_content()
    gone.refresh_from_db()
    stays.refresh_from_db()
    assert (gone.state, stays.state) == (HoldState.SUPERSEDED, HoldState.OPEN)
    assert settle_lost(seconds=5) == 0


def test_what_moved_is_not_approved_by_itself(overdue, monkeypatch):
    hold = overdue("approve")
    Hold.objects.update(essence={})
    assert settle_overdue(seconds=5) == 1
    hold.refresh_from_db()
    assert (hold.state, hold.deadline) == (HoldState.OPEN, None)
    assert not Message.objects.exists()


def test_a_group_that_there_is_not_is_named(overdue):
    hold = overdue("escalate", escalate_to="heads")
    assert settle_overdue(seconds=5) == 1
    assert hold.decisions.get().note == "There is no group heads to ask."


def test_it_is_escalated_and_may_still_be_decided(overdue, anna):
    group = Group.objects.create(name="heads")
    hold = overdue("escalate", escalate_to="heads")
    assert settle_overdue(seconds=5) == 1
    hold.refresh_from_db()
    assert (hold.state, hold.group, hold.deadline) == (HoldState.OPEN, group, None)
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.PERSISTED

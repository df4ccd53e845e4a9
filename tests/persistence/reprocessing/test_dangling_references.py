"""Reverting what hangs together: rows of others stay, or refuse it by name; own ones come back, or go, as they were."""

import pytest
from django.db import connection
from django.db.models import JSONField, Value

from persistence.models import PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, reprocess, revert
from persistence.testing import persist
from tests.persistence.reprocessing.test_recreate import recreated
from tests.persistence.results import note
from tests.seedapp.models import Attachment, Member, Message, Remark, Tally, UrgentMessage

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

MODELS = [Message, Attachment, Tally, UrgentMessage, Remark, Member, Member.friends.through, Member.follows.through]


def state():
    return {model: list(model.objects.order_by("pk").values()) for model in MODELS}


@pytest.mark.parametrize("how", ["message", "unchecked", "target"])
@pytest.mark.parametrize("force", [False, True])
def test_a_row_that_django_would_leave_hanging_refuses_it(how, force):
    role = ["a"]
    record = note(lambda handler, response: Message.objects.create(role=role[0]))
    persist(record)
    remark = Remark.objects.create(**{how: Message.objects.get()})
    role[0] = "b"
    for run in (
        lambda: revert(record.pk, force=force, dry=True),
        lambda: reprocess(record.pk, Policy.RECREATE, force=force),
        lambda: revert(record.pk, force=force),
    ):
        report = run()
        if force and how != "message":  # no constraint of the database forbids it
            assert report.outcome in {ReprocessOutcome.REVERTED, ReprocessOutcome.RECREATED}
        else:
            assert report.outcome is ReprocessOutcome.REFUSED
            assert f"remark {remark.pk}" in report.error
    connection.check_constraints()


def test_own_rows_that_hang_so_go_along():
    def remarking(handler, response):
        message = Message.objects.create(role="a")
        Remark.objects.create(message=message, target=message, unchecked=message)

    before = state()
    record = note(remarking)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


@pytest.mark.parametrize("force", [False, True])
def test_a_row_whose_target_was_deleted_since_is_not_put_back(force):
    message = Message.objects.create(role="a")
    attachment = Attachment.objects.create(message=message, kind="k")
    record = note(lambda handler, response: Attachment.objects.update(message=None) and None)
    persist(record)
    message.delete()
    for dry in (True, False):
        report = revert(record.pk, dry=dry, force=force)
        assert report.outcome is ReprocessOutcome.REFUSED
        assert f"attachment {attachment.pk} would refer to a message that no longer exists" in report.error
    connection.check_constraints()


def test_what_was_before_and_is_purged_demands_force():
    Tally.objects.create(key="x")

    def both(handler, response):
        Tally.objects.filter(key="x").update(count=9)
        Message.objects.all().delete()

    Message.objects.create(role="a")
    record = note(both)
    persist(record)
    PersistedObject.objects.update(changes=None)
    for run in (lambda: revert(record.pk), lambda: reprocess(record.pk, Policy.RECREATE)):
        report = run()
        assert report.outcome is ReprocessOutcome.REFUSED
        assert report.error.count("what it was before was purged or erased") == 2
    assert revert(record.pk, force=True).outcome is ReprocessOutcome.REVERTED


def promoting(handler, response):
    message = Message.objects.get(role="plain")
    urgent = UrgentMessage(message_ptr=message, reason="promoted")
    if saves_all:
        urgent.__dict__.update(role=message.role, meta={"is": "urgent"}, content="new")
        urgent.save()
    else:
        urgent.save_base(raw=True)


saves_all = []


@pytest.mark.parametrize("saves", [[], [True]])
def test_a_row_that_got_a_table_more_keeps_the_parent(saves, monkeypatch):
    monkeypatch.setitem(globals(), "saves_all", saves)
    Attachment.objects.create(message=Message.objects.create(role="plain"), kind="k")
    before = state()
    record = note(promoting)
    assert persist(record) is Outcome.PERSISTED
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


def test_own_rows_that_guard_each_other_in_a_circle_go():
    def circle(handler, response):
        one = Member.objects.create(name="1")
        two = Member.objects.create(name="2", boss=one, mentor=one)
        one.boss = one.mentor = Member.objects.create(name="3", boss=two, mentor=two)
        one.save()
        one.friends.add(two)
        two.follows.add(one, two)
        return [two, one]

    before = state()
    record = note(circle)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


def test_a_circle_on_which_another_row_hangs_stays():
    def circle(handler, response):
        one = Member.objects.create(name="1")
        one.boss = Member.objects.create(name="2", boss=one)
        one.save()

    record = note(circle)
    persist(record)
    other = Member.objects.create(name="other", boss=Member.objects.get(name="1"))
    before = state()
    report = revert(record.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert f"member {other.pk}" in report.error
    assert state() == before


@pytest.mark.parametrize("change", [lambda: Message.objects.update(meta={}), lambda: Message.objects.all().delete()])
def test_null_in_json_comes_back(change):
    Message.objects.create(role="a", meta=Value(None, JSONField()))
    before = state()
    record = note(lambda handler, response: change() and None)
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


def test_an_empty_column_with_a_default_comes_back_empty():
    Member.objects.create(name="a", rank=None)
    before = state()
    record = note(lambda handler, response: Member.objects.all().delete() and None)
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


@pytest.mark.parametrize(
    "how",
    [
        {"ignore_conflicts": True},
        {"update_conflicts": True, "unique_fields": ["number"], "update_fields": ["data"]},
    ],
)
def test_rows_alike_in_a_column_that_the_database_computes(how):
    Member.objects.create(name="A", number=1)
    before = state()
    new = [("A", 1), ("b", None)] if "ignore_conflicts" in how else [("q", 1), ("b", 7)]

    def inserting(handler, response):
        rows = [Member(name=name, number=number, data={"new": 1}) for name, number in new]
        Member.objects.bulk_create(rows, **how)

    record = note(inserting)
    assert persist(record) is Outcome.PERSISTED
    assert Member.objects.count() == 2
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before

"""In whose name a run writes, and what happens when that person may no longer do it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from apps.accounts.models import User
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from persistence.bulk import rights
from persistence.bulk.lease import acquire
from persistence.bulk.pace import change_pace
from persistence.bulk.rights import Authority
from persistence.bulk.runs import freeze_rows, pause, schedule, start, start_scheduled
from persistence.bulk.worker import work
from persistence.exports.registry import permissions_to_export
from persistence.exports.requests import freeze_export
from persistence.exports.worker import work as work_on_export
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import FIRST_FORMAT, FORMAT, Channel
from persistence.operations import REPROCESS
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

NEEDED = ("view_servicecallrecord", "persist_servicecallrecord")


def somebody(name: str, *codenames: str) -> User:
    user = User.objects.create_user(f"{name}@example.com", "pw", is_staff=True, role="staff")
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames or NEEDED))
    return user


def run_of(person: Any, **how: Any) -> BulkRun:
    return freeze_rows(
        REPROCESS.key, ServiceCallRecord.objects.order_by("created_at", "pk"), requested_by=person, **how
    )


def take_the_right(person: User) -> None:
    person.user_permissions.remove(Permission.objects.get(codename=NEEDED[1]))


def changed(**fields: Any) -> Callable[[User], object]:
    return lambda person: User.objects.filter(pk=person.pk).update(**fields)


LOST = {
    "the right": (take_the_right, "no longer has the permission orchestration.persist_servicecallrecord"),
    "the account": (changed(is_active=False), "is inactive"),
    "the console": (changed(is_staff=False), "may no longer use the console"),
    "themselves": (User.delete, "no longer exists"),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_scheduled_run_of_who_lost_it_writes_nothing(lost: str) -> None:
    lose, said = LOST[lost]
    memo()
    ann = somebody("ann")
    run = run_of(ann)
    schedule(run, database_now() + timedelta(hours=3))
    lose(ann)
    BulkRun.objects.update(starts_at=database_now())
    start_scheduled()
    assert work(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.leased_until, run.finished_at is None) == (BulkState.FAILED, None, False)
    assert run.error.startswith("Refused: ")
    assert said in run.error
    assert "Nothing was done." in run.error
    assert not Message.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_right_that_is_lost_while_it_runs_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done stays, and is counted."""
    monkeypatch.setattr("persistence.bulk.lease.RENEW_SECONDS", 0)
    ann = somebody("ann")

    def take_it(handler: Any, response: Any) -> Message:
        take_the_right(ann)
        return one_message(handler, response)

    for code in (one_message, take_it, one_message):
        note(code)
    run = run_of(ann)
    start(run)
    assert work(run.pk) == 2
    run.refresh_from_db()
    assert (run.state, run.items.filter(outcome="").count()) == (BulkState.FAILED, 1)
    assert "2 rows were done before that" in run.error


def test_who_resumes_a_run_has_it_done_in_their_name() -> None:
    memo()
    ann, bob = somebody("ann"), somebody("bob")
    run = run_of(ann)
    start(run)
    pause(run)
    take_the_right(ann)
    start(run, authority=Authority(person=bob))
    assert work(run.pk) == 1
    assert LogEntry.objects.get().user_id == bob.pk
    run.refresh_from_db()
    assert (run.requested_by, run.authorized_by) == (ann, bob)


def test_calls_that_one_may_not_see_are_left_alone() -> None:
    """A run is done to those only that its person could have found; the right to see all may go meanwhile."""
    ann = somebody("ann")
    memo("theirs", requested_by=ann)
    memo("of somebody else")
    run = run_of(ann)
    start(run)
    ann.user_permissions.remove(Permission.objects.get(codename=NEEDED[0]))
    assert work(run.pk) == 2
    assert sorted(run.items.values_list("outcome", flat=True)) == ["persisted", "refused"]


def test_the_command_line_and_older_rows_have_their_own_rules() -> None:
    memo()
    command = run_of(None)
    start(command)
    assert command.channel == Channel.COMMAND
    assert work(command.pk) == 1
    ann = somebody("ann", "view_servicecallrecord")
    older = run_of(ann)
    BulkRun.objects.filter(pk=older.pk).update(channel="", authorized_by=None, format_version=None)
    older.refresh_from_db()
    start(older)
    assert work(older.pk) == 0
    older.refresh_from_db()
    assert (older.state, older.format_version) == (BulkState.FAILED, FORMAT)
    BulkRun.objects.filter(pk=older.pk).update(requested_by=None)
    assert rights.rights_of(BulkRun.objects.get(pk=older.pk)).objection == "", "an older row tells no more"


def test_a_run_ends_with_the_key_it_was_asked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    memo()
    monkeypatch.setattr(rights, "_credential_checks", [])
    rights.add_credential_check(lambda credential, _: "the API key was revoked" if credential == "key:7" else "")
    ann = somebody("ann")
    User.objects.update(is_staff=False)  # over REST nobody needs the console
    runs = [
        run_of(None, authority=Authority(person=ann, channel=Channel.API, credential=key)) for key in ("key:7", "key:8")
    ]
    for run in runs:
        start(run)
        work(run.pk)
        run.refresh_from_db()
    assert [run.state for run in runs] == [BulkState.FAILED, BulkState.DONE]
    assert "the API key was revoked" in runs[0].error


def test_an_export_needs_its_right_and_content_when_it_is_read() -> None:
    options = {"exporter": "calls", "format": "csv", "content": True}
    needed = permissions_to_export(options)
    assert needed == ("orchestration.export_servicecallrecord", "orchestration.view_content")
    assert permissions_to_export({"exporter": "unheard of"}) == ()
    memo()
    ann = somebody("ann", *(name.partition(".")[2] for name in needed))
    run = freeze_export(ServiceCallRecord.objects.all(), options, asked={}, requested_by=ann)
    start(run)
    ann.user_permissions.remove(Permission.objects.get(codename="view_content"))
    assert work_on_export(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.file) == (BulkState.FAILED, "")
    assert "orchestration.view_content" in run.error


def test_a_version_that_knows_no_pace_leaves_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that would not look at the rights of a person: both came with the same format."""
    memo()
    run = run_of(None)
    start(run, per_minute=1)
    monkeypatch.setattr(BulkRun._meta.get_field("format_version"), "known", FIRST_FORMAT)
    assert acquire(run.pk, 1) is None
    run.refresh_from_db()
    assert run.state == BulkState.QUEUED


def test_an_older_worker_loses_a_run_that_gets_a_pace() -> None:
    """It began it before, and would continue at full speed."""
    memo()
    run = run_of(None)
    start(run)
    held = acquire(run.pk, 30)
    assert held is not None
    BulkRun.objects.update(format_version=FIRST_FORMAT)
    change_pace(run, 30)
    assert not held.may_do_next()
    run.refresh_from_db()
    assert (run.format_version, run.leased_until, run.state) == (FORMAT, None, BulkState.RUNNING)

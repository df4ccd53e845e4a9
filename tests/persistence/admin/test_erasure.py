"""Erasing a person in the console: counted, held calls listed, confirmed, done by a worker, reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.errors import ErasureRefused
from persistence.maintenance import erasure
from persistence.maintenance.erasure import begin, erase_subject, go_on, note, subject_of, wake_unfinished
from persistence.models.erasures import Erasure
from persistence.tasks import erase
from persistence.testing import persist
from tests.orchestration.factories import queued
from tests.persistence.reprocessing.test_reprocess import memo

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ERASE = reverse("admin:persistence_erase")


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.com")


def written(user: User) -> str:
    return f"accounts.user:{user.pk}"


def asked_by(user: User) -> tuple[ServiceCallRecord, ServiceCallRecord]:
    """A call that is done, and one that waits."""
    done = memo("a secret", requested_by=user)
    persist(done)
    return done, queued(requested_by=user)


def test_a_person_is_counted_confirmed_erased_and_reported(root: Client, ada: User) -> None:
    done, waits = asked_by(ada)
    page = html(root.get(ERASE, {"subject": written(ada)}))
    assert f"user {ada.pk}" in page
    assert "<dt>calls</dt><dd>1</dd>" in page
    assert "1 row</strong> not finished with would be held" in page
    assert waits.pk in page
    assert "Kept in the report of the erasure, and in the history of whom it is about." in page
    assert "of each call" not in page
    assert not Erasure.objects.exists()
    asked = {"subject": written(ada), "reason": "she asked for it"}
    page = html(root.post(ERASE, asked, follow=True))
    report = Erasure.objects.get()
    assert "under way" in page
    assert (report.label, report.reason) == (f"user {ada.pk}", "she asked for it")
    assert report.requested_by == User.objects.get(is_superuser=True)
    entry = LogEntry.objects.get(object_id=str(ada.pk))
    assert entry.get_change_message() == f"Erased what is stored about it (erasure {report.pk}). she asked for it"
    assert erase(report.pk)["calls"] == 1
    done.refresh_from_db()
    assert done.result is None
    page = html(root.get(reverse("admin:persistence_erasure_change", args=(report.pk,))))
    assert "done, see what is held" in page
    assert waits.pk in page
    assert "cannot be put back: what they were before is erased" in page
    assert erase(report.pk) == {}, "it is done once"
    listed = html(root.get(reverse("admin:persistence_erasure_changelist")))
    assert f"user {ada.pk}" in listed


def test_the_worker_is_asked_and_asked_again(ada: User, on_commit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with on_commit():
        report = begin(ada)
    assert [row.func() for row in OrmQ.objects.all()] == ["persistence.tasks.erase"]
    wake_unfinished()
    assert OrmQ.objects.count() == 1, "it may still be on its way"
    monkeypatch.setattr(erasure, "LOST_AFTER", -erasure.LOST_AFTER)
    wake_unfinished()
    assert OrmQ.objects.count() == 2
    erase(report.pk)
    wake_unfinished()
    assert OrmQ.objects.count() == 2


def test_an_erasure_continues_where_its_time_ended(ada: User) -> None:
    for _ in range(2):
        persist(memo("a secret", requested_by=ada))
    monkey = pytest.MonkeyPatch()
    monkey.setattr("persistence.maintenance.retention.BATCH", 1)
    try:
        report = note(ada)
        assert not go_on(report, seconds=-1).finished
        report.refresh_from_db()
        assert (report.rows["calls"], report.finished_at) == (1, None)
        assert go_on(report).finished
        report.refresh_from_db()
        assert report.rows["calls"] == 2
        assert report.finished_at is not None
    finally:
        monkey.undo()


def test_a_person_who_is_deleted_meanwhile_is_erased_by_the_key(ada: User) -> None:
    record = memo("a secret", related_object=ada)
    persist(record)
    report = note(ada)
    key = ada.pk
    User.objects.filter(pk=key).delete()
    go_on(report)
    record.refresh_from_db()
    assert record.result is None
    assert report.label == f"user {key}"


def test_held_results_are_dead_or_wait(ada: User) -> None:
    record = memo("a secret", requested_by=ada)
    assert erase_subject(ada).held_calls == [record.pk]
    ServiceCallRecord.objects.filter(pk=record.pk).update(domain_persist_state=PersistState.DEAD, next_persist_at=None)
    assert erase_subject(ada, dry_run=False).held == 1
    record.refresh_from_db()
    assert record.result is not None


@pytest.mark.parametrize("text", ["nonsense", "accounts.user", "accounts.user:x", "no.model:1", ""])
def test_what_names_nobody_is_refused(root: Client, text: str) -> None:
    with pytest.raises(ErasureRefused, match=r"APP\.MODEL:ID"):
        subject_of(text)
    if text:
        assert "A subject is written APP.MODEL:ID" in html(root.get(ERASE, {"subject": text}))


def test_somebody_who_is_not_there_is_refused(root: Client) -> None:
    assert "There is no accounts.user 999999." in html(root.get(ERASE, {"subject": "accounts.user:999999"}))
    with pytest.raises(CommandError, match=r"There is no accounts\.user 999999"):
        call_command("prune", subject="accounts.user:999999")


def test_the_command_lists_what_is_held_and_leaves_a_report(ada: User, capsys: pytest.CaptureFixture[str]) -> None:
    _, waits = asked_by(ada)
    call_command("prune", subject=written(ada))
    assert not Erasure.objects.exists()
    call_command("prune", subject=written(ada), apply=True)
    told = capsys.readouterr().out
    assert told.count(f"held: call {waits.pk}") == 2
    assert "purged: calls 1" in told
    report = Erasure.objects.get()
    assert (report.requested_by, report.held, report.held_count) == (None, [waits.pk], 1)


def test_the_page_says_what_stays_and_why(root: Client) -> None:
    page = html(root.get(ERASE))
    row = '<th scope="row">orchestration.ServiceCallRecord</th><td>domain_persist_error</td>'
    assert f"{row}<td>Of a call that is finished with: empty, or that its result was rejected or reverted.</td>" in page


def test_erasing_needs_its_own_permission(staff: Callable[..., Client], ada: User) -> None:
    looker = staff("view_servicecallrecord", "view_erasure")
    assert looker.get(ERASE).status_code == 403
    assert looker.post(ERASE, {"subject": written(ada)}).status_code == 403
    assert looker.get(reverse("admin:persistence_erasure_changelist")).status_code == 200
    eraser = staff("erase_subject")
    assert eraser.get(ERASE, {"subject": written(ada)}).status_code == 200
    assert "Erase a person" in html(eraser.get(ERASE))

"""An erasure takes the exports that have what it erases: their files, their parts, and what is being written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.chatlab.exports import MESSAGES
from apps.chatlab.models import Message
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.bulk.lease import RunLease
from persistence.bulk.runs import start
from persistence.exports.registry import Exporter
from persistence.exports.requests import freeze_export
from persistence.exports.resources import CALLS, REQUESTS
from persistence.exports.storage import ERASED, withdraw
from persistence.exports.worker import work
from persistence.maintenance.erasure import erase_subject, go_on, note
from persistence.models import BulkRun, BulkState
from tests.apps.people import person
from tests.apps.test_erasure import SECRET, played
from tests.orchestration.factories import failed, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path
    yield


@pytest.fixture
def ada() -> User:
    return person()


def asked_by(user: User) -> ServiceCallRecord:
    return failed(requested_by=user, context={"ticket": SECRET})


def export(rows: QuerySet[Any], exporter: Exporter = CALLS, *, content: bool = True, by: Any = None) -> BulkRun:
    """One that has begun."""
    options = {"exporter": exporter.name, "format": "csv", "content": content}
    run = freeze_export(rows, options, asked={}, requested_by=by)
    start(run)
    return run


def written(rows: QuerySet[Any], exporter: Exporter = CALLS, *, content: bool = True) -> BulkRun:
    run = export(rows, exporter, content=content)
    work(run.pk)
    run.refresh_from_db()
    assert run.state == BulkState.DONE
    return run


def stored() -> str:
    """Everything that is in the storage."""
    folders = [Path(default_storage.location, "exports"), Path(default_storage.location, "exports", "parts")]
    return "".join(
        path.read_text() for folder in folders if folder.exists() for path in folder.iterdir() if path.is_file()
    )


def test_the_files_with_content_of_a_person_go_with_it(ada: User) -> None:
    asked_by(ada)
    run = written(ServiceCallRecord.objects.all())
    assert SECRET in stored()
    assert erase_subject(ada).rows["exports"] == 1
    assert SECRET in stored(), "that was a count"
    report = note(ada)
    go_on(report)
    report.refresh_from_db()
    assert report.rows["exports"] == 1
    assert stored() == ""
    run.refresh_from_db()
    assert (run.state, run.file, run.error) == (BulkState.DONE, "", ERASED)
    assert "exports" not in erase_subject(ada, dry_run=False).rows


def test_a_file_goes_whose_rows_were_pruned_before(ada: User) -> None:
    call = asked_by(ada)
    written(ServiceCallRecord.objects.all())
    ServiceCallRecord.objects.filter(pk=call.pk).update(input={}, context={}, service_kwargs={}, error=None)
    assert erase_subject(ada, dry_run=False).rows == {**dict.fromkeys(erase_subject(ada).rows, 0), "exports": 1}
    assert stored() == ""


def test_files_without_content_or_of_others_stay(ada: User) -> None:
    asked_by(ada)
    others = asked_by(person())
    waits = queued(requested_by=ada, context={"ticket": SECRET})
    stay = [
        written(ServiceCallRecord.objects.all(), content=False),
        written(ServiceCallRecord.objects.filter(pk=others.pk)),
        written(ServiceCallRecord.objects.filter(pk=waits.pk)),  # is held, with its content
    ]
    assert "exports" not in erase_subject(ada, dry_run=False).rows
    assert all(BulkRun.objects.get(pk=run.pk).file for run in stay)


def test_rows_of_another_model_with_the_same_key_stay(ada: User) -> None:
    played(ada)
    message = Message.objects.get(content=SECRET, sender=ada)
    request = request_audit(asked_by(person()))
    request.pk = message.pk
    request.save(force_insert=True)
    requests = written(AIRequestAudit.objects.filter(pk=request.pk), REQUESTS)
    messages = written(Message.objects.filter(pk=message.pk), MESSAGES)
    assert erase_subject(ada, dry_run=False).rows["exports"] == 1
    assert BulkRun.objects.get(pk=requests.pk).file
    assert not BulkRun.objects.get(pk=messages.pk).file


@pytest.mark.parametrize("has_parts", [False, True])
def test_an_export_under_way_ends(ada: User, monkeypatch: pytest.MonkeyPatch, has_parts: bool) -> None:
    """Before its first rows are read, or while its file is put together."""
    asked_by(ada)
    run = export(ServiceCallRecord.objects.all())
    still_held, counted = RunLease.is_still_held, []

    def erased_amid_it(lease: RunLease) -> bool:
        if not counted and bool(BulkRun.objects.get(pk=run.pk).parts) is has_parts:
            assert (SECRET in stored()) is has_parts
            counted.append(erase_subject(ada, dry_run=False).rows["exports"])
        return still_held(lease)

    monkeypatch.setattr(RunLease, "is_still_held", erased_amid_it)
    work(run.pk)
    assert counted == [1]
    assert stored() == ""
    run.refresh_from_db()
    assert (run.state, run.file, run.parts, run.error) == (BulkState.FAILED, "", [], ERASED)


def test_an_export_that_has_not_begun_stays(ada: User) -> None:
    call = asked_by(ada)
    run = freeze_export(
        ServiceCallRecord.objects.all(), {"exporter": "calls", "format": "csv", "content": True}, asked={}
    )
    assert withdraw(ServiceCallRecord, [call.pk]) == set()
    assert BulkRun.objects.get(pk=run.pk).state == BulkState.DRAFT


def test_what_was_withdrawn_says_so_and_is_not_given(root: Client, ada: User) -> None:
    asked_by(ada)
    run = export(ServiceCallRecord.objects.all(), by=User.objects.get(is_superuser=True))
    work(run.pk)
    erase_subject(ada, dry_run=False)
    assert root.get(reverse("admin:persistence_run_download", args=(run.pk,))).status_code == 404
    page = root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))).content.decode()
    assert ERASED in page
    assert "exports are kept for a week" not in page

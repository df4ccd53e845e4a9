"""Content goes when nothing refers to it, and not before."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction

from orchestration.clock import database_now
from orchestration.content import file_now, image_now
from orchestration.content.removal import forget_uses, remove_unused, sweep
from orchestration.content.storing import digest_of, read
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import ContentRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.providers.conformance.contents import PDF, png
from orchestration.testing import drain
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.retention import empty, prune
from tests.engineapp.orca.services.contents import Looks

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("stored")]
LONG_AGO = database_now() - timedelta(days=2)


def files(stored: Path) -> list[Path]:
    return [path for path in stored.rglob("*") if path.is_file()]


def call_with(*parts: Any, **fields: Any) -> ServiceCallRecord:
    call = submit(CallSpec(service=Looks, context={"shown": list(parts)}, **fields))
    drain()
    call.refresh_from_db()
    assert call.status == "succeeded", call.error
    return call


def test_two_calls_share_one_file(stored: Path, django_capture_on_commit_callbacks: Any) -> None:
    """Purging one of them leaves it, purging the other removes it."""
    first, second = call_with(image_now(png(), name="a.png")), call_with(image_now(png(), name="b.png"))
    assert ContentUse.objects.count() == 4  # of each call, and of each request
    for call, left in ((first, 1), (second, 0)):
        with django_capture_on_commit_callbacks(execute=True):
            empty("calls", [call.pk])
        assert len(files(stored)) == 1  # its request has it
        with django_capture_on_commit_callbacks(execute=True):
            empty("requests", list(call.request_audits.values_list("pk", flat=True)))
        assert len(files(stored)) == ContentFile.objects.count() == left


def test_content_is_erased_with_its_subject(stored: Path, django_capture_on_commit_callbacks: Any) -> None:
    """But not what another's calls have, too."""
    user, other = (get_user_model().objects.create(email=f"{name}@example.com") for name in "ab")
    call_with(image_now(png(), name="a.png"), file_now(PDF), requested_by=user)
    call_with(file_now(PDF), requested_by=other)
    with django_capture_on_commit_callbacks(execute=True):
        erase_subject(user, dry_run=False)
    assert [row.media_type for row in ContentFile.objects.all()] == ["application/pdf"]
    assert len(files(stored)) == 1
    assert not ContentUse.objects.filter(name="a.png").exists()


def test_content_is_purged_by_age(stored: Path, django_capture_on_commit_callbacks: Any) -> None:
    call = call_with(file_now(PDF))
    with django_capture_on_commit_callbacks(execute=True):
        prune(days={"calls": 7, "requests": 7}, dry_run=False)
    assert len(files(stored)) == 1
    with django_capture_on_commit_callbacks(execute=True):
        prune(days={"calls": 7, "requests": 7}, dry_run=False, now=call.created_at + timedelta(days=8))
    assert files(stored) == []
    assert not ContentFile.objects.exists()


def test_a_call_cannot_refer_to_what_is_not_there() -> None:
    part = file_now(PDF)
    assert remove_unused([digest_of(PDF)]) == 1
    with pytest.raises(ContentRefused, match="not stored"):
        submit(CallSpec(service=Looks, context={"shown": [part]}))
    assert not ServiceCallRecord.objects.exists()


def test_the_sweep_takes_what_is_old_and_unused(stored: Path) -> None:
    old, used = image_now(png(shade=1)), image_now(png(shade=2))
    image_now(png(shade=3))
    call_with(used)
    ContentFile.objects.filter(pk__in=[each["content"][7:] for each in (old, used)]).update(stored_at=LONG_AGO)
    orphan, young = stored / "ab" / "abc.1", stored / "ab" / "abc.2"
    orphan.parent.mkdir(exist_ok=True)
    for path in (orphan, young):
        path.write_bytes(b"x")
    os.utime(orphan, (0, 0))
    for path in files(stored):
        if path not in (young, orphan):
            os.utime(path, (0, 0))  # files with rows are never orphans
    assert sweep() == 2
    assert not orphan.exists()
    assert young.exists()
    assert ContentFile.objects.count() == 2
    assert sweep() == 0


def test_an_upload_is_kept_for_a_day(stored: Path) -> None:
    user = get_user_model().objects.create(email="a@example.com")
    image_now(png())
    use = ContentUse.objects.create(content_id=digest_of(png()), uploaded_by=user, kind="image")
    ContentFile.objects.update(stored_at=LONG_AGO)
    assert sweep() == 0
    ContentUse.objects.filter(pk=use.pk).update(added_at=LONG_AGO)
    assert sweep() == 1
    assert files(stored) == []


def test_a_storage_without_folders_is_not_swept(stored: Path) -> None:
    assert sweep() == 0


def test_a_use_is_of_one_owner() -> None:
    call = call_with(image_now(png()))
    request = call.request_audits.get()
    for owners in ({}, {"call": call, "request": request}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ContentUse.objects.create(content_id=digest_of(png()), kind="image", **owners)
    with pytest.raises(IntegrityError), transaction.atomic():
        ContentUse.objects.create(content_id=digest_of(png()), kind="image", call=call)


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_reference_that_is_being_made_keeps_its_content(stored: Path) -> None:
    """Whoever removes comes past what another transaction holds; what was removed before is stored again."""
    call = call_with(image_now(png()))
    held, go_on = threading.Event(), threading.Event()

    def refer() -> None:
        with transaction.atomic():
            submit(CallSpec(service=Looks, context={"shown": [image_now(png())]}))
            held.set()
            go_on.wait(10)
        connection.close()

    other = threading.Thread(target=refer)
    other.start()
    assert held.wait(10)
    forget_uses("call", [call.pk])
    forget_uses("request", list(call.request_audits.values_list("pk", flat=True)))
    assert ContentFile.objects.count() == 1
    go_on.set()
    other.join()
    assert remove_unused([digest_of(png())]) == 0
    assert read([digest_of(png())])
    assert len(files(stored)) == 1

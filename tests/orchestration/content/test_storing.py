"""Storing bytes, reading them back, and storages that fail, lie or forget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import transaction

from orchestration.content import storing
from orchestration.content.storing import digest_of, read, store
from orchestration.errors import ContentUnavailable
from orchestration.models.content import ContentFile
from orchestration.providers.conformance.contents import PDF, png

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("stored")]


def files(stored: Path) -> list[Path]:
    return [path for path in stored.rglob("*") if path.is_file()]


def test_what_the_storage_lost_can_be_stored_again(stored: Path) -> None:
    digest = store(PDF, "application/pdf")
    [path] = files(stored)
    assert path.name.startswith(digest)
    path.unlink()
    with pytest.raises(ContentUnavailable, match="lost") as lost:
        read([digest])
    assert (lost.value.code, lost.value.retryable) == ("content_lost", False)
    assert store(PDF, "application/pdf") == digest
    assert read([digest]) == {digest: PDF}
    assert len(files(stored)) == 1


def test_other_bytes_than_were_stored_are_not_sent(stored: Path) -> None:
    digest = store(PDF, "application/pdf")
    files(stored)[0].write_bytes(PDF + b"\n")
    with pytest.raises(ContentUnavailable, match="other bytes") as changed:
        read([digest])
    assert changed.value.code == "content_lost"


def test_content_without_a_row_may_be_stored_again() -> None:
    with pytest.raises(ContentUnavailable, match="no longer stored") as gone:
        read([digest_of(PDF)])
    assert gone.value.retryable


def test_a_storage_that_fails(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    """Reading is worth another try; writing raises, and leaves no row."""
    digest = store(PDF, "application/pdf")

    def fails(*_: Any, **__: Any) -> Any:
        raise PermissionError("bucket 'secret-name' denied")

    monkeypatch.setattr(FileSystemStorage, "_open", fails)
    with pytest.raises(ContentUnavailable) as failed:
        read([digest])
    assert (failed.value.code, failed.value.retryable) == ("content_unavailable", True)
    assert "secret-name" not in str(failed.value)
    monkeypatch.setattr(FileSystemStorage, "_save", fails)
    with pytest.raises(PermissionError):
        store(png(), "image/png")
    assert ContentFile.objects.count() == 1


def test_who_is_second_removes_its_own_file(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    real, inner = storing._write, []

    def while_another_stores(data: bytes, digest: str) -> str:
        if not inner:
            inner.append(None)
            store(data, "application/pdf")
        return real(data, digest)

    monkeypatch.setattr(storing, "_write", while_another_stores)
    digest = store(PDF, "application/pdf")
    assert len(files(stored)) == 1
    assert read([digest]) == {digest: PDF}


def test_a_rollback_leaves_no_row(stored: Path) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        store(PDF, "application/pdf")
        raise ZeroDivisionError
    assert not ContentFile.objects.exists()
    assert len(files(stored)) == 1  # for the sweep

"""Where exported files are kept, for a week, and their parts until a file is assembled."""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage

from orchestration.clock import database_now
from persistence.models import BulkRun, BulkState

FOLDER = "exports"
KEPT_FOR = timedelta(days=7)


def store(name: str, file: BinaryIO) -> str:
    """Returns the name under which it is stored."""
    file.seek(0)
    return default_storage.save(f"{FOLDER}/{name}", File(file))


def remove(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


def forget_old_exports() -> int:
    """Remove files that are older than a week, and parts of exports that were aborted or failed; returns how many."""
    ended = BulkRun.objects.filter(state__in=(BulkState.DONE, BulkState.ABORTED, BulkState.FAILED))
    old = list(ended.filter(finished_at__lt=database_now() - KEPT_FOR).exclude(file=""))
    for run in (*old, *ended.exclude(parts=[])):
        remove([*run.parts, *([run.file] if run in old else [])])
        BulkRun.objects.filter(pk=run.pk).update(parts=[], **({"file": ""} if run in old else {}))
    return len(old)

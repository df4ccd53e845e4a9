"""Where exported files are kept, for a week, and their parts until a file is assembled; or until an erasure takes the
content of a row that is in them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Model

from orchestration.clock import database_now
from persistence.errors import BulkRefused
from persistence.exports.registry import exporter
from persistence.maintenance.erasure import Copies, add_copies
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.models.bulk import ENDED, EXPORT

FOLDER = "exports"
KEPT_FOR = timedelta(days=7)
ERASED = "Content of some of its rows was erased, and this file with it. Export again what is left."


def store(name: str, file: BinaryIO) -> str:
    """Returns the name under which it is stored."""
    file.seek(0)
    return default_storage.save(f"{FOLDER}/{name}", File(file))


def remove(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


def forget_old_exports() -> int:
    """Remove files that are older than a week, and parts of exports that were aborted or failed; returns how many."""
    ended = BulkRun.objects.filter(state__in=ENDED)
    old = list(ended.filter(finished_at__lt=database_now() - KEPT_FOR).exclude(file=""))
    for run in (*old, *ended.exclude(parts=[])):
        remove([*run.parts, *([run.file] if run in old else [])])
        BulkRun.objects.filter(pk=run.pk).update(parts=[], **({"file": ""} if run in old else {}))
    return len(old)


def with_content_of(model: type[Model], keys: Iterable[Any]) -> list[int]:
    """The exports that have content of these rows of a model, or were begun and may be reading it."""
    items = BulkItem.objects.filter(call_id__in=[str(key) for key in keys])
    begun = BulkRun.objects.filter(kind=EXPORT, pk__in=items.values("run")).exclude(state=BulkState.DRAFT)
    return [run.pk for run in begun.order_by("pk") if not _is_empty(run) and _has_content_of(run, model)]


def withdraw(model: type[Model], keys: Iterable[Any]) -> set[int]:
    """Remove the files of these exports, and end those that are under way; returns which."""
    found = with_content_of(model, keys)
    for run_id in found:
        with transaction.atomic():  # what a worker stores meanwhile is its own to remove: it no longer has the run
            run = BulkRun.objects.select_for_update().get(pk=run_id)
            remove([*run.parts, *([run.file] if run.file else [])])
            ended = {} if run.has_ended else {"state": BulkState.FAILED, "finished_at": database_now()}
            BulkRun.objects.filter(pk=run_id).update(
                file="", parts=[], error=ERASED, leased_until=None, lease_token=F("lease_token") + 1, **ended
            )
    return set(found)


def _is_empty(run: BulkRun) -> bool:
    return run.has_ended and not run.file and not run.parts


def _has_content_of(run: BulkRun, model: type[Model]) -> bool:
    """Of what is no longer exported nobody knows: yes."""
    if run.options.get("content") is False:
        return False
    try:
        return exporter(str(run.options.get("exporter", ""))).model is model
    except BulkRefused:
        return True


def register() -> None:
    """Let erasures remove what was exported."""
    add_copies("exports", Copies(found=with_content_of, remove=withdraw))

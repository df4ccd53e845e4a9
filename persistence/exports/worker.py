"""How a worker writes the file of an export: in parts that survive a kill.

A part is some thousand rows of the frozen list, stored as a file; that it is there, and what became of its rows, is
committed together. So memory is bounded, an export resumes where it was, and it may take any number of tasks.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from orchestration.models.batches import in_batches
from persistence import log
from persistence.bulk.lease import RunLease, acquire
from persistence.bulk.runs import EXPORT_SECONDS, open_items
from persistence.exports.formats import Format, Written, asked_for
from persistence.exports.registry import Exporter
from persistence.exports.storage import forget_old_exports, remove, store
from persistence.foreign_code import attempt
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import CHANGED, Trouble

ROWS_AT_ONCE = 500
"""That one query asks for."""
ROWS_IN_MEMORY = 50
"""Of these; a row can have megabytes."""
WRITTEN = "written"
ROWS_IN_PART = 5_000
BYTES_IN_PART = 50_000_000
"""Or so; whether to continue is asked between parts."""


def work(run_id: int) -> int:
    """Continue an export for at most EXPORT_SECONDS; returns the rows of the file, 0 when it is not done.

    Sends the task again when something is left.
    """
    lease = acquire(run_id, EXPORT_SECONDS)
    if lease is None:
        return 0
    written = _export(lease)
    lease.release()
    return written


def _export(lease: RunLease) -> int:
    is_written = not open_items(lease.run).exists()
    written, failure = attempt(lambda: write_export(lease.run, lease.is_still_held))
    if failure:
        lease.finish(BulkState.FAILED, failure)
        return 0
    if written is None:
        if is_written and time.monotonic() >= lease.deadline:
            message = f"Assembling the file took longer than {EXPORT_SECONDS} s. Choose CSV, or fewer rows."
            lease.finish(BulkState.FAILED, message)
        return 0
    lease.finish()
    return written


class Stopped(Exception):
    """Whoever asked said to stop."""


def write_export(run: BulkRun, may_continue: Callable[[], bool]) -> int | None:
    """Continue the file of an export, from what earlier tasks stored; returns the rows that are in it.

    None when `may_continue` said to stop, or another worker took over: what was stored stays, for whoever continues.
    Rows that were deleted meanwhile are marked `gone`; those that cannot be read or written `failed`, and those of
    which the format cannot hold everything `changed`, each with the column and the reason.
    """
    forget_old_exports()
    found, form = asked_for(run.options)
    try:
        while run.items.filter(outcome="").exists():
            _write_part(run, found, form, may_continue)
        if not run.file:
            _write_file(run, found, form, may_continue)
    except Stopped:
        return None
    return run.items.filter(outcome__in=(WRITTEN, CHANGED)).count()


@dataclass(slots=True)
class _Part:
    """Items that were looked at, in order."""

    first: int = 0
    last: int = 0
    seen: int = 0
    outcomes: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Keys of rows that are not simply written: by what became of them, and why."""

    def note(self, keys: Sequence[str], written: Written, unreadable: dict[str, str]) -> None:
        for key in keys:
            failure = unreadable.get(key) or written.failed.get(key)
            if failure:
                self.outcomes[Trouble.FAILED.value, failure].append(key)
            elif key in written.changed:
                self.outcomes[CHANGED, written.changed[key][: log.MAX_ERROR]].append(key)
            elif key not in written.keys:
                self.outcomes[Trouble.GONE.value, ""].append(key)


def _write_part(run: BulkRun, found: Exporter, form: Format, may_continue: Callable[[], bool]) -> None:
    """Store the next rows and say so in the list; Stopped, with what was written until then stored."""
    content, part, stopped = bool(run.options.get("content")), _Part(), False
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        for items in _open_items(run):
            stopped = not may_continue()
            if stopped:
                break
            for start in range(0, len(items), ROWS_IN_MEMORY):
                keys = [key for _, key in items[start : start + ROWS_IN_MEMORY]]
                rows, unreadable = found.read(keys, content=content)
                part.note(keys, form.write_part(text, rows), unreadable)
            part.first, part.last, part.seen = part.first or items[0][0], items[-1][0], part.seen + len(items)
            if part.seen >= ROWS_IN_PART or file.tell() >= BYTES_IN_PART:
                break
        text.flush()
        if part.seen:
            _keep_part(run, part, file)
    if stopped:
        forget_old_exports()  # an aborted run's parts
        raise Stopped


def _open_items(run: BulkRun) -> Iterator[list[tuple[int, str]]]:
    """(key of the item, key of the row), some at a time."""
    items = run.items.filter(outcome="").values_list("pk", "call_id")
    return in_batches(items, ROWS_AT_ONCE, key=itemgetter(0))


def _keep_part(run: BulkRun, part: _Part, file: BinaryIO) -> None:
    """Stopped when another worker took over."""
    name = store(f"parts/{run.pk}-{part.first}", file)
    with transaction.atomic():
        kept = _held(run).update(parts=[*run.parts, name])
        if kept:
            items = run.items.filter(outcome="", pk__gte=part.first, pk__lte=part.last)
            for (outcome, why), keys in part.outcomes.items():
                items.filter(call_id__in=keys).update(outcome=outcome, error=why)
            items.update(outcome=WRITTEN)
    if not kept:
        default_storage.delete(name)
        raise Stopped
    run.parts = [*run.parts, name]


def _write_file(run: BulkRun, found: Exporter, form: Format, may_continue: Callable[[], bool]) -> None:
    """Put the parts together."""

    def parts() -> Iterator[File[bytes]]:
        for name in run.parts:
            if not may_continue():
                raise Stopped
            with default_storage.open(name) as part:
                yield part

    form.refuse_beyond(sum(map(default_storage.size, run.parts)), run.total)
    with _Attended(tempfile.TemporaryFile(buffering=0), may_continue) as whole:
        form.assemble(parts(), whole)
        name = store(f"{found.name}-{run.pk}.{form.extension}", whole)
    if not _held(run).update(file=name, parts=[]):
        default_storage.delete(name)
        raise Stopped
    remove(run.parts)
    run.file, run.parts = name, []


class _Attended(io.BufferedRandom):
    """A file that asks at each access whether to continue, for gigabytes take longer than a lease.

    Stopped at a write when not, once: what had it open may still close it. Never at a read: a storage that is copying
    it would leave half a file.
    """

    def __init__(self, file: io.RawIOBase, may_continue: Callable[[], bool]) -> None:
        super().__init__(file)
        self._may_continue, self._stopped = may_continue, False

    def read(self, size: int | None = -1, /) -> bytes:
        self._may_continue()
        return super().read(size)

    def write(self, data: Any, /) -> int:
        if not self._stopped and not self._may_continue():
            self._stopped = True
            raise Stopped
        return super().write(data)


def _held(run: BulkRun) -> QuerySet[BulkRun]:
    """The run, as long as no other worker has it."""
    return BulkRun.objects.filter(pk=run.pk, lease_token=run.lease_token)

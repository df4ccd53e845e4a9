"""How a worker writes the file of an export: in parts that a kill cannot take back.

A part is some thousand rows of the frozen list, stored as a file; that it is there, and what became of its rows, is
committed together. So memory is bounded, an export goes on where it was, and it may take any number of tasks.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from orchestration.engine.database import DATABASE_AWAY
from persistence import log
from persistence.bulk import EXPORT_SECONDS, open_items
from persistence.bulk_rows import Trouble
from persistence.bulk_work import Hold, take
from persistence.export_files import forget_old_exports, remove, store
from persistence.export_formats import Format, asked_for
from persistence.exporting import Exporter
from persistence.models import BulkRun, BulkState

ROWS_AT_ONCE = 500
"""That one query asks for."""
ROWS_IN_MEMORY = 50
"""Of these; a row can have megabytes."""
ROWS_IN_PART = 5_000
BYTES_IN_PART = 50_000_000
"""Or so; whether to go on is asked between parts."""


def work(run_id: int) -> int:
    """Go on with an export for at most EXPORT_SECONDS; returns the rows of the file, 0 when it is not done.

    Sends the task again when something is left.
    """
    hold = take(run_id, EXPORT_SECONDS)
    if hold is None:
        return 0
    written = _export(hold)
    hold.let_go()
    return written


def _export(hold: Hold) -> int:
    is_written = not open_items(hold.run).exists()
    try:
        written = write_export(hold.run, hold.goes_on)
    except DATABASE_AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - a storage or a row may raise anything, and the page says so
        hold.finish(BulkState.FAILED, log.explain(error))
        return 0
    if written is None:
        if is_written and time.monotonic() >= hold.deadline:
            told = f"Putting the file together took longer than {EXPORT_SECONDS} s. Choose CSV, or fewer rows."
            hold.finish(BulkState.FAILED, told)
        return 0
    hold.finish()
    return written


class Stopped(Exception):
    """Whoever asked said to stop."""


def write_export(run: BulkRun, goes_on: Callable[[], bool]) -> int | None:
    """Go on with the file of an export, from what earlier tasks stored; returns the rows that are in it.

    None when `goes_on` said to stop, or another worker took over: what was stored stays, for whoever goes on. Rows that
    went meanwhile are marked `gone`.
    """
    forget_old_exports()
    found, form = asked_for(run.options)
    try:
        while run.items.filter(outcome="").exists():
            _write_part(run, found, form, goes_on)
        if not run.file:
            _write_file(run, found, form, goes_on)
    except Stopped:
        return None
    return run.items.filter(outcome="written").count()


@dataclass(slots=True)
class _Part:
    """Items that were looked at, in order."""

    first: int = 0
    last: int = 0
    seen: int = 0
    gone: list[str] = field(default_factory=list)


def _write_part(run: BulkRun, found: Exporter, form: Format, goes_on: Callable[[], bool]) -> None:
    """Store the next rows and say so in the list; Stopped, with what was written until then stored."""
    content, part, stopped = bool(run.options.get("content")), _Part(), False
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        for items in _open_items(run):
            stopped = not goes_on()
            if stopped:
                break
            keys = [key for _, key in items]
            rows = found.rows(content=content).filter(pk__in=keys).order_by("pk")
            there = form.write_part(text, rows.iterator(chunk_size=ROWS_IN_MEMORY))
            part.gone += [key for key in keys if key not in there]
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
    last = 0
    while items := list(
        run.items.filter(outcome="", pk__gt=last).order_by("pk").values_list("pk", "call_id")[:ROWS_AT_ONCE]
    ):
        last = items[-1][0]
        yield items


def _keep_part(run: BulkRun, part: _Part, file: BinaryIO) -> None:
    """Stopped when another worker took over."""
    name = store(f"parts/{run.pk}-{part.first}", file)
    with transaction.atomic():
        kept = _held(run).update(parts=[*run.parts, name])
        if kept:
            items = run.items.filter(outcome="", pk__gte=part.first, pk__lte=part.last)
            items.filter(call_id__in=part.gone).update(outcome=Trouble.GONE)
            items.update(outcome="written")
    if not kept:
        default_storage.delete(name)
        raise Stopped
    run.parts = [*run.parts, name]


def _write_file(run: BulkRun, found: Exporter, form: Format, goes_on: Callable[[], bool]) -> None:
    """Put the parts together."""

    def parts() -> Iterator[File[bytes]]:
        for name in run.parts:
            if not goes_on():
                raise Stopped
            with default_storage.open(name) as part:
                yield part

    form.refuse_beyond(sum(map(default_storage.size, run.parts)), run.total)
    with _Attended(tempfile.TemporaryFile(buffering=0), goes_on) as whole:
        form.assemble(parts(), whole)
        name = store(f"{found.name}-{run.pk}.{form.extension}", whole)
    if not _held(run).update(file=name, parts=[]):
        default_storage.delete(name)
        raise Stopped
    remove(run.parts)
    run.file, run.parts = name, []


class _Attended(io.BufferedRandom):
    """A file that asks at each access whether to go on, for gigabytes take longer than a lease.

    Stopped at a write when not, once: what had it open may still close it. Never at a read: a storage that is copying
    it would leave half a file.
    """

    def __init__(self, file: io.RawIOBase, goes_on: Callable[[], bool]) -> None:
        super().__init__(file)
        self._goes_on, self._stopped = goes_on, False

    def read(self, size: int | None = -1, /) -> bytes:
        self._goes_on()
        return super().read(size)

    def write(self, data: Any, /) -> int:
        if not self._stopped and not self._goes_on():
            self._stopped = True
            raise Stopped
        return super().write(data)


def _held(run: BulkRun) -> QuerySet[BulkRun]:
    """The run, as long as no other worker has it."""
    return BulkRun.objects.filter(pk=run.pk, lease_token=run.lease_token)

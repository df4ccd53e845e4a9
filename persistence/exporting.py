"""Rows out as files: what can be exported, and how a worker does it in parts that a kill cannot take back.

A part is some thousand rows of the frozen list, stored as a file; that it is there, and what became of its rows, is
committed together. So memory is bounded, an export goes on where it was, and it may take any number of tasks.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from import_export.resources import ModelResource

from persistence.errors import BulkRefused
from persistence.export_formats import FORMATS, Dialogue, Dialogues, Format
from persistence.models import BulkRun, BulkState

ROWS_AT_ONCE = 500
"""That one query asks for."""
ROWS_IN_MEMORY = 50
"""Of these; a row can have megabytes."""
ROWS_IN_PART = 5_000
FOLDER = "exports"
KEPT_FOR = timedelta(days=7)
GoesOn = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What can be exported of a model, and by whom."""

    name: str
    model: type[Model]
    permission: str
    """`app.codename`."""
    resource: type[ModelResource]
    """Its fields are the columns."""
    content: frozenset[str] = frozenset()
    """Columns that need the permission to read content, and to be asked for."""
    related: tuple[str, ...] = ()
    """For select_related."""
    dialogue: Dialogue | None = None
    """Needs the permission to read content, too."""

    def columns(self, *, content: bool) -> list[Any]:
        """The resource's fields, without content when that is not wanted."""
        return [
            field for field in self.resource().get_export_fields() if content or field.column_name not in self.content
        ]

    def rows(self, *, content: bool) -> QuerySet[Any]:
        """All rows, without columns that nobody asked for."""
        rows = self.model._default_manager.select_related(*self.related)
        own = {field.name for field in self.model._meta.concrete_fields}
        return rows if content else rows.defer(*(self.content & own))


_exporters: dict[str, Exporter] = {}


def add_exporter(exporter: Exporter) -> Exporter:
    """Make a model's rows exportable; the same name again replaces it."""
    _exporters[exporter.name] = exporter
    return exporter


def exporter(name: str) -> Exporter:
    """BulkRefused when nobody exports under this name any more."""
    found = _registered().get(name)
    if found is None:
        raise BulkRefused(f"Nothing is exported as {name!r}.")
    return found


def permission_to_export(name: str) -> str | None:
    """What exporting under this name needs; None when nobody exports so any more."""
    found = _registered().get(name)
    return found.permission if found else None


def _registered() -> dict[str, Exporter]:
    """With those of every app's `exports` module: a worker, which writes the files, has not loaded the admin."""
    autodiscover_modules("exports")
    return _exporters


# --- writing --------------------------------------------------------------------------------


class Stopped(Exception):
    """Whoever asked said to stop."""


def write_export(run: BulkRun, goes_on: GoesOn) -> int | None:
    """Go on with the file of an export, from what earlier tasks stored; returns the rows that are in it.

    None when `goes_on` said to stop, or another worker took over: what was stored stays, for whoever goes on. Rows that
    went meanwhile are marked `gone`.
    """
    forget_old_exports()
    found, form = _asked_for(run)
    try:
        while run.items.filter(outcome="").exists():
            _write_part(run, found, form, goes_on)
        if not run.file:
            _write_file(run, found, form, goes_on)
    except Stopped:
        return None
    return run.items.filter(outcome="written").count()


def _asked_for(run: BulkRun) -> tuple[Exporter, Format]:
    found, kind = exporter(run.options["exporter"]), FORMATS[run.options["format"]]
    if kind is not Dialogues:
        return found, kind(found.columns(content=bool(run.options.get("content"))))
    if found.dialogue is None:
        raise BulkRefused(f"There are no dialogues in {found.name}.")
    return found, Dialogues([], found.dialogue)


@dataclass(slots=True)
class _Part:
    """Items that were looked at, in order."""

    first: int = 0
    last: int = 0
    seen: int = 0
    gone: list[str] = field(default_factory=list)


def _write_part(run: BulkRun, found: Exporter, form: Format, goes_on: GoesOn) -> None:
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
            if part.seen >= ROWS_IN_PART:
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
    name = _store(f"{FOLDER}/parts/{run.pk}-{part.first}", file)
    with transaction.atomic():
        kept = _held(run).update(parts=[*run.parts, name])
        if kept:
            items = run.items.filter(outcome="", pk__gte=part.first, pk__lte=part.last)
            items.filter(call_id__in=part.gone).update(outcome="gone")
            items.update(outcome="written")
    if not kept:
        default_storage.delete(name)
        raise Stopped
    run.parts = [*run.parts, name]


def _write_file(run: BulkRun, found: Exporter, form: Format, goes_on: GoesOn) -> None:
    """Put the parts together."""

    def parts() -> Iterator[File[bytes]]:
        for name in run.parts:
            if not goes_on():
                raise Stopped
            with default_storage.open(name) as part:
                yield part

    with tempfile.TemporaryFile() as whole:
        form.assemble(parts(), whole)
        name = _store(f"{FOLDER}/{found.name}-{run.pk}.{form.extension}", whole)
    if not _held(run).update(file=name, parts=[]):
        default_storage.delete(name)
        raise Stopped
    _remove(run.parts)
    run.file, run.parts = name, []


def _held(run: BulkRun) -> QuerySet[BulkRun]:
    """The run, as long as no other worker has it."""
    return BulkRun.objects.filter(pk=run.pk, lease_token=run.lease_token)


def _store(name: str, file: BinaryIO) -> str:
    file.seek(0)
    return default_storage.save(name, File(file))


def _remove(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


def forget_old_exports() -> int:
    """Remove files that are older than a week, and parts of exports that were aborted or failed; returns how many."""
    ended = BulkRun.objects.filter(state__in=(BulkState.DONE, BulkState.ABORTED, BulkState.FAILED))
    old = list(ended.filter(finished_at__lt=timezone.now() - KEPT_FOR).exclude(file=""))
    for run in (*old, *ended.exclude(parts=[])):
        _remove([*run.parts, *([run.file] if run in old else [])])
        BulkRun.objects.filter(pk=run.pk).update(parts=[], **({"file": ""} if run in old else {}))
    return len(old)

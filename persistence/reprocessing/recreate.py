"""`recreate`: reverting all that a result became, and persisting it again, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Model

from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject, Response
from persistence.errors import ReprocessRefused
from persistence.handlers.adapters import Consumer
from persistence.models import ObjectAction, PersistedChunk, PersistedObject
from persistence.outbox.idempotent_unit import objects_of, persist_chunk
from persistence.reprocessing.reports import PartReport, ReprocessOutcome
from persistence.reprocessing.revert import Reverted, revert_chunks
from persistence.reprocessing.row_equivalence import same_again
from persistence.reprocessing.touched_rows import key_of_row
from persistence.tracking.orm_capture import capturing
from persistence.tracking.row_changes import RowChange
from persistence.tracking.saved_files import Digests
from persistence.tracking.snapshots import RowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A result, or one part of it, as it is (None: it no longer has such a part) and as it was persisted (None: it
    was not)."""

    response: Response | None
    chunk: PersistedChunk | None

    @property
    def outcome(self) -> ReprocessOutcome:
        """What comes of it, unless that is what was there."""
        if self.chunk is None:
            return ReprocessOutcome.PERSISTED
        return ReprocessOutcome.REVERTED if self.response is None else ReprocessOutcome.RECREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Recreation:
    consumer: Consumer
    started: datetime
    force: bool
    contradicted: list[str] = field(default_factory=list)
    """Filled with what it did against, where it was forced."""
    kept: list[str] = field(default_factory=list)
    """Filled with the counters that stay where they are."""

    def run(self, pieces: Mapping[str, Piece]) -> list[PartReport]:
        """Each part for itself, so that one which gives the same stays as it is; all of them together when one hangs
        on another. ReprocessRefused with the reasons of the whole."""
        if len(pieces) > 1 and not self.force:
            try:
                with transaction.atomic():
                    return [report for key, piece in pieces.items() for report in self._together({key: piece})]
            except ReprocessRefused:  # reported with those of the whole, if they still hold
                pass
        return self._together(pieces)

    def _together(self, pieces: Mapping[str, Piece]) -> list[PartReport]:
        chunks = [piece.chunk for piece in pieces.values() if piece.chunk is not None]
        reports = {key: PartReport(part=key, outcome=piece.outcome) for key, piece in pieces.items()}
        owners, earlier = _owners(chunks), _kept(chunks)
        replaced = {chunk.part: _made(chunk) for chunk in chunks}
        with transaction.atomic():
            with capturing() as capture:
                reverted = revert_chunks(chunks, force=self.force)
                PersistedChunk.objects.filter(pk__in=[chunk.pk for chunk in chunks]).delete()
                for key, piece in pieces.items():
                    if piece.response is not None:
                        made = replaced.get(key, [])
                        touched = persist_chunk(self.consumer, piece.response, part=key, replaced=made)
                        owners |= {(change.model, change.key): key for change in touched.changes}
            changes = capture.changes()
            if chunks and not capture.unseen and self._is_same(chunks[0].call_id, pieces, earlier, changes):
                transaction.set_rollback(True)
                return [PartReport(part=key, outcome=ReprocessOutcome.UNCHANGED) for key in pieces]
        self._refuse_to_pay_again(chunks, changes)
        self._refuse_to_count_again(reverted)
        self.contradicted.extend(reverted.contradicted)
        self.kept.extend(reverted.kept)
        first = next(iter(pieces))
        for change in changes:
            reports[owners.get((change.model, change.key), first)].changes.append(change)
        return list(reports.values())

    def _is_same(self, call_id: str, pieces: Mapping[str, Piece], earlier: Kept, changes: list[RowChange]) -> bool:
        later = _kept(PersistedChunk.objects.filter(call_id=call_id, part__in=list(pieces)))
        files = (earlier.files, later.files)
        return same_again(changes, self.started, files=files, summaries=(earlier.summaries, later.summaries))

    def _refuse_to_count_again(self, reverted: Reverted) -> None:
        """What was counted since stays, so that doing it again would count twice."""
        if reverted.counted_since and not self.force:
            raise ReprocessRefused([*reverted.counted_since, "Doing it again would count twice: use update."])

    def _refuse_to_pay_again(self, chunks: list[PersistedChunk], changes: list[RowChange]) -> None:
        """The calls that the earlier run submitted are not reverted with it."""
        calls = sum(change.model is ServiceCallRecord and change.action is ObjectAction.CREATED for change in changes)
        if calls and chunks and not self.force:
            raise ReprocessRefused(
                [f"Its handler would submit {calls} calls again, in addition to those of the earlier run: use update."]
            )


def _owners(chunks: list[PersistedChunk]) -> dict[RowKey, str]:
    """Which part touched which rows."""
    rows = PersistedObject.objects.filter(chunk__in=chunks).select_related("chunk", "content_type")
    keys = ((key_of_row(row), row.chunk.part) for row in rows.defer("changes"))
    return {key: part for key, part in keys if key is not None}


def _made(chunk: PersistedChunk) -> list[Model]:
    """What a chunk created and is still there, the primary object first."""
    return objects_of(chunk, chunk.objects_touched.filter(action=ObjectAction.CREATED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is stored with chunks, beside the rows: the codecs' summaries by part, and the files."""

    summaries: JsonObject
    files: Digests


def _kept(chunks: Iterable[PersistedChunk]) -> Kept:
    summaries: JsonObject = {}
    files: Digests = {}
    for chunk in chunks:
        summaries[chunk.part] = chunk.summary
        files.update(chunk.files or {})
    return Kept(summaries=summaries, files=files)

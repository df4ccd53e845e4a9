"""One chunk: a result, or one part of it, persisted in the caller's transaction, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Model, QuerySet

from orchestration.engine.queue.database_thread import is_away
from orchestration.fault_injection import fault
from orchestration.isolation import isolated
from orchestration.models.prepared_sql import Statement, run_together
from orchestration.types import Response
from persistence import log
from persistence.causes.analysis import cause_of
from persistence.causes.cause import Cause
from persistence.conf import persistence_settings
from persistence.handlers.adapters import Consumer, Produced
from persistence.handlers.base import Part, chunk_of
from persistence.models import PersistedChunk, PersistedObject, PersistedPart
from persistence.outbox.crash_markers import handling
from persistence.tracking import object_links
from persistence.tracking.object_links import Touched
from persistence.tracking.orm_capture import capturing
from persistence.tracking.recorder import recording
from persistence.tracking.saved_files import deleting_rolled_back_files, digests_of


@dataclass(slots=True, kw_only=True)
class PartsDone:
    """The outcome of the parts of a result in one run."""

    touched: dict[str, Touched] = field(default_factory=dict)
    """By key of the part, those that are persisted."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by key, of those that will be tried again."""
    dead: dict[str, str] = field(default_factory=dict)
    cause: Cause | None = None
    """Of the first part that failed in this run."""

    @property
    def error(self) -> str:
        """What to store with the call; empty when nothing is missing."""
        missing = self.failed | self.dead
        if not missing:
            return ""
        key, why = next(iter(missing.items()))
        total = len(missing) + len(self.touched)
        return f"{len(missing)} of {total} parts failed, {len(self.dead)} of them for good; {key}: {why}"[:1000]


def persist_chunk(consumer: Consumer, response: Response, *, part: str = "", replaced: Sequence[Model] = ()) -> Touched:
    """Persist a response, or return what it became before.

    `replaced` is what an earlier run made, and is deleted by now.
    """
    chunk, is_new = PersistedChunk.objects.open(chunk_for(consumer, response, part=part))
    touched, statements = fill_chunk(consumer, response, chunk, is_new=is_new, replaced=replaced)
    if statements:
        run_together(statements)
    return touched


def chunk_for(consumer: Consumer, response: Response, *, part: str = "") -> PersistedChunk:
    """The unsaved chunk of a response that this handler or codec takes."""
    mark = consumer.component.fingerprint
    return chunk_of(response, handler_identity=consumer.identity, handler_fingerprint=mark, part=part)


def fill_chunk(
    consumer: Consumer,
    response: Response,
    chunk: PersistedChunk,
    *,
    is_new: bool,
    replaced: Sequence[Model] = (),
) -> tuple[Touched, list[Statement]]:
    """Run the handler for an open chunk; returns what it touched, and the statements that link it to the chunk."""
    fault("after_chunk")
    if not is_new and chunk.is_complete:
        return _persisted_before(chunk), []
    if not is_new:  # a handler outside the drain opened it and did not get to its end
        chunk.handler_identity = consumer.identity
        chunk.handler_fingerprint = consumer.component.fingerprint
    touched = run_consumer(consumer, response, chunk, replaced)
    return touched, object_links.writing(chunk, touched, is_new=is_new)


def run_consumer(
    consumer: Consumer, response: Response, chunk: PersistedChunk, replaced: Sequence[Model] = ()
) -> Touched:
    """Run the handler or codec; returns what it touched. The chunk says what was done besides."""
    with deleting_rolled_back_files() as saved, capturing() as capture, recording() as recorder:
        with handling(chunk.call_id, chunk.part):
            produced: Produced = consumer.run(chunk, response, replaced)
    chunk.note_outside(capture.unseen, digests_of(saved))
    changes = capture.changes(reread=False)
    touched = object_links.gather(chunk, produced.links, produced.returned, recorder, changes, capture.is_gone)
    fault("before_link")
    return touched


def _persisted_before(chunk: PersistedChunk) -> Touched:
    """What an earlier run made, without its actions: nothing was created now."""
    log.persisted_before(chunk.call_id, chunk.schema_identity)
    return Touched(objects=objects_of(chunk))


def objects_of(chunk: PersistedChunk, rows: QuerySet[PersistedObject] | None = None) -> list[Model]:
    """The objects of a chunk, or of some of its rows, that still exist, the primary one first."""
    rows = (
        (chunk.objects_touched.all() if rows is None else rows).order_by("role", "id").prefetch_related("domain_object")
    )
    return [row.domain_object for row in rows if row.domain_object is not None]


def response_of_part(response: Response, part: Part) -> Response:
    return response.model_copy(update={"structured_data": part.data}).attach(response.related_object)


def persist_parts(consumer: Consumer, response: Response, parts: Iterable[Part], *, source: str) -> PartsDone:
    """Persist each part under its own savepoint; a failure is charged to the part alone.

    Raises what says that the database is away: then nothing was charged.
    """
    call_id, schema = response.call_id or "", response.execution_metadata.schema_identity
    known = {row.part: row for row in PersistedPart.objects.of_result(call_id, schema)}
    limit, done = persistence_settings().DOMAIN_PERSIST_MAX_ATTEMPTS, PartsDone()
    for part in parts:
        row = known.get(part.key)
        if row is not None and row.is_dead:
            done.dead[part.key] = row.error
            continue
        # A handler may raise anything, and each exception is a failed part.
        with isolated() as run, transaction.atomic():
            one = response_of_part(response, part)
            done.touched[part.key] = persist_chunk(consumer, one, part=part.key)
        if run.error is not None:
            if is_away(run.error):
                raise run.error
            message = log.explain(run.error, source)
            done.cause = done.cause or cause_of(run.error, source)
            charged = PersistedPart.objects.charge(call_id, schema, part.key, message, limit=limit)
            (done.dead if charged.is_dead else done.failed)[part.key] = message
        elif row is not None:
            row.delete()
    return done

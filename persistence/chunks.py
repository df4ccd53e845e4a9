"""One chunk: a result, or one part of it, persisted in the caller's transaction, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Model, QuerySet

from orchestration.engine.database import DATABASE_AWAY
from orchestration.engine.faultpoints import fault
from orchestration.models.statements import Statement, run_together
from orchestration.types import Response
from persistence import links, log
from persistence.capture import capturing
from persistence.conf import persistence_settings
from persistence.consumers import Consumer, Produced
from persistence.deaths import handling
from persistence.handlers import Part, chunk_of
from persistence.links import Touched
from persistence.models import PersistedChunk, PersistedObject, PersistedPart
from persistence.recorder import recording


@dataclass(slots=True, kw_only=True)
class PartsDone:
    """What came of the parts of a result in one run."""

    touched: dict[str, Touched] = field(default_factory=dict)
    """By key of the part, those that are persisted."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by key, of those that will be tried again."""
    dead: dict[str, str] = field(default_factory=dict)

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
    """Persist a response, or say what it became before.

    `replaced` is what an earlier run made, and is deleted by now.
    """
    chunk, is_new = PersistedChunk.objects.open(chunk_for(consumer, response, part=part))
    touched, statements = fill_chunk(consumer, response, chunk, is_new=is_new, replaced=replaced)
    if statements:
        run_together(statements)
    return touched


def chunk_for(consumer: Consumer, response: Response, *, part: str = "") -> PersistedChunk:
    """The unsaved chunk of a response that this handler or codec takes."""
    component = consumer.component
    identity, mark = str(component.identity), component.fingerprint
    return chunk_of(response, handler_identity=identity, handler_fingerprint=mark, part=part)


def fill_chunk(
    consumer: Consumer,
    response: Response,
    chunk: PersistedChunk,
    *,
    is_new: bool,
    replaced: Sequence[Model] = (),
) -> tuple[Touched, list[Statement]]:
    """Run the handler for an open chunk; returns what came of it, and the statements that tie it to the chunk."""
    fault("after_chunk")
    if not is_new and chunk.is_complete:
        return _persisted_before(chunk), []
    if not is_new:  # a handler outside the drain opened it and did not get to its end
        chunk.handler_identity = str(consumer.component.identity)
        chunk.handler_fingerprint = consumer.component.fingerprint
    with capturing(watch=False) as capture, recording() as recorder, handling(chunk.call_id, chunk.part):
        produced: Produced = consumer.run(chunk, response, replaced)
    touched = links.gather(chunk, produced.links, produced.returned, recorder, capture.changes(reread=False))
    fault("before_link")
    return touched, links.writing(chunk, touched, is_new=is_new)


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
    """Persist each part under its own savepoint; what fails is charged to the part alone.

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
        try:
            with transaction.atomic():
                one = response_of_part(response, part)
                done.touched[part.key] = persist_chunk(consumer, one, part=part.key)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - a handler may raise anything, and each is a failed part
            told = log.explain(error, source)
            charged = PersistedPart.objects.charge(call_id, schema, part.key, told, limit=limit)
            (done.dead if charged.is_dead else done.failed)[part.key] = told
        else:
            if row is not None:
                row.delete()
    return done

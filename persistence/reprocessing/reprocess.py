"""Reprocess: persist a stored result again, without a provider call. See what it would do, do it, or revert it.

A dry run does exactly what applying does, in a transaction that is rolled back: so the report of the one is the
report of the other. What is registered for the commit does not run; what a handler does outside the database does.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from orchestration.clock import database_now, earlier_than_new_times
from orchestration.engine.queue.database_thread import DATABASE_AWAY
from orchestration.errors import TransitionRefused, WrittenByNewerVersion
from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.types import JsonObject, Response
from persistence import log
from persistence.errors import ReprocessRefused
from persistence.handlers.adapters import Consumer, Consumers, HandlerConsumer
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.outbox.announcements import after_commit
from persistence.outbox.crash_markers import handling
from persistence.outbox.drain import persist_locked
from persistence.outbox.idempotent_unit import objects_of, persist_chunk, response_of_part
from persistence.outbox.outcomes import Outcome
from persistence.outbox.work import Work, response_of, source_of
from persistence.reprocessing.objections import Act, check
from persistence.reprocessing.recreate import Piece, Recreation
from persistence.reprocessing.reports import PartReport, Policy, Report, ReprocessOutcome
from persistence.reprocessing.revert import files_of, revert_chunks
from persistence.tracking import object_links
from persistence.tracking.counters import COUNTED, is_counted
from persistence.tracking.object_links import Touched, object_rows
from persistence.tracking.orm_capture import Capture, capturing
from persistence.tracking.recorder import recording
from persistence.tracking.row_changes import RowChange
from persistence.tracking.saved_files import SavedFile, deleting_rolled_back_files, digests_of
from persistence.tracking.snapshots import same

__all__ = ["Policy", "Report", "ReprocessOutcome", "dry_run", "reprocess", "reprocess_held", "revert", "revert_held"]


def dry_run(call_id: str, policy: Policy = Policy.KEEP, *, force: bool = False) -> Report:
    """What `reprocess` would do; nothing stays."""
    return _run(_Reprocess(call_id, policy, force=force), dry=True)


def reprocess(call_id: str, policy: Policy = Policy.KEEP, *, force: bool = False) -> Report:
    """Persist a stored result now. A failure changes nothing, not even the call's count of attempts.

    `force` lets `recreate` revert rows that were changed since. Raises ServiceCallRecord.DoesNotExist, and what says
    that the database is away; everything else stands in the report.
    """
    return _run(_Reprocess(call_id, policy, force=force), dry=False)


def revert(call_id: str, *, force: bool = False, dry: bool = False) -> Report:
    """Remove or restore what a call persisted; its result is then `skipped` and may be reprocessed.

    Refused, with the reasons, when an app objects; and unless forced, when a later change touched the same rows, rows
    of others would go along, or something was done that cannot be undone. Calls that its handler submitted stay: they
    have a life, and a revert, of their own. Files that it saved stay, too, and the report names them.
    """
    return _run(_Revert(call_id, force=force), dry=dry)


def reprocess_held(record: ServiceCallRecord, policy: Policy, *, force: bool, dry: bool) -> Report:
    """`reprocess` or `dry_run`, of a call whose row the caller's transaction holds and is there for.

    Where nothing stays, that transaction is to be rolled back as a whole (`transaction.get_rollback()`): it needs no
    savepoint. What can only fail at the commit is the caller's to tell. The report's counts are exact, its values as
    memory has them.
    """
    return _run(_Reprocess(record.pk, policy, force=force, held=record), dry=dry, savepoint=False)


def revert_held(record: ServiceCallRecord, *, force: bool) -> Report:
    """`revert`, as `reprocess_held`."""
    return _run(_Revert(record.pk, force=force, held=record), dry=False, savepoint=False)


def persist_approved(record: ServiceCallRecord, *, dry: bool) -> Report:
    """Persist a pending or held result, or show what that would do, for whoever asks a person about it: nothing holds
    it back. The caller's transaction holds the call; the instance is not to be used afterwards.

    Raises what the handler raises; then, and with `dry`, nothing stays.
    """
    job = _Reprocess(record.pk, Policy.KEEP, force=False, held=record, approved=True)
    _do(job, dry=dry, checked=True)
    return job.report


def _run(job: _Reprocess | _Revert, *, dry: bool, savepoint: bool = True) -> Report:
    report = job.report
    with isolated() as run:  # a handler may raise anything, and the report says so
        _do(job, dry=dry, savepoint=savepoint)
    match run.error:
        case None:
            pass
        case error if isinstance(error, (*DATABASE_AWAY, ServiceCallRecord.DoesNotExist)):
            raise error
        case ReprocessRefused() | TransitionRefused() | WrittenByNewerVersion() as error:
            _give_up(report, ReprocessOutcome.REFUSED, str(error))
        case error:
            _give_up(report, ReprocessOutcome.FAILED, log.explain(error, job.source))
    return report


def _do(job: _Reprocess | _Revert, *, dry: bool, savepoint: bool = True, checked: bool = False) -> None:
    """With `checked`, what the commit would check is checked here, as in a dry run."""
    report = job.report
    report.dry_run = dry
    with deleting_rolled_back_files() as saved, transaction.atomic(savepoint=savepoint):
        with capturing(dry=dry) as capture:
            job.do()
        _close_report(report, capture, saved)
        if dry or checked:
            _check_constraints(report)
        if dry:
            transaction.set_rollback(True)


def _check_constraints(report: Report) -> None:
    """What the commit would check."""
    if connection.vendor == "postgresql":  # `check_constraints` defers them again, which a rollback makes needless
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    else:
        deleted = {change.model for change in report.changes if change.action is ObjectAction.DELETED}
        pointing: set[Any] = {
            relation.related_model
            for model in deleted
            for relation in model._meta.get_fields(include_hidden=True)
            if relation.auto_created and not relation.concrete
        }
        models = pointing | {change.model for change in report.changes}
        connection.check_constraints(table_names=sorted({model._meta.db_table for model in models}))


def _close_report(report: Report, capture: Capture, saved: list[SavedFile]) -> None:
    """What was written outside the chunks' own captures, and what could not be followed."""
    reported = {(change.model, change.key) for part in report.parts for change in part.changes}
    report.other = [
        change
        for change in capture.changes(beside=reported)
        if not (change.model is ServiceCallRecord and change.key == report.call_id)
    ]
    report.unseen = list(dict.fromkeys([*report.unseen, *capture.unseen]))
    report.files = digests_of(saved)


def _give_up(report: Report, outcome: ReprocessOutcome, why: str) -> None:
    report.outcome, report.error, report.parts, report.other = outcome, why, [], []
    report.files, report.left_files, report.contradicted, report.kept = {}, [], [], []


def held_call(call_id: str) -> ServiceCallRecord | None:
    """The call, held until the transaction ends; rows that refer to it may be written meanwhile.

    By hand: naming its columns with the ORM takes three times as long as reading them.
    """
    lock = "FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""
    rows = ServiceCallRecord.objects.raw(f"SELECT * FROM service_call_record WHERE id = %s {lock}", [call_id])  # noqa: S608
    return next(iter(rows), None)


class _Revert:
    """Undo every chunk of a call."""

    source = ""

    def __init__(self, call_id: str, *, force: bool, held: ServiceCallRecord | None = None) -> None:
        self.force, self.held = force, held
        self.report = Report(call_id=call_id, outcome=ReprocessOutcome.REVERTED, dry_run=True)

    def do(self) -> None:
        call_id = self.report.call_id
        record = self.held or held_call(call_id)  # a call that was pruned can be reverted, too
        chunks = list(PersistedChunk.objects.filter(call_id=call_id).order_by("-pk"))
        if not chunks:
            raise ReprocessRefused([f"Call {call_id} persisted nothing."])
        check(Act.REVERT, call_id)
        reverted = revert_chunks(chunks, force=self.force, withdraw=True)
        self.report.contradicted, self.report.kept = reverted.contradicted, reverted.kept
        self.report.unseen = [statement for chunk in chunks for statement in chunk.unseen or []]
        self.report.left_files = files_of(chunks)
        self.report.parts = [PartReport(part="", outcome=ReprocessOutcome.REVERTED, changes=reverted.changes)]
        PersistedChunk.objects.filter(pk__in=[chunk.pk for chunk in chunks]).delete()
        if record is not None and record.domain_persist_state == PersistState.PERSISTED:
            record.mark_reverted()


class _Reprocess:
    """Persist one result, by its state and the policy."""

    def __init__(
        self,
        call_id: str,
        policy: Policy,
        *,
        force: bool,
        held: ServiceCallRecord | None = None,
        approved: bool = False,
    ) -> None:
        self.policy, self.force, self.held, self.started = policy, force, held, earlier_than_new_times()
        self.approved = approved
        self.source = ""
        self.report = Report(call_id=call_id, outcome=ReprocessOutcome.KEPT, dry_run=True)

    def do(self) -> None:
        record = self._record()
        if record.domain_persist_state != PersistState.PERSISTED:
            self._first(record)
        elif self.policy is Policy.KEEP:
            parts = PersistedChunk.objects.filter(call_id=record.pk).order_by("pk").values_list("part", flat=True)
            self.report.parts = [PartReport(part=part, outcome=ReprocessOutcome.KEPT) for part in parts]
        else:
            self._again(record)

    def _record(self) -> ServiceCallRecord:
        """The call, held; ReprocessRefused when it has no result to persist."""
        record = self.held or held_call(self.report.call_id)
        if record is None:
            raise ServiceCallRecord.DoesNotExist(f"There is no call {self.report.call_id}.")
        if record.status != Status.SUCCEEDED or record.domain_persist_state == PersistState.NONE:
            raise ReprocessRefused([f"Call {record.pk} is {record.status} and has no result to persist."])
        if record.result is None:
            raise ReprocessRefused([f"The content of call {record.pk} was purged."])
        return record

    def _first(self, record: ServiceCallRecord) -> None:
        """Pending, dead or skipped: what the drain would do, now; held: what approving it does."""
        if record.domain_persist_state == PersistState.HELD:
            if not self.approved:
                raise ReprocessRefused([f"The result of call {record.pk} waits for approval: decide on it instead."])
            record.release()
        elif record.domain_persist_state != PersistState.PENDING:
            record.persist_again()
        elif record.next_persist_at is None or record.next_persist_at > database_now():
            record.bring_forward()
        work = Work.of(record, Consumers())
        work.is_approved = self.approved
        self.source = source_of(work.consumer)
        transaction.on_commit(lambda: after_commit(work), robust=True)
        work.outcome = persist_locked(work)
        if work.outcome is Outcome.NOT_DUE:
            raise ReprocessRefused([f"The result of call {record.pk} is being persisted by a worker; try again."])
        self.report.outcome = {
            Outcome.PERSISTED: ReprocessOutcome.PERSISTED,
            Outcome.SKIPPED: ReprocessOutcome.SKIPPED,
            Outcome.HELD: ReprocessOutcome.HELD,
        }.get(work.outcome, ReprocessOutcome.FAILED)
        self.report.error = work.error
        self.report.parts = [
            PartReport(part=part, outcome=ReprocessOutcome.PERSISTED, changes=touched.changes)
            for part, touched in work.parts.items()
        ]

    def _again(self, record: ServiceCallRecord) -> None:
        response = response_of(record).attach(record.related_object)
        consumer = Consumers().of(record, response)
        if consumer is None:
            raise ReprocessRefused(
                [f"No handler and no codec takes results of {response.execution_metadata.schema_identity}."]
            )
        self.source = source_of(consumer)
        parts = consumer.parts(response)
        now = {"": response} if parts is None else {part.key: response_of_part(response, part) for part in parts}
        chunks = {chunk.part: chunk for chunk in PersistedChunk.objects.filter(call_id=record.pk).order_by("pk")}
        if self.policy is Policy.RECREATE:
            check(Act.RECREATE, record.pk)
            gone = [key for key in chunks if key not in now]
            pieces = {key: Piece(response=now.get(key), chunk=chunks.get(key)) for key in [*gone, *now]}
            recreation = Recreation(consumer=consumer, started=self.started, force=self.force)
            self.report.parts = recreation.run(pieces)
            self.report.contradicted, self.report.kept = recreation.contradicted, recreation.kept
        else:
            self.report.parts = [self._update(consumer, key, one, chunks.get(key)) for key, one in now.items()]
        outcomes = {part.outcome for part in self.report.parts}
        done = ReprocessOutcome.UPDATED if self.policy is Policy.UPDATE else ReprocessOutcome.RECREATED
        self.report.outcome = ReprocessOutcome.UNCHANGED if outcomes <= {ReprocessOutcome.UNCHANGED} else done
        if self.report.outcome is ReprocessOutcome.RECREATED:
            self.report.left_files = files_of(chunks.values())

    def _update(self, consumer: Consumer, key: str, response: Response, chunk: PersistedChunk | None) -> PartReport:
        if chunk is None:
            touched = persist_chunk(consumer, response, part=key)
            return PartReport(part=key, outcome=ReprocessOutcome.PERSISTED, changes=touched.changes)
        return _update(consumer, response, chunk)


def _update(consumer: Consumer, response: Response, chunk: PersistedChunk) -> PartReport:
    """Let the handler bring its objects up to date; when no row changes, nothing is written at all."""
    if not isinstance(consumer, HandlerConsumer) or not consumer.can_update:
        raise ReprocessRefused(
            [f"{consumer.component.identity} defines no `update(self, response, made)`; use keep or recreate."]
        )
    with deleting_rolled_back_files() as saved, capturing() as capture, recording() as recorder:
        with handling(chunk.call_id, chunk.part):
            produced = consumer.run_update(chunk, response, objects_of(chunk))
    changes = capture.changes()
    if chunk.note_outside(capture.unseen, digests_of(saved)):
        chunk.save(update_fields=["unseen", "files"])
    touched = object_links.gather(chunk, produced.links, produced.returned, recorder, changes, capture.is_gone)
    _restamp(consumer, response, chunk)
    if not changes:
        return PartReport(part=chunk.part, outcome=ReprocessOutcome.UNCHANGED)
    _remember(chunk, touched)
    return PartReport(part=chunk.part, outcome=ReprocessOutcome.UPDATED, changes=changes)


def _restamp(consumer: Consumer, response: Response, chunk: PersistedChunk) -> None:
    stamp = (str(consumer.component.identity), consumer.component.fingerprint)
    version = response.execution_metadata.schema_version
    if (chunk.handler_identity, chunk.handler_fingerprint, chunk.schema_version) != (*stamp, version):
        chunk.handler_identity, chunk.handler_fingerprint, chunk.schema_version = *stamp, version
        chunk.save(update_fields=["handler_identity", "handler_fingerprint", "schema_version"])


def _remember(chunk: PersistedChunk, touched: Touched) -> None:
    """Keep what the rows were before the first run, and how the last one left them."""
    known = {(row.content_type_id, row.object_id): row for row in chunk.objects_touched.all()}
    news, lost = [], False
    for row in object_rows(touched):
        old, is_deleted = known.get((row[0], row[1])), row[3] == ObjectAction.DELETED
        if old is None:
            news.append((*row[:2], ObjectRole.RELATED.value, *row[3:]))
        elif is_deleted and old.action == ObjectAction.CREATED:
            lost = lost or old.role == ObjectRole.PRIMARY
            old.delete()
        elif row[5] or is_deleted:
            old.row_digest, old.changes = row[5], _joined(old, touched.changes)
            is_back = old.action == ObjectAction.DELETED and not is_deleted
            old.action = row[3] if is_deleted else ObjectAction.UPDATED if is_back else old.action
            old.save(update_fields=["row_digest", "changes", "action"])
    PersistedObject.objects.record(chunk, news)
    if lost:
        _replace_primary(chunk, touched.primary)


def _replace_primary(chunk: PersistedChunk, primary: Model | None) -> None:
    """What the chunk is about, when its primary object was deleted: another object, or none."""
    chunk.domain_object = primary  # sets both columns
    chunk.save(update_fields=["content_type", "object_id"])
    if primary is not None:
        rows = chunk.objects_touched.filter(content_type=chunk.content_type, object_id=chunk.object_id)
        rows.update(role=ObjectRole.PRIMARY)


def _joined(old: PersistedObject, changes: list[RowChange]) -> JsonObject | None:
    """The changes of an updated row over both runs: before the first, after the last."""
    change = next((c for c in changes if c.id == old.object_id and _is_of(c, old)), None)
    if old.action == ObjectAction.CREATED or change is None:
        return old.changes
    joined: JsonObject = dict(old.changes or {})
    for name, (before, after) in change.fields.items():
        joined[name] = [joined[name][0] if name in joined else before, after, *_mark(old, change, name)]
    return {name: pair for name, pair in joined.items() if change.after is None or not same(*pair[:2])}


def _mark(old: PersistedObject, change: RowChange, name: str) -> list[str]:
    """That a column was counted on, in either run."""
    return [COUNTED] if name in change.counted or is_counted((old.changes or {}).get(name, [])) else []


def _is_of(change: RowChange, row: PersistedObject) -> bool:
    return row.reference is not None and row.reference.model is change.model

"""What a result would write, as a person is shown it: a dry run, and what it comes down to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from orchestration.clock import earlier_than_new_times
from orchestration.components.registry import schemas
from orchestration.engine.execution.validation import checked_data
from orchestration.errors import InvalidOutput
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from persistence.errors import DryRunIncomplete, InvalidEdit
from persistence.handlers.schema_upgrades import upgraded
from persistence.models.approval import Hold
from persistence.reprocessing.dry_run_check import Essence, essence
from persistence.reprocessing.reports import Report, ReprocessOutcome
from persistence.reprocessing.reprocess import persist_approved


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer, and what it would write."""

    answer: Any
    report: Report
    essence: Essence

    @property
    def digest(self) -> str:
        """The same as long as it is the same answer, and would do the same to the same rows."""
        return digest_of(self.answer, self.essence)

    def columns(self) -> JsonObject:
        """Of a Hold."""
        return {
            "shown": self.report.as_json(),
            "essence": self.essence,
            "digest": self.digest,
            "rows": len(self.report.changes),
        }


def digest_of(*parts: Any) -> str:
    """64 hex digits of SHA-256 over JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def show(record: ServiceCallRecord, edited: JsonObject | None = None) -> Shown:
    """What persisting a held or pending call would do, with an edited answer where one is given; nothing stays, and
    the instance, which the caller's transaction holds, is not to be used afterwards.

    Raises what the handler raises, and DryRunIncomplete.
    """
    if edited is not None:
        put_answer(record, edited)
    answer = current_data(record)
    done = persist(record, dry=True)
    return Shown(answer=answer, report=done[0], essence=done[1])


def persist(record: ServiceCallRecord, *, dry: bool) -> tuple[Report, Essence]:
    """Persist the result, or show what that does; DryRunIncomplete when that is not all of it."""
    started = earlier_than_new_times()
    report = persist_approved(record, dry=dry)
    if report.outcome is ReprocessOutcome.SKIPPED:
        raise DryRunIncomplete(
            f"There is no longer a handler or codec for results of {record.schema_identity}: deploy the code that has"
            " it, or reject the result."
        )
    if report.outcome is not ReprocessOutcome.PERSISTED:
        raise DryRunIncomplete(report.error or f"It is {report.outcome.value}.")
    return report, essence(report, started, before=True)


def show_hold(hold: Hold, record: ServiceCallRecord) -> Shown:
    """`show`, with the answer as it is in the hold now."""
    return show(record, hold.edited)


# --- an edited answer -------------------------------------------------------------------------


def current_data(record: ServiceCallRecord) -> JsonObject:
    """The answer of a call, in the present version of its schema."""
    return upgraded(record.stored_response()).structured_data or {}


def checked_edit(record: ServiceCallRecord, answer: Any) -> JsonObject:
    """An answer that a person wrote, checked as a model's is; InvalidEdit says what is wrong, without values."""
    identity = record.schema_identity
    schema: Any = schemas.try_get(identity) if identity else None
    if schema is None:
        raise InvalidEdit(f"It cannot be edited: its schema {identity or '(none)'} is no longer registered.")
    try:
        return checked_data(answer, schema)
    except InvalidOutput as error:
        raise InvalidEdit(str(error)) from None


def put_answer(record: ServiceCallRecord, answer: JsonObject, *, store: bool = False) -> None:
    """Make an edited answer the result of a call; only in memory unless it is to be stored. What the model said stays
    with its response audit, and with the hold."""
    meta = upgraded(record.stored_response()).execution_metadata
    record.result = {
        **(record.result or {}),
        "structured_data": answer,
        "execution_metadata": meta.model_dump(mode="json"),
    }
    record.schema_version, record.schema_fingerprint = meta.schema_version, meta.schema_fingerprint
    if store:
        columns = ("result", "schema_version", "schema_fingerprint")
        ServiceCallRecord.objects.filter(pk=record.pk).update(**{name: vars(record)[name] for name in columns})

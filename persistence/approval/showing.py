"""What a result would write, as a person is shown it: a dry run, and what it comes down to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from orchestration.clock import earlier_than_new_times
from orchestration.components.registry import schemas
from orchestration.engine.execution.validation import checked_data
from orchestration.engine.queue.database_thread import is_away
from orchestration.errors import InvalidOutput
from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from persistence import log
from persistence.approval.rules import persons_for
from persistence.errors import DryRunIncomplete, InvalidEdit, NotPersistable, NotUpgradable
from persistence.foreign_code import attempt
from persistence.handlers.adapters import Consumers
from persistence.handlers.schema_upgrades import upgrade_data, upgraded
from persistence.models.approval import Hold
from persistence.reprocessing.dry_run_check import Essence, essence
from persistence.reprocessing.reports import Report, ReprocessOutcome
from persistence.reprocessing.reprocess import persist_approved

VERSION = "schema_version"
"""What a hold keeps beside the report of its dry run: the version of the schema that its answers fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer, and what it would write."""

    answer: Any
    report: Report
    essence: Essence
    schema_version: int = 0
    """Of the answer; 0 for one without a schema."""
    persons: int = 1
    """How many have to approve it."""

    @property
    def digest(self) -> str:
        """The same as long as it is the same answer, and would do the same to the same rows."""
        return digest_of(self.answer, self.essence)

    def columns(self) -> JsonObject:
        """Of a Hold."""
        return {
            "shown": {**self.report.as_json(), VERSION: self.schema_version},
            "essence": self.essence,
            "digest": self.digest,
            "rows": len(self.report.changes),
            "persons": self.persons,
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
    response = upgraded(record.stored_response())
    version = response.execution_metadata.schema_version or 0
    declared = Consumers().declared(record, response)
    report, found = persist(record, dry=True)
    return Shown(
        answer=response.structured_data or {},
        report=report,
        essence=found,
        schema_version=version,
        persons=persons_for(declared, report),
    )


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
    return show(record, in_present_version(hold, hold.edited))


# --- the answers that a hold keeps -------------------------------------------------------------


def in_present_version(hold: Hold, data: Any) -> Any:
    """An answer of a hold, in the version that its schema has now; NotPersistable says why that cannot be."""
    schema: Any = schemas.try_get(hold.schema_identity) if hold.schema_identity else None
    version = (hold.shown or {}).get(VERSION)
    if schema is None or not version or not isinstance(data, dict):
        return data
    why = "It was made for another version of its schema, and cannot be brought to the present one: "
    try:
        found, failure = attempt(lambda: upgrade_data(schema, version, data), raises=(NotUpgradable,))
    except NotUpgradable as error:
        raise NotPersistable(f"{why}{error}") from None
    if failure:
        raise NotPersistable(f"{why}an upgrade raised {failure}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a hold keeps, to be read."""

    answer: Any
    """What the model said."""
    edited: Any
    """What a person made of it; None where nobody did."""
    why: str = ""
    """Why both are not in the present version of their schema, but as they were stored."""

    @property
    def current(self) -> Any:
        return self.answer if self.edited is None else self.edited


def answers_of(hold: Hold) -> Answers:
    """In the present version of their schema, wherever that is possible."""
    try:
        return Answers(answer=in_present_version(hold, hold.answer), edited=in_present_version(hold, hold.edited))
    except NotPersistable as error:
        return Answers(answer=hold.answer, edited=hold.edited, why=str(error))


# --- an edited answer -------------------------------------------------------------------------


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


def tried(record: ServiceCallRecord, edited: JsonObject) -> Shown:
    """`show` an edit; NotPersistable says why its handler does not take it, without values."""
    shown: list[Shown] = []
    with isolated() as run, transaction.atomic():
        shown.append(show(record, edited))
    if run.error is None:
        return shown[0]
    if is_away(run.error):
        raise run.error
    raise NotPersistable(f"With this edit it cannot be persisted: {log.explain(run.error)}")


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

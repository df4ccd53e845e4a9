"""What an erasure leaves, and why: each column that can hold text is emptied, goes with its row, or is declared here.

Apps declare their own with `keep` from `AppConfig.ready`, beside the kinds of content that they add.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import models
from django.db.models import Model

from orchestration.models import AIRequestAudit, AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.models.engine_events import EngineEvent
from orchestration.models.idempotency import ApiAnswer
from orchestration.models.nodes import EngineCounter, WorkerNode
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.prompt_overrides import PromptText
from orchestration.models.rollups import CallRollup
from orchestration.models.throttles import Pause, ProviderCircuit, RateLimit
from orchestration.models.tool_runs import ToolRun
from persistence.maintenance.retention import KINDS
from persistence.models import PersistedChunk, PersistedObject, PersistedPart
from persistence.models.approval import Decision, Hold
from persistence.models.bulk import BulkItem, BulkRun
from persistence.models.erasures import Erasure
from persistence.models.failures import PersistenceFailure
from persistence.models.outbox import PersistenceDeath
from persistence.models.retention import RetentionHeld, RetentionMark

CODES = "Names, codes and states that code gives."
KEYS = "Keys and digests, without what they stand for."
OPERATORS = "What operators wrote about the service."
WITHOUT_TEXT = (
    models.AutoField,
    models.BooleanField,
    models.DateField,
    models.DecimalField,
    models.DurationField,
    models.FloatField,
    models.IntegerField,
    models.TimeField,
    models.UUIDField,
    models.ForeignObject,
)
"""Fields that hold no text. Of all others a declaration is demanded, whatever they are."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Columns that stay as they are."""

    columns: tuple[str, ...]
    reason: str


KEPT: dict[type[Model], list[Kept]] = defaultdict(list)


def keep(model: type[Model], reason: str, *columns: str) -> None:
    """Let an erasure leave these columns. Call it from AppConfig.ready; ValueError for a name that is not a column."""
    unknown = set(columns) - {field.name for field in model._meta.local_fields}
    if unknown:
        raise ValueError(f"{model._meta.label} has no {', '.join(sorted(unknown))}.")
    KEPT[model].append(Kept(columns, reason))


def what_stays() -> list[tuple[str, str, str]]:
    """Model, columns and reason of all that stays, by model."""
    return sorted(
        (model._meta.label, ", ".join(kept.columns), kept.reason) for model, rows in KEPT.items() for kept in rows
    )


def undeclared(among: Iterable[type[Model]]) -> list[str]:
    """The columns with text of which nobody said whether they are erased, as `app.Model.column`."""
    return [
        f"{model._meta.label}.{name}"
        for model in among
        if not _goes(model)
        for name in sorted(_with_text(model) - _emptied(model) - _kept(model))
    ]


def contradicted() -> list[str]:
    """The columns that are declared both to be erased and to stay."""
    return [f"{model._meta.label}.{name}" for model in KEPT for name in sorted(_emptied(model) & _kept(model))]


def _with_text(model: type[Model]) -> set[str]:
    """Choices are made by code, a primary key is what other rows refer to, and the database generates from the rest."""
    return {
        field.name
        for field in model._meta.local_concrete_fields
        if not (isinstance(field, WITHOUT_TEXT) or field.choices or field.primary_key or field.generated)
    }


def _emptied(model: type[Model]) -> set[str]:
    return {name for kind in KINDS.values() if kind.model is model for name in kind.empty or ()}


def _kept(model: type[Model]) -> set[str]:
    return {name for kept in KEPT.get(model, ()) for name in kept.columns}


def _goes(model: type[Model]) -> bool:
    """Rows are deleted: as a kind of content, or with a row that they belong to."""
    if any(kind.model is model and kind.empty is None for kind in KINDS.values()):
        return True
    return any(parent is not model and _goes(parent) for parent in _parents(model))


def _parents(model: type[Model]) -> Iterator[type[Model]]:
    for field in model._meta.local_fields:
        if field.remote_field is not None and field.remote_field.on_delete is models.CASCADE:
            yield field.remote_field.model


def _keep_calls() -> None:
    names = ("service_identity", "namespace", "model", "provider", "route_reason")
    engine = ("error_code", "dispatch", "queue", "schema_identity", "schema_fingerprint", "worker", "client")
    keep(ServiceCallRecord, CODES, *names, *engine, "model_requested")
    keep(ServiceCallRecord, KEYS, "ordering_key", "idempotency_key", "request_fingerprint", "related_object_id")
    finished = "Of a call that is finished with: empty, or that its result was rejected or reverted."
    keep(ServiceCallRecord, finished, "domain_persist_error")
    asked = ("kind", "name", "client_name", "surface", "response_schema_identity", "parameters")
    keep(AIRequestAudit, CODES, *names, *asked)
    keep(AIRequestAudit, KEYS, "object_db_pk")
    keep(AIResponseAudit, CODES, "finish_reason", "model", "service_tier", "error_code")
    keep(AIResponseAudit, KEYS, "provider_response_id")
    keep(ToolRun, CODES, "tool", "error_code")
    keep(ToolRun, KEYS, "provider_call_id")
    for model, columns in ((ContentFile, ("media_type", "path")), (ContentUse, ("kind", "name"))):
        keep(model, "Removed with the last call that refers to the content.", *columns)


def _keep_what_runs_calls() -> None:
    encrypted = "Encrypted with a key that only the caller has; gone after a day."
    keep(ApiAnswer, encrypted, "key_digest", "fingerprint", "body")
    keep(CallRollup, CODES, "service_identity", "model", "errors", "durations", "costliest_call")
    keep(EngineCounter, CODES, "name")
    keep(EngineEvent, CODES, "about", "detail")
    keep(ModelPrice, CODES, "provider", "model", "currency")
    keep(OrderingKey, KEYS, "key")
    keep(ProviderCircuit, CODES, "client", "probe", "last_error_code")
    keep(WorkerNode, CODES, "name", "host", "last_restart_reason")
    keep(Pause, OPERATORS, "name", "reason")
    keep(PromptText, "What editors wrote for all calls.", "section", "text", "note")
    keep(RateLimit, OPERATORS, "pattern")


def _keep_persistence() -> None:
    where = ("call_id", "schema_identity", "part")
    keep(PersistedChunk, CODES, *where, "namespace", "handler_identity", "handler_fingerprint", "gone_model", "unseen")
    keep(PersistedChunk, KEYS, "object_id", "files")
    keep(PersistedObject, KEYS, "object_id", "gone_model", "row_digest")
    keep(PersistedPart, CODES, *where)
    keep(PersistenceDeath, CODES, "call_id", "part", "node")
    keep(PersistenceFailure, CODES, "handler", "fingerprint", "cause")
    keep(RetentionMark, CODES, "kind")
    keep(RetentionHeld, KEYS, "kind", "row_id")
    keep(BulkRun, OPERATORS, "options", "reason")
    keep(BulkRun, CODES, "kind", "error", "forecast", "channel", "credential")
    files = "Names of files of an export: removed with the content of any of its rows, and a week after it ended."
    keep(BulkRun, files, "file", "parts")
    what = "Which calls a run took on, and why not all of them were done; no values."
    keep(BulkItem, what, "call_id", "outcome", "counts", "error", "made_call_id")
    held = ("call_id", "tool", "tool_key", "service_identity", "namespace", "schema_identity", "prompt_version")
    keep(Hold, CODES, *held, "at_deadline", "escalate_to", "permissions", "moved")
    decided = (
        "What a person decided on: one digest of answer and rows, that tells nothing to who does not know them all."
    )
    keep(Hold, decided, "digest")
    keep(Decision, decided, "digest")
    keep(Erasure, "The report of an erasure itself.", "subject_id", "reason", "rows", "held")


def register() -> None:
    """Declare what calls, and what persistence notes of them, keep."""
    _keep_calls()
    _keep_what_runs_calls()
    _keep_persistence()

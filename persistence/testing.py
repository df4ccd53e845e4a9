"""For tests of handlers and codecs: a stored result without a model call, and the drain in this thread."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils import timezone

from orchestration.app import ensure_autostarted
from orchestration.identity import Identity
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.schemas import OutputSchema
from orchestration.types import ExecutionMetadata, JsonObject, Response
from persistence.drain import drain_call
from persistence.outcomes import Outcome


def stored_result(
    service: Identity,
    schema: type[OutputSchema],
    data: JsonObject,
    *,
    context: JsonObject | None = None,
    related_object: Model | None = None,
    **fields: Any,
) -> ServiceCallRecord:
    """A succeeded call of a service whose result `data` waits to be persisted; `fields` set more of the record.

    `data` is stored as it is, so that a test may store what the schema no longer accepts, of an older
    `schema_version`, say.
    """
    record = unsaved_result(service, schema, data, context=context, related_object=related_object, **fields)
    record.save(force_insert=True)
    return record


def unsaved_result(
    service: Identity, schema: type[OutputSchema], data: JsonObject, *, context: JsonObject | None = None, **fields: Any
) -> ServiceCallRecord:
    """What `stored_result` stores, for a `bulk_create` of many."""
    now = timezone.now()
    record = ServiceCallRecord(
        **{
            "service_identity": str(service),
            "namespace": service.namespace,
            "context": context or {},
            "status": Status.SUCCEEDED,
            "schema_identity": str(schema.identity),
            "schema_version": schema.version,
            "schema_fingerprint": schema.strict.fingerprint,
            "domain_persist_state": PersistState.PENDING,
            "next_persist_at": now,
            "finished_at": now,
            **fields,
        }
    )
    record.result = _response(record, service, schema, data).model_dump(mode="json")
    return record


def _response(record: ServiceCallRecord, service: Identity, schema: type[OutputSchema], data: JsonObject) -> Response:
    return Response(
        call_id=record.pk,
        namespace=service.namespace,
        group=service.group,
        name=service.name,
        identity_str=service.label,
        correlation_id=record.correlation_id,
        request_correlation_id=record.correlation_id,
        structured_data=data,
        context={**record.context, "call_id": record.pk},
        execution_metadata=ExecutionMetadata(
            service_identity=str(service),
            schema_identity=str(schema.identity),
            schema_version=record.schema_version,
            schema_fingerprint=record.schema_fingerprint,
        ),
    )


def persist(record: ServiceCallRecord) -> Outcome:
    """Persist one result as the drain does; the record is read again, so that a test sees what became of it."""
    ensure_autostarted()
    outcome = drain_call(record.pk)
    record.refresh_from_db()
    return outcome

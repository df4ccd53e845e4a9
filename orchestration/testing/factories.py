"""Calls in the states that tests start from, without a worker and without a model."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.db.models import Model

from orchestration.clock import database_now
from orchestration.components.identity import Identity
from orchestration.components.schemas import OutputSchema
from orchestration.components.service import Service
from orchestration.engine.queue.enqueue import CallSpec, build_record, store
from orchestration.models import ServiceCallRecord
from orchestration.models.states import TERMINAL, PersistState, Status
from orchestration.types import ExecutionMetadata, JsonObject, Response

OPTIONS = frozenset(field.name for field in fields(CallSpec)) - {"service"}
LEASE = timedelta(minutes=1)


def make_call(service: type[Service] | str, *, status: str = Status.QUEUED, **given: Any) -> ServiceCallRecord:
    """A stored call of a service, in any status; no worker is woken.

    `given`: options of a call, as `using()` takes them (`context`, `input`, `run_at`, …), and columns of
    ServiceCallRecord (`error_code`, `attempts`, …). Raises what submitting raises for wrong options. A call that
    succeeded has no result: `make_result` makes one with.
    """
    options = {name: value for name, value in given.items() if name in OPTIONS}
    record = build_record(CallSpec(service=service, **options))
    now = database_now()
    record.status = status
    if status == Status.RUNNING:
        record.lease_token, record.worker, record.started_at = 1, "test:0:0", now
        record.lease_expires_at = now + LEASE
    elif status in TERMINAL:
        record.started_at = record.finished_at = now
    for name, value in given.items():
        if name not in OPTIONS:
            ServiceCallRecord._meta.get_field(name)  # a wrong name is an error, not an attribute
            setattr(record, name, value)
    return store([record])[0]


def make_result(service: type[Service], data: JsonObject, **fields: Any) -> ServiceCallRecord:
    """A succeeded call whose result `data` waits for `drain` to persist it; `fields` as for `stored_result`."""
    schema = service.wiring.schema
    if schema is None:
        raise ValueError(f"{service.identity} has no schema: its result is text, which no handler takes.")
    return stored_result(service.identity, schema, data, **fields)


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
    now = database_now()
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

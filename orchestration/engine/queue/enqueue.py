"""Enqueueing: validated rows in the caller's transaction, and one wake-up when it commits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, models, transaction

from orchestration.clock import database_now, no_later_than_now
from orchestration.components.registry import services
from orchestration.components.routing import plan_of, route_of
from orchestration.components.service import Service
from orchestration.conf import clients_settings, engine_settings
from orchestration.content.uses import add_uses
from orchestration.engine.queue.transport import wake
from orchestration.engine.tracing import carrier
from orchestration.errors import IdempotencyConflict, InvalidCall, MissingContext, NotJson, PayloadTooLarge
from orchestration.fault_injection import fault
from orchestration.models import ServiceCallRecord
from orchestration.models.calls import STAYS
from orchestration.models.new_rows import new_row
from orchestration.models.ordering_keys import OrderingKey
from orchestration.models.prepared_sql import cursor_for_many, cursor_with_plans, insertion
from orchestration.models.states import OrderingPolicy, Status
from orchestration.types import JsonObject, Message
from orchestration.values.content_parts import content_of, may_refer, references_in
from orchestration.values.generic_refs import key_text, why_not_stored
from orchestration.values.moments import check_moment
from orchestration.values.sanitize import check_json

MAX_CALL_ATTEMPTS = 10
MAX_RELATED_KEY = 64
"""Characters of the related object's primary key as text."""
PRIORITIES = range(-32768, 32768)
SHOWING = ("user", "tool")
"""Whose messages may have images, audio and files."""
ORDERING_POLICIES = tuple(OrderingPolicy.values)
_write = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """What a caller asks for; everything but the service has a default."""

    service: str | type[Service]
    """A service class, or its identity as text."""
    input: JsonObject = field(default_factory=dict)
    context: JsonObject = field(default_factory=dict)
    priority: int = 0
    """Higher first."""
    run_at: datetime | None = None
    ordering_key: str = ""
    ordering_policy: str = OrderingPolicy.SKIP
    related_object: models.Model | None = None
    idempotency_key: str | None = None
    max_attempts: int | None = None
    requested_by: Any = None
    correlation_id: UUID | None = None
    model: str | None = None
    client: str | None = None
    parameters: JsonObject = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    """What to send instead of the prompt that the service's sections render; empty: the sections. A content is text, or
    a list of texts and of parts (`orchestration/content/`)."""
    parent: ServiceCallRecord | None = None
    persist: bool = True
    """False: the result is stored with the call and goes no further: no handler takes it, and no signal says that it
    is there. It can be persisted later, by reprocessing the call."""


def submit(spec: CallSpec) -> ServiceCallRecord:
    """Queue one call; see `submit_many`."""
    return submit_many([spec])[0]


def submit_many(specs: Sequence[CallSpec]) -> list[ServiceCallRecord]:
    """Queue calls in the caller's transaction, all or none, with one wake-up when it commits.

    A spec whose idempotency key was used before for the same request gives the stored record back. Raises
    ServiceNotFound, MissingContext, NotJson, InvalidCall or IdempotencyConflict; then nothing is queued.
    """
    return submit_records([build_record(spec) for spec in specs])


def submit_records(records: Sequence[ServiceCallRecord]) -> list[ServiceCallRecord]:
    """`submit_many` for records that `build_record` made; IdempotencyConflict as there."""
    with transaction.atomic():
        stored = store(records)
        fault("after_submit")
    for queue in {record.queue for record in stored if record.status == Status.QUEUED}:
        transaction.on_commit(partial(_wake_after_commit, queue), robust=True)
    return stored


def store(records: Sequence[ServiceCallRecord]) -> list[ServiceCallRecord]:
    """Insert records in order with their sequences; one with a known idempotency key comes back as its first row."""
    plain = [record for record in records if record.idempotency_key is None]
    _number(plain)
    _insert(plain)
    _add_uses(plain)
    return [record if record.idempotency_key is None else _store_keyed(record) for record in records]


def _insert(records: Sequence[ServiceCallRecord]) -> None:
    """Insert new rows. On PostgreSQL they are one parameter of a statement that is written by hand: the ORM takes four
    times as long for their fifty columns. While somebody follows what is written (`persistence.tracking`), it does."""
    if not records:
        return
    if connection.vendor != "postgresql" or connection.execute_wrappers:
        ServiceCallRecord.objects.bulk_create(records)
        return
    new = insertion(records)
    with cursor_with_plans() if len(records) == 1 else cursor_for_many() as cursor:
        cursor.execute(new.sql, new.params)
    for record in records:
        record._state.adding, record._state.db = False, connection.alias


def _store_keyed(record: ServiceCallRecord) -> ServiceCallRecord:
    """The unique constraint decides who was first; the loser reads the winner's row."""
    try:
        with transaction.atomic():
            _number([record])
            _insert([record])
            _add_uses([record])
    except IntegrityError:
        first = ServiceCallRecord.objects.filter(
            idempotency_key=record.idempotency_key, requested_by=record.requested_by
        ).first()
        if first is None:
            raise
        if first.request_fingerprint != record.request_fingerprint:
            raise IdempotencyConflict(
                f"Idempotency key {record.idempotency_key!r} belongs to call {first.pk}, another request."
            ) from None
        return first
    return record


def _add_uses(records: Sequence[ServiceCallRecord]) -> None:
    """Note which stored content they refer to; ContentRefused where that is gone."""
    owned = [("call", record.pk, record.content_references) for record in records if record.content_references]
    if owned:
        add_uses(owned, strict=True)


def _number(records: Iterable[ServiceCallRecord]) -> None:
    by_key: dict[str, list[ServiceCallRecord]] = {}
    for record in records:
        if record.ordering_key:
            by_key.setdefault(record.ordering_key, []).append(record)
    for key in sorted(by_key):  # always in the same order, so that two submits cannot deadlock
        first = OrderingKey.take(key, len(by_key[key]))
        for offset, record in enumerate(by_key[key]):
            record.sequence = first + offset


# --- building and checking ------------------------------------------------------------------


def build_record(spec: CallSpec) -> ServiceCallRecord:
    """An unsaved record for a spec, checked against the service's contract."""
    service: type[Service] = services.get(spec.service) if isinstance(spec.service, str) else spec.service
    check_json(spec.input, "input")
    check_json(spec.context, "context")
    check_json(spec.parameters, "parameters")
    check_json(spec.messages, "messages")
    _check_options(spec)
    spec = replace(spec, messages=_checked_messages(spec.messages)) if spec.messages else spec
    context = _with_required(service, spec)
    written = _check_size(spec, context)
    schema = service.wiring.schema
    client, model = route_of(service, spec.client, spec.model)
    plan = None if spec.client or spec.model else plan_of(service)
    record = new_row(
        ServiceCallRecord,
        service_identity=str(service.identity),
        namespace=service.identity.namespace,
        service_kwargs=_service_kwargs(spec),
        input=spec.input,
        context=context,
        dispatch={"mode": "queued", **({} if spec.persist else STAYS), **carrier()},
        queue=engine_settings().QUEUE,
        schema_identity=str(schema.identity) if schema else "",
        schema_version=schema.version if schema else 0,
        schema_fingerprint=schema.strict.fingerprint if schema else "",
        client=client,
        model_requested=model,
        routes_left=None if plan is None else plan.all,
        priority=int(spec.priority),
        ordering_key=spec.ordering_key,
        ordering_policy=spec.ordering_policy,
        due_at=_due_at(spec.run_at),
        max_attempts=spec.max_attempts or (service.retry or engine_settings().retry).max_attempts,
        idempotency_key=spec.idempotency_key,
        request_fingerprint=fingerprint(spec) if spec.idempotency_key else "",
    )
    _relate(record, spec)
    if spec.messages or may_refer(written):
        record.content_references = tuple(references_in(spec.input, context, spec.messages))
    return record


def _relate(record: ServiceCallRecord, spec: CallSpec) -> None:
    """Set what most calls do not have."""
    if spec.requested_by is not None:
        record.requested_by = spec.requested_by
    if spec.parent is not None:
        record.parent = spec.parent
    if spec.correlation_id is not None:
        record.correlation_id = spec.correlation_id
    related = spec.related_object
    if related is not None:
        record.related_content_type = ContentType.objects.get_for_model(related)
        record.related_object_id = key_text(type(related), related.pk)


def fingerprint(spec: CallSpec) -> str:
    """SHA-256 over what makes two requests the same, in canonical JSON."""
    identity = spec.service if isinstance(spec.service, str) else str(spec.service.identity)
    related = spec.related_object
    content = [
        *(identity, spec.input, spec.context, spec.priority, spec.ordering_key, spec.ordering_policy),
        *(spec.model, spec.client, spec.parameters, spec.max_attempts, spec.run_at and spec.run_at.isoformat()),
        related and [related._meta.label, key_text(type(related), related.pk)],
        *([spec.messages] if spec.messages else []),
        *([] if spec.persist else ["not persisted"]),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _service_kwargs(spec: CallSpec) -> JsonObject:
    given: JsonObject = {"messages": spec.messages} if spec.messages else {}
    return {"model": spec.model, "client": spec.client, "parameters": spec.parameters, **given}


def _check_options(spec: CallSpec) -> None:
    if not isinstance(spec.input, dict) or not isinstance(spec.context, dict):
        raise NotJson("input and context must be JSON objects.")
    if spec.priority not in PRIORITIES:
        raise InvalidCall(f"priority is between {PRIORITIES[0]} and {PRIORITIES[-1]}, not {spec.priority!r}.")
    if spec.max_attempts is not None and not 1 <= spec.max_attempts <= MAX_CALL_ATTEMPTS:
        raise InvalidCall(f"max_attempts is between 1 and {MAX_CALL_ATTEMPTS}, not {spec.max_attempts!r}.")
    _check_run_at(spec.run_at)
    if spec.ordering_policy not in ORDERING_POLICIES:
        raise InvalidCall(f"ordering_policy is one of {', '.join(ORDERING_POLICIES)}.")
    _check_text(spec.ordering_key, "ordering_key", 255)
    _check_text(spec.idempotency_key, "idempotency_key", 255)
    _check_text(spec.model, "model", 128)
    if spec.requested_by is not None and spec.requested_by.pk is None:
        raise InvalidCall("requested_by is not saved.")
    if spec.client is not None and spec.client not in clients_settings().clients:
        raise InvalidCall(f"client {spec.client!r} is not in ORCA_CONFIG: {', '.join(clients_settings().clients)}.")
    if spec.related_object is not None:
        _check_related(spec.related_object)


def _check_text(text: Any, name: str, limit: int) -> None:
    if not isinstance(text, str | None):
        raise InvalidCall(f"{name} is text, not a {type(text).__name__}.")
    check_json(text, name)
    if len(text or "") > limit:
        raise InvalidCall(f"{name} is longer than {limit} characters.")


def _check_related(obj: models.Model) -> None:
    why = why_not_stored(obj)
    if why:
        raise InvalidCall(f"related_object {why}.")
    if len(key_text(type(obj), obj.pk)) > MAX_RELATED_KEY:
        raise InvalidCall(f"The primary key of related_object has more than {MAX_RELATED_KEY} characters.")


def _due_at(run_at: datetime | None) -> datetime:
    """A time in the past counts as now: the age of a call raises its priority, which callers must not choose.

    Now is no later than any worker's: one that is told of the call looks for it once.
    """
    return no_later_than_now() if run_at is None else max(run_at.astimezone(UTC), database_now())


def _check_run_at(run_at: Any) -> None:
    if run_at is None:
        return
    if not isinstance(run_at, datetime):
        raise InvalidCall(f"run_at is a datetime with a time zone, not a {type(run_at).__name__}.")
    try:
        check_moment(run_at)
    except ValueError as error:
        raise InvalidCall(f"run_at {error}.") from None


def _with_required(service: type[Service], spec: CallSpec) -> JsonObject:
    """The context, with required keys that came in the payload copied into it."""
    required = service.required_context_keys
    context = {key: spec.input[key] for key in required if key in spec.input} | spec.context
    missing = [key for key in required if key not in context]
    if missing:
        available = ", ".join(sorted({*spec.context, *spec.input})) or "none"
        raise MissingContext(f"{service.identity} needs context {', '.join(missing)}; available: {available}.")
    return context


def _checked_messages(messages: Any) -> list[Message]:
    """The messages, with what is text alone as a text; InvalidCall for what is not a message."""
    if not isinstance(messages, list | tuple) or not all(isinstance(each, dict) for each in messages):
        raise InvalidCall("messages is a list of objects with a role and a content.")
    return [_checked_message(message, f"messages[{number}].content") for number, message in enumerate(messages)]


def _checked_message(message: Any, path: str) -> Message:
    checked: Message = message
    if isinstance(message.get("content"), list | tuple | dict):
        media = message.get("role") in SHOWING
        checked = {**checked, "content": content_of(message["content"], path, media=media)}
    return checked


def _check_size(spec: CallSpec, context: JsonObject) -> str:
    """Input and context as JSON; PayloadTooLarge."""
    written = _write([spec.input, context])
    size = len(written.encode())
    limit = engine_settings().MAX_PAYLOAD_BYTES
    if size > limit:
        raise PayloadTooLarge(f"input and context are {size:,} bytes; the limit (MAX_PAYLOAD_BYTES) is {limit:,}.")
    return written


# --- wake-ups -------------------------------------------------------------------------------


def _wake_after_commit(queue: str | None) -> None:
    fault("after_commit")
    wake(queue)

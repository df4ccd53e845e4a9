"""Submitting: a validated row in the caller's transaction, and one wake-up when it commits."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, IntegrityError, models, transaction
from django.utils import timezone
from django_q.tasks import async_task

from orchestration.app import ensure_autostarted
from orchestration.conf import clients_settings, engine_settings
from orchestration.engine.faultpoints import fault
from orchestration.errors import IdempotencyConflict, InvalidCall, MissingContext, NotJson, PayloadTooLarge
from orchestration.lanes import Lane
from orchestration.log import describe
from orchestration.models import EngineCounter, OrderingKey, ServiceCallRecord
from orchestration.models.states import OrderingPolicy, Status
from orchestration.registry import services
from orchestration.types import JsonObject, Message

if TYPE_CHECKING:
    from orchestration.services import DjangoBaseService

logger = logging.getLogger(__name__)

RUN_TASK = "orchestration.tasks.run_service_call"
MAX_CALL_ATTEMPTS = 10
PRIORITIES = range(-32768, 32768)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """What a caller asks for; everything but the service has a default."""

    service: str | type[DjangoBaseService]
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
    """What to send instead of the prompt that the service's sections render; empty: the sections."""
    parent: ServiceCallRecord | None = None


def submit(spec: CallSpec) -> ServiceCallRecord:
    """Queue one call; see `submit_many`."""
    return submit_many([spec])[0]


def submit_many(specs: Sequence[CallSpec]) -> list[ServiceCallRecord]:
    """Queue calls in the caller's transaction, all or none, with one wake-up when it commits.

    A spec whose idempotency key was used before for the same request gives the stored record back. Raises
    ServiceNotFound, MissingContext, NotJson, InvalidCall or IdempotencyConflict; then nothing is queued.
    """
    records = [build_record(spec) for spec in specs]
    with transaction.atomic():
        stored = store(records)
        fault("after_submit")
    for queue in {record.queue for record in stored if record.status == Status.QUEUED}:
        transaction.on_commit(partial(_wake_after_commit, queue), robust=True)
    return stored


def store(records: Sequence[ServiceCallRecord]) -> list[ServiceCallRecord]:
    """Insert records in order with their sequences; a keyed one may come back as the row that was there before."""
    plain = [record for record in records if record.idempotency_key is None]
    _number(plain)
    ServiceCallRecord.objects.bulk_create(plain)
    return [record if record.idempotency_key is None else _store_keyed(record) for record in records]


def _store_keyed(record: ServiceCallRecord) -> ServiceCallRecord:
    """The unique constraint decides who was first; the loser reads the winner's row."""
    try:
        with transaction.atomic():
            _number([record])
            record.save(force_insert=True)
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
    ensure_autostarted()
    service: type[DjangoBaseService] = services.get(spec.service) if isinstance(spec.service, str) else spec.service
    check_json(spec.input, "input")
    check_json(spec.context, "context")
    check_json(spec.parameters, "parameters")
    check_json(spec.messages, "messages")
    _check_options(spec)
    context = _with_required(service, spec)
    _check_size(spec, context)
    schema = service.wiring.schema
    related = spec.related_object
    client, model = _lane(service, spec)
    return ServiceCallRecord(
        service_identity=str(service.identity),
        namespace=service.identity.namespace,
        service_kwargs=_service_kwargs(spec),
        input=spec.input,
        context=context,
        dispatch={"mode": "queued"},
        queue=engine_settings().QUEUE,
        schema_identity=str(schema.identity) if schema else "",
        schema_version=schema.version if schema else 0,
        schema_fingerprint=schema.strict.fingerprint if schema else "",
        client=client,
        model_requested=model,
        priority=spec.priority,
        ordering_key=spec.ordering_key,
        ordering_policy=spec.ordering_policy,
        due_at=spec.run_at or timezone.now(),
        max_attempts=spec.max_attempts or (service.retry or engine_settings().retry).max_attempts,
        idempotency_key=spec.idempotency_key,
        request_fingerprint=fingerprint(spec) if spec.idempotency_key else "",
        requested_by=spec.requested_by,
        related_content_type=ContentType.objects.get_for_model(related) if related else None,
        related_object_id=str(related.pk) if related else None,
        parent=spec.parent,
        **({"correlation_id": spec.correlation_id} if spec.correlation_id else {}),
    )


def _lane(service: type[DjangoBaseService], spec: CallSpec) -> Lane:
    """The client and model that the call will ask, as far as settings and class say it now."""
    clients = clients_settings()
    client = spec.client or service.client or clients.default_client
    known = clients.clients.get(client)
    return Lane(client, spec.model or service.model or (known.model if known else ""))


def fingerprint(spec: CallSpec) -> str:
    """SHA-256 over what makes two requests the same, in canonical JSON."""
    identity = spec.service if isinstance(spec.service, str) else str(spec.service.identity)
    related = spec.related_object
    content = [
        *(identity, spec.input, spec.context, spec.priority, spec.ordering_key, spec.ordering_policy),
        *(spec.model, spec.client, spec.parameters, spec.max_attempts, spec.run_at and spec.run_at.isoformat()),
        related and [related._meta.label, str(related.pk)],
        *([spec.messages] if spec.messages else []),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _service_kwargs(spec: CallSpec) -> JsonObject:
    given: JsonObject = {"messages": spec.messages} if spec.messages else {}
    return {"model": spec.model, "client": spec.client, "parameters": spec.parameters, **given}


def check_json(value: Any, path: str) -> None:
    """NotJson with the path of the first thing that JSON cannot hold."""
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(f"{path} is {value!r}; JSON has no such number.")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_json(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotJson(f"{path} has the key {key!r} of type {type(key).__name__}; JSON keys are text.")
            check_json(item, f"{path}.{key}")
    else:
        raise NotJson(f"{path} is a {type(value).__name__}; pass JSON (for a model instance, its primary key).")


def _check_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotJson(f"{path} holds half of a surrogate pair, which is no Unicode text.") from None
    if "\x00" in value:
        raise NotJson(f"{path} holds a NUL character, which PostgreSQL cannot store.")


def _check_options(spec: CallSpec) -> None:
    if not isinstance(spec.input, dict) or not isinstance(spec.context, dict):
        raise NotJson("input and context are JSON objects.")
    if spec.priority not in PRIORITIES:
        raise InvalidCall(f"priority is between {PRIORITIES[0]} and {PRIORITIES[-1]}, not {spec.priority!r}.")
    if spec.max_attempts is not None and not 1 <= spec.max_attempts <= MAX_CALL_ATTEMPTS:
        raise InvalidCall(f"max_attempts is between 1 and {MAX_CALL_ATTEMPTS}, not {spec.max_attempts!r}.")
    if spec.run_at is not None and timezone.is_naive(spec.run_at):
        raise InvalidCall("run_at needs a time zone.")
    if spec.ordering_policy not in OrderingPolicy.values:
        raise InvalidCall(f"ordering_policy is one of {', '.join(OrderingPolicy.values)}.")
    for name, limit in (("ordering_key", 255), ("idempotency_key", 255)):
        if len(getattr(spec, name) or "") > limit:
            raise InvalidCall(f"{name} is longer than {limit} characters.")
    if spec.client is not None and spec.client not in clients_settings().clients:
        raise InvalidCall(f"client {spec.client!r} is not in ORCA_CONFIG: {', '.join(clients_settings().clients)}.")
    if spec.related_object is not None and spec.related_object.pk is None:
        raise InvalidCall("related_object is not saved yet.")


def _with_required(service: type[DjangoBaseService], spec: CallSpec) -> JsonObject:
    """The context, with required keys that came in the payload copied into it."""
    required = service.required_context_keys
    context = {key: spec.input[key] for key in required if key in spec.input} | spec.context
    missing = [key for key in required if key not in context]
    if missing:
        available = ", ".join(sorted({*spec.context, *spec.input})) or "none"
        raise MissingContext(f"{service.identity} needs context {', '.join(missing)}; available: {available}.")
    return context


def _check_size(spec: CallSpec, context: JsonObject) -> None:
    size = len(json.dumps([spec.input, context], ensure_ascii=False).encode())
    limit = engine_settings().MAX_PAYLOAD_BYTES
    if size > limit:
        raise PayloadTooLarge(f"input and context are {size:,} bytes; the limit (MAX_PAYLOAD_BYTES) is {limit:,}.")


# --- waking ---------------------------------------------------------------------------------

_last_wake: dict[str | None, float] = {}
_wake_lock = threading.Lock()


def _wake_after_commit(queue: str | None) -> None:
    fault("after_commit")
    wake(queue)


def wake(queue: str | None = None, *, force: bool = False) -> bool:
    """Send a wake-up for due calls, unless this process sent one within WAKE_WINDOW_SECONDS; True if it was sent.

    A coalesced wake loses nothing: a pump lingers longer than the window (LINGER_SECONDS) after its last work.
    """
    now = time.monotonic()
    with _wake_lock:
        if not force and now - _last_wake.get(queue, -math.inf) < engine_settings().WAKE_WINDOW_SECONDS:
            return False
        _last_wake[queue] = now
    return send_task(RUN_TASK, None, queue=queue)


def send_task(func: str, *args: Any, queue: str | None = None, timeout: int | None = None) -> bool:
    """Put one task on the broker. Trouble there is logged and counted, never raised: the sweep repairs it.

    `timeout`: seconds after which the task's process is killed, when Q_CLUSTER's are too few; below its `retry`.
    """
    options: dict[str, Any] = {"save": False, "ack_failure": True}
    if timeout is not None:
        options["timeout"] = timeout
    if queue:
        options["cluster"] = queue
    try:
        async_task(func, *args, q_options=options)
    except Exception as error:  # noqa: BLE001 - each broker raises its own; none may reach the caller
        logger.warning("wake lost func=%s queue=%s error=%s", func, queue, describe(error))
        _count_lost_wake()
        return False
    return True


def _count_lost_wake() -> None:
    try:
        with transaction.atomic():
            EngineCounter.add("wakes_lost")
    except DatabaseError as error:
        logger.warning("counter not written name=wakes_lost error=%s", describe(error))

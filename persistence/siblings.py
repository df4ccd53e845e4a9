"""Replay with the model: the same call again with something changed, and the comparison of two calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import DateField, ForeignKey, Model, UUIDField

from orchestration.engine.submit import CallSpec, submit
from orchestration.errors import InvalidCall
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.calls import Status
from orchestration.types import JsonObject, Message
from persistence.images import columns, read_images
from persistence.models import PersistedObject
from persistence.undo import key_of_row

MAX_DIFFERENCES = 500
Difference = tuple[str, Any, Any]
"""(JSON path, left, right); MISSING where one side has nothing."""
MISSING = "<missing>"


def replay_with_model(
    call: ServiceCallRecord,
    *,
    model: str | None = None,
    temperature: float | None = None,
    parameters: JsonObject | None = None,
    input: JsonObject | None = None,  # noqa: A002 - the column's name
    context: JsonObject | None = None,
    messages: list[Message] | None = None,
    requested_by: Any = None,
) -> ServiceCallRecord:
    """Queue a sibling: a new paid call with `parent` set; what is not given is as in the original.

    `input` replaces the input, `context` is laid over the context, `parameters` and `temperature` over the parameters;
    `messages` are sent instead of the prompt that the service renders.
    The sibling has no ordering key and no idempotency key, and its result is persisted like any other. Raises what
    `submit` raises, and InvalidCall when the content was purged.
    """
    if not call.input and not call.context and call.result is None and call.status == Status.SUCCEEDED:
        raise InvalidCall(f"The content of call {call.pk} was purged; there is nothing to send again.")
    asked = call.service_kwargs
    laid = {**(asked.get("parameters") or {}), **(parameters or {})}
    if temperature is not None:
        laid["temperature"] = temperature
    with transaction.atomic():
        return submit(
            CallSpec(
                service=call.service_identity,
                input=call.input if input is None else input,
                context={**call.context, **(context or {})},
                priority=call.priority,
                related_object=call.related_object,
                requested_by=requested_by or call.requested_by,
                correlation_id=call.correlation_id,
                model=model or asked.get("model"),
                client=asked.get("client"),
                parameters=laid,
                messages=asked.get("messages") or [] if messages is None else messages,
                parent=call,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one call sent, got, cost and became; latency in milliseconds, of the answer that counted."""

    call_id: str
    status: str
    model: str
    request: JsonObject
    output: Any
    tokens: JsonObject
    cost: Decimal | None
    latency_ms: int | None
    objects: list[str]
    """`app.model created`, one per object, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two calls beside each other, and where they differ, as (JSON path, left, right)."""

    left: Side
    right: Side
    request: list[Difference] = field(default_factory=list)
    output: list[Difference] = field(default_factory=list)
    objects: list[Difference] = field(default_factory=list)
    """Rows of one model are paired in the order in which they were made."""

    def as_json(self) -> JsonObject:
        sides = {
            name: {attr: getattr(side, attr) for attr in Side.__dataclass_fields__}
            for name, side in (("left", self.left), ("right", self.right))
        }
        return {**sides, "request": self.request, "output": self.output, "objects": self.objects}


def compare(left: ServiceCallRecord, right: ServiceCallRecord) -> Comparison:
    """Compare requests, outputs, tokens, cost, latency and domain objects of two calls; reads only."""
    one, two = _side(left), _side(right)
    return Comparison(
        left=one,
        right=two,
        request=json_diff(one.request, two.request),
        output=json_diff(one.output, two.output),
        objects=json_diff(_rows_of(left), _rows_of(right)),
    )


def json_diff(left: Any, right: Any, path: str = "$") -> list[Difference]:
    """Where two JSON values differ, depth first, at most MAX_DIFFERENCES; lists are compared by position."""
    found: list[Difference] = []
    _walk(left, right, path, found)
    return found


def _walk(left: Any, right: Any, path: str, found: list[Difference]) -> None:
    if len(found) >= MAX_DIFFERENCES:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            _walk(left.get(key, MISSING), right.get(key, MISSING), f"{path}.{key}", found)
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else MISSING
            two = right[index] if index < len(right) else MISSING
            _walk(one, two, f"{path}[{index}]", found)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        found.append((path, left, right))


def _side(call: ServiceCallRecord) -> Side:
    audit = (
        AIRequestAudit.objects.filter(call=call).select_related("response_audit").order_by("attempt", "repair").last()
    )
    result = call.result or {}
    touched = PersistedObject.objects.filter(chunk__call_id=call.pk).select_related("content_type")
    return Side(
        call_id=call.pk,
        status=call.status,
        model=call.model,
        request=_request(call, audit),
        output=result.get("structured_data") if result.get("structured_data") is not None else result.get("output"),
        tokens=call.usage.model_dump(),
        cost=call.cost,
        latency_ms=audit.answer.latency_ms if audit is not None and audit.answer is not None else None,
        objects=sorted(f"{row.model_name} {row.action}" for row in touched),
    )


def sent_messages(call: ServiceCallRecord) -> list[Message]:
    """The prompt as it was last sent, without repairs; empty when nothing was sent."""
    audit = AIRequestAudit.objects.filter(call=call, repair=0).order_by("attempt").last()
    return audit.messages if audit is not None else []


def _rows_of(call: ServiceCallRecord) -> JsonObject:
    """The rows that a call created or changed, as they are now, by model: without keys, times and the call itself."""
    touched = PersistedObject.objects.filter(chunk__call_id=call.pk).select_related("content_type").order_by("pk")
    by_model: dict[type[Model], list[Any]] = {}
    for row in touched:
        key = key_of_row(row)
        if key is not None:
            by_model.setdefault(key[0], []).append(key[1])
    shown: JsonObject = {}
    for model, keys in by_model.items():
        images = read_images(model, keys)
        shown[model._meta.label] = [_lasting(model, images[model, key]) for key in keys if (model, key) in images]
    return shown


def _lasting(model: type[Model], image: JsonObject) -> JsonObject:
    fleeting = {
        column.attname
        for column in columns(model)
        if column.primary_key
        or isinstance(column, DateField | UUIDField)
        or (isinstance(column, ForeignKey) and column.related_model is ServiceCallRecord)
    }
    return {name: value for name, value in image.items() if name not in fleeting}


def _request(call: ServiceCallRecord, audit: AIRequestAudit | None) -> JsonObject:
    sent: JsonObject = {"input": call.input, "context": call.context}
    if audit is not None:
        sent |= {"model": audit.model, "messages": sent_messages(call), "parameters": audit.parameters}
    return sent

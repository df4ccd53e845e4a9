"""Rerun: the same call again with something changed, which asks the model and costs money; and two calls compared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import DateField, ForeignKey, Model, QuerySet, UUIDField

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import InvalidCall
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.types import JsonObject, Message
from orchestration.values.truncated_json import cut, text_of
from persistence.models import PersistedObject
from persistence.reprocessing.touched_rows import key_of_row
from persistence.tracking.snapshots import columns, read_images

MAX_DIFFERENCES = 500
MAX_ROWS = 100
"""Of the domain objects of either call."""
Difference = tuple[str, Any, Any]
"""(JSON path, left, right); MISSING where one side has nothing."""
MISSING = "<missing>"


@dataclass(frozen=True, slots=True, eq=False)
class TooLong:
    """Stands for JSON that was not read, because nobody could look through it here; no two of them are the same."""

    length: int
    """In characters."""

    def __str__(self) -> str:
        return f"{self.length:,} characters: too long to be compared here"


def rerun(
    call: ServiceCallRecord,
    *,
    model: str | None = None,
    parameters: JsonObject | None = None,
    input: JsonObject | None = None,  # noqa: A002 - the column's name
    context: JsonObject | None = None,
    messages: list[Message] | None = None,
    persist: bool = False,
    requested_by: Any = None,
) -> ServiceCallRecord:
    """Queue a rerun: a new, paid call with `parent` set; what is not given is as in the original.

    `input` replaces the input, `context` is laid over the context, `parameters` over the parameters; `messages` are
    sent instead of the prompt that the service renders.
    The new call has no ordering key and no idempotency key. Its result is there to be compared; only with `persist` it
    is persisted like any other, beside what the original made. Raises what `submit` raises, and InvalidCall when the
    content was purged.
    """
    if not call.input and not call.context and call.result is None and call.status == Status.SUCCEEDED:
        raise InvalidCall(f"The content of call {call.pk} was purged; there is nothing to send again.")
    asked = call.service_kwargs
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
                parameters={**(asked.get("parameters") or {}), **(parameters or {})},
                messages=asked.get("messages") or [] if messages is None else messages,
                parent=call,
                persist=persist,
            )
        )


def with_temperature(temperature: float | None) -> JsonObject:
    """The parameters that ask for a temperature; none for None."""
    return {} if temperature is None else {"temperature": temperature}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one call sent, got, cost and became; latency in milliseconds, of the answer that counted.

    In `request` and for `output`, TooLong stands for what is not read.
    """

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
    """Rows of one model are paired in the order in which they were made; MAX_ROWS of either call."""


def compare(left: ServiceCallRecord, right: ServiceCallRecord) -> Comparison:
    """Compare requests, outputs, tokens, cost, latency and domain objects of two calls; reads only, and no value that
    is longer than a page can show."""
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
    latencies = AIRequestAudit.objects.filter(call=call).order_by("-attempt", "-repair")
    touched = PersistedObject.objects.filter(chunk__call_id=call.pk).select_related("content_type")
    stored = cut(ServiceCallRecord.objects.filter(pk=call.pk).only("pk"), ("input", "context", "result")).get()
    return Side(
        call_id=call.pk,
        status=call.status,
        model=call.model,
        request={name: _read(stored, name) for name in ("input", "context")} | _sent(call),
        output=_output(_read(stored, "result") or {}),
        tokens=call.usage.model_dump(),
        cost=call.cost,
        latency_ms=latencies.values_list("response_audit__latency_ms", flat=True).first(),
        objects=sorted(f"{row.model_name} {row.action}" for row in touched.defer("changes")[:MAX_ROWS]),
    )


def _read(row: Any, column: str) -> Any:
    """The value of a column that was read with `cut`; TooLong when it was cut."""
    text, length = text_of(row, column)
    if text is None:
        return None
    return TooLong(length) if length > len(text) else json.loads(text)


def answer_of(call: ServiceCallRecord) -> Any:
    """The answer of a call whose `result` was read with `cut`; TooLong when it was cut."""
    return _output(_read(call, "result") or {})


def _output(result: Any) -> Any:
    if isinstance(result, TooLong):
        return result
    return result.get("structured_data") if result.get("structured_data") is not None else result.get("output")


def _sent(call: ServiceCallRecord) -> JsonObject:
    audit = _last_sent(call)
    if audit is None:
        return {}
    return {"model": audit.model, "messages": _read(audit, "messages"), "parameters": audit.parameters}


def _prompts(call: ServiceCallRecord) -> QuerySet[AIRequestAudit]:
    """Without repairs, and without those that continue after tools: a rerun asks for its own."""
    return AIRequestAudit.objects.filter(call=call, repair=0, continues=None).order_by("attempt")


def _last_sent(call: ServiceCallRecord) -> AIRequestAudit | None:
    return cut(_prompts(call).only("model", "parameters"), ("messages",)).last()


def sent_messages(call: ServiceCallRecord) -> list[Message]:
    """The prompt as it was last sent, without repairs; empty when nothing was sent, or more than a page can show."""
    audit = _last_sent(call)
    found = _read(audit, "messages") if audit is not None else None
    return found if isinstance(found, list) else []


def whole_prompt(call: ServiceCallRecord) -> list[Message]:
    """The same, however long it is."""
    return _prompts(call).values_list("messages", flat=True).last() or []


def _rows_of(call: ServiceCallRecord) -> JsonObject:
    """The rows that a call created or changed, as they are now, by model: without keys, times and the call itself."""
    touched = PersistedObject.objects.filter(chunk__call_id=call.pk).select_related("content_type").order_by("pk")
    by_model: dict[type[Model], list[Any]] = {}
    for row in touched.defer("changes")[:MAX_ROWS]:
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

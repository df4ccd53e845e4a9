"""The SQL of a batch, written by hand: it runs twice for every request, and the ORM took longer to build it than the
database to run it.

On PostgreSQL the rows of a batch are one JSON parameter, and a key without limits is not locked. On SQLite, which has
no round trips, the ORM reads and rows are written one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from apps.accounts.models import ApiKey
from apps.gateway.cache.store import BY_KEYS, BY_WORDINGS
from apps.gateway.models import Interaction, InteractionPayload, KeyMeter, KeyPolicy
from apps.gateway.recording.batch_transaction import Call, OneByOne, Rows, Steps
from apps.gateway.recording.operations import Close, Content, Extend, Open
from orchestration.models.prepared_sql import as_recordset, is_postgresql, recordset
from orchestration.models.prices import MAX_COST

SWITCHED = "mixed"
"""The key id of a payload whose parts were written with two keys, so that a rotation finds it."""
NOT_ENDED = "status || '' IN ('in_flight', 'unknown')"
"""As no partial index knows it: a plan that is kept does not know the values."""
METER = ("reserved", "in_flight", "requests_available", "tokens_available", "refilled_at", "period_start")
LIMITS = ("requests_per_minute", "tokens_per_minute", "budget", "budget_period", "spent")
# Both in the order of their models' fields, as `from_db` takes values.
ENDING = (
    "status",
    "http_status",
    "error_code",
    "answered_by",
    "provider",
    "client",
    "route_reason",
    "prompt_tokens",
    "response_tokens",
    "cached_tokens",
    "embedding_tokens",
    "tokens_estimated",
    "estimated",
    "cache_hit",
    "cache_kind",
    "cost",
    "latency_ms",
    "first_token_ms",
)
NEW = tuple(str(each.attname) for each in Interaction._meta.local_concrete_fields if not each.primary_key)
PAYLOAD = ("prompt_enc", "sent_enc", "response_enc", "key_id")
KEYS, POLICIES, METERS = (each._meta.db_table for each in (ApiKey, KeyPolicy, KeyMeter))
IS_LIMITED = (
    "(k.requests_per_minute IS NOT NULL OR k.tokens_per_minute IS NOT NULL OR k.budget IS NOT NULL"
    " OR k.budget_period <> 'none' OR p.parallel IS NOT NULL OR k.id = ANY(%s))"
)
OF_KEYS = f"FROM {KEYS} k LEFT JOIN {POLICIES} p ON p.api_key_id = k.id"
# The key is locked, too: of a row that is only joined, PostgreSQL shows the state before the wait for the lock.
HOLD_SQL = (
    f"WITH held AS MATERIALIZED (SELECT k.id AS held_id, {', '.join(f'm.{name}' for name in METER)},"
    f" {', '.join(f'k.{name}' for name in LIMITS)}, p.parallel, STATEMENT_TIMESTAMP() {OF_KEYS}"
    f" JOIN {METERS} m ON m.api_key_id = k.id WHERE k.id = ANY(%s) AND {IS_LIMITED}"
    f" ORDER BY k.id FOR NO KEY UPDATE OF k, m)"
    f" SELECT k.id, {IS_LIMITED}, held.* {OF_KEYS} LEFT JOIN held ON held_id = k.id WHERE k.id = ANY(%s)"
)
MAKE_METERS_SQL = (
    f"INSERT INTO {METERS} (api_key_id, reserved, in_flight, requests_available, tokens_available)"  # noqa: S608
    f" SELECT id, 0, 0, 0, 0 FROM {KEYS} WHERE id = ANY(%s) ORDER BY id ON CONFLICT DO NOTHING"
)
STATES_SQL = (
    "SELECT request_id, status, slot_freed FROM interactions"  # noqa: S608 - constants
    f" WHERE request_id = ANY(%s) AND {NOT_ENDED}"
)
ADD_SPENT_SQL = f"UPDATE {KEYS} SET spent = LEAST({MAX_COST}, GREATEST(0, spent + %s)) WHERE id = %s"  # noqa: S608 - constants
FREE_SQL = "UPDATE interactions SET slot_freed = true WHERE request_id = %s"
EXTEND_SQL = f"UPDATE interactions SET reserved_cost = %s WHERE request_id = %s AND {NOT_ENDED}"  # noqa: S608


@dataclass(slots=True)
class Held:
    """The keys of a batch, as their rows were when they were locked."""

    meters: dict[int, KeyMeter] = field(default_factory=dict)
    """Of keys with limits; locked until the commit."""
    unlimited: set[int] = field(default_factory=set)
    """Keys without limits; what they spend is added without a lock that waits for anybody."""
    spent: dict[int, Decimal] = field(default_factory=dict)
    """What they spend more, by unlimited key."""


States = dict[str, tuple[str, bool]]
"""(status, slot_freed) of requests that have not ended, by request id."""


# --- reads ------------------------------------------------------------------------------------


def hold(
    key_ids: Iterable[int], always: Iterable[int], request_ids: Sequence[str], beside: Sequence[Call] = ()
) -> Steps[tuple[Held, States, list[Rows]]]:
    """Lock the meters of the keys that have limits, or are in `always`; and the states of requests under these locks.

    Locked in the order of the keys, so that processes never deadlock. Deleted keys are left out. `beside` is read in
    the same message.
    """
    wanted, forced = sorted(set(key_ids)), list(always)
    if not is_postgresql():
        return _hold_by_orm(wanted), _states_by_orm(request_ids), []
    calls: list[Call] = [("hold", [wanted, forced, forced, wanted])]
    calls += [("states", [list(request_ids)])] if request_ids else []
    rows, *others = yield [*calls, *beside]
    states, found = others[: len(calls) - 1], others[len(calls) - 1 :]
    missing = [row[0] for row in rows if row[1] and row[2] is None]
    if missing:  # used for the first time; or its limits changed while its lock was waited for
        _, rows, *states = yield [("make_meters", [missing]), *calls]
    held = Held()
    for key_id, is_limited, held_id, *values in rows:
        if held_id is not None:
            held.meters[key_id] = _meter(key_id, values)
        elif not is_limited:
            held.unlimited.add(key_id)
    return held, {row[0]: (row[1], row[2]) for of_these in states for row in of_these}, found


def _meter(key_id: int, values: Sequence[Any]) -> KeyMeter:
    parallel, clock = values[-2:]
    key = ApiKey.from_db(None, ["id", *LIMITS], [key_id, *values[len(METER) : -2]])
    key.gateway_policy = KeyPolicy(api_key_id=key_id, parallel=parallel)
    meter = KeyMeter.from_db(None, ["api_key_id", *METER], [key_id, *values[: len(METER)]])
    meter.api_key, meter.clock = key, clock  # type: ignore[attr-defined]  # one clock for all processes
    return meter


def _hold_by_orm(wanted: list[int]) -> Held:
    found = _meters_by_orm(wanted)
    missing = set(wanted) - found.keys()
    if missing:
        present = ApiKey.objects.filter(pk__in=missing).values_list("pk", flat=True)
        KeyMeter.objects.bulk_create([KeyMeter(api_key_id=pk) for pk in sorted(present)], ignore_conflicts=True)
        found = _meters_by_orm(wanted)
    return Held(found)


def _meters_by_orm(wanted: list[int]) -> dict[int, KeyMeter]:
    rows = KeyMeter.objects.filter(pk__in=wanted).select_related("api_key__gateway_policy").annotate(clock=Now())
    return {row.pk: row for row in rows} if wanted else {}


def _states_by_orm(request_ids: Sequence[str]) -> States:
    rows = Interaction.objects.not_ended().filter(request_id__in=request_ids)
    found = rows.values_list("request_id", "status", "slot_freed") if request_ids else ()
    return {request_id: (status, freed) for request_id, status, freed in found}


# --- writes -----------------------------------------------------------------------------------


def key_writes(held: Held) -> Iterator[Call]:
    """Meters, and what their keys spent."""
    rows = [(key_id, *_values(each, METER), each.api_key.spent) for key_id, each in sorted(held.meters.items())]
    if rows and is_postgresql():
        yield "meters", [as_recordset(("api_key_id", *METER, "spent"), rows)]
    for key_id, *values, spent in rows if not is_postgresql() else ():
        yield "meter", [*_adapted(KeyMeter, METER, values), key_id]
        yield "spent", [*_adapted(ApiKey, ["spent"], [spent]), key_id]
    for key_id, cost in sorted(held.spent.items()):
        yield "add_spent", [cost, key_id]


def opened_writes(ops: Sequence[Open]) -> Iterator[Call]:
    """New rows, with their contents unless those are large."""
    if not ops:
        return
    contents = [None if op.content is None or op.content.is_large else op.content for op in ops]
    if is_postgresql():
        rows = [(*_values(op.row, NEW), *_texts(content)) for op, content in zip(ops, contents, strict=True)]
        yield "open", [as_recordset((*NEW, *(f"p_{name}" for name in PAYLOAD)), rows)]
        return
    for op, content in zip(ops, contents, strict=True):
        yield "insert", _adapted(Interaction, NEW, _values(op.row, NEW))
        if content is not None:
            yield _payload(op.row.request_id, content)


def insert_payload(request_id: str, content: Content) -> None:
    """The content of a row that exists; nothing when it has been written."""
    OneByOne(STATEMENTS).write([_payload(request_id, content)])


def _payload(request_id: str, content: Content) -> Call:
    return "payload", [content.prompt_enc, content.sent_enc, content.response_enc, content.key_id, request_id]


def closed_writes(ops: Sequence[Close]) -> Iterator[Call]:
    """How rows ended, with their answers unless those are large."""
    if not ops:
        return
    answers = [None if op.content is None or op.content.is_large else op.content for op in ops]
    if is_postgresql():
        rows = [
            (op.row.request_id, *_values(op.row, ENDING), *_texts(content)[2:])
            for op, content in zip(ops, answers, strict=True)
        ]
        yield "close", [as_recordset(("request_id", *ENDING, *(f"p_{name}" for name in PAYLOAD[2:])), rows)]
        return
    for op, content in zip(ops, answers, strict=True):
        yield "end", [*_adapted(Interaction, ENDING, _values(op.row, ENDING)), op.row.request_id]
        if content is not None:
            yield _answer(op.row.request_id, content)


def update_answer(request_id: str, content: Content) -> None:
    """The answer of a row whose prompt was written before."""
    OneByOne(STATEMENTS).write([_answer(request_id, content)])


def _answer(request_id: str, content: Content) -> Call:
    return "answer", [content.response_enc, content.key_id, SWITCHED, request_id]


def freed_writes(request_ids: Iterable[str]) -> Iterator[Call]:
    return (("free", [request_id]) for request_id in request_ids)


def extended_writes(ops: Iterable[Extend]) -> Iterator[Call]:
    for op in ops:
        cost = op.row.reserved_cost
        yield (
            "extend",
            [cost if is_postgresql() else _adapted(Interaction, ["reserved_cost"], [cost])[0], op.row.request_id],
        )


def _values(row: Any, names: Sequence[str]) -> list[Any]:
    stored = vars(row)
    return [stored[name] for name in names]


def _texts(content: Content | None) -> list[str | None]:
    """A payload's columns for JSON: Fernet tokens are ASCII."""
    if content is None:
        return [None] * len(PAYLOAD)
    parts = (content.prompt_enc, content.sent_enc, content.response_enc)
    return [*(None if part is None else part.decode("ascii") for part in parts), content.key_id]


def _adapted(model: type[Any], names: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """Values as SQLite takes them."""
    fields = {each.attname: each for each in model._meta.local_concrete_fields}
    return [fields[name].get_db_prep_save(value, connection) for name, value in zip(names, values, strict=True)]


def _types(model: type[Any], names: Iterable[str]) -> list[tuple[str, str]]:
    """PostgreSQL's types of columns: text for what is short, so that one too long is the row's error, not a cast's."""
    fields = {each.attname: each for each in model._meta.local_concrete_fields}
    return [(name, POSTGRES_TYPES.get(fields[name].get_internal_type(), "text")) for name in names]


POSTGRES_TYPES = {
    "BigAutoField": "bigint",
    "BinaryField": "bytea",
    "BooleanField": "boolean",
    "DateField": "date",
    "DateTimeField": "timestamptz",
    "DecimalField": "numeric",
    "FloatField": "double precision",
    "ForeignKey": "bigint",
    "IntegerField": "integer",
    "PositiveIntegerField": "integer",
    "PositiveSmallIntegerField": "smallint",
}


def _sets(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = v_{name}" for name in names)


def _payload_types(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"p_{name}", kind) for name, kind in _types(InteractionPayload, names)]


METERS_SQL = (
    f"WITH v AS MATERIALIZED (SELECT * FROM"  # noqa: S608 - constants
    f" {recordset([('api_key_id', 'bigint'), *_types(KeyMeter, METER), ('spent', 'numeric')])}),"
    f" charged AS (UPDATE {KEYS} k SET spent = v_spent FROM v WHERE k.id = v_api_key_id AND k.spent <> v_spent)"
    f" UPDATE {METERS} m SET {_sets(METER)} FROM v WHERE m.api_key_id = v_api_key_id"
)
OPEN_SQL = (
    f"WITH v AS MATERIALIZED (SELECT * FROM"  # noqa: S608 - constants
    f" {recordset([*_types(Interaction, NEW), *_payload_types(PAYLOAD)])}),"
    f" made AS (INSERT INTO interactions ({', '.join(NEW)}) SELECT {', '.join(f'v_{name}' for name in NEW)} FROM v"
    f" RETURNING id, request_id)"
    f" INSERT INTO interaction_payload (interaction_id, {', '.join(PAYLOAD)})"
    f" SELECT made.id, {', '.join(f'v_p_{name}' for name in PAYLOAD)} FROM made JOIN v ON v_request_id = request_id"
    f" WHERE v_p_prompt_enc IS NOT NULL"
)
KEPT_OR_SWITCHED = "CASE WHEN key_id = {0} THEN key_id ELSE {1} END"
CLOSE_SQL = (
    f"WITH v AS MATERIALIZED (SELECT * FROM"  # noqa: S608 - constants
    f" {recordset([('request_id', 'text'), *_types(Interaction, ENDING), *_payload_types(PAYLOAD[2:])])}),"
    f" answered AS (UPDATE interaction_payload p SET response_enc = v_p_response_enc,"
    f" key_id = {KEPT_OR_SWITCHED.format('v_p_key_id', repr(SWITCHED))}"
    f" FROM v JOIN interactions i ON i.request_id = v_request_id"
    f" WHERE p.interaction_id = i.id AND v_p_response_enc IS NOT NULL)"
    f" UPDATE interactions SET {_sets(ENDING)} FROM v WHERE request_id = v_request_id AND {NOT_ENDED}"
)
# For one row: on SQLite, and for what is large.
INSERT_SQL = f"INSERT INTO interactions ({', '.join(NEW)}) VALUES ({', '.join(['%s'] * len(NEW))})"  # noqa: S608 - constants
END_SQL = (
    f"UPDATE interactions SET {', '.join(f'{name} = %s' for name in ENDING)}"  # noqa: S608 - constants
    f" WHERE request_id = %s AND {NOT_ENDED}"
)
METER_SQL = f"UPDATE {METERS} SET {', '.join(f'{name} = %s' for name in METER)} WHERE api_key_id = %s"  # noqa: S608
SPENT_SQL = f"UPDATE {KEYS} SET spent = %s WHERE id = %s"  # noqa: S608 - constants
PAYLOAD_SQL = (
    f"INSERT INTO interaction_payload (interaction_id, {', '.join(PAYLOAD)})"  # noqa: S608 - constants
    " SELECT id, %s, %s, %s, %s FROM interactions WHERE request_id = %s ON CONFLICT (interaction_id) DO NOTHING"
)
ANSWER_SQL = (
    "UPDATE interaction_payload SET response_enc = %s,"  # noqa: S608 - constants
    f" key_id = {KEPT_OR_SWITCHED.format('%s', '%s')}"
    " WHERE interaction_id = (SELECT id FROM interactions WHERE request_id = %s)"
)

FOR_POSTGRES = {
    "hold": HOLD_SQL,
    "cached": BY_KEYS,
    "worded": BY_WORDINGS,
    "make_meters": MAKE_METERS_SQL,
    "states": STATES_SQL,
    "meters": METERS_SQL,
    "add_spent": ADD_SPENT_SQL,
    "free": FREE_SQL,
    "extend": EXTEND_SQL,
    "close": CLOSE_SQL,
    "open": OPEN_SQL,
}
FOR_ONE_ROW = {
    "meter": METER_SQL,
    "spent": SPENT_SQL,
    "free": FREE_SQL,
    "extend": EXTEND_SQL,
    "insert": INSERT_SQL,
    "end": END_SQL,
    "payload": PAYLOAD_SQL,
    "answer": ANSWER_SQL,
}
STATEMENTS = FOR_POSTGRES | FOR_ONE_ROW

"""What the journal writes: a batch of beginnings and ends of requests, in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.gateway.caching import NewAnswer, save_answers
from apps.gateway.conf import gateway_settings
from apps.gateway.encryption import Keyring, keyring
from apps.gateway.errors import GatewayError, bad_request, invalid_key
from apps.gateway.limits import Demand, Levels, admit, charge, levels, refill, settle
from apps.gateway.models import Interaction, KeyMeter, Status
from apps.gateway.sizes import Size, likely_tokens
from orchestration.log import describe
from orchestration.models import ModelPrice
from orchestration.types import Usage

logger = logging.getLogger(__name__)

PRICE_SECONDS = 30.0
"""How long a process goes on with a price that was changed meanwhile."""
SWITCHED = "mixed"
"""The key id of a payload whose parts were written with two keys, so that a rotation finds it."""

CLOSE_COLUMNS = (
    "status",
    "http_status",
    "error_code",
    "answered_by",
    "prompt_tokens",
    "response_tokens",
    "cached_tokens",
    "embedding_tokens",
    "tokens_estimated",
    "cache_hit",
    "cache_kind",
    "cost",
    "latency_ms",
    "first_token_ms",
)
CLOSE_SQL = (
    f"UPDATE interactions SET {', '.join(f'{name} = %s' for name in CLOSE_COLUMNS)}"  # noqa: S608 - constants
    " WHERE request_id = %s AND status IN ('in_flight', 'unknown')"
)
ANSWER_SQL = (
    "UPDATE interaction_payload SET response_enc = %s, key_id = CASE WHEN key_id = %s THEN key_id ELSE %s END"
    " WHERE interaction_id = (SELECT id FROM interactions WHERE request_id = %s)"
)
FIELDS = tuple(each for each in Interaction._meta.local_concrete_fields if not each.primary_key)
OPEN_SQL = (
    f"INSERT INTO interactions ({', '.join(each.column for each in FIELDS if each.column)})"  # noqa: S608 - constants
    f" VALUES ({', '.join(['%s'] * len(FIELDS))})"
)
PAYLOAD_SQL = (
    "INSERT INTO interaction_payload (interaction_id, prompt_enc, sent_enc, response_enc, key_id)"
    " SELECT id, %s, %s, %s, %s FROM interactions WHERE request_id = %s"
)
METER_COLUMNS = ("reserved", "in_flight", "requests_available", "tokens_available", "refilled_at", "period_start")
METER_FIELDS = tuple(KeyMeter._meta.get_field(name) for name in METER_COLUMNS)
METER_SQL = (
    f"UPDATE gateway_key_meter SET {', '.join(f'{name} = %s' for name in METER_COLUMNS)}"  # noqa: S608 - constants
    " WHERE api_key_id = %s"
)
# Hand-written, because a batch of these is what a request costs: a tenth of what the ORM takes to make the statements.


@dataclass(slots=True, eq=False)
class Open:
    """The beginning of a request; with a final status also its end (a hit, a refusal)."""

    row: Interaction
    prompt: bytes | None = None
    sent: bytes | None = None
    """As the provider gets it, when that differs."""
    response: bytes | None = None
    size: Size | None = None
    """None: nothing is asked of the key."""
    models: tuple[str, ...] = ()
    """Which may be asked; the dearest one is reserved."""
    embedding: int = 0
    """The most tokens of the question that is to be embedded."""
    refusal: GatewayError | None = None
    """What was decided: it stays so when the batch has to be written again."""


@dataclass(slots=True, eq=False)
class Close:
    """The end of a request whose row is there."""

    row: Interaction
    response: bytes | None = None
    kept: NewAnswer | None = None
    """For the cache."""


@dataclass(slots=True)
class Grant:
    """What became of an Open: refused, or how the key's limits stand."""

    refusal: GatewayError | None = None
    levels: Levels | None = None


@dataclass(slots=True)
class Prices:
    """Prices that were looked up lately."""

    known: dict[tuple[str, str], tuple[float, ModelPrice | None]] = field(default_factory=dict)

    def at(self, provider: str, model: str) -> ModelPrice | None:
        expires, price = self.known.get((provider, model), (0.0, None))
        if expires < time.monotonic():
            if len(self.known) > 1000:
                self.known.clear()
            price = ModelPrice.objects.at(provider, model, timezone.now())
            self.known[provider, model] = (time.monotonic() + PRICE_SECONDS, price)
        return price

    def forget(self) -> None:
        self.known.clear()


prices = Prices()


def flush(ops: Sequence[Open | Close], again: bool = False) -> list[Grant | None]:
    """Commit a batch. Locks are taken in the order of the keys, so that processes never wait in a circle.

    `again`: it was tried before, and may have been committed although the connection broke.
    """
    now = timezone.now()
    ring = keyring()
    grants: dict[int, Grant] = _granted_before(ops) if again else {}
    opened = [op for op in ops if isinstance(op, Open) and id(op) not in grants]
    closed = [op for op in ops if isinstance(op, Close)]
    sealed = {id(op): _sealed(op, ring) for op in opened if op.prompt is not None}  # before anything is locked
    answers = {id(op): ring.fernet.encrypt(op.response) for op in closed if op.response is not None}
    with transaction.atomic(), held_meters((op.row.api_key_id for op in ops), now) as meters:
        _close(closed, meters)
        _answer(closed, answers, ring)
        grants |= {id(op): _granted(op, meters, now) for op in opened}
        _insert(opened, sealed, ring.current)
        _keep([op.kept for op in closed if op.kept is not None])
    return [grants.get(id(op)) for op in ops]


def _granted_before(ops: Sequence[Open | Close]) -> dict[int, Grant]:
    """What was decided of the beginnings whose rows are there."""
    opened = {op.row.request_id: op for op in ops if isinstance(op, Open)}
    there = Interaction.objects.filter(request_id__in=opened).values_list("request_id", flat=True)
    return {id(opened[request_id]): Grant(opened[request_id].refusal) for request_id in there}


@contextmanager
def held_meters(key_ids: Iterable[int | None], now: datetime) -> Iterator[dict[int, KeyMeter]]:
    """The meters of these keys by key id, filled up to `now`; saved at the end of the block, with their keys' `spent`.

    Within a transaction: they are locked until its commit. Those of deleted keys are not there.
    """
    meters = _locked_meters({key_id for key_id in key_ids if key_id is not None})
    spent = {key_id: meter.api_key.spent for key_id, meter in meters.items()}
    for meter in meters.values():
        refill(meter, now)
    yield meters
    if meters:
        with connection.cursor() as cursor:
            cursor.executemany(METER_SQL, [[*_prepared(each, METER_FIELDS), each.pk] for each in meters.values()])
    for key_id, meter in meters.items():
        if meter.api_key.spent != spent[key_id]:
            ApiKey.objects.filter(pk=key_id).update(spent=meter.api_key.spent)


def _locked_meters(key_ids: set[int]) -> dict[int, KeyMeter]:
    wanted = sorted(key_ids)
    if not wanted:
        return {}
    found = _locked(wanted)
    missing = set(wanted) - found.keys()
    if missing and _make_meters(missing):
        found = _locked(wanted)
    return found


def _locked(key_ids: list[int]) -> dict[int, KeyMeter]:
    rows = KeyMeter.objects.filter(pk__in=key_ids).select_related("api_key__gateway_policy").order_by("pk")
    if connection.features.has_select_for_update:
        # The key, too: of a row that is only joined, PostgreSQL shows the state before the wait for the lock.
        no_key = connection.features.has_select_for_no_key_update
        rows = rows.select_for_update(of=("self", "api_key"), no_key=no_key)
    return {row.pk: row for row in rows}


def _make_meters(key_ids: set[int]) -> bool:
    present = ApiKey.objects.filter(pk__in=key_ids).values_list("pk", flat=True)
    rows = [KeyMeter(api_key_id=key_id) for key_id in sorted(present)]
    KeyMeter.objects.bulk_create(rows, ignore_conflicts=True)
    return bool(rows)


def _granted(op: Open, meters: dict[int, KeyMeter], now: datetime) -> Grant:
    """Decide, and make a refused row a refusal."""
    row = op.row
    if row.api_key_id is None:
        return Grant()
    meter = meters.get(row.api_key_id)
    if meter is None:  # the key was deleted a moment ago
        row.api_key_id = None
        return _refused(op, invalid_key(), None) if row.status == Status.IN_FLIGHT else Grant()
    if op.refusal is not None:
        return Grant(op.refusal, levels(meter))
    if op.size is None:
        return Grant(None, levels(meter))
    cost = _worst_cost(op, meter.api_key)
    if isinstance(cost, GatewayError):
        return _refused(op, cost, levels(meter))
    runs = row.status == Status.IN_FLIGHT
    tokens = likely_tokens(op.embedding) + op.size.likely_prompt
    tokens += op.size.output if meter.api_key.tokens_per_minute is not None else 0
    demand = Demand(tokens=tokens, cost=cost) if runs else Demand(runs=False)
    refusal = admit(meter, demand, now)
    if refusal is not None:
        return _refused(op, refusal, levels(meter))
    row.reserved_cost, row.reserved_tokens = demand.cost, demand.tokens
    return Grant(None, levels(meter))


def _refused(op: Open, error: GatewayError, state: Levels | None) -> Grant:
    op.row.status, op.row.http_status, op.row.error_code = Status.REFUSED, error.status, error.recorded_as
    op.row.cache_hit, op.row.cache_kind, op.row.cost = False, "", None
    op.row.prompt_tokens = op.row.response_tokens = op.row.cached_tokens = 0
    op.response, op.refusal = None, error
    return Grant(error, state)


def _worst_cost(op: Open, key: ApiKey) -> Decimal | GatewayError:
    """The most that the request can cost on any of its models; an error when a budget meets an unknown price."""
    if key.budget is None or op.size is None:
        return Decimal(0)
    usage = Usage(input_tokens=op.size.worst_prompt, output_tokens=op.size.output)
    costs = [_cost(op.row.provider, model, usage) for model in op.models]
    embedding = _embedding_cost(op.row.provider, op.embedding)
    if None in costs or embedding is None:
        return bad_request(
            "This key has a budget, and the model has no price here: ask for it to be added, or use another model.",
            param="model",
            code="model_without_price",
        )
    return max((cost for cost in costs if cost is not None), default=Decimal(0)) + embedding


def _cost(provider: str, model: str, usage: Usage) -> Decimal | None:
    """None: no price is known."""
    price = prices.at(provider, model)
    return None if price is None else price.cost(usage)


def _embedding_cost(provider: str, tokens: int) -> Decimal | None:
    """Of a question for the semantic cache."""
    return _cost(provider, gateway_settings().EMBEDDING_MODEL, Usage(input_tokens=tokens)) if tokens else Decimal(0)


def _sealed(op: Open, ring: Keyring) -> list[bytes | None]:
    """Prompt, what is sent, and response, encrypted."""
    return [None if part is None else ring.fernet.encrypt(part) for part in (op.prompt, op.sent, op.response)]


def _insert(ops: list[Open], sealed: dict[int, list[bytes | None]], key_id: str) -> None:
    if not ops:
        return
    payloads = []
    for op in ops:
        if id(op) in sealed:
            prompt, sent, response = sealed[id(op)]
            payloads.append((prompt, sent, None if op.response is None else response, key_id, op.row.request_id))
    with connection.cursor() as cursor:
        cursor.executemany(OPEN_SQL, [_prepared(op.row, FIELDS) for op in ops])
        if payloads:
            cursor.executemany(PAYLOAD_SQL, payloads)


def _prepared(row: Any, fields: Iterable[Any]) -> list[Any]:
    """A row's values as the database takes them."""
    return [each.get_db_prep_save(getattr(row, each.attname), connection) for each in fields]


def _keep(answers: list[NewAnswer]) -> None:
    """Into the cache. Should that fail, the records are committed all the same."""
    if not answers:
        return
    try:
        with transaction.atomic():
            save_answers(answers)
    except DatabaseError as error:
        logger.warning("gateway cache not writable error=%s", describe(error))


def _close(ops: list[Close], meters: dict[int, KeyMeter]) -> None:
    if not ops:
        return
    # Nobody else can end these rows meanwhile: the sweep, too, locks the meters first.
    rows = Interaction.objects.not_ended().filter(request_id__in=[op.row.request_id for op in ops])
    before = dict(rows.values_list("request_id", "status"))
    for op in ops:
        _price(op.row)
        meter = meters.get(op.row.api_key_id or 0)
        if meter is not None and op.row.request_id in before:
            _charge(meter, op.row, before[op.row.request_id])
    with connection.cursor() as cursor:
        cursor.executemany(CLOSE_SQL, [_closing_values(op.row) for op in ops])


def _answer(ops: list[Close], answers: dict[int, bytes], ring: Keyring) -> None:
    values = [(answers[id(op)], ring.current, SWITCHED, op.row.request_id) for op in ops if id(op) in answers]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(ANSWER_SQL, values)


def _price(row: Interaction) -> None:
    """Note the cost; a model without a price leaves it empty."""
    row.cost = _answer_cost(row)
    if row.embedding_tokens:
        row.cost = (row.cost or Decimal(0)) + (_embedding_cost(row.provider, row.embedding_tokens) or Decimal(0))


def _answer_cost(row: Interaction) -> Decimal | None:
    tokens = row.prompt_tokens + row.response_tokens
    if row.cache_hit:
        return Decimal(0)
    if not tokens:
        return Decimal(0) if row.status == Status.FAILED else None
    usage = Usage(
        input_tokens=row.prompt_tokens,
        cached_input_tokens=row.cached_tokens,
        output_tokens=row.response_tokens,
        total_tokens=tokens,
    )
    return _cost(row.provider, row.answered_by or row.model, usage)


def _charge(meter: KeyMeter, row: Interaction, before: str) -> None:
    """Once for each row: what it used, in place of what was reserved, or of the worst case that the sweep charged."""
    cost, tokens = row.cost or Decimal(0), row.tokens_used
    if before == Status.IN_FLIGHT:
        settle(meter, reserved_cost=row.reserved_cost, reserved_tokens=row.reserved_tokens, cost=cost, tokens=tokens)
    else:
        charge(meter, cost=cost - row.reserved_cost, tokens=tokens - row.reserved_tokens)


def _closing_values(row: Interaction) -> tuple[Any, ...]:
    cost = connection.ops.adapt_decimalfield_value(row.cost, 14, 8)
    values = (cost if name == "cost" else getattr(row, name) for name in CLOSE_COLUMNS)
    return (*values, row.request_id)

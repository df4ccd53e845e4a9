"""Commits a batch of starts and ends of requests in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from apps.gateway.cache.store import Hit, found_hits, search_calls
from apps.gateway.metering.quotas import free_slot, refill
from apps.gateway.models import Interaction, KeyMeter, Status
from apps.gateway.recording.batch_transaction import OneByOne, Transaction, driven, run_transaction
from apps.gateway.recording.decisions import (
    Cost,
    extend,
    grant,
    grant_unlimited,
    grant_without_key,
    price,
    settle_end,
    worst_cost,
)
from apps.gateway.recording.operations import Close, Extend, Grant, Leave, Open, Operation
from apps.gateway.recording.statements import (
    FOR_POSTGRES,
    STATEMENTS,
    Held,
    States,
    closed_writes,
    extended_writes,
    freed_writes,
    hold,
    key_writes,
    opened_writes,
)
from orchestration.clock import database_now


def flush(ops: Sequence[Operation], again: bool = False) -> list[Grant | None]:
    """Commit a batch, in this thread.

    `again`: it was tried before, and may have been committed although the connection broke.
    """
    before = _granted_before(ops) if again else {}
    return run_transaction(flushed(ops, before), STATEMENTS, FOR_POSTGRES)


def flushed(ops: Sequence[Operation], before: Mapping[int, Grant]) -> Transaction[list[Grant | None]]:
    """The transaction that commits a batch; `before`: what was decided, and committed, by a former try."""
    now = database_now()
    grants = dict(before)
    opened = [op for op in ops if isinstance(op, Open) and id(op) not in grants]
    closed = [op for op in ops if isinstance(op, Close)]
    left = [op for op in ops if isinstance(op, Leave)]
    more = [op for op in ops if isinstance(op, Extend) and id(op) not in grants]
    _prepare(opened, closed)
    worst = {id(op): worst_cost(op) for op in opened}
    ending: list[Close | Leave | Extend] = [*closed, *left, *more]
    keys = {op.row.api_key_id for op in ops if op.row.api_key_id is not None}
    metered = {op.row.api_key_id for op in ending if op.row.api_key_id is not None and _is_metered(op.row)}
    asking = [op for op in opened if op.search is not None and op.hit is None]
    searches = [op.search for op in asking if op.search is not None]
    held, states, rows = yield from hold(keys, metered, [op.row.request_id for op in ending], search_calls(searches))
    _answer(asking, found_hits(searches, rows))
    _refill(held)
    freed = _leave(left, held, states)
    _settle(closed, held, states, freed)
    extended = _extend(more, held, states, grants, now)
    for op in opened:
        grants[id(op)] = _granted(op, held, worst[id(op)], now)
    writes = [*key_writes(held), *freed_writes(freed), *closed_writes(closed), *opened_writes(opened)]
    writes += extended_writes(extended)
    return [grants.get(id(op)) for op in ops], writes


def _answer(ops: Sequence[Open], hits: Sequence[Hit | None]) -> None:
    """Requests that an answer of the cache ends."""
    for op, hit in zip(ops, hits, strict=True):
        if hit is not None:
            op.hit = hit
            op.on_hit(hit)
            if op.content is not None:
                op.content.answer_with(hit)
                op.content.seal()


def _prepare(opened: Sequence[Open], closed: Sequence[Close]) -> None:
    """What takes time, before anything is locked."""
    contents = [*(op.content for op in opened), *(op.content for op in closed)]
    for content in contents:
        if content is not None and not content.is_large:
            content.seal()  # again only if the encryption key changed meanwhile
    for op in closed:
        price(op)


def _granted(op: Open, held: Held, worst: Cost, now: datetime) -> Grant:
    key_id = op.row.api_key_id or 0
    if key_id in held.meters:
        return grant(op, held.meters[key_id], worst, now)
    return grant_unlimited(op) if key_id in held.unlimited else grant_without_key(op)


def _refill(held: Held) -> None:
    for meter in held.meters.values():
        refill(meter, meter.clock)  # type: ignore[attr-defined]  # annotated: one clock for all processes


@contextmanager
def held_meters(key_ids: Iterable[int]) -> Iterator[dict[int, KeyMeter]]:
    """The meters of these keys by key id, filled up by the database's clock; saved at the end of the block, with their
    keys' `spent`.

    Within a transaction: they are locked until its commit. Deleted keys are left out.
    """
    wanted = set(key_ids)
    one_by_one = OneByOne(STATEMENTS)
    held, _, _ = driven(hold(wanted, wanted, ()), one_by_one.read)
    _refill(held)
    yield held.meters
    one_by_one.write(list(key_writes(held)))


def _granted_before(ops: Sequence[Operation]) -> dict[int, Grant]:
    """The decisions of those whose rows exist already, or have what they were to reserve."""
    opened = {op.row.request_id: op for op in ops if isinstance(op, Open)}
    there = Interaction.objects.filter(request_id__in=opened).values_list("request_id", flat=True)
    found = {id(opened[request_id]): Grant(opened[request_id].refusal) for request_id in there}
    more = {op.row.request_id: op for op in ops if isinstance(op, Extend)}
    rows = Interaction.objects.filter(request_id__in=more).values_list("request_id", "reserved_cost")
    for request_id, reserved in rows if more else ():
        if reserved == more[request_id].reserved_cost:
            found[id(more[request_id])] = Grant()
    return found


def _is_metered(row: Interaction) -> bool:
    """It began under limits: what it reserved is given back even if its key no longer has any."""
    return bool(row.reserved_cost or row.reserved_tokens or not row.slot_freed)


def _leave(ops: Sequence[Leave], held: Held, before: States) -> list[str]:
    """Free the requests' places at their keys, once for each row; the requests whose places are free now."""
    freed = []
    for op in ops:
        running = before.get(op.row.request_id) == (Status.IN_FLIGHT, False)
        meter = held.meters.get(op.row.api_key_id or 0)
        if running and meter is not None:
            free_slot(meter)
        if running:
            freed.append(op.row.request_id)
    return freed


def _extend(ops: Sequence[Extend], held: Held, before: States, grants: dict[int, Grant], now: datetime) -> list[Extend]:
    """Reserve more for requests that run; those that did."""
    extended = []
    for op in ops:
        meter = held.meters.get(op.row.api_key_id or 0)
        is_running = before.get(op.row.request_id, ("", False))[0] == Status.IN_FLIGHT
        grants[id(op)] = Grant()
        if meter is not None and is_running:
            grants[id(op)] = extend(op, meter, now)
            extended += [op] if grants[id(op)].refusal is None else []
    return extended


def _settle(ops: Sequence[Close], held: Held, before: States, freed: Sequence[str]) -> None:
    """Nobody else can end these rows meanwhile: the sweep, too, locks the meters first."""
    for op in ops:
        if op.row.request_id not in before:
            continue
        status, slot_freed = before[op.row.request_id]
        key_id = op.row.api_key_id or 0
        meter = held.meters.get(key_id)
        if meter is not None:
            settle_end(op, meter, status, slot_freed or op.row.request_id in freed)
        elif key_id in held.unlimited and op.row.cost:
            held.spent[key_id] = held.spent.get(key_id, Decimal(0)) + op.row.cost

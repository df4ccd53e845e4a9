"""What a batch decides under the locks of its keys: which requests may continue, and what is charged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from apps.gateway.conf import gateway_settings
from apps.gateway.errors import GatewayError, bad_request, invalid_key
from apps.gateway.metering.price_cache import cost_of
from apps.gateway.metering.quotas import Demand, Levels, admit, charge, levels, over_budget, settle
from apps.gateway.metering.token_estimate import LARGEST, likely_tokens
from apps.gateway.models import Estimated, Interaction, KeyMeter, Status
from apps.gateway.recording.operations import Close, Extend, Grant, Open, Operation
from orchestration.models.prices import MAX_COST
from orchestration.types import Usage

Cost = Decimal | GatewayError


def grant(op: Open, meter: KeyMeter, worst: Cost, now: datetime) -> Grant:
    """Decide whether a request may continue; the row of one that may not becomes a refusal."""
    row = op.row
    if op.refusal is not None:
        return Grant(op.refusal, levels(meter))
    if op.size is None:
        return Grant(None, levels(meter))
    budgeted = meter.api_key.budget is not None
    if budgeted and isinstance(worst, GatewayError):
        return refuse(op, worst, levels(meter))
    cost = worst if budgeted and isinstance(worst, Decimal) else Decimal(0)
    runs = row.status == Status.IN_FLIGHT
    tokens = likely_tokens(op.embedding) + op.size.likely_prompt
    tokens += op.size.output if meter.api_key.tokens_per_minute is not None else 0
    demand = Demand(tokens=min(tokens, LARGEST), cost=cost) if runs else Demand(runs=False)
    refusal = admit(meter, demand, now)
    if refusal is not None:
        return refuse(op, refusal, levels(meter))
    row.reserved_cost, row.reserved_tokens = demand.cost, demand.tokens
    return Grant(None, levels(meter))


def grant_unlimited(op: Open) -> Grant:
    """Nothing is reserved, and no place among the parallel requests is taken."""
    op.row.slot_freed = op.row.status == Status.IN_FLIGHT
    return Grant(op.refusal, Levels(None, None))


def grant_without_key(op: Open) -> Grant:
    """No key, or one that was deleted a moment ago."""
    if op.row.api_key_id is None:
        return Grant()
    op.row.api_key_id = None
    return refuse(op, invalid_key(), None) if op.row.status == Status.IN_FLIGHT else Grant()


def refuse(op: Open, error: GatewayError, state: Levels | None) -> Grant:
    op.row.status, op.row.http_status, op.row.error_code = Status.REFUSED, error.status, error.recorded_as
    op.row.cache_hit, op.row.cache_kind, op.row.cost = False, "", None
    op.row.prompt_tokens = op.row.response_tokens = op.row.cached_tokens = 0
    if op.content is not None:
        op.content.response = op.content.response_enc = None
    op.refusal = error
    return Grant(error, state)


def extend(op: Extend, meter: KeyMeter, now: datetime) -> Grant:
    """Reserve what a running request needs more, unless its key's budget has no room for that."""
    refusal = over_budget(meter, op.more, now)
    if refusal is None:
        meter.reserved += op.more
        op.row.reserved_cost = op.reserved_cost
    return Grant(refusal, levels(meter))


def worst_cost(op: Open) -> Cost:
    """The most that the request can cost at any of its targets; an error that a budget makes of what has no price."""
    if op.size is None:
        return Decimal(0)
    if op.priced_apart:
        return bad_request(
            f"This key has a budget, and what {op.priced_apart!r} asks for has no price here: leave it out.",
            param=op.priced_apart,
            code="field_without_price",
        )
    usage = Usage(input_tokens=op.size.worst_prompt, output_tokens=op.size.output)
    costs = {target: cost_of(*target, usage) for target in op.targets}
    embedding = _embedding_cost(op.embeds_at, op.embedding)
    if None in costs.values() or embedding is None:
        return bad_request(
            "This key has a budget, and the model has no price here: ask for it to be added, or use another model.",
            param="model",
            code="model_without_price",
        )
    op.worst = {target: cost for target, cost in costs.items() if cost is not None}
    return max(op.worst.values(), default=Decimal(0)) + embedding


def priced_models(ops: Iterable[Operation]) -> Iterator[tuple[str, str]]:
    """The providers and models whose prices a batch needs."""
    embedding = gateway_settings().EMBEDDING_MODEL
    for op in ops:
        if isinstance(op, Open):
            yield from op.targets
        elif isinstance(op, Close):
            yield _asked(op)
            yield from (target for target, _ in op.reported)
        if embedding and isinstance(op, Open | Close):
            yield op.embeds_at, embedding


def price(op: Close) -> None:
    """Note the cost; a model without a price leaves it empty."""
    row, none = op.row, Decimal(0)
    row.cost = _answer_cost(row, _asked(op))
    if op.at_least is not None and row.reserved_cost and op.at_least > (row.cost or none):
        row.cost = op.at_least
        row.note_estimates(Estimated.COST)
    if row.embedding_tokens:
        row.cost = (row.cost or none) + (_embedding_cost(op.embeds_at, row.embedding_tokens) or none)
    for target, usage in op.reported:
        cost = cost_of(*target, usage)
        row.cost = row.cost if cost is None else (row.cost or none) + cost
    if op.lost and row.reserved_cost:
        row.cost = sum(op.lost, row.cost or none)
        row.note_estimates(Estimated.COST)
    row.cost = None if row.cost is None else min(row.cost, MAX_COST)


def settle_end(op: Close, meter: KeyMeter, before: str, slot_freed: bool) -> None:
    """Once for each row: what it used, in place of what was reserved, or of the worst case that the sweep charged."""
    row = op.row
    cost, tokens = row.cost or Decimal(0), row.tokens_used
    if op.at_least is not None:
        tokens = max(tokens, row.reserved_tokens)
    tokens += len(op.lost) * row.reserved_tokens + sum(usage.total_tokens for _, usage in op.reported)
    if before == Status.IN_FLIGHT:
        settle(
            meter,
            reserved_cost=row.reserved_cost,
            reserved_tokens=row.reserved_tokens,
            cost=cost,
            tokens=tokens,
            runs=not slot_freed,
        )
    else:
        charge(meter, cost=cost - row.reserved_cost, tokens=tokens - row.reserved_tokens)


def _embedding_cost(provider: str, tokens: int) -> Decimal | None:
    """Of a question for the semantic cache."""
    return cost_of(provider, gateway_settings().EMBEDDING_MODEL, Usage(input_tokens=tokens)) if tokens else Decimal(0)


def _asked(op: Close) -> tuple[str, str]:
    return op.asked or (op.row.provider, op.row.answered_by or op.row.model)


def _answer_cost(row: Interaction, asked: tuple[str, str]) -> Decimal | None:
    tokens = row.prompt_tokens + row.response_tokens
    if row.cache_hit:
        return Decimal(0)
    if not tokens and row.status == Status.FAILED:
        return Decimal(0)
    usage = Usage(
        input_tokens=row.prompt_tokens,
        cached_input_tokens=row.cached_tokens,
        output_tokens=row.response_tokens,
        total_tokens=tokens,
    )
    return cost_of(*asked, usage)

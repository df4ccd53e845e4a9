"""Computing stored costs again from the current prices, after a price was missing or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from orchestration.models import AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.models.batches import in_batches
from orchestration.models.rollups import RollupMark

BATCH = 500


@dataclass(slots=True, kw_only=True)
class RepriceReport:
    """Answers whose cost was, or would be, corrected; `difference` is their sum, in the currency of the prices."""

    dry_run: bool
    answers: int = 0
    calls: int = 0
    unpriced: int = 0
    difference: Decimal = Decimal(0)


def reprice(*, dry_run: bool = True) -> RepriceReport:
    """Recompute the cost of every answer with the price in force when it was received, and correct its call's sum.

    An answer whose model has no price keeps what it has. Batches of 500, each in its own transaction.
    """
    report, seen = RepriceReport(dry_run=dry_run), set[str]()
    for some in _batches():
        with transaction.atomic():
            for answer in some:
                _one(answer, report, seen)
    report.calls = len(seen)
    return report


def _batches() -> Iterator[list[AIResponseAudit]]:
    rows = AIResponseAudit.objects.select_related("ai_request").filter(total_tokens__gt=0)
    light = rows.only("model", "received_at", "cost", "price_id", "call_id", "ai_request__provider", *_tokens())
    return in_batches(light, BATCH)


def _tokens() -> tuple[str, ...]:
    return ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")


def _one(answer: AIResponseAudit, report: RepriceReport, seen: set[str]) -> None:
    price = ModelPrice.objects.at(answer.ai_request.provider, answer.model, answer.received_at)
    if price is None:
        report.unpriced += answer.cost is None
        return
    cost = price.cost(answer.usage)
    if cost == answer.cost:
        return
    more = cost - (answer.cost or Decimal(0))
    report.answers, report.difference = report.answers + 1, report.difference + more
    if answer.call_id is not None:
        seen.add(answer.call_id)
    if not report.dry_run:
        QuerySet.update(AIResponseAudit.objects.filter(pk=answer.pk), cost=cost, price=price)
        ServiceCallRecord.objects.filter(pk=answer.call_id).update(cost=Coalesce(F("cost"), Decimal(0)) + more)
        if answer.call_id is not None:
            RollupMark.of_call(answer.call_id)

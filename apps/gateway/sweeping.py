"""Requests whose process died: their rows become `unknown`, and what they reserved is given back."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.gateway.conf import gateway_settings
from apps.gateway.ledger import held_meters
from apps.gateway.limits import settle
from apps.gateway.models import GatewayWorker, Interaction, Status

BATCH = 500
FORGOTTEN = timedelta(hours=1)


def beat(worker: str) -> None:
    """Note that this process lives."""
    GatewayWorker.objects.update_or_create(pk=worker, defaults={"beat_at": timezone.now()})


def sweep() -> int:
    """Settle what dead processes left; returns the number of requests that are now `unknown`."""
    now = timezone.now()
    since = now - timedelta(seconds=gateway_settings().LEASE_SECONDS)
    swept = 0
    while True:
        alive = GatewayWorker.objects.filter(beat_at__gt=since).values("pk")
        stale = Interaction.objects.in_flight().filter(timestamp__lt=since).exclude(worker__in=alive)
        found = list(stale.values_list("pk", "api_key_id")[:BATCH])
        if not found:
            break
        swept += _give_up([pk for pk, _ in found], {key_id for _, key_id in found if key_id is not None})
    GatewayWorker.objects.filter(beat_at__lt=now - FORGOTTEN).delete()
    return swept


def _give_up(ids: list[int], key_ids: set[int]) -> int:
    with transaction.atomic(), held_meters(key_ids, timezone.now()) as meters:
        rows = list(Interaction.objects.in_flight().filter(pk__in=ids))  # under the meters' locks nobody ends them
        for row in rows:
            meter = meters.get(row.api_key_id or 0)
            if meter is not None:
                settle(meter, reserved_cost=row.reserved_cost, reserved_tokens=row.reserved_tokens, tokens=0)
        Interaction.objects.in_flight().filter(pk__in=[row.pk for row in rows]).update(
            status=Status.UNKNOWN, error_code="process_died"
        )
    return len(rows)

"""Requests whose process died: their rows become `unknown`, and their places at the key are free again.

Nobody knows what such a request cost, so the worst case stays charged to a key with a budget. A process that was only
slow closes its rows later, and what they did cost takes the place of that.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.gateway.conf import GatewaySettings, gateway_settings
from apps.gateway.journal import CLOSING_SECONDS
from apps.gateway.ledger import held_meters
from apps.gateway.limits import settle
from apps.gateway.models import GatewayWorker, Interaction, Status

BATCH = 500
FORGOTTEN = timedelta(hours=1)
SPARE_SECONDS = 60.0


def beat(worker: str) -> None:
    """Note that this process lives."""
    GatewayWorker.objects.update_or_create(pk=worker, defaults={"beat_at": timezone.now()})


def sweep() -> int:
    """Settle what dead processes left; returns the number of requests that are now `unknown`."""
    now, wanted = timezone.now(), gateway_settings()
    since = now - timedelta(seconds=wanted.LEASE_SECONDS)
    swept = 0
    while True:
        alive = GatewayWorker.objects.filter(beat_at__gt=since).values("pk")
        left = ~Q(worker__in=alive) | Q(timestamp__lt=now - longest(wanted))
        stale = Interaction.objects.in_flight().filter(left, timestamp__lt=since)
        found = list(stale.values_list("pk", "api_key_id")[:BATCH])
        if not found:
            break
        swept += _give_up([pk for pk, _ in found], {key_id for _, key_id in found if key_id is not None})
    GatewayWorker.objects.filter(beat_at__lt=now - FORGOTTEN).delete()
    return swept


def longest(wanted: GatewaySettings) -> timedelta:
    """No request lasts so long: what is older was given up by a process that lives, for want of a database."""
    return timedelta(seconds=wanted.BODY_SECONDS + wanted.ANSWER_SECONDS + CLOSING_SECONDS + SPARE_SECONDS)


def _give_up(ids: list[int], key_ids: set[int]) -> int:
    with transaction.atomic(), held_meters(key_ids, timezone.now()) as meters:
        rows = list(Interaction.objects.in_flight().filter(pk__in=ids))  # under the meters' locks nobody ends them
        for row in rows:
            meter = meters.get(row.api_key_id or 0)
            if meter is not None:
                cost, tokens = row.reserved_cost, row.reserved_tokens
                settle(meter, reserved_cost=cost, reserved_tokens=tokens, cost=cost, tokens=tokens)
        Interaction.objects.in_flight().filter(pk__in=[row.pk for row in rows]).update(
            status=Status.UNKNOWN, error_code="process_died"
        )
    return len(rows)

"""Requests whose process died: their rows become `unknown`, and their places at the key are free again.

Nobody knows what such a request cost, so the worst case stays charged to a key with a budget. A process that was only
slow closes its rows later, and what they did cost replaces the worst case.

This is not the engine's heartbeat and rescuer, which give a dead worker's calls to another one by lease and fencing
token. A gateway request ends with its client's connection and is never taken over, so its process needs neither a
name nor leases: one row that it updates, and a sweep that settles the accounts.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Case, Q, Value, When
from django.db.models.functions import NullIf

from apps.gateway.conf import GatewaySettings, gateway_settings
from apps.gateway.metering.quotas import settle
from apps.gateway.models import Estimated, GatewayWorker, Interaction, Status
from apps.gateway.recording.batch_writer import CLOSING_SECONDS
from apps.gateway.recording.flush import held_meters
from orchestration.clock import database_now

BATCH = 500
FORGOTTEN = timedelta(hours=1)
SPARE_SECONDS = 60.0


def beat(worker: str) -> None:
    """Note that this process is alive."""
    GatewayWorker.objects.update_or_create(pk=worker, defaults={"beat_at": database_now()})


def leave(worker: str) -> None:
    """Note that this process ends, so that nobody waits for its next beat."""
    GatewayWorker.objects.filter(pk=worker).delete()


def sweep() -> int:
    """Settle what dead processes left; returns the number of requests that are now `unknown`."""
    now, wanted = database_now(), gateway_settings()
    since = now - timedelta(seconds=wanted.LEASE_SECONDS)
    swept = 0
    while True:
        alive = GatewayWorker.objects.filter(beat_at__gt=since).values("pk")
        left = ~Q(worker__in=alive) | Q(timestamp__lt=now - longest(wanted))
        stale = Interaction.objects.in_flight().filter(left, timestamp__lt=since)
        found = list(stale.values_list("pk", "api_key_id")[:BATCH])
        if not found:
            break
        swept += _mark_unknown([pk for pk, _ in found], {key_id for _, key_id in found if key_id is not None})
    GatewayWorker.objects.filter(beat_at__lt=now - FORGOTTEN).delete()
    return swept


def longest(wanted: GatewaySettings) -> timedelta:
    """No request lasts this long: an older one was abandoned by a living process that could not reach its database."""
    return timedelta(seconds=wanted.BODY_SECONDS + wanted.ANSWER_SECONDS + CLOSING_SECONDS + SPARE_SECONDS)


def _mark_unknown(ids: list[int], key_ids: set[int]) -> int:
    with transaction.atomic(), held_meters(key_ids) as meters:
        rows = list(Interaction.objects.in_flight().filter(pk__in=ids))  # under the meters' locks nobody ends them
        for row in rows:
            meter = meters.get(row.api_key_id or 0)
            if meter is not None:
                cost, tokens = row.reserved_cost, row.reserved_tokens
                runs = not row.slot_freed
                settle(meter, reserved_cost=cost, reserved_tokens=tokens, cost=cost, tokens=tokens, runs=runs)
        Interaction.objects.in_flight().filter(pk__in=[row.pk for row in rows]).update(
            status=Status.UNKNOWN,
            error_code="process_died",
            cost=NullIf("reserved_cost", Value(Decimal(0))),  # nothing is reserved for a key without a budget
            estimated=Case(When(reserved_cost__gt=0, then=Value(Estimated.COST)), default=Value("")),
        )
    return len(rows)

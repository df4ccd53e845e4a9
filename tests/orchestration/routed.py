"""Two clients, and a service whose calls go to the second when the first cannot take them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from tests.engineapp.orca.services.triage import Triage

MAIN, BACKUP, LAST = "main/gpt-4o", "backup/gpt-4o-mini", "last/o3"
ROUTES = (MAIN, "backup")
CLIENTS = {
    "main": {"provider": "simulator", "model": "gpt-4.1"},
    "backup": {"provider": "simulator", "model": "gpt-4o-mini"},
    "last": {"provider": "simulator", "model": "o3"},
}
with_clients = override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": CLIENTS})
TICKET = {"ticket": "it burns"}


def route(monkeypatch: pytest.MonkeyPatch, *routes: Any, on: tuple[str, ...] | None = None) -> None:
    """Give the service these routes."""
    monkeypatch.setattr(Triage, "routes", routes)
    monkeypatch.setattr(Triage, "fallback_on", on)


def ask(**options: Any) -> ServiceCallRecord:
    return submit(CallSpec(**{"service": Triage, "context": TICKET, **options}))


def fresh(call: ServiceCallRecord) -> ServiceCallRecord:
    return ServiceCallRecord.objects.get(pk=call.pk)


def requests_of(call: ServiceCallRecord) -> list[tuple[str, str | None, str]]:
    """(client/model, why, outcome) of each request, in order."""
    audits = call.request_audits.order_by("attempt", "repair")
    return [(f"{each.client_name}/{each.model}", each.route_reason, each.outcome) for each in audits]

"""Whether a model answers or the simulator does; pages that show answers say so."""

from __future__ import annotations

from django.http import HttpRequest

from orchestration.conf import clients_settings


def answers_are_simulated() -> bool:
    """Whether every client is the simulator."""
    return all(client.is_simulated for client in clients_settings().clients.values())


def context(request: HttpRequest) -> dict[str, bool]:
    """For TEMPLATES: `answers_are_simulated` on every page."""
    return {"answers_are_simulated": answers_are_simulated()}

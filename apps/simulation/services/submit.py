"""Submits a service call about a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.engine.queue.enqueue import CallSpec, submit

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.simulation.models import Simulation
    from orchestration.models import ServiceCallRecord
    from orchestration.services import DjangoBaseService


def submit_about(
    simulation: Simulation, service: type[DjangoBaseService], user: User | None, **context: int
) -> ServiceCallRecord:
    """Submit a call in the caller's transaction; it runs after every earlier call about the same simulation."""
    return submit(
        CallSpec(
            service=service,
            context={"simulation_id": simulation.pk, **context},
            ordering_key=simulation.ordering_key,
            related_object=simulation,
            requested_by=user,
            model=simulation.model or None,
        )
    )

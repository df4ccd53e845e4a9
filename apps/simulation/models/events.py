"""What happened in a simulation, as rows that are written in the transaction of what they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import connection, models, transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.roles import Action, Reach, Resource, reach
from apps.simulation.models.kinds import Audience, EventKind
from apps.simulation.models.simulations import Simulation

if TYPE_CHECKING:
    from apps.accounts.models import User


class SimulationEventQuerySet(models.QuerySet["SimulationEvent"]):
    def record(
        self, simulation_id: int, kind: EventKind, data: dict[str, Any], *, audience: Audience = Audience.EVERYONE
    ) -> SimulationEvent:
        """Append an event in the caller's transaction, which then holds the simulation's row until it ends.

        The number comes from a counter in that row, so events commit in the order of their numbers: who has seen
        number n has missed nothing below it. Raises TransactionManagementError outside a transaction.
        """
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError("An event is written in the transaction of what it tells.")
        row = Simulation.objects.filter(pk=simulation_id)
        row.update(next_event=F("next_event") + 1)
        number = row.values_list("next_event", flat=True).get() - 1
        return self.create(simulation_id=simulation_id, sequence=number, kind=kind, data=data, audience=audience)

    def for_reader(self, user: User) -> Self:
        """Without what only those see who direct sessions."""
        return self if reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY else self.public()

    def public(self) -> Self:
        return self.filter(audience=Audience.EVERYONE)

    def after(self, simulation_id: int, sequence: int) -> Self:
        """What came after event number `sequence` of a simulation, in order."""
        return self.filter(simulation=simulation_id, sequence__gt=sequence).order_by("sequence")


class SimulationEvent(models.Model):
    """One thing that happened. Rows are only ever added."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="events", db_index=False)
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=EventKind)
    audience = models.CharField(max_length=16, choices=Audience, default=Audience.EVERYONE)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SimulationEventQuerySet.as_manager()

    class Meta:
        db_table = "simulation_event"
        ordering = ("simulation", "sequence")
        constraints = (models.UniqueConstraint(fields=("simulation", "sequence"), name="simulation_event_once"),)

    def __str__(self) -> str:
        return f"event {self.sequence} of simulation {self.simulation_id}: {self.kind}"

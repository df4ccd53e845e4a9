"""Events of a simulation: rows written in the same transaction as the change that they report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from django.db import connection, models, transaction
from django.db.models import F, Model

from apps.accounts.models.roles import Action, Reach, Resource, reach
from apps.simulation.models.event_types import Audience, EventKind
from apps.simulation.models.simulations import Simulation
from orchestration.clock import database_now
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField
from persistence.models.fields import NumberField

if TYPE_CHECKING:
    from apps.accounts.models import User


_reverted: ContextVar[list[SimulationEvent]] = ContextVar("simulation_events_reverted")


@contextmanager
def reusing_events(replaced: Sequence[Model]) -> Iterator[None]:
    """In the block, an event equal to one of these is stored again under its earlier number, which readers have seen.

    `replaced` are the rows of an earlier run, deleted by now.
    """
    token = _reverted.set([event for event in replaced if isinstance(event, SimulationEvent)])
    try:
        yield
    finally:
        _reverted.reset(token)


class SimulationEventQuerySet(models.QuerySet["SimulationEvent"]):
    def record(
        self, simulation_id: int, kind: EventKind, data: dict[str, Any], *, audience: Audience = Audience.EVERYONE
    ) -> SimulationEvent:
        """Append an event in the caller's transaction, which then holds the simulation's row until it ends.

        The number comes from a counter in that row, so events commit in the order of their numbers: who has seen
        number n has missed no lower one. Raises TransactionManagementError outside a transaction.
        """
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError(
                "An event must be recorded in the transaction of the change that it reports."
            )
        known = _reverted.get([])
        event = next((one for one in known if one.reports(simulation_id, kind, data, audience)), None)
        if event is not None:
            known.remove(event)
            event.save(force_insert=True)
            return event
        number = _take_numbers({simulation_id: 1})[simulation_id]
        return self.create(simulation_id=simulation_id, sequence=number, kind=kind, data=data, audience=audience)

    def record_all(self, kind: EventKind, changes: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """`record` for many changes, each with its simulation, in a few statements. The caller holds these simulations'
        rows, locked in the order of their keys. Numbers are not taken from rows that were reverted."""
        numbers = _take_numbers(Counter(simulation_id for simulation_id, _ in changes))
        events = []
        for simulation_id, data in changes:
            number = numbers[simulation_id]
            numbers[simulation_id] += 1
            events.append(SimulationEvent(simulation_id=simulation_id, sequence=number, kind=kind, data=data))
        self.bulk_create(events)

    def for_reader(self, user: User) -> Self:
        """Without the events for instructors, unless this user directs sessions."""
        return self if reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY else self.public()

    def public(self) -> Self:
        return self.filter(audience=Audience.EVERYONE)

    def after(self, simulation_id: int, sequence: int) -> Self:
        """The events after number `sequence` of a simulation, in order."""
        return self.filter(simulation=simulation_id, sequence__gt=sequence).order_by("sequence")


def _take_numbers(counts: Mapping[int, int]) -> dict[int, int]:
    """By simulation the first of so many consecutive numbers; its row is locked from now on."""
    for count in set(counts.values()):
        rows = Simulation.objects.filter(pk__in=[pk for pk, wanted in counts.items() if wanted == count])
        rows.update(next_event=F("next_event") + count)
    after = Simulation.objects.filter(pk__in=list(counts)).values_list("pk", "next_event")
    return {pk: number - counts[pk] for pk, number in after}


class SimulationEvent(models.Model):
    """One event. Rows are only ever added."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="events", db_index=False)
    sequence = NumberField()
    kind = models.CharField(max_length=16, choices=EventKind)
    audience = models.CharField(max_length=16, choices=Audience, default=Audience.EVERYONE)
    data = StoredJSONField(default=dict)
    created_at = MomentField(default=database_now, editable=False)

    objects = SimulationEventQuerySet.as_manager()

    class Meta:
        db_table = "simulation_event"
        ordering = ("simulation", "sequence")
        constraints = (models.UniqueConstraint(fields=("simulation", "sequence"), name="simulation_event_once"),)

    def __str__(self) -> str:
        return f"event {self.sequence} of simulation {self.simulation_id}: {self.kind}"

    def reports(self, simulation_id: int, kind: str, data: dict[str, Any], audience: str) -> bool:
        return (self.simulation_id, self.kind, self.data, self.audience) == (simulation_id, kind, data, audience)

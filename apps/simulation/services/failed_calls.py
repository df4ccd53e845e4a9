"""Marks what waited for calls that failed, many rows at a time: a broken handler fails them by the thousand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from django.db import transaction
from django.db.models import Model

from apps.simulation.models import Simulation, SimulationEvent
from apps.simulation.models.event_types import EventKind
from apps.simulation.services.failure_messages import VERDICT_COLUMNS, verdict
from orchestration.models import ServiceCallRecord
from orchestration.values.columns import value_of

AT_ONCE = 100
"""Simulations that one transaction locks."""

Row = TypeVar("Row", bound=Model)


def settle_in_groups(simulations: Iterable[int], settle: Callable[[Sequence[int]], int]) -> int:
    """Call `settle` with the keys of some of these simulations after the others, their rows locked, each time in a
    transaction; the sum of what it returns."""
    keys, settled = sorted(set(simulations)), 0
    for first in range(0, len(keys), AT_ONCE):
        group = keys[first : first + AT_ONCE]
        with transaction.atomic():
            Simulation.objects.lock(group)
            settled += settle(group)
    return settled


def by_verdict(rows: Iterable[Row], call: str = "call") -> dict[tuple[str, bool], list[Row]]:
    """Rows with a call (in a foreign key of this name) that gave no result, by why it did not and whether a retry may
    help. Of the calls no content is read."""
    found = list(rows)
    calls = ServiceCallRecord.objects.only(*VERDICT_COLUMNS).in_bulk({value_of(row, call) for row in found})
    groups: dict[tuple[str, bool], list[Row]] = defaultdict(list)
    for row in found:
        groups[verdict(calls[value_of(row, call)])].append(row)
    return groups


def fail_openings(keys: Sequence[int]) -> int:
    """Fail those of these simulations, whose rows are locked, whose first call gave no result; returns how many."""
    failed = [
        simulation
        for (code, _), group in by_verdict(Simulation.objects.stalled().filter(pk__in=keys), "initial_call").items()
        for simulation in Simulation.fail_all(group, code)
    ]
    events = [(simulation.pk, simulation.status_data()) for simulation in failed]
    SimulationEvent.objects.record_all(EventKind.STATUS, events)
    return len(failed)


def fail_feedback(keys: Sequence[int]) -> int:
    """Fail the feedback of those of these simulations, whose rows are locked, whose call gave none; how many."""
    without = Simulation.objects.without_feedback().filter(pk__in=keys)
    failed = [
        simulation
        for (code, _), group in by_verdict(without, "feedback_call").items()
        for simulation in Simulation.fail_feedback_of_all(group, code)
    ]
    events = [(simulation.pk, simulation.feedback_data()) for simulation in failed]
    SimulationEvent.objects.record_all(EventKind.FEEDBACK, events)
    return len(failed)

"""Whether anything takes a new result, so that one that nothing takes is settled as skipped when its call ends.

Packages that turn results into something else say so here (`persistence/receivers.py`); the engine knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Model
from django.utils.module_loading import import_string

from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.types import Response

Takes = Callable[[ServiceCallRecord, Response], bool]

_takers: dict[Takes, str] = {}


def register_taker(takes: Takes, *, objects_made: str) -> None:
    """`takes` is asked in the event loop, for each result with data: it may neither block nor use the database.

    `objects_made`: the dotted path of a function that returns the objects which it made of a call, by the call's id.
    Tests ask it, so it is imported then.
    """
    _takers[takes] = objects_made


def objects_made(call_id: str) -> list[Model]:
    """What all takers made of a call's result."""
    return [made for path in _takers.values() for made in import_string(path)(call_id)]


def first_state(record: ServiceCallRecord, response: Response) -> PersistState:
    """The state of a new result: pending if something takes it, or if that cannot be said."""
    if response.structured_data is None:
        return PersistState.NONE
    if record.result_stays:
        return PersistState.SKIPPED
    if not _takers:
        return PersistState.PENDING
    with isolated():  # finding a taker may run an author's code; the drain then says what is wrong
        if not any(takes(record, response) for takes in _takers):
            return PersistState.SKIPPED
    return PersistState.PENDING

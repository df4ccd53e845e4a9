"""The history of a simulation, collected from every app that has a part of it and merged by time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NotRequired, TypedDict

from django.db import transaction

from orchestration.isolation import isolated
from orchestration.log import describe

if TYPE_CHECKING:
    from apps.simulation.models import Simulation, SimulationImage

logger = logging.getLogger(__name__)


class HistoryEntry(TypedDict):
    """One thing that was said or done."""

    source: str
    timestamp: datetime
    role: str
    sender: str
    content: str
    sequence: NotRequired[int]
    """The number of the message that this is, when it is one."""
    kind: NotRequired[str]
    """What sort of message it is, when it is one: `text`, `image`, `order`, `results`, `event`."""
    name: NotRequired[str]
    """The name of the sender, for people; without one, `sender` is shown."""
    text: NotRequired[str]
    """`content` without the descriptions of `pictures`, where these are shown."""
    pictures: NotRequired[list[SimulationImage]]


HistoryProvider = Callable[["Simulation"], Iterable[HistoryEntry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Entries in the order of time, and the providers that failed, by name: a gap is always shown."""

    entries: list[HistoryEntry]
    failed: list[str]


_providers: dict[str, HistoryProvider] = {}


def register_history_provider(name: str, provider: HistoryProvider) -> None:
    """Register once per name while Django starts; ValueError when another provider has the name."""
    if _providers.setdefault(name, provider) is not provider:
        raise ValueError(f"There is already a history provider {name!r}; choose another name.")


def unregister_history_provider(name: str) -> None:
    """Remove a provider; unknown names are ignored."""
    _providers.pop(name, None)


def collect_history(simulation: Simulation) -> History:
    """All providers' entries by time, ties in each provider's own order; one that fails does not hide the others."""
    entries: list[HistoryEntry] = []
    failed: list[str] = []
    for name, provider in _providers.items():
        # Code of any app may raise anything; its database error must not break the caller's transaction.
        with isolated() as run, transaction.atomic():
            entries.extend(provider(simulation))
        if run.error is not None:
            reason = describe(run.error)
            logger.warning("history provider failed name=%s simulation=%s error=%s", name, simulation.pk, reason)
            failed.append(name)
    return History(entries=sorted(entries, key=lambda entry: entry["timestamp"]), failed=failed)
